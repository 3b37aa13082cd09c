//! The jobs: what is done when an occurrence is due. One file a kind.

pub mod preacher;

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use tokio::sync::watch;

use crate::log::{JobOutput, raw};
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
    /// Whether it was asked to end.
    pub(crate) asked: watch::Receiver<bool>,
}

impl Run {
    /// Waits until the run is asked to end; it is cut off a grace later.
    pub async fn asked_to_end(&self) {
        let mut asked = self.asked.clone();
        // An error means that nobody is there to ask: the run is about to be dropped.
        drop(asked.wait_for(|asked| *asked).await);
    }

    /// Puts a line of the job's output into the log.
    pub fn say(&self, line: &str) {
        match self.output {
            JobOutput::Json => tracing::info!(
                event = "job.output", job = %self.job, term = self.term.0, due = %self.due, run = %self.id,
                "{line}"
            ),
            JobOutput::Raw => raw(line),
        }
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
