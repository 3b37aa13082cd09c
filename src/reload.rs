//! A configuration that changes while its instance runs.
//!
//! It is read again on SIGHUP, and when the file has another content at two looks in a row: one that is
//! just being written stands still first. All of it is checked before anything of it counts; if anything
//! is wrong, everything stays as it was. The jobs then change as one, and nothing that runs notices.
//! Settings that are no jobs need a restart, and are named.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::config::{self, Config, ConfigError, MOST_JOBS, Shown, Source};
use crate::http::Listed;
use crate::instance::Reviser;
use crate::lease::placement::hash;
use crate::machine::JobName;
use crate::schedulers::Job;
use crate::signals::Signals;
use crate::time::{Clock, sleep_until};

/// From one look at the file to the next.
const LOOK: Duration = Duration::from_secs(2);
/// How long it may take to be read.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most names in a log line.
const MOST_NAMED: usize = 20;
/// Most jobs that one instance may ever have known: it keeps an eye on those that it gave up.
const MOST_KNOWN: usize = 2 * MOST_JOBS;

/// Reads the configuration again.
pub type Load = Arc<dyn Fn() -> Result<Config, ConfigError> + Send + Sync>;

/// What keeps an instance to its configuration.
pub(crate) struct Reload {
    load: Load,
    node: String,
    clock: Arc<dyn Clock>,
    reviser: Reviser,
    hangup: Signals,
    listed: watch::Sender<Listed>,
    /// What counts.
    current: Current,
    /// Every job that this instance ever knew.
    known: BTreeSet<JobName>,
    /// What the file held when it was last taken in, or refused.
    seen: Option<u64>,
    /// What it held at the last look.
    draft: Option<u64>,
}

/// A configuration, as far as it is compared with another.
struct Current {
    file: PathBuf,
    has_file: bool,
    /// Everything about each job, in short.
    jobs: BTreeMap<JobName, u64>,
    /// The other settings, as far as anybody set them.
    settings: BTreeMap<String, String>,
}

/// What has changed.
#[derive(Default)]
struct Changes {
    added: Vec<String>,
    removed: Vec<String>,
    changed: Vec<String>,
    restart: Vec<String>,
}

impl Reload {
    pub(crate) fn new(
        load: Load,
        config: &Config,
        clock: Arc<dyn Clock>,
        reviser: Reviser,
        hangup: Signals,
        listed: watch::Sender<Listed>,
    ) -> Self {
        let current = Current::of(config);
        let known = current.jobs.keys().cloned().collect();
        let (node, seen) = (config.name.clone(), config.digest);
        Self { load, node, clock, reviser, hangup, listed, current, known, seen, draft: seen }
    }

    /// Runs until it is dropped.
    pub(crate) async fn run(mut self) {
        let mut look_at = self.clock.now() + LOOK;
        loop {
            tokio::select! {
                _ = self.hangup.next() => self.reload().await,
                () = sleep_until(&*self.clock, look_at) => {
                    look_at = self.clock.now() + LOOK;
                    self.look().await;
                }
            }
        }
    }

    /// Sees whether the file has another content, and still the one of the look before.
    async fn look(&mut self) {
        let file = self.current.file.clone();
        // What cannot be read in time is looked at again.
        let Ok(Ok(found)) = timeout(PATIENCE, spawn_blocking(move || content(&file))).await else { return };
        let stands_still = std::mem::replace(&mut self.draft, found) == found;
        if stands_still && found != self.seen {
            self.reload().await;
        }
    }

    async fn reload(&mut self) {
        let (load, file) = (Arc::clone(&self.load), self.current.file.clone());
        let read = move || (content(&file), load());
        let loaded = match timeout(PATIENCE, spawn_blocking(read)).await {
            Ok(Ok((content, loaded))) => {
                self.seen = content;
                loaded
            }
            Ok(Err(_)) => return self.refuse("reading it came to grief"),
            Err(_) => return self.refuse(&format!("it could not be read within {PATIENCE:?}")),
        };
        match loaded {
            Err(error) => self.refuse(&error.brief()),
            Ok(config) if config.digest.is_none() && self.current.has_file => {
                self.refuse("the file is gone");
            }
            Ok(config) => self.apply(config).await,
        }
    }

