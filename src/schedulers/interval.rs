//! Every so often, at a fixed rate: each due time is a whole number of intervals after the one
//! before, whoever leads and however late it was. The first is at once.

use std::time::Duration;

use super::Schedule;
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

    fn latest(&self, due: Wall, now: Wall) -> (Wall, u64) {
        let interval = self.0.as_nanos().max(1);
        let rounds = u64::try_from(now.since(due).as_nanos() / interval).unwrap_or(u64::MAX);
        let elapsed = u64::try_from(interval.saturating_mul(u128::from(rounds))).unwrap_or(u64::MAX);
        (due + Duration::from_nanos(elapsed), rounds)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Occurrence, Since};
    use super::*;

    fn at(seconds: i64) -> Wall {
        Wall::from_nanos(seconds * 1_000_000_000)
    }

    fn minute() -> Every {
        Every::new(Duration::from_mins(1)).unwrap()
    }

    /// The due time of a job at `now`, and how many before it are given up.
    fn due(since: Since, now: i64) -> (Wall, u64) {
        let schedule: &dyn Schedule = &minute();
        let Occurrence { due, missed } = schedule.upcoming(since, at(now)).unwrap();
        (due, missed)
    }

    #[test]
    fn the_first_occurrence_is_due_at_once() {
        assert_eq!(due(Since::Birth(at(17)), 18), (at(17), 0));
    }

    #[test]
    fn the_cadence_survives_any_delay() {
        for now in [18, 77, 100] {
            assert_eq!(due(Since::Due(at(17)), now), (at(77), 0));
        }
    }

    #[test]
    fn of_several_missed_occurrences_the_latest_is_due_and_the_others_are_counted() {
        assert_eq!(due(Since::Due(at(0)), 359), (at(300), 4));
    }

    #[test]
    fn a_changed_schedule_makes_up_for_nothing() {
        assert_eq!(due(Since::Change(at(0)), 359), (at(360), 0));
    }

    #[test]
    fn a_clock_that_went_back_repeats_nothing() {
        assert_eq!(due(Since::Due(at(100)), 10), (at(160), 0));
    }
}
