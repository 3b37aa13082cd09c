//! Whether what many clients saw of a row can be true: linearizability, for compare-and-set.
//!
//! A history is what clients noted of their calls: when each was sent, when it was answered, and
//! how. It is *linearizable* if every call can be given one moment between the two at which it took
//! effect, such that the row then told each of them the truth. To find such moments is hard in
//! general. Here it is not, because versions say in which order a row changed, and a value says who
//! wrote it:
//!
//! * **The chain.** The states of a row, in the order of their versions. Each must rest on the one
//!   before it: that is compare-and-set. One that was inserted over another needs a deletion between
//!   them. A version with two writers, a write with two versions, a write that was refused or never
//!   sent, and two changes on one base all show here.
//! * **The clock.** A state begins no earlier than whoever made it asked, nor than anybody asked who
//!   still saw a state before it; and no later than its maker, or anybody who saw it or a state
//!   after it, was answered. Where the earliest such moment lies after the latest, there is none:
//!   somebody read the past, or the future. Since the order is given, this is all there is to check.
//! * **The rest.** Two kinds of answers name no version: "no row" and "conflict". They must be possible
//!   at some moment of their call, between the bounds that the others leave. Each is held against
//!   these alone, not against the others of its kind, so here, and only here, a lie could slip through;
//!   a truth is never called a lie.
//!
//! A commit whose outcome is unknown may take effect at any moment after it was sent, or never. If its
//! value was read it did. If not, nobody can have built on it, so it can only be what came last.
//!
//! All of it takes sorting and one pass: a million operations take a second. Moments are those of the
//! boot clock, which is one for all processes of a machine. Nobody deletes a row that is not there.

mod row;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde::Serialize;

use self::row::{Row, Window};
use crate::stores::{Outcome, Version};
use crate::time::Instant;

/// One call, on one row, as its client saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Which row.
    pub row: u16,
    /// Read before the call left.
    pub sent: Instant,
    /// Read after the answer had come.
    pub answered: Instant,
    /// What was done, and answered.
    pub act: Act,
}

/// What was done to a row, and answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Found the row at this version, holding this id; or found no row.
    Read(Option<(Version, u64)>),
    /// A compare-and-set.
    Change {
        /// What it writes, which no other change does.
        id: u64,
        /// What it rests on.
        base: Version,
        /// Whether it deletes the row instead.
        deletes: bool,
        /// What became of it.
        outcome: Outcome,
    },
}

/// What cannot have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A value came from nowhere.
    #[error("{0:?} holds what nobody wrote")]
    Invented(Version),
    /// A conflict was none.
    #[error("{0:?} holds what was refused as a conflict")]
    Refused(Version),
    /// One write, two versions.
    #[error("one write was applied as {0:?} and as {1:?}")]
    Twice(Version, Version),
    /// One version, two writes.
    #[error("{0:?} was given to two writes")]
    Shared(Version),
    /// Not compare-and-set: something was lost or overwritten.
    #[error("a change based on {base:?} was applied when the row was at {held:?}")]
    Stale {
        /// What the change rested on.
        base: Version,
        /// What it met.
        held: Version,
    },
    /// Read when it had been replaced, or before it was written.
    #[error("{0:?} was still seen when its successor had been, or a successor before it was written")]
    Misplaced(Version),
    /// A row that was there was not found.
    #[error("no row was found at {0:?}, when there was one all the while")]
    Overlooked(Instant),
    /// A change was refused that had to be applied.
    #[error("a change based on {0:?} met a conflict, although the row was so all the while")]
    Unfounded(Version),
}

/// What clients noted. A change may be noted as unknown when it is sent, and again when it is answered.
#[derive(Clone, Debug, Default)]
pub struct History {
    changes: HashMap<u64, Operation>,
    reads: Vec<Operation>,
}

/// How much a history has of what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Reads that were answered.
    pub reads: usize,
    /// Changes that were applied.
    pub done: usize,
    /// Changes that were refused.
    pub conflicts: usize,
    /// Changes of which nobody knows.
    pub unknown: usize,
}

