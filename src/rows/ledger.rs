//! What became of a job's due times: how far they are accounted for, and one entry for each.
//!
//! An entry begins in the lease row, by the same write that moves the cursor past its due time. It
//! leaves that row only when it stands in the history, as a row of its own whose key its due time
//! makes. So no due time is without an entry, and none has two, whoever vanishes when.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::SCHEMA;
use crate::machine::{JobName, RunId, Term};
use crate::time::Wall;

/// Longest reason, in bytes: rows are for facts, logs for stories.
const LONGEST_REASON: usize = 300;

/// How far a job's due times are accounted for. Nothing starts at or before its due time and attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The due time that was reached.
    pub due: Wall,
    /// Which attempt at it, counted from one.
    pub attempt: u32,
    /// Which launch it was.
    pub run: RunId,
    /// The term it was recorded under.
    pub term: Term,
    /// By the instance of this name.
    pub node: String,
    /// When it was recorded.
    pub at: Wall,
    /// How it went, as far as its leader came to say so.
    pub state: RunState,
    /// When it is tried again, if it is.
    pub again: Option<Wall>,
    /// What tells its schedule from others.
    pub schedule: String,
    /// Where its schedule goes on after it, if it is none of its due times: a person asked for a run, or the
    /// schedule was new then.
    pub extra: Option<Since>,
}

impl Cursor {
    /// What rises with everything that starts.
    pub fn position(&self) -> (Wall, u32) {
        (self.due, self.attempt)
    }

    /// From where the next due time counts once this one is settled.
    pub fn since(&self) -> Since {
        self.extra.unwrap_or(Since::Due(self.due))
    }

    /// Whether nobody has said yet what became of its due time.
    pub fn is_open(&self) -> bool {
        matches!(self.state, RunState::Started | RunState::Waiting)
    }

    /// Whether it is no due time: the schedule was new then.
    pub fn is_mark(&self) -> bool {
        self.state == RunState::Passed && self.extra.is_some()
    }

    /// The entry that says what became of it.
    pub fn entry(&self, fate: Fate, reason: &str, ended: Option<Wall>) -> Entry {
        let cut = reason.floor_char_boundary(LONGEST_REASON);
        Entry {
            due: self.due,
            last: self.due,
            count: 1,
            fate,
            reason: reason[..cut].to_owned(),
            node: self.node.clone(),
            term: self.term,
            run: Some(Tried { run: self.run, attempt: self.attempt, started: self.at, ended }),
        }
    }
}

/// From where the next due time counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Since {
    /// The job never ran, and has been there since then.
    Birth(Wall),
    /// Its last due time.
    Due(Wall),
    /// Its last due time, by another schedule: what the new one would have done is not made up for.
    Change(Wall),
}

/// How a launch went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// Recorded; it may be running.
    Started,
    /// It ended well.
    Finished,
    /// It ended badly.
    Failed,
    /// It ended badly, and is tried again.
    Waiting,
    /// Nothing ran: the due time was passed over.
    Passed,
}

/// What became of a due time, or of several in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The due time, or the first of them.
    pub due: Wall,
    /// The last of them.
    pub last: Wall,
    /// How many they are; at least that many, where counting would take long.
    pub count: u64,
    /// What became of it.
    pub fate: Fate,
    /// Why, where that does not go without saying.
    pub reason: String,
    /// Who led.
    pub node: String,
    /// Under which term.
    pub term: Term,
    /// The last attempt at it, if there was one.
    pub run: Option<Tried>,
}

/// An attempt to run a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// Which launch it was.
    pub run: RunId,
    /// Counted from one.
    pub attempt: u32,
    /// When it was recorded.
    pub started: Wall,
    /// When it ended, if anybody knows.
    pub ended: Option<Wall>,
}

/// How a due time can end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// The job ran, and ended well.
    Ran,
    /// The job ran, and ended badly.
    Failed,
    /// A person did not want it.
    Skipped,
    /// Nobody was there to run it.
    Missed,
    /// The run before had not ended.
    Superseded,
    /// It was started, and its leader vanished before it said how it ended.
    Unknown,
}

impl Fate {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ran => "ran",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Missed => "missed",
            Self::Superseded => "superseded",
            Self::Unknown => "unknown",
        }
    }
}

/// An entry as it stands in the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// See [`SCHEMA`].
    pub schema: u32,
    /// What happened.
    #[serde(flatten)]
    pub entry: Entry,
}

impl Run {
    /// The row of an entry.
    pub fn new(entry: Entry) -> Self {
        Self { schema: SCHEMA, entry }
    }

    /// The key of the row of what was due then: of two of a job the later stands first. A name may
    /// contain anything, so its length comes before it.
    pub fn id(job: &JobName, due: Wall) -> String {
        let before = u64::MAX - due.as_nanos().cast_unsigned().wrapping_add(1 << 63);
        format!("{}{before:016x}", Self::prefix(job))
    }

    /// From which id on, and up to which, the rows are of what was due before a moment.
    pub fn ids(job: &JobName, before: Option<Wall>) -> (String, String) {
        let prefix = Self::prefix(job);
        let end = format!("{prefix}g");
        (before.map_or(prefix, |before| Self::id(job, before - Duration::from_nanos(1))), end)
    }

    fn prefix(job: &JobName) -> String {
        format!("{}:{job}/", job.as_str().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_history_of_a_job_is_sorted_and_mixed_with_no_other() {
        let id = |job: &str, nanos| Run::id(&JobName::new(job).unwrap(), Wall::from_nanos(nanos));
        assert!(id("a", 2) < id("a", 1) && id("a", 1) < id("a", 0) && id("a", 0) < id("a", -1));
        assert!(id("a", 0).starts_with("1:a/") && id("a/b", 0).starts_with("3:a/b/"));
    }

    #[test]
    fn the_ids_of_a_job_are_all_of_its_own_and_of_what_was_due_before() {
        let job = JobName::new("a").unwrap();
        let id = |nanos| Run::id(&job, Wall::from_nanos(nanos));
        let (from, to) = Run::ids(&job, None);
        assert!([i64::MIN, -1, 0, 1, i64::MAX].map(id).iter().all(|id| (&from..&to).contains(&id)));
        assert!(!(from..to).contains(&Run::id(&JobName::new("a/b").unwrap(), Wall::from_nanos(0))));
        let (from, to) = Run::ids(&job, Some(Wall::from_nanos(5)));
        assert!((&from..&to).contains(&&id(4)) && !(&from..&to).contains(&&id(5)));
    }
}
