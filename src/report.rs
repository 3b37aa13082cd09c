//! What is known of instances and jobs, in the words that people and programs get: the API, the page
//! and the commands say the same.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::machine::{Incarnation, JobName, RunId, Term};
use crate::rows::{self, Cursor, Entry, Fate, RunState, Wish};
use crate::schedulers::Schedule;
use crate::time::Wall;

/// What an instance says of itself and its cluster.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Which cluster, within its store.
    pub cluster: String,
    /// Which store.
    pub store: String,
    /// The instance itself.
    pub instance: Instance,
    /// The others.
    pub members: Vec<Member>,
    /// All of its jobs, whoever leads them.
    pub jobs: Vec<Job>,
    /// Rows that cannot be understood and are left alone, and why.
    pub problems: Vec<String>,
}

/// An instance, by itself.
#[derive(Clone, Debug, Serialize)]
pub struct Instance {
    /// Its human name.
    pub name: String,
    /// The life that may lead, if any.
    pub incarnation: Option<Incarnation>,
    /// Where its HTTP listens.
    pub url: String,
    /// Development, production and so on.
    pub stage: String,
    /// Of the program.
    pub version: String,
    /// The same for instances that are configured alike: their jobs, how jobs move, how long things take.
    pub config: String,
    /// How many jobs it leads.
    pub leads: usize,
    /// How long it may go on leading them if no heartbeat is confirmed any more.
    #[serde(rename = "horizon_ms", serialize_with = "millis")]
    pub horizon: Option<Duration>,
    /// Why it is not ready, if so.
    pub trouble: Option<String>,
}

/// An instance, by its row.
#[derive(Clone, Debug, Serialize)]
pub struct Member {
    /// Its human name.
    pub name: String,
    /// Which life.
    pub incarnation: Incarnation,
    /// Where its HTTP listens.
    pub url: String,
    /// Of the program.
    pub version: String,
    /// It is on its way out.
    pub draining: bool,
}

/// A job.
#[derive(Clone, Debug, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a question that people ask")]
pub struct Job {
    /// Its name.
    #[serde(serialize_with = "text")]
    pub job: JobName,
    /// The human name of who leads it.
    pub leader: Option<String>,
    /// Which life of theirs.
    pub holder: Option<Incarnation>,
    /// The leader has no heartbeat any more.
    pub vanished: bool,
    /// The number of the leadership.
    pub term: Term,
    /// When it began.
    #[serde(serialize_with = "maybe_text")]
    pub since: Option<Wall>,
    /// How long the leader may still rely on it. An instance knows that of the jobs it leads itself.
    #[serde(rename = "horizon_ms", serialize_with = "millis")]
    pub horizon: Option<Duration>,
    /// The last occurrence that was launched.
    pub last: Option<Last>,
    /// When it is due next.
    #[serde(serialize_with = "maybe_text")]
    pub next: Option<Wall>,
    /// How long that is from now, for who has another clock.
    #[serde(rename = "next_in_ms", serialize_with = "millis")]
    pub next_in: Option<Duration>,
    /// A person ordered that nothing starts by its schedule.
    pub paused: bool,
    /// Nothing starts before a person says what becomes of a run whose leader vanished.
    pub held: bool,
    /// Somebody asked its leader to step down, and it has not happened yet.
    pub stepping_down: bool,
}

/// The last occurrence that was launched.
#[derive(Clone, Debug, Serialize)]
pub struct Last {
    /// When it was due.
    #[serde(serialize_with = "text")]
    pub due: Wall,
    /// Which attempt at it, counted from one.
    pub attempt: u32,
    /// Which launch it was.
    pub run: RunId,
    /// Under which term.
    pub term: Term,
    /// How it went.
    pub state: RunState,
}

impl From<&Cursor> for Last {
    fn from(&Cursor { due, attempt, run, term, state, .. }: &Cursor) -> Self {
        Self { due, attempt, run, term, state }
    }
}

