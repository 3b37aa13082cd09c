//! The schedulers: when a job is due. One file a kind of schedule, and the [`agenda`] that keeps
//! them all for one instance.

pub mod agenda;
pub mod continuous;
pub mod cron;
pub mod interval;
pub mod jitter;
pub mod once;
pub mod policy;
mod reckoning;
pub mod runner;
pub(crate) mod watchdog;

use std::fmt;
use std::time::Duration;

pub use self::continuous::Continuous;
pub use self::cron::{Cron, Told};
pub use self::interval::Every;
pub use self::jitter::Jitter;
pub use self::once::At;
pub use self::policy::Policy;
pub use self::runner::Job;

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

    /// When that is, in words.
    fn in_words(&self) -> String {
        self.fingerprint()
    }

    /// The due times after a moment, at most so many, and what became of those that a change of the clocks
    /// touched; `None` if it follows no clocks that are ever set.
    fn explain(&self, _after: Wall, _most: usize) -> Option<Vec<Told>> {
        None
    }

    /// Whether the job has no due times, but is due whenever it does not run.
    fn is_continuous(&self) -> bool {
        false
    }

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
