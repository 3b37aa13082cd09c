//! What a job wants to happen when things go otherwise than planned.

use std::time::Duration;

use crate::history::Keep;

/// No wait between two attempts is longer.
pub const LONGEST_BACKOFF: Duration = Duration::from_hours(1);
/// Most attempts at one due time: each is a durable write.
pub const MOST_RETRIES: u32 = 100;
/// Most entries in the history of a job.
pub const MOST_KEPT: usize = 10_000;

/// What becomes of due times that do not go as planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What becomes of due times that passed while nobody was there.
    pub missed: Missed,
    /// What is older than this is not made up for.
    pub missed_within: Duration,
    /// What becomes of a run whose leader vanished during it.
    pub on_orphan: Orphan,
    /// How often a run that failed is tried again, before the next due time.
    pub retries: u32,
    /// How long to wait before the first time; twice as long each next time.
    pub backoff: Duration,
    /// How long a run may take.
    pub timeout: Option<Duration>,
    /// How much of its history is kept.
    pub keep: Keep,
}

/// What becomes of due times that passed while nobody was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// The latest runs.
    Latest,
    /// All run, one after the other.
    All,
    /// None runs.
    Skip,
}

/// What becomes of a run whose leader vanished during it: it may have done all, half or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orphan {
    /// It is left as it is.
    Skip,
    /// It runs again.
    Rerun,
    /// The job waits for a person.
    Hold,
}

impl Missed {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Latest, Self::All, Self::Skip];

    /// Their names.
    pub const NAMES: [&'static str; 3] =
        [Self::ALL[0].as_str(), Self::ALL[1].as_str(), Self::ALL[2].as_str()];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Latest => "latest",
            Self::All => "all",
            Self::Skip => "skip",
        }
    }
}

impl Orphan {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Skip, Self::Rerun, Self::Hold];

    /// Their names.
    pub const NAMES: [&'static str; 3] =
        [Self::ALL[0].as_str(), Self::ALL[1].as_str(), Self::ALL[2].as_str()];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Rerun => "rerun",
            Self::Hold => "hold",
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            missed: Missed::Latest,
            missed_within: Duration::from_hours(24),
            on_orphan: Orphan::Skip,
            retries: 0,
            backoff: Duration::from_secs(1),
            timeout: None,
            keep: Keep { most: 100, within: Duration::from_hours(90 * 24) },
        }
    }
}

impl Policy {
    /// How long to wait after an attempt has failed; `None` if it was the last.
    pub fn wait_after(&self, attempt: u32) -> Option<Duration> {
        let doubled = 2_u32.saturating_pow(attempt.saturating_sub(1));
        (attempt <= self.retries).then(|| self.backoff.saturating_mul(doubled).min(LONGEST_BACKOFF))
    }
}
