//! Recall: bringing back what a lost store held into the one that came after it.
//!
//! Instances remember different rows of a job, and come one after the other. Terms and cursors only
//! rise. An account that stands stays; a due time that has none gets one.

use crate::rows::{Fate, Lease, RunState};
use crate::time::Wall;

const OVERTAKEN: &str = "the store lost its rows, and later runs were remembered";

/// Whether `row` has a lower term than one that was lost, or a cursor that is less far.
pub(super) fn lacks(row: &Lease, lost: &Lease) -> bool {
    row.term < lost.term || progress(row) < progress(lost)
}

/// How far a job is: at the same attempt, an end is further than a start.
fn progress(row: &Lease) -> Option<(Wall, u32, bool)> {
    row.cursor.as_ref().map(|cursor| (cursor.due, cursor.attempt, !cursor.is_open()))
}

/// The row that lacks nothing of either.
pub(super) fn recall(row: &Lease, lost: &Lease) -> Lease {
    let newest = row.term.max(lost.term);
    // Who has begun to lead meanwhile begins again, at a term of his own, and knows more.
    let term = if row.holder.is_some() { newest.next() } else { newest };
    let recalled = Lease { term, born: lost.born, ..row.clone() };
    if progress(row) >= progress(lost) {
        return recalled;
    }
    let (mut cursor, mut ledger) = (lost.cursor.clone(), recalled.ledger);
    let goes_on = |due| lost.cursor.as_ref().is_some_and(|cursor| cursor.is_open() && cursor.due == due);
    let begun = row.cursor.iter().filter(|cursor| cursor.is_open() && !goes_on(cursor.due));
    let begun = begun.map(|cursor| cursor.entry(Fate::Unknown, OVERTAKEN, None));
    for entry in lost.ledger.iter().cloned().chain(begun) {
        if ledger.iter().all(|known| known.due != entry.due) {
            ledger.push(entry);
        }
    }
    if let Some(cursor) = cursor.as_mut().filter(|cursor| cursor.is_open())
        && ledger.iter().any(|entry| entry.due == cursor.due)
    {
        cursor.state = RunState::Passed;
    }
    Lease { cursor, ledger, orders: lost.orders, ..recalled }
}
