//! What an instance shall be, checked before anything is opened.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{Ready, Source, system_clock};
use crate::instance::{Instance, draw_name, seed};
use crate::jobs::{Closure, JobError, Run};
use crate::lease::{About, Balance, Timing};
use crate::log::JobOutput;
use crate::machine::{JobName, NameError};
use crate::schedulers::{Every, Job, Policy};
use crate::stores::{Place, Store};
use crate::time::Clock;

/// The failover that suits most.
const FAILOVER: Duration = Duration::from_secs(10);
/// The cluster that needs no name.
const CLUSTER: &str = "default";

/// Describes an instance. Everything but the store has a default.
#[derive(Debug)]
#[must_use = "nothing starts before it is built"]
pub struct Builder {
    place: Option<Place>,
    store: Option<Arc<dyn Store>>,
    cluster: String,
    name: Option<String>,
    url: String,
    failover: Duration,
    grace: Option<Duration>,
    balance: Balance,
    output: JobOutput,
    clock: Arc<dyn Clock>,
    jobs: Vec<Result<Job, BuildError>>,
    roles: Vec<Result<JobName, BuildError>>,
}

/// Why an instance cannot be what was described.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Nobody said where the leases live.
    #[error("no store: say where the leases live, with Builder::store or Builder::on")]
    NoStore,
    /// The cluster cannot be called that.
    #[error("a cluster cannot be called {cluster:?}: {why}")]
    Cluster {
        /// What it was to be called.
        cluster: String,
        /// Why not.
        why: NameError,
    },
    /// A job or role cannot be called that.
    #[error("a job cannot be called {name:?}: {why}")]
    Name {
        /// What it was to be called.
        name: String,
        /// Why not.
        why: NameError,
    },
    /// Two jobs or roles have one name.
    #[error("two jobs are called {0:?}: each needs a name of its own")]
    Twice(String),
    /// A job is due too often.
    #[error("job {job:?} cannot be due every {interval:?}: {least:?} is the shortest interval", least = Every::SHORTEST)]
    Interval {
        /// Which job.
        job: String,
        /// How often it was to be due.
        interval: Duration,
    },
    /// A store has to answer several times within a failover, and rivals wait no longer than the longest.
    #[error("a failover of {0:?} cannot be: choose one from {least:?} to {most:?}", least = Timing::SHORTEST, most = Timing::LONGEST)]
    Failover(Duration),
    /// Work that is asked to end only after a heartbeat has failed would outlive its lease.
    #[error(
        "a grace of {grace:?} does not fit into a failover of {failover:?}: choose one below {longest:?}"
    )]
    Grace {
        /// How long work was to have for its end.
        grace: Duration,
        /// What it has to fit into, with the rest.
        failover: Duration,
        /// What is left of that.
        longest: Duration,
    },
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            place: None,
            store: None,
            cluster: CLUSTER.to_owned(),
            name: None,
            url: String::new(),
            failover: FAILOVER,
            grace: None,
            balance: Balance::Spread,
            output: JobOutput::Json,
            clock: system_clock(),
            jobs: Vec::new(),
            roles: Vec::new(),
        }
    }
}

impl Builder {
    /// Where the leases live. It is opened at the start.
    pub fn store(self, place: Place) -> Self {
        Self { place: Some(place), store: None, ..self }
    }

    /// Lets the leases live in a store that is open already, for a cluster of its own, as fenced writes need it.
    /// No call to it should take longer than a sixth of the failover.
    pub fn on(self, store: Arc<dyn Store>) -> Self {
        Self { place: None, store: Some(store), ..self }
    }

    /// Which instances in the store belong together; `default` if not given.
    pub fn cluster(self, cluster: &str) -> Self {
        Self { cluster: cluster.to_owned(), ..self }
    }