impl History {
    /// Notes an operation.
    pub fn note(&mut self, operation: Operation) {
        match operation.act {
            Act::Read(_) => self.reads.push(operation),
            Act::Change { id, .. } => drop(self.changes.insert(id, operation)),
        }
    }

    /// Counts.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally { reads: self.reads.len(), ..Tally::default() };
        for change in self.changes.values() {
            match change.act {
                Act::Change { outcome: Outcome::Done(_), .. } => tally.done += 1,
                Act::Change { outcome: Outcome::Conflict, .. } => tally.conflicts += 1,
                Act::Change { outcome: Outcome::Unknown, .. } | Act::Read(_) => tally.unknown += 1,
            }
        }
        tally
    }

    /// How long reads took that were answered.
    pub fn reads(&self) -> impl Iterator<Item = Duration> {
        self.reads.iter().map(|read| read.answered.since(read.sent))
    }

    /// How long changes took whose outcome is known.
    pub fn commits(&self) -> impl Iterator<Item = Duration> {
        let known = self.changes.values().filter(|change| !change.is_unknown());
        known.map(|change| change.answered.since(change.sent))
    }

    /// What is wrong with it: the first violation of each row that has one.
    pub fn violations(&self) -> Vec<(u16, Violation)> {
        let mut rows: BTreeMap<u16, Row> = BTreeMap::new();
        let mut found = BTreeMap::new();
        for operation in self.changes.values().chain(&self.reads) {
            if let Err(violation) = rows.entry(operation.row).or_default().add(operation) {
                found.entry(operation.row).or_insert(violation);
            }
        }
        for (number, row) in rows {
            if let Err(violation) = row.check() {
                found.entry(number).or_insert(violation);
            }
        }
        found.into_iter().collect()
    }
}

impl Operation {
    fn is_unknown(&self) -> bool {
        matches!(self.act, Act::Change { outcome: Outcome::Unknown, .. })
    }

