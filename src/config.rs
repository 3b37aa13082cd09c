//! The configuration: flags over environment over file over defaults, parsed once into types that
//! cannot be wrong.
//!
//! Nothing here looks at the process or the disk by itself: what the command line, the environment
//! and the file say is handed in as [`Surroundings`].

mod file;
mod job;
mod layers;
mod policy;
mod problem;
mod schedule;
mod schema;
mod section;
pub mod settings;
mod store;
mod variables;
mod words;
mod work;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use file::read as read_file;
pub use job::MOST_JOBS;
pub use layers::{Env, Flags, Shown};
pub use problem::{ConfigError, Problem, Source, Spot};
pub use schedule::{LONGEST_INTERVAL, LONGEST_JITTER, moment};
pub use schema::schema;
pub use words::duration;
pub use work::{LONGEST_LINE, LONGEST_PAUSE, LONGEST_TIMEOUT, MOST_LINES, MOST_OUTPUT};

use crate::instance::draw_name;
use crate::lease::placement::hash;
use crate::lease::{Balance, Timing};
use crate::log;
use crate::schedulers::Job;
use crate::stores::Place;
use file::File;
use layers::Layers;
use settings::{ADVERTISE, LISTEN, LOG, LOG_FORMAT, NAME, PORT, STAGE};
use settings::{APPLICATION, BALANCE, CLUSTER, CONFIG, FAILOVER, GRACE, JOB_OUTPUT};
use words::{choose, label, show, within};

/// No failover is shorter: a store has to answer several times within it.
pub const SHORTEST_FAILOVER: Duration = Duration::from_millis(500);
/// No failover is longer.
pub const LONGEST_FAILOVER: Duration = Duration::from_hours(1);
/// The settings that all instances of a cluster should have in common, besides their jobs.
const COMMON: [&str; 3] = [FAILOVER.key, GRACE.key, BALANCE.key];

/// How one instance runs.
#[derive(Clone, Debug)]
pub struct Config {
    /// What log lines call the program and its environment.
    pub application: String,
    /// See [`Config::application`].
    pub stage: String,
    /// Which instances in the store belong together.
    pub cluster: String,
    /// What people call this instance. Nothing is ever decided by it.
    pub name: String,
    /// Where HTTP is served.
    pub listen: SocketAddr,
    /// Where other instances reach it; found out if not given.
    pub advertise: Option<String>,
    /// Where the leases live.
    pub store: Place,
    /// The durations of the protocol.
    pub timing: Timing,
    /// How jobs are shared out.
    pub balance: Balance,
    /// What there is to do.
    pub jobs: Vec<Job>,
    /// How what jobs say is written.
    pub job_output: log::JobOutput,
    /// How log lines are written.
    pub log_format: log::Format,
    /// Which log lines are written.
    pub log: log::Filter,
    /// Where the file is, or would be.
    pub file: PathBuf,
    /// What tells its content from others; `None` if there is no file.
    pub digest: Option<u64>,
    /// The same for instances that are configured alike, as far as it must be.
    pub fingerprint: String,
    /// What may be a mistake.
    pub warnings: Vec<String>,
    /// Every value, as `tenure config show` prints it.
    pub shown: Vec<Shown>,
}

/// Where the configuration comes from.
#[expect(missing_debug_implementations, reason = "functions have nothing to show")]
pub struct Surroundings<'a> {
    /// What the command line says.
    pub flags: &'a Flags,
    /// What the environment says.
    pub env: Env<'a>,
    /// The names of all the variables in it.
    pub variables: &'a [String],
    /// Reads a file.
    pub read: &'a dyn Fn(&Path) -> io::Result<String>,
    /// The program that has the command `warden`, if any: it runs the commands of jobs.
    pub warden: Option<&'a Path>,
}

impl Config {
    /// Reads the configuration, or says everything that is wrong with it.
    pub fn load(from: &Surroundings<'_>) -> Result<Self, ConfigError> {
        let (path, text) = find_file(from)?;
        let name = text.as_ref().map(|_| path.as_str());
        let file = File::parse(name, text.as_deref().unwrap_or_default())?;
        let Surroundings { flags, env, warden, .. } = *from;
        let mut layers = Layers { flags, env, warden, file: &file, problems: Vec::new(), shown: Vec::new() };
        check_keys(&mut layers);
        let config = Self::read(&mut layers);
        layers.finish(|shown| Self {
            digest: text.as_deref().map(digest),
            file: path.clone().into(),
            fingerprint: fingerprint(&shown),
            warnings: variables::strange(from.variables),
            shown,
            ..config
        })
    }