    /// What people call this instance; drawn at random if not given. Nothing is ever decided by it.
    pub fn name(self, name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..self }
    }

    /// Where your HTTP is, such as `http://host:3000`: followers tell whoever asks them, by [`crate::layer`].
    pub fn url(self, url: &str) -> Self {
        Self { url: url.to_owned(), ..self }
    }

    /// How long a crash may leave a job without a leader; 10 seconds if not given.
    pub fn failover(self, failover: Duration) -> Self {
        Self { failover, ..self }
    }

    /// How long work may take to end when asked; a fifth of the failover if not given.
    pub fn grace(self, grace: Duration) -> Self {
        Self { grace: Some(grace), ..self }
    }

    /// How jobs are shared out.
    pub fn balance(self, balance: Balance) -> Self {
        Self { balance, ..self }
    }

    /// How what jobs say is written.
    pub fn output(self, output: JobOutput) -> Self {
        Self { output, ..self }
    }

    /// For tests: another clock than the kernel's.
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// A job that is due at a fixed rate, from its first leader on.
    pub fn every<F, W>(mut self, name: &str, interval: Duration, work: F) -> Self
    where
        F: Fn(Run) -> W + Send + Sync + 'static,
        W: Future<Output = Result<(), JobError>> + Send + 'static,
    {
        let job = job_name(name).and_then(|job| {
            let schedule =
                Every::new(interval).ok_or(BuildError::Interval { job: name.to_owned(), interval })?;
            let action = Arc::new(Closure::new(work));
            Ok(Job { name: job, schedule: Arc::new(schedule), action, policy: Policy::default() })
        });
        self.jobs.push(job);
        self
    }

    /// A job with any schedule, action and policy.
    pub fn job(mut self, job: Job) -> Self {
        self.jobs.push(Ok(job));
        self
    }

    /// A job without a schedule, which this instance competes for while somebody waits in
    /// [`Handle::lead`](crate::handle::Handle::lead), or leads.
    pub fn role(mut self, name: &str) -> Self {
        self.roles.push(job_name(name));
        self
    }

    /// Checks everything. Nothing is opened, called or started.
    pub fn build(self) -> Result<Ready, BuildError> {
        let timing = timing(self.failover, self.grace)?;
        let jobs = self.jobs.into_iter().collect::<Result<Vec<_>, _>>()?;
        let roles = self.roles.into_iter().collect::<Result<Vec<_>, _>>()?;
        let mut names = BTreeSet::new();
        for name in jobs.iter().map(|job| &job.name).chain(&roles) {
            if !names.insert(name) {
                return Err(BuildError::Twice(name.to_string()));
            }
        }
        let cluster = self.cluster;
        // A cluster is named in the keys of a store, as a job is.
        JobName::new(&cluster).map_err(|why| BuildError::Cluster { cluster: cluster.clone(), why })?;
        let source = match (self.store, self.place) {
            (Some(store), _) => Source::Store(store),
            (None, Some(place)) => Source::Place(place, cluster),
            (None, None) => return Err(BuildError::NoStore),
        };
        let name = self.name.unwrap_or_else(draw_name);
        let about = About { name, url: self.url, version: env!("CARGO_PKG_VERSION").to_owned() };
        let (output, balance) = (self.output, self.balance);
        let instance = Instance { about, jobs, roles, timing, output, balance, seed: seed() };
        Ok(Ready { instance, source, clock: self.clock })
    }
}

fn job_name(name: &str) -> Result<JobName, BuildError> {
    JobName::new(name).map_err(|why| BuildError::Name { name: name.to_owned(), why })
}

fn timing(failover: Duration, grace: Option<Duration>) -> Result<Timing, BuildError> {
    if !(Timing::SHORTEST..=Timing::LONGEST).contains(&failover) {
        return Err(BuildError::Failover(failover));
    }
    let timing = Timing::from_failover(failover);
    let Some(grace) = grace else { return Ok(timing) };
    let longest = timing.longest_grace();
    timing.with_grace(grace).ok_or(BuildError::Grace { grace, failover, longest })
}
