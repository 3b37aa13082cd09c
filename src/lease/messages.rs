//! What the lease machine is told, and what it asks for.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::machine::{Incarnation, JobName, RunId, Term};
use crate::rows::{Cluster, Cursor, Entry, Lease, Member, Orders, RowError, Run, RunState};
use crate::stores::{Outcome, Version};
use crate::time::{Instant, Wall};

/// Pairs an answer with its request.
pub type RequestId = u64;

/// What can happen to the machine.
#[derive(Clone, Debug)]
pub enum Input {
    /// The store answered, or the deadline of the call passed.
    Answer {
        /// Which request.
        id: RequestId,
        /// What came of it.
        answer: Answer,
    },
    /// Somebody says that the rows of these jobs are worth reading, or if none is named the cluster's.
    Woken(Vec<JobName>),
    /// A scheduler wants to start an occurrence.
    Launch(Launch),
    /// Somebody here wants to lead a job that has no schedule, until this run ends.
    Want {
        /// Which job.
        job: JobName,
        /// Under this id it is granted.
        run: RunId,
    },
    /// A run that was granted has ended; nothing of it is left in this process. One that was wanted and
    /// not granted is wanted no more.
    Ended {
        /// Of which job.
        job: JobName,
        /// Which run.
        run: RunId,
        /// How it went.
        end: End,
    },
    /// What the wall clock shows now. Told at the start and whenever it jumps.
    Clock(Wall),
    /// These are the jobs from now on. What is led and not among them is given up between two runs.
    Jobs(Vec<JobName>),
    /// Give everything away and stop.
    Drain,
}

/// Where a scheduler wants a job's cursor to go. If it says there that a run has started, it starts
/// when that is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Of which job.
    pub job: JobName,
    /// Its id is drawn once: the same for every attempt to record it.
    pub cursor: Cursor,
    /// What became of the due times that the cursor passes.
    pub entries: Vec<Entry>,
    /// The orders that it carries out.
    pub obeyed: Orders,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// What the cursor shall say.
    pub state: RunState,
    /// When it is tried again, if it is.
    pub again: Option<Wall>,
    /// What became of the due time, if that is settled.
    pub entry: Option<Entry>,
}

/// What the machine asks for, in the order in which it must happen.
#[derive(Clone, Debug)]
pub enum Output {
    /// Ask the store.
    Ask {
        /// To pair the answer with.
        id: RequestId,
        /// What.
        ask: Ask,
    },
    /// Tell another instance that these rows are worth reading. Best effort.
    Wake {
        /// Where it listens.
        url: String,
        /// Which rows.
        jobs: Vec<JobName>,
    },
    /// This instance now leads the job.
    Lead {
        /// Which job.
        job: JobName,
        /// The fencing token.
        term: Term,
        /// What its row says of what happened before.
        row: Box<Lease>,
    },
    /// People have ordered something else of a job that this instance leads.
    Orders {
        /// Which job.
        job: JobName,
        /// All that is left to do.
        orders: Orders,
    },
    /// This instance no longer leads the job: start nothing, end what runs.
    Leave {
        /// Which job.
        job: JobName,
        /// The term that is over.
        term: Term,
        /// Why.
        why: Ending,
    },
    /// The job is about to leave: start nothing, ask what runs to end.
    Wind {
        /// Which job.
        job: JobName,
    },
    /// The cursor has moved: start the run now, if one was to start.
    Grant {
        /// Of which job.
        job: JobName,
        /// Which run.
        run: RunId,
        /// Under which term.
        term: Term,
    },
    /// The cursor must not move.
    Refuse {
        /// Of which job.
        job: JobName,
        /// Which run.
        run: RunId,
        /// Why not.
        why: Refusal,
    },
    /// The clock that the cluster goes by is this many nanoseconds ahead of the boot clock.
    Clock(i64),
    /// Something that people want to know.
    Note(Note),
    /// Drained: this machine will do nothing more.
    Stopped,
}

/// Why a leadership ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The store did not confirm a heartbeat in time.
    Lapsed,
    /// The row names somebody else.
    Lost,
    /// It was given to the instance of this name.
    HandedOver(String),
    /// It was given up with nobody to take it.
    Released,
    /// It was given up, because it is on the list no more.
    Retired,
}

