//! The schedulers: when a job is due. One file a kind of schedule, and the [`agenda`] that keeps
//! them all for one instance.

pub mod agenda;
pub mod interval;
pub mod runner;

pub use self::interval::Every;
pub use self::runner::Job;

use crate::time::Wall;

/// When a job is due.
pub trait Schedule {
    /// The occurrence to start next, or to have started already, for a job whose last occurrence
    /// was due at `last`. `None` as `last` means that it never ran.
    fn next(&self, last: Option<Wall>, now: Wall) -> Occurrence;

    /// The first occurrence after `last` that lies in the future: for a job whose schedule has
    /// changed, which must not make up for what the new one would have done.
    fn after_change(&self, last: Wall, now: Wall) -> Occurrence;

    /// What tells one schedule from another in a lease row.
    fn fingerprint(&self) -> String;
}

/// One due time of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// When it is due.
    pub due: Wall,
    /// How many due times between the last occurrence and this one are given up.
    pub missed: u64,
}
