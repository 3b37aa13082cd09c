//! Says the same thing several times.

use std::time::Duration;

use super::{Action, JobError, Run, Work};

/// A job that preaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preacher {
    /// What it says.
    pub message: String,
    /// How often.
    pub times: u32,
    /// How long it waits in between.
    pub pause: Duration,
}

impl Action for Preacher {
    fn run<'a>(&'a self, run: &'a Run) -> Work<'a> {
        Box::pin(async move {
            for line in 0..self.times {
                if line > 0 {
                    tokio::select! {
                        () = tokio::time::sleep(self.pause) => {}
                        () = run.asked_to_end() => return Err(JobError::Interrupted),
                    }
                }
                run.say(&self.message);
            }
            Ok(())
        })
    }
}
