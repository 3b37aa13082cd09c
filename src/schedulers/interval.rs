//! Every so often, at a fixed rate: each due time is a whole number of intervals after the one
//! before, whoever leads and however late it was. The first is at once.

use std::time::Duration;

use super::{Occurrence, Schedule};
use crate::time::Wall;

/// An interval schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Every(Duration);

impl Every {
    /// Shortest interval: each occurrence is one durable write.
    pub const SHORTEST: Duration = Duration::from_millis(100);

    /// The schedule, unless the interval is too short.
    pub fn new(interval: Duration) -> Option<Self> {
        (interval >= Self::SHORTEST).then_some(Self(interval))
    }

    /// The interval.
    pub const fn interval(self) -> Duration {
        self.0
    }

    /// The last due time up to `now`, counted from `last`, and how many intervals that is.
    fn latest(self, last: Wall, now: Wall) -> (Wall, u64) {
        let interval = self.0.as_nanos().max(1);
        let rounds = u64::try_from(now.since(last).as_nanos() / interval).unwrap_or(u64::MAX);
        let elapsed = u64::try_from(interval.saturating_mul(u128::from(rounds))).unwrap_or(u64::MAX);
        (last + Duration::from_nanos(elapsed), rounds)
    }
}

impl Schedule for Every {
    fn next(&self, last: Option<Wall>, now: Wall) -> Occurrence {
        let Some(last) = last else { return Occurrence { due: now, missed: 0 } };
        match self.latest(last, now) {
            (_, 0) => Occurrence { due: last + self.0, missed: 0 },
            (due, rounds) => Occurrence { due, missed: rounds - 1 },
        }
    }

    fn after_change(&self, last: Wall, now: Wall) -> Occurrence {
        Occurrence { due: self.latest(last, now).0 + self.0, missed: 0 }
    }

    fn fingerprint(&self) -> String {
        format!("every {:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Wall {
        Wall::from_nanos(seconds * 1_000_000_000)
    }

    fn minute() -> Every {
        Every::new(Duration::from_mins(1)).unwrap()
    }

    #[test]
    fn the_first_occurrence_is_due_at_once() {
        assert_eq!(minute().next(None, at(17)), Occurrence { due: at(17), missed: 0 });
    }

    #[test]
    fn the_cadence_survives_any_delay() {
        assert_eq!(minute().next(Some(at(17)), at(18)), Occurrence { due: at(77), missed: 0 });
        assert_eq!(minute().next(Some(at(17)), at(77)), Occurrence { due: at(77), missed: 0 });
        assert_eq!(minute().next(Some(at(17)), at(100)), Occurrence { due: at(77), missed: 0 });
    }

    #[test]
    fn of_several_missed_occurrences_the_latest_is_due_and_the_others_are_counted() {
        assert_eq!(minute().next(Some(at(0)), at(359)), Occurrence { due: at(300), missed: 4 });
    }

    #[test]
    fn a_changed_schedule_makes_up_for_nothing() {
        assert_eq!(minute().after_change(at(0), at(359)), Occurrence { due: at(360), missed: 0 });
    }

    #[test]
    fn a_clock_that_went_back_repeats_nothing() {
        assert_eq!(minute().next(Some(at(100)), at(10)), Occurrence { due: at(160), missed: 0 });
    }
}
