//! Filing: moving what became of due times from the lease rows to the history.
//!
//! An entry is inserted under a key that its due time makes, so inserting it again changes nothing:
//! whoever leads may do it, as often as it takes. It leaves the lease row with the next write of that.

use std::collections::BTreeSet;

use super::messages::{Answer, Ask, Output, RowWrite, Write};
use super::seat::Seat;
use super::{Asked, Lease};
use crate::rows::{Entry, Run};
use crate::stores::{MOST_CHANGES, Outcome, Version};
use crate::time::{Instant, Wall};

/// No lease row gets longer: a job waits until its past is filed.
pub(super) const MOST_UNFILED: usize = 32;

/// How far the entries of a job's row are filed.
#[derive(Debug, Default)]
pub(super) struct Filing {
    /// The due times of entries that stand in the history.
    done: Vec<Wall>,
    /// Those of entries on their way there.
    under_way: Vec<Wall>,
    /// The last entry was not new, or nobody knows. Some stores refuse all for the sake of one, so
    /// that the next is sent alone.
    doubtful: bool,
    /// The job waits in line.
    queued: bool,
}

impl Filing {
    /// Whether an entry stands in the history.
    pub(super) fn is_done(&self, entry: &Entry) -> bool {
        self.done.contains(&entry.due)
    }

    /// The row has these entries now.
    pub(super) fn keep_to(&mut self, ledger: &[Entry]) {
        self.done.retain(|due| ledger.iter().any(|entry| entry.due == *due));
    }

    /// There is another history.
    pub(super) fn forget(&mut self) {
        *self = Self { queued: self.queued, ..Self::default() };
    }

    fn is_to_do(&self, entry: &Entry) -> bool {
        !self.is_done(entry) && !self.under_way.contains(&entry.due)
    }
}

impl Lease {
    /// Puts a seat in line to have its entries filed.
    pub(super) fn enqueue_entries(&mut self, index: usize) {
        let Seat { row, filing, .. } = &mut self.seats[index];
        if !filing.queued && row.ledger.iter().any(|entry| filing.is_to_do(entry)) {
            filing.queued = true;
            self.unfiled.push_back(index);
        }
    }

    /// Sends the entries of the seats in line, if there are any.
    pub(super) fn file(&mut self, now: Instant, out: &mut Vec<Output>) -> bool {
        self.filing_next = false;
        let (mut entries, mut writes) = (Vec::new(), Vec::new());
        while let Some(&index) = self.unfiled.front() {
            let alone = self.seats[index].filing.doubtful;
            let room = (if alone { 1 } else { MOST_CHANGES }).saturating_sub(writes.len());
            if room == 0 {
                break;
            }
            self.unfiled.pop_front();
            let led = self.term_led(index, now).is_some();
            let (job, Seat { row, filing, .. }) = (&self.jobs[index], &mut self.seats[index]);
            filing.queued = false;
            let mut some: Vec<_> = row.ledger.iter().filter(|entry| led && filing.is_to_do(entry)).collect();
            some.truncate(room);
            for entry in some {
                filing.under_way.push(entry.due);
                entries.push((index, entry.due));
                let row = RowWrite::Run(job.clone(), Box::new(Run::new(entry.clone())));
                writes.push(Write { base: Version::ABSENT, row });
            }
            if led {
                self.enqueue_entries(index);
            }
            if alone && !writes.is_empty() {
                break;
            }
        }
        let any = !writes.is_empty();
        if any {
            self.ask(now, Asked::Entries(entries), Ask::Write(writes), out);
        }
        any
    }

    /// What became of entries on their way.
    pub(super) fn filed(&mut self, now: Instant, entries: &[(usize, Wall)], answer: &Answer) {
        self.committing = false;
        let outcomes = if let Answer::Written(outcomes) = answer { outcomes.as_slice() } else { &[] };
        let mut doubtful = BTreeSet::new();
        for (position, &(index, due)) in entries.iter().enumerate() {
            let filing = &mut self.seats[index].filing;
            let Some(place) = filing.under_way.iter().position(|other| *other == due) else { continue };
            filing.under_way.swap_remove(place);
            let outcome = outcomes.get(position).copied().unwrap_or(Outcome::Unknown);
            filing.doubtful = !matches!(outcome, Outcome::Done(_));
            if outcome == Outcome::Unknown {
                doubtful.insert(self.jobs[index].clone());
            } else {
                // A conflict means that it stands there already.
                filing.done.push(due);
            }
        }
        self.read_again(doubtful, answer, now);
    }
}
