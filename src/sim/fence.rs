//! What jobs write to outside of the store. Each of these things keeps the highest term that it has
//! seen and refuses whoever comes with a lower one; that is all it knows of leases.
//!
//! A leader marks it with its term when it begins, and writes during its runs, having looked at its lease
//! before. Between that look and the arrival anything may happen.

use super::court::{Article, Verdict};
use super::world::{Event, Whom, World};
use crate::machine::Term;

/// A write on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effect {
    pub(super) who: Whom,
    pub(super) job: usize,
    pub(super) term: Term,
}

/// The highest term that a thing has seen, and whose it was.
pub(super) type Mark = Option<(Term, Whom)>;

impl World {
    /// A run wants to write, and looks at its lease first.
    pub(super) fn intend(&mut self, effect: Effect) {
        let Effect { who, job, term } = effect;
        if self.awake(who) && self.crew[who.index].leads(job, self.now) == Some(term) {
            let way = self.latency(who.index);
            self.schedule(way, Event::Land(effect));
        }
    }

    /// A write arrives, or is still with a process that stands still.
    pub(super) fn land(&mut self, effect: Effect) -> Verdict {
        let Effect { who, job, term } = effect;
        if self.process(who).is_some_and(|process| process.asleep.is_some()) {
            self.postpone(who, Event::Land(effect));
            return Ok(());
        }
        let others = (0..self.crew.len()).filter(|other| *other != who.index);
        let stale = others.into_iter().any(|other| self.crew[other].leads(job, self.now).is_some());
        self.figures.effects += 1;
        self.figures.stale += u64::from(stale);
        let mark = &mut self.marks[job];
        if mark.is_some_and(|(marked, _)| term < marked) {
            self.figures.fenced += 1;
            return Ok(());
        }
        let before = mark.replace((term, who));
        let own = before.is_none_or(|(marked, owner)| marked < term || owner == who);
        self.court.require(Article::Fenced, own, || {
            format!("{} wrote for job {job} at term {term} what {before:?} had marked", who.index)
        })
    }
}