/// Why a cursor must not move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// This instance does not lead the job at that term.
    NotLeading,
    /// The job is on its way to another instance.
    Leaving,
    /// The previous run has not ended, or another launch is being recorded.
    Busy,
    /// That attempt, or a later one, was launched before.
    Past,
    /// People have ordered that the job pauses.
    Paused,
    /// Too much of what happened does not stand in the history yet.
    Unfiled,
}

/// Something that people want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The instance is registered and may compete.
    Registered(Incarnation),
    /// The store is new, or was: nobody campaigns for this long.
    Settling(Duration),
    /// The incarnation is over.
    Lapsed(Incarnation),
    /// A member that stopped its heartbeat was removed.
    Reaped(String),
    /// The clock that the cluster goes by is this many nanoseconds ahead of our wall clock.
    Skewed(i64),
    /// People have drained this instance: it gives up what it leads, and takes nothing.
    Drained,
    /// It takes part again.
    Undrained,
    /// Somebody else leads the job.
    Idle {
        /// Which job.
        job: JobName,
        /// By human name.
        leader: String,
    },
    /// A row cannot be understood and is left alone.
    Illegible {
        /// Which row.
        row: String,
        /// Why.
        why: RowError,
    },
    /// The store shows an older state than it did before.
    Regressed {
        /// What it shows.
        what: String,
        /// The machine starts over; otherwise it leads nothing more.
        rebuilding: bool,
    },
    /// The wish of a person cannot be granted.
    Unwilling {
        /// Of which job.
        job: JobName,
        /// Whom they wanted.
        to: Incarnation,
    },
}

/// A request to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Read rows.
    Read(Wanted),
    /// Write rows, each on the version it is based on, independently of each other.
    Write(Vec<Write>),
}

/// Which rows to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The row of the cluster.
    pub cluster: bool,
    /// All members.
    pub members: bool,
    /// The leases of these jobs.
    pub leases: BTreeSet<JobName>,
}

/// A conditional write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The version that the row must still have.
    pub base: Version,
    /// What to write.
    pub row: RowWrite,
}

/// A row to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowWrite {
    /// The row of the cluster.
    Cluster(Cluster),
    /// A member; `None` deletes it.
    Member(Incarnation, Option<Box<Member>>),
    /// A lease.
    Lease(JobName, Box<Lease>),
    /// What became of a due time of a job.
    Run(JobName, Box<Run>),
}

/// What the store answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing that says what became of the request: everything about it is unknown.
    Silence,
    /// What a read found.
    Read(View),
    /// What became of each write.
    Written(Vec<Outcome>),
}

/// What a read found. What was asked for and is not here is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// The row of the cluster.
    pub cluster: Option<Found<Cluster>>,
    /// The members.
    pub members: Vec<(Incarnation, Found<Member>)>,
    /// The leases.
    pub leases: Vec<(JobName, Found<Lease>)>,
}

/// A row that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<T> {
    /// At which version.
    pub version: Version,
    /// How long it had stood unchanged, at least, where the store can say.
    pub age: Option<Duration>,
    /// What it holds.
    pub row: Result<T, RowError>,
}

impl Wanted {
    /// Adds what `other` wants.
    pub fn merge(&mut self, other: Self) {
        self.cluster |= other.cluster;
        self.members |= other.members;
        self.leases.extend(other.leases);
    }

    /// Takes out what the next read brings, with no more leases than `most`.
    pub(super) fn take(&mut self, most: usize) -> Self {
        let next = self.leases.iter().nth(most).cloned();
        let rest = next.map(|next| self.leases.split_off(&next)).unwrap_or_default();
        std::mem::replace(self, Self { leases: rest, ..Self::default() })
    }

    /// Whether there is nothing to read.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What one instance knows of one job, for people and programs that ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatView {
    /// Which job.
    pub job: JobName,
    /// The row as last seen.
    pub row: Lease,
    /// This instance leads it, until then unless renewed.
    pub until: Option<Instant>,
}

/// A life, and until when it may lead whatever names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// Which one.
    pub incarnation: Incarnation,
    /// Until when.
    pub horizon: Instant,
}
