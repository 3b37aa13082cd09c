//! Once, at a moment that is written down.

use super::Schedule;
use crate::time::Wall;

/// A schedule with one due time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At(pub Wall);

impl Schedule for At {
    /// Also when it has passed: then it was missed, and whoever leads decides what becomes of it.
    fn first(&self, _born: Wall) -> Option<Wall> {
        Some(self.0)
    }

    fn next(&self, due: Wall) -> Option<Wall> {
        (due < self.0).then_some(self.0)
    }

    fn fingerprint(&self) -> String {
        format!("at {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Occurrence, Since};
    use super::*;

    fn upcoming(since: Since, now: i64) -> Option<Occurrence> {
        let schedule: &dyn Schedule = &At(at(100));
        schedule.upcoming(since, at(now))
    }

    fn at(seconds: i64) -> Wall {
        Wall::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn it_is_due_once() {
        let due = Some(Occurrence { due: at(100), missed: 0 });
        assert_eq!(upcoming(Since::Birth(at(5)), 50), due);
        assert_eq!(upcoming(Since::Birth(at(5)), 500), due);
        assert_eq!(upcoming(Since::Due(at(100)), 500), None);
    }

    #[test]
    fn a_job_that_is_given_a_moment_of_the_past_is_not_due_for_it() {
        assert_eq!(upcoming(Since::Change(at(60)), 80), Some(Occurrence { due: at(100), missed: 0 }));
        assert_eq!(upcoming(Since::Change(at(60)), 120), None);
    }
}
