//! The jobs: what is done when an occurrence is due. One file a kind.

mod closure;
pub mod command;
pub mod http;
pub mod preacher;

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{SetOnce, watch};

pub use self::closure::Closure;
use crate::fence::Fence;
use crate::lease::Life;
use crate::log::JobOutput;
use crate::machine::{Incarnation, JobName, RunId, Term};
use crate::time::{Instant, Wall};

/// What a job outside of this process is told of its run.
pub(crate) const FACTS: [&str; 7] = ["JOB", "TERM", "DUE", "RUN", "DEADLINE", "NODE", "ATTEMPT"];

/// A future that a job hands out.
pub type Work<'a> = Pin<Box<dyn Future<Output = Result<(), JobError>> + Send + 'a>>;

/// What a job does.
pub trait Action: Send + Sync + fmt::Debug {
    /// Does it once. Whoever runs it may drop the future at any moment, and has it dropped before
    /// anybody else can lead the job: nothing may go on after that, unless the run is told that something
    /// remains of it.
    fn run<'a>(&'a self, run: &'a Run) -> Work<'a>;
}

/// One run of one job.
#[derive(Clone, Debug)]
pub struct Run {
    /// Of which job.
    pub job: JobName,
    /// Under which term: the fencing token.
    pub term: Term,
    /// For which due time.
    pub due: Wall,
    /// Which one.
    pub id: RunId,
    /// Which try at it, counted from one.
    pub attempt: u32,
    /// What people call the instance that does it.
    pub node: Arc<str>,
    /// When the lease was to end, as things stood at the start: it moves on whenever it is renewed.
    pub deadline: Wall,
    /// When its job was first led: no job of that name in another store was led at the same nanosecond.
    pub(crate) since: Wall,
    /// How long it may go on.
    pub(crate) lifeline: Lifeline,
    /// How what it says is written.
    pub(crate) output: JobOutput,
    /// Set when it is asked to end.
    pub(crate) asked: Arc<SetOnce<()>>,
    /// Held by what goes on for a moment when it is cut off.
    pub(crate) remains: watch::Sender<()>,
}

impl Run {
    /// Waits until the run is asked to end; it is cut off a grace later.
    pub async fn asked_to_end(&self) {
        self.asked.wait().await;
    }

    pub(crate) fn ask_to_end(&self) {
        // An error means that it was asked before.
        drop(self.asked.set(()));
    }

    /// Something of the run: it is not over while anybody holds this.
    pub(crate) fn remains(&self) -> watch::Receiver<()> {
        self.remains.subscribe()
    }

    /// Waits until nothing is left of what it started.
    pub(crate) async fn over(&self) {
        self.remains.closed().await;
    }

    /// What names this due time among all of all jobs, in whatever store: the same at every attempt at it.
    pub fn occurrence(&self) -> String {
        format!("{}/{:x}/{:x}", self.job, self.since.as_nanos(), self.due.as_nanos())
    }

    /// What a store checks before it writes in the name of this run.
    pub fn fence(&self) -> Fence {
        Fence { job: self.job.clone(), term: self.term }
    }

    /// Puts a line of the job's output into the log.
    pub fn say(&self, line: &str) {
        self.output.say(&self.job, self.term, line);
    }

    /// What a job outside of this process is told of its run, by name.
    pub(crate) fn facts(&self) -> [(&'static str, String); 7] {
        let facts = [
            self.job.to_string(),
            self.term.to_string(),
            self.due.to_string(),
            self.id.to_string(),
            self.deadline.to_string(),
            self.node.to_string(),
            self.attempt.to_string(),
        ];
        std::array::from_fn(|index| (FACTS[index], facts[index].clone()))
    }
}

/// How long a run may go on: as long as the life of the instance that started it.
#[derive(Clone, Debug)]
pub(crate) struct Lifeline {
    /// The life that may lead, as it changes.
    pub(crate) life: watch::Receiver<Option<Life>>,
    /// The life that started the run.
    pub(crate) born: Option<Incarnation>,
    /// How long before its horizon a run is cut off.
    pub(crate) kill: Duration,
}

impl Lifeline {
    /// When the run must be over, even if nobody could cut it off in time, unless the lease is
    /// renewed; `None` if the life is over.
    pub(crate) fn last_moment(&mut self) -> Option<Instant> {
        let life = self.life.borrow_and_update().filter(|life| Some(life.incarnation) == self.born);
        life.map(|life| life.horizon.back(self.kill / 2))
    }

    /// When the run is cut off unless the lease is renewed; `None` if the life is over.
    pub(crate) fn cut(&self) -> Option<Instant> {
        let life = self.life.borrow().filter(|life| Some(life.incarnation) == self.born);
        life.map(|life| life.horizon.back(self.kill))
    }

    /// Waits until that moves.
    pub(crate) async fn moved(&mut self) {
        if self.life.changed().await.is_err() {
            // The instance is gone: what is left of it cuts the run off.
            std::future::pending::<()>().await;
        }
    }
}

impl From<Box<dyn Error + Send + Sync>> for JobError {
    fn from(error: Box<dyn Error + Send + Sync>) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Why a run ended badly.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// What it did failed.
    #[error("{0}")]
    Failed(String),
    /// The program that did it says so.
    #[error("exited with code {0}")]
    Exited(i32),
    /// It was asked to end before it had done everything.
    #[error("it was asked to end")]
    Interrupted,
}