    /// When it took effect, if it did.
    fn effect(&self) -> Window {
        let latest = if self.is_unknown() { Instant::NEVER } else { self.answered };
        Window { earliest: self.sent, latest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a row is told, and answers, from one moment to another.
    struct Story(History, u64);

    impl Story {
        fn new() -> Self {
            Self(History::default(), 0)
        }

        fn tell(mut self, sent: i64, answered: i64, act: Act) -> Self {
            let (sent, answered) = (Instant::from_nanos(sent), Instant::from_nanos(answered));
            self.0.note(Operation { row: 1, sent, answered, act });
            self
        }

        /// Writes its number: the first write writes 1.
        fn write(mut self, sent: i64, answered: i64, base: u64, outcome: Outcome) -> Self {
            self.1 += 1;
            let (id, base) = (self.1, Version(base));
            self.tell(sent, answered, Act::Change { id, base, deletes: false, outcome })
        }

        fn delete(mut self, sent: i64, answered: i64, base: u64, outcome: Outcome) -> Self {
            self.1 += 1;
            let (id, base) = (self.1, Version(base));
            self.tell(sent, answered, Act::Change { id, base, deletes: true, outcome })
        }

        fn read(self, sent: i64, answered: i64, version: u64, id: u64) -> Self {
            self.tell(sent, answered, Act::Read(Some((Version(version), id))))
        }

        fn absent(self, sent: i64, answered: i64) -> Self {
            self.tell(sent, answered, Act::Read(None))
        }

        #[track_caller]
        fn holds(self) {
            assert_eq!(self.0.violations(), []);
        }

        #[track_caller]
        fn breaks(self, violation: Violation) {
            assert_eq!(self.0.violations(), [(1, violation)]);
        }
    }

    use Outcome::{Conflict, Unknown};

    fn done(version: u64) -> Outcome {
        Outcome::Done(Version(version))
    }

    /// An insert from 0 to 10, at version 5, and an update from 20 to 30, at version 6.
    fn two() -> Story {
        Story::new().write(0, 10, 0, done(5)).write(20, 30, 5, done(6))
    }

    #[test]
    fn what_happened_one_after_the_other_holds() {
        two()
            .read(12, 15, 5, 1)
            .read(32, 35, 6, 2)
            .write(40, 50, 5, Conflict)
            .delete(60, 70, 6, done(9))
            .holds();
        Story::new().holds();
    }

    #[test]
    fn what_overlaps_may_have_been_in_any_order() {
        two().read(21, 29, 5, 1).read(19, 22, 6, 2).read(0, 100, 5, 1).read(5, 100, 6, 2).holds();
        two().absent(1, 9).absent(0, 100).write(25, 100, 5, Conflict).write(9, 11, 0, Conflict).holds();
    }

    #[test]
    fn an_acknowledged_write_that_is_lost_is_found() {
        two().write(40, 50, 5, done(7)).breaks(Violation::Stale { base: Version(5), held: Version(6) });
        two().read(40, 50, 5, 1).breaks(Violation::Misplaced(Version(6)));
        two().absent(40, 50).breaks(Violation::Overlooked(Instant::from_nanos(40)));
        two().write(40, 50, 0, done(7)).breaks(Violation::Stale { base: Version(0), held: Version(6) });
    }

    #[test]
    fn a_stale_read_and_one_of_the_future_are_found() {
        two().read(5, 40, 6, 2).read(31, 35, 5, 1).breaks(Violation::Misplaced(Version(6)));
        two().read(11, 19, 6, 2).breaks(Violation::Misplaced(Version(6)));
        // One saw the update while it was under way; whoever asks later must see it too.
        two().read(20, 24, 6, 2).read(25, 29, 5, 1).breaks(Violation::Misplaced(Version(6)));
    }

    #[test]
    fn two_changes_on_one_base_are_found() {
        let twice = |story: Story| story.breaks(Violation::Stale { base: Version(6), held: Version(7) });
        twice(two().write(40, 90, 6, done(7)).write(40, 90, 6, done(8)));
        twice(two().write(40, 90, 6, done(7)).delete(40, 90, 6, done(8)));
        twice(two().write(40, 90, 6, Unknown).delete(40, 90, 6, done(8)).read(95, 99, 7, 3));
        let stale = Violation::Stale { base: Version(6), held: Version(0) };
        two().delete(40, 90, 6, done(7)).delete(40, 90, 6, done(8)).breaks(stale);
        let invented = Violation::Stale { base: Version(4), held: Version(6) };
        two().delete(40, 90, 4, done(7)).breaks(invented);
    }

    #[test]
    fn a_version_that_falls_or_comes_twice_is_found() {
        two().write(40, 50, 6, done(4)).breaks(Violation::Stale { base: Version(6), held: Version(0) });
        two().write(40, 50, 6, done(6)).breaks(Violation::Shared(Version(6)));
        two().read(40, 50, 7, 2).breaks(Violation::Twice(Version(6), Version(7)));
        two().read(40, 50, 7, 9).breaks(Violation::Invented(Version(7)));
        Story::new().write(0, 10, 0, Unknown).read(20, 30, 0, 1).breaks(Violation::Shared(Version::ABSENT));
    }

    #[test]
    fn a_conflict_that_was_applied_is_found() {
        two().write(40, 50, 6, Conflict).read(60, 70, 7, 3).breaks(Violation::Refused(Version(7)));
    }

    #[test]
    fn a_conflict_without_a_reason_is_found() {
        two().write(40, 50, 6, Conflict).breaks(Violation::Unfounded(Version(6)));
        two().write(11, 19, 5, Conflict).breaks(Violation::Unfounded(Version(5)));
        Story::new().write(0, 10, 0, Conflict).breaks(Violation::Unfounded(Version::ABSENT));
        two()
            .delete(40, 50, 6, done(7))
            .write(60, 70, 0, Conflict)
            .breaks(Violation::Unfounded(Version::ABSENT));
        two()
            .write(40, 50, 6, Unknown)
            .write(41, 45, 6, Conflict)
            .read(60, 70, 6, 2)
            .breaks(Violation::Unfounded(Version(6)));
        Story::new()
            .write(0, 10, 0, Unknown)
            .read(20, 30, 5, 1)
            .delete(40, 50, 5, done(6))
            .write(60, 70, 0, Conflict)
            .breaks(Violation::Unfounded(Version::ABSENT));
        two().write(40, 50, 99, Conflict).holds();
    }

    #[test]
    fn an_unknown_change_may_take_effect_late_or_never() {
        two().write(40, 50, 6, Unknown).read(60, 70, 6, 2).read(80, 90, 7, 3).holds();
        two().write(40, 50, 6, Unknown).read(60, 70, 6, 2).holds();
        two().write(40, 50, 6, Unknown).write(60, 70, 6, Conflict).holds();
        two().write(40, 50, 6, Unknown).write(60, 70, 6, done(8)).holds();
        two().delete(40, 50, 6, Unknown).absent(60, 70).holds();
        two().delete(40, 50, 6, Unknown).absent(60, 70).write(80, 90, 0, done(9)).read(95, 99, 9, 4).holds();
        two().delete(40, 50, 6, Unknown).read(60, 70, 6, 2).absent(80, 90).holds();
        two().delete(40, 50, 6, Unknown).write(60, 65, 0, Unknown).write(70, 80, 0, Conflict).holds();
        Story::new().write(0, 10, 0, Unknown).write(20, 30, 0, Conflict).absent(40, 50).holds();
    }

    #[test]
    fn an_unknown_change_takes_effect_once_on_its_base_and_not_before_it_was_sent() {
        let story = || two().write(40, 50, 6, Unknown);
        let resurrected = Violation::Stale { base: Version(6), held: Version(7) };
        story().write(60, 70, 6, done(7)).read(80, 90, 8, 3).breaks(resurrected);
        story().read(60, 70, 7, 3).read(80, 90, 6, 2).breaks(Violation::Misplaced(Version(7)));
        story().read(31, 39, 7, 3).breaks(Violation::Misplaced(Version(7)));
        story().read(60, 70, 7, 3).read(80, 90, 8, 3).breaks(Violation::Twice(Version(7), Version(8)));
        two()
            .delete(40, 50, 6, Unknown)
            .absent(31, 39)
            .breaks(Violation::Overlooked(Instant::from_nanos(31)));
        two().delete(40, 50, 6, Unknown).write(31, 39, 6, Conflict).breaks(Violation::Unfounded(Version(6)));
    }

    #[test]
    fn a_row_that_went_and_came_back_was_absent_between() {
        let story = || two().delete(40, 50, 6, done(7)).write(60, 70, 0, done(8));
        story()
            .absent(51, 59)
            .absent(0, 9)
            .absent(65, 100)
            .read(71, 80, 8, 4)
            .write(45, 55, 6, Conflict)
            .holds();
        story().absent(11, 39).breaks(Violation::Overlooked(Instant::from_nanos(11)));
        story().absent(71, 80).breaks(Violation::Overlooked(Instant::from_nanos(71)));
        story().read(51, 59, 6, 2).breaks(Violation::Misplaced(Version(0)));
    }

    #[test]
    fn rows_are_judged_apart_and_a_second_note_replaces_the_first() {
        let mut history = two().write(40, 50, 6, Unknown).write(60, 70, 6, done(8)).0;
        let act = Act::Change { id: 3, base: Version(6), deletes: false, outcome: done(7) };
        let (sent, answered) = (Instant::from_nanos(40), Instant::from_nanos(45));
        history.note(Operation { row: 1, sent, answered, act });
        history.note(Operation { row: 2, sent, answered, act: Act::Read(None) });
        let stale = Violation::Stale { base: Version(6), held: Version(7) };
        assert_eq!(history.violations(), [(1, stale)]);
        assert_eq!(history.tally(), Tally { reads: 1, done: 4, conflicts: 0, unknown: 0 });
    }
}
