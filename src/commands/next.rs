//! When a job is due next, by the schedule of this configuration and the cursor of the store.

use serde::Serialize;

use super::lookup::{self, LookupError};
use super::table::{NOTHING, Table};
use crate::machine::JobName;
use crate::rows::Lease;
use crate::schedulers::{Schedule, Told};
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

/// The columns of the table.
const COLUMNS: [&str; 4] = ["DUE", "CLOCKS SHOW", "CHANGE", "REASON"];

/// When a job is due next, and what changes of the clocks do with that.
#[derive(Clone, Debug, Serialize)]
pub struct Explained {
    /// Which job.
    pub job: String,
    /// The due times, and between them what is none.
    pub due: Vec<Told>,
}

/// Tells of the next `most` due times of `job` after `now` what changes of the clocks do with them.
pub fn explain(job: &JobName, schedule: &dyn Schedule, now: Wall, most: usize) -> Option<Explained> {
    Some(Explained { job: job.to_string(), due: schedule.explain(now, most)? })
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
    Ok(Next {
        job: job.to_string(),
        due: after(&row, schedule, now, most),
        continuous: schedule.is_continuous(),
    })
}

/// The next `most` due times after `now` of the job of `row`.
pub(super) fn after(row: &Lease, schedule: &dyn Schedule, now: Wall, most: usize) -> Vec<String> {
    let first = schedule
        .due(schedule.since(row), now)
        .map(|due| if due > now { Some(due) } else { schedule.next(schedule.latest(due, now).0) });
    let dues = std::iter::successors(first.flatten(), |due| schedule.next(*due));
    dues.take(most).map(|due| due.to_string()).collect()
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

impl std::fmt::Display for Explained {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.due.is_empty() {
            return writeln!(f, "{} is due no more", self.job);
        }
        let line = |told: &Told| {
            let nothing = || NOTHING.to_owned();
            [
                told.due.map_or_else(nothing, |due| due.to_string()),
                told.civil.clone(),
                told.change.map_or_else(nothing, |change| change.as_str().to_owned()),
                told.reason.clone(),
            ]
        };
        let lines = std::iter::once(COLUMNS.map(str::to_owned)).chain(self.due.iter().map(line)).collect();
        write!(f, "{}", Table(lines))
    }
}