    fn read(layers: &mut Layers<'_>) -> Self {
        Self {
            store: store::read(layers),
            cluster: layers.read(&CLUSTER, label),
            name: layers.read_or(&NAME, &draw_name(), label),
            timing: timing(layers),
            balance: layers.read(&BALANCE, |text| {
                choose(&[("spread", Balance::Spread), ("sticky", Balance::Sticky)], text)
            }),
            listen: SocketAddr::new(layers.read(&LISTEN, address), layers.read(&PORT, port)),
            advertise: layers.read(&ADVERTISE, advertise),
            application: layers.read(&APPLICATION, label),
            stage: layers.read(&STAGE, label),
            job_output: layers.read(&JOB_OUTPUT, |text| {
                choose(&[("json", log::JobOutput::Json), ("raw", log::JobOutput::Raw)], text)
            }),
            log_format: layers.read(&LOG_FORMAT, |text| {
                choose(
                    &[("json", log::Format::Json), ("gcp", log::Format::Gcp), ("text", log::Format::Text)],
                    text,
                )
            }),
            log: layers.read(&LOG, log::Filter::new),
            jobs: job::read(layers),
            file: PathBuf::new(),
            digest: None,
            fingerprint: String::new(),
            warnings: Vec::new(),
            shown: Vec::new(),
        }
    }
}

/// What tells the content of a file from others.
pub fn digest(text: &str) -> u64 {
    hash(text.as_bytes())
}

/// What all instances of a cluster should have in common, in short.
fn fingerprint(shown: &[Shown]) -> String {
    let common = |one: &&Shown| COMMON.contains(&one.key.as_str()) || one.key.starts_with("job.");
    let mut lines: Vec<_> = shown.iter().filter(common).map(|one| (&one.key, &one.value)).collect();
    lines.sort_unstable();
    let text = serde_json::to_string(&lines).unwrap_or_else(|error| unreachable!("texts are JSON: {error}"));
    format!("{:016x}", hash(text.as_bytes()))
}

/// The path of the file that was named, or of the usual one, and its text if it is there.
fn find_file(from: &Surroundings<'_>) -> Result<(String, Option<String>), ConfigError> {
    let flag = from.flags.get("config").map(|path| (path.clone(), Source::Flag("config")));
    let variable = |name: &&'static str| {
        (from.env)(name).filter(|path| !path.is_empty()).map(|path| (path, Source::Env(name)))
    };
    let named = flag.or_else(|| CONFIG.env.iter().find_map(variable));
    let (path, source) = named.unwrap_or((CONFIG.default.to_owned(), Source::Default));
    match (from.read)(Path::new(&path)) {
        Ok(text) => Ok((path, Some(text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound && source == Source::Default => {
            Ok((path, None))
        }
        Err(error) => {
            let message = format!("cannot read {}: {error}", path.escape_debug());
            Err(ConfigError::new(vec![Problem { source, message }]))
        }
    }
}

/// Reports the keys of the file that no setting has.
fn check_keys(layers: &mut Layers<'_>) {
    let file = layers.file;
    let keys = settings::ALL.iter().map(|setting| setting.key).filter(|key| *key != CONFIG.key);
    let (inner, mut outer): (Vec<_>, Vec<_>) = keys.partition(|key| key.starts_with("store."));
    outer.extend(["store", "job"]);
    section::check_keys(layers, file, &file.table, &outer);
    let inner: Vec<_> = inner.iter().filter_map(|key| key.strip_prefix("store.")).collect();
    if let Some(found) = file.find("store") {
        section::Section::open(layers, file, found, "store", &inner);
    }
}

/// The durations of the protocol; a grace that they leave no room for is refused with the sum.
fn timing(layers: &mut Layers<'_>) -> Timing {
    let failover =
        layers.read(&FAILOVER, |text| within(duration(text)?, SHORTEST_FAILOVER, LONGEST_FAILOVER, show));
    let timing = Timing::from_failover(failover);
    layers.read_or(&GRACE, &show(timing.grace), |text| {
        let grace = duration(text)?;
        timing.with_grace(grace).ok_or_else(|| misfit(&timing, grace))
    })
}

fn misfit(timing: &Timing, grace: Duration) -> String {
    let Timing { ttl, margin, heartbeat, request, kill, .. } = *timing;
    format!(
        "a grace of {} does not fit into a failover of {}: heartbeat {} + request {} + grace {} + kill {} = {}, \
         which must be less than failover {} - margin {} = {}; choose a grace below {} or a longer failover",
        show(grace),
        show(ttl),
        show(heartbeat),
        show(request),
        show(grace),
        show(kill),
        show(grace.saturating_add(heartbeat + request + kill)),
        show(ttl),
        show(margin),
        show(ttl.saturating_sub(margin)),
        show(timing.longest_grace()),
    )
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| {
        let text = text.escape_debug();
        format!(
            "\"{text}\" is not an IP address; write one like 127.0.0.1, and the port as --port or APP_PORT"
        )
    })
}

fn advertise(text: &str) -> Result<Option<String>, String> {
    match text.strip_prefix("http://") {
        _ if text.is_empty() => Ok(None),
        Some(rest) if !rest.is_empty() && !rest.contains(char::is_whitespace) => Ok(Some(text.to_owned())),
        _ => Err(format!("\"{}\" is not an address of HTTP; write http://host:port", text.escape_debug())),
    }
}

fn port(text: &str) -> Result<u16, String> {
    text.parse()
        .map_err(|_| format!("\"{}\" is not a port; write a number from 0 to 65535", text.escape_debug()))
}