/// What became of a due time, or of several in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Account {
    /// The due time, or the first of them.
    #[serde(serialize_with = "text")]
    pub due: Wall,
    /// The last of them.
    #[serde(serialize_with = "text")]
    pub last: Wall,
    /// How many they are.
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
    pub run: Option<RunId>,
    /// Counted from one.
    pub attempt: Option<u32>,
    /// When that was recorded.
    #[serde(serialize_with = "maybe_text")]
    pub started: Option<Wall>,
    /// When it ended, if anybody knows.
    #[serde(serialize_with = "maybe_text")]
    pub ended: Option<Wall>,
}

impl From<Entry> for Account {
    fn from(entry: Entry) -> Self {
        let Entry { due, last, count, fate, reason, node, term, run } = entry;
        Self {
            due,
            last,
            count,
            fate,
            reason,
            node,
            term,
            run: run.as_ref().map(|run| run.run),
            attempt: run.as_ref().map(|run| run.attempt),
            started: run.as_ref().map(|run| run.started),
            ended: run.and_then(|run| run.ended),
        }
    }
}

impl Member {
    /// The member whose row is `row`.
    pub fn new(incarnation: Incarnation, row: &rows::Member) -> Self {
        Self {
            name: row.name.clone(),
            incarnation,
            url: row.url.clone(),
            version: row.version.clone(),
            draining: row.draining,
        }
    }
}

impl Job {
    /// What a lease row says of its job.
    pub fn new(job: JobName, row: &rows::Lease) -> Self {
        Self {
            job,
            leader: row.leader.clone(),
            holder: row.holder,
            vanished: false,
            term: row.term,
            since: (row.term > Term::default()).then_some(row.since),
            horizon: None,
            last: row.cursor.as_ref().filter(|cursor| !cursor.is_mark()).map(Last::from),
            next: None,
            next_in: None,
            paused: row.orders.is_paused(),
            held: row.is_held(),
            stepping_down: matches!(row.wish, Some(Wish::StepDown { .. })),
        }
    }

    /// Adds when it is due next by `schedule`, which the row does not say.
    #[must_use]
    pub fn due_by(mut self, schedule: &dyn Schedule, row: &rows::Lease, now: Wall) -> Self {
        if row.term > Term::default() && !self.paused && !self.held {
            self.next = schedule.due(schedule.since(row), now);
            self.next_in = self.next.map(|next| next.since(now));
        }
        self
    }
}

/// A duration as people read it: its largest unit, with a digit to spare where that is short.
#[derive(Clone, Copy, Debug)]
pub struct Brief(pub Duration);

impl fmt::Display for Brief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            0..10 => write!(f, "{:.1}s", self.0.as_secs_f64()),
            seconds @ 10..120 => write!(f, "{seconds}s"),
            seconds @ 120..7200 => write!(f, "{}m", seconds / 60),
            seconds @ 7200..172_800 => write!(f, "{}h", seconds / 3600),
            seconds => write!(f, "{}d", seconds / 86_400),
        }
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Started => "started",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Waiting => "waiting",
            Self::Passed => "passed",
        })
    }
}

fn text<S: Serializer>(value: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

#[expect(clippy::ref_option, reason = "serde hands fields out by reference")]
fn maybe_text<S: Serializer>(value: &Option<Wall>, serializer: S) -> Result<S::Ok, S::Error> {
    value.as_ref().map(ToString::to_string).serialize(serializer)
}

#[expect(clippy::ref_option, reason = "serde hands fields out by reference")]
fn millis<S: Serializer>(value: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    value.map(|value| value.as_millis()).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_as_long_as_they_need_to_be() {
        let brief = |millis| Brief(Duration::from_millis(millis)).to_string();
        assert_eq!(brief(8_250), "8.2s");
        assert_eq!(brief(48_000), "48s");
        assert_eq!(brief(180_000), "3m");
        assert_eq!(brief(7_200_000), "2h");
        assert_eq!(brief(864_000_000), "10d");
    }
}