    async fn apply(&mut self, config: Config) {
        let known: BTreeSet<_> = config.jobs.iter().map(|job| job.name.clone()).collect();
        if self.known.union(&known).count() > MOST_KNOWN {
            let why = format!("this instance would have known more than {MOST_KNOWN} jobs: restart it");
            return self.refuse(&why);
        }
        self.known.extend(known);
        let next = Current::of(&config);
        let changes = self.current.changes(&next);
        // What needs a restart is said each time until there is one.
        let settings = std::mem::take(&mut self.current.settings);
        (self.current, self.seen) = (Current { settings, ..next }, config.digest);
        let fingerprint = config.fingerprint.clone();
        self.listed.send_replace(listed(&config));
        self.reviser.revise(config.jobs).await;
        self.tell(&changes, &fingerprint);
    }

    fn tell(&self, changes: &Changes, fingerprint: &str) {
        let (node, file) = (self.node.as_str(), self.current.file.display());
        let Changes { added, removed, changed, restart } = changes;
        tracing::info!(
            event = "config.reloaded",
            node,
            file = %file,
            config = fingerprint,
            added = named(added),
            removed = named(removed),
            changed = named(changed),
            restart = named(restart),
            "Node {node} goes by the {file} of now: {} jobs added, {} removed, {} changed{}",
            added.len(),
            removed.len(),
            changed.len(),
            if restart.is_empty() {
                String::new()
            } else {
                format!("; a restart is needed for {}", named(restart))
            }
        );
    }

    fn refuse(&self, why: &str) {
        let (node, file) = (self.node.as_str(), self.current.file.display());
        tracing::error!(
            event = "config.refused",
            node,
            file = %file,
            reason = why,
            "Node {node} goes on as before, {file} cannot be used: {why}"
        );
    }
}

impl Current {
    fn of(config: &Config) -> Self {
        // What nobody set follows from the rest, or is drawn each time.
        let is_set = |one: &&Shown| !one.key.starts_with("job.") && one.source != Source::Default;
        let settings = config.shown.iter().filter(is_set);
        Self {
            file: config.file.clone(),
            has_file: config.digest.is_some(),
            jobs: config.jobs.iter().map(|job| (job.name.clone(), in_short(job))).collect(),
            settings: settings.map(|one| (one.key.clone(), one.value.clone())).collect(),
        }
    }

    fn changes(&self, next: &Self) -> Changes {
        let mut changes = Changes::default();
        for (job, now) in &next.jobs {
            match self.jobs.get(job) {
                None => changes.added.push(job.to_string()),
                Some(before) if before != now => changes.changed.push(job.to_string()),
                Some(_) => {}
            }
        }
        let gone = self.jobs.keys().filter(|job| !next.jobs.contains_key(*job));
        changes.removed = gone.map(ToString::to_string).collect();
        let keys: BTreeSet<_> = self.settings.keys().chain(next.settings.keys()).collect();
        let differ = keys.into_iter().filter(|key| self.settings.get(*key) != next.settings.get(*key));
        changes.restart = differ.cloned().collect();
        changes
    }
}

/// What tells the content of a file from others, if it can be read.
fn content(file: &Path) -> Option<u64> {
    config::read_file(file).ok().map(|text| config::digest(&text))
}

/// What of a configuration is shown over HTTP.
pub(crate) fn listed(config: &Config) -> Listed {
    let schedule = |job: &Job| (job.name.clone(), Arc::clone(&job.schedule));
    Listed { jobs: config.jobs.iter().map(schedule).collect(), fingerprint: config.fingerprint.clone() }
}

fn in_short(job: &impl Debug) -> u64 {
    hash(format!("{job:?}").as_bytes())
}

fn named(names: &[String]) -> String {
    let some = names.iter().take(MOST_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(MOST_NAMED) {
        None | Some(0) => some,
        Some(more) => format!("{some} and {more} more"),
    }
}
