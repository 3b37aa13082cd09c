//! When a job is due next, by the schedule of this configuration and the cursor of the store.

use serde::Serialize;

use super::lookup::{self, LookupError};
use crate::machine::JobName;
use crate::schedulers::Schedule;
use crate::stores::Store;
use crate::time::Wall;

/// When a job is due next.
#[derive(Clone, Debug, Serialize)]
pub struct Next {
    /// Which job.
    pub job: String,
    /// The next due times, the soonest first.
    pub due: Vec<String>,
    /// It has none, because it is due whenever it does not run.
    pub continuous: bool,
}

/// Finds the next `most` due times of `job` after `now`.
pub async fn next(
    store: &dyn Store,
    job: &JobName,
    schedule: &dyn Schedule,
    now: Wall,
    most: usize,
) -> Result<Next, LookupError> {
    let row = lookup::lease(store, job).await?;
    let first = schedule
        .due(schedule.since(&row), now)
        .map(|due| if due > now { Some(due) } else { schedule.next(schedule.latest(due, now).0) });
    let dues = std::iter::successors(first.flatten(), |due| schedule.next(*due));
    let due = dues.take(most).map(|due| due.to_string()).collect();
    Ok(Next { job: job.to_string(), due, continuous: schedule.is_continuous() })
}

impl std::fmt::Display for Next {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.continuous {
            return writeln!(f, "{} runs as long as somebody leads it", self.job);
        }
        if self.due.is_empty() {
            return writeln!(f, "{} is due no more", self.job);
        }
        self.due.iter().try_for_each(|due| writeln!(f, "{due}"))
    }
}
