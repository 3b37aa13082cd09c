//! Every so often, at a fixed rate: each due time is a whole number of intervals after the one
//! before, whoever leads and however late it was. The first is at once.

use std::time::Duration;

use super::Schedule;
use crate::time::{Exact, Wall};

/// An interval schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Every(Duration);

impl Every {
    /// Shortest interval: each occurrence is one durable write.
    pub const SHORTEST: Duration = Duration::from_millis(100);

    /// The schedule, unless the interval is too short.
    pub const fn new(interval: Duration) -> Option<Self> {
        if interval.as_nanos() >= Self::SHORTEST.as_nanos() { Some(Self(interval)) } else { None }
    }

    /// The interval.
    pub const fn interval(self) -> Duration {
        self.0
    }
}

impl Schedule for Every {
    fn first(&self, born: Wall) -> Option<Wall> {
        Some(born)
    }

    fn next(&self, due: Wall) -> Option<Wall> {
        Some(due + self.0)
    }

    fn fingerprint(&self) -> String {
        format!("every {:?}", self.0)
    }

    fn in_words(&self) -> String {
        format!("every {}, at a fixed rate", Exact(self.0))
    }

    fn latest(&self, due: Wall, now: Wall) -> (Wall, u64) {
        let interval = self.0.as_nanos().max(1);
        let rounds = u64::try_from(now.since(due).as_nanos() / interval).unwrap_or(u64::MAX);
        let elapsed = u64::try_from(interval.saturating_mul(u128::from(rounds))).unwrap_or(u64::MAX);
        (due + Duration::from_nanos(elapsed), rounds)
    }
}
