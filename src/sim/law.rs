//! What must hold in every world, whatever the weather.
//!
//! The law watches from outside: it sees the rows that the store takes, the leaderships that
//! machines claim and the runs that they grant, and believes none of them.

use std::collections::{BTreeMap, BTreeSet};

use super::court::{Article, Court, Verdict};
use crate::machine::{Incarnation, JobName, RunId, Term};
use crate::rows::Lease;
use crate::time::Wall;

/// Everything that has ever happened to the jobs.
#[derive(Debug, Default)]
pub(super) struct Law {
    jobs: BTreeMap<JobName, Record>,
}

/// What has happened to one job.
#[derive(Debug, Default)]
struct Record {
    /// Its row's last holder and term.
    row: (Option<Incarnation>, Term),
    /// Who led last.
    led: Option<(Term, Incarnation)>,
    /// The runs that the store has seen recorded.
    recorded: BTreeSet<RunId>,
    /// The due times of the runs that started, and which attempts they were.
    started: BTreeSet<(Wall, u32)>,
}

impl Law {
    /// The store took a row.
    pub(super) fn written(&mut self, court: &Court, job: &JobName, row: &Lease) -> Verdict {
        let record = self.record(job);
        let (holder, term) = std::mem::replace(&mut record.row, (row.holder, row.term));
        if let Some(cursor) = &row.cursor {
            let own = !record.recorded.insert(cursor.run) || cursor.term == row.term;
            court.require(Article::Recorded, own, || {
                format!("{job} has a run of term {} recorded at term {}", cursor.term, row.term)
            })?;
        }
        court.require(Article::RowsRise, row.term >= term, || {
            format!("the term of {job} fell from {term} to {} in the store", row.term)
        })?;
        let one = row.term > term || row.holder == holder || row.holder.is_none();
        court.require(Article::RowsRise, one, || {
            format!("{job} went from {holder:?} to {:?} at the same term {term}", row.holder)
        })
    }

    /// An instance began to lead.
    pub(super) fn begun(&mut self, court: &Court, job: &JobName, term: Term, me: Incarnation) -> Verdict {
        let record = self.record(job);
        let rises = record.led.is_none_or(|(last, who)| last < term || (last == term && who == me));
        let before = record.led.replace((term, me));
        court.require(Article::TermsRise, rises, || {
            format!("{me:?} leads {job} at term {term} after {before:?}")
        })
    }

    /// A run starts. One whose leader was misled may start late, but no less is it the only one.
    pub(super) fn started(
        &mut self,
        court: &Court,
        job: &JobName,
        run: RunId,
        position: (Wall, u32),
        misled: bool,
    ) -> Verdict {
        let record = self.record(job);
        let last = record.started.last().copied();
        court.require(Article::Recorded, record.recorded.contains(&run), || {
            format!("{job} started {run:?}, which no row records")
        })?;
        let (due, attempt) = position;
        court.require(Article::Once, record.started.insert(position), || {
            format!("{job} started attempt {attempt} at what was due at {due} again")
        })?;
        court.require(Article::InOrder, last.is_none_or(|last| last <= position) || misled, || {
            format!("{job} started attempt {attempt} at what was due at {due} after {last:?}")
        })
    }

    /// The store lost its rows: what it takes from now on may be lower.
    pub(super) fn forget_rows(&mut self) {
        self.jobs.values_mut().for_each(|record| record.row = Default::default());
    }

    fn record(&mut self, job: &JobName) -> &mut Record {
        self.jobs.entry(job.clone()).or_default()
    }
}
