//! The jobs: what is done when an occurrence is due. One file a kind.

pub mod preacher;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::SetOnce;

use crate::log::JobOutput;
use crate::machine::{JobName, RunId, Term};
use crate::time::Wall;

/// A future that a job hands out.
pub type Work<'a> = Pin<Box<dyn Future<Output = Result<(), JobError>> + Send + 'a>>;

/// What a job does.
pub trait Action: Send + Sync + fmt::Debug {
    /// Does it once. Whoever runs it may drop the future at any moment, and has it dropped before
    /// anybody else can lead the job: nothing may go on after that.
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
    /// How what it says is written.
    pub(crate) output: JobOutput,
    /// Set when it is asked to end.
    pub(crate) asked: Arc<SetOnce<()>>,
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

    /// Puts a line of the job's output into the log.
    pub fn say(&self, line: &str) {
        self.output.say(&self.job, self.term, line);
    }
}

/// Why a run ended badly.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// What it did failed.
    #[error("{0}")]
    Failed(String),
    /// It was asked to end before it had done everything.
    #[error("it was asked to end")]
    Interrupted,
}
