//! The schedulers: when a job is due. One file a kind of schedule, and the [`agenda`] that keeps
//! them all for one instance.

pub mod agenda;
pub mod cron;
pub mod interval;
pub mod jitter;
pub mod once;
pub mod runner;

use std::fmt;
use std::time::Duration;

pub use self::cron::Cron;
pub use self::interval::Every;
pub use self::jitter::Jitter;
pub use self::once::At;
pub use self::runner::Job;

use crate::rows::Lease;
use crate::time::Wall;

/// No more due times in a row are counted one by one.
const MOST_COUNTED: u64 = 10_000;

/// When a job is due.
pub trait Schedule: Send + Sync + fmt::Debug {
    /// The first due time of a job that has been there since `born`; `None` if there never is one.
    fn first(&self, born: Wall) -> Option<Wall>;

    /// The first due time after `due`, which was one too; `None` if that was the last.
    fn next(&self, due: Wall) -> Option<Wall>;

    /// What tells one schedule from another in a lease row.
    fn fingerprint(&self) -> String;

    /// The latest due time from `due`, which is one, up to `now`, and how many there are between them:
    /// at least that many, where counting would take long.
    fn latest(&self, due: Wall, now: Wall) -> (Wall, u64) {
        let (mut latest, mut between) = (due, 0);
        while let Some(next) = self.next(latest).filter(|next| *next <= now) {
            latest = next;
            between += 1;
            if between == MOST_COUNTED {
                return (self.last_before(latest, now), between);
            }
        }
        (latest, between)
    }

    /// The latest due time up to `now`, looked for from there backwards, or `due` if there is none.
    fn last_before(&self, due: Wall, now: Wall) -> Wall {
        let mut back = Duration::from_secs(1);
        let mut found = loop {
            let from = now - back;
            if from <= due {
                break due;
            }
            match self.next(from) {
                Some(next) if next <= now => break next,
                Some(_) | None => back *= 2,
            }
        };
        while let Some(next) = self.next(found).filter(|next| *next <= now) {
            found = next;
        }
        found
    }
}

/// One due time of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// When it is due.
    pub due: Wall,
    /// How many due times between the last occurrence and this one are given up.
    pub missed: u64,
}

/// From where the next due time counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// The job never ran, and has been there since then.
    Birth(Wall),
    /// Its last due time.
    Due(Wall),
    /// Its last due time, by another schedule.
    Change(Wall),
}

impl dyn Schedule + '_ {
    /// From where the next due time of the job of `row` counts.
    pub fn since(&self, row: &Lease) -> Since {
        match &row.cursor {
            None => Since::Birth(row.born),
            Some(cursor) if cursor.schedule == self.fingerprint() => Since::Due(cursor.due),
            Some(cursor) => Since::Change(cursor.due),
        }
    }

    /// The occurrence to start next, or to have started already; `None` if the job is due no more.
    ///
    /// A schedule that has changed makes up for nothing that it would have done before.
    pub fn upcoming(&self, since: Since, now: Wall) -> Option<Occurrence> {
        let on_time = |due| Occurrence { due, missed: 0 };
        match since {
            Since::Birth(born) => {
                let (due, missed) = self.latest(self.first(born)?, now);
                Some(Occurrence { due, missed })
            }
            Since::Change(last) => self.next(self.latest(last, now).0).map(on_time),
            Since::Due(last) => match self.latest(last, now) {
                (_, 0) => self.next(last).map(on_time),
                (due, between) => Some(Occurrence { due, missed: between - 1 }),
            },
        }
    }
}
