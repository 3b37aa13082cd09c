//! One row: the chain of its states, and when each began.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Act, Operation, Violation};
use crate::stores::{Outcome, Version};
use crate::time::Instant;

/// When something began: no earlier, and no later.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) earliest: Instant,
    pub(super) latest: Instant,
}

/// A state of the row, which lasts until the next one begins.
#[derive(Clone, Copy, Debug)]
struct State {
    version: Version,
    begins: Window,
}

/// The version of a state that nobody saw.
const UNSEEN: Version = Version(u64::MAX);

/// A write, and when it took effect.
#[derive(Clone, Copy, Debug)]
struct Write {
    base: Version,
    outcome: Outcome,
    effect: Window,
}

/// The operations of one row, by what they tell.
#[derive(Debug, Default)]
pub(super) struct Row {
    writes: HashMap<u64, Write>,
    /// When the row was deleted, by the version that it then had.
    deleted: HashMap<Version, Window>,
    /// When it may have been.
    perhaps_deleted: HashMap<Version, Window>,
    /// Who wrote a version, when that was read: sent, answered.
    seen: HashMap<Version, Vec<(u64, Window)>>,
    absences: Vec<Window>,
    conflicts: Vec<(Version, Window)>,
}

impl Row {
    /// Takes in what somebody saw.
    pub(super) fn add(&mut self, operation: &Operation) -> Result<(), Violation> {
        let effect = operation.effect();
        match operation.act {
            Act::Read(None) => self.absences.push(effect),
            Act::Read(Some((version, id))) => self.seen.entry(version).or_default().push((id, effect)),
            Act::Change { id, base, deletes, outcome } => {
                if outcome == Outcome::Conflict {
                    self.conflicts.push((base, effect));
                }
                match outcome {
                    _ if !deletes => drop(self.writes.insert(id, Write { base, outcome, effect })),
                    Outcome::Conflict => {}
                    Outcome::Done(_) => {
                        if self.deleted.insert(base, effect).is_some() {
                            return Err(Violation::Stale { base, held: Version::ABSENT });
                        }
                    }
                    Outcome::Unknown => {
                        let perhaps = self.perhaps_deleted.entry(base).or_insert(effect);
                        perhaps.earliest = perhaps.earliest.min(effect.earliest);
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether all of it can have been.
    pub(super) fn check(&self) -> Result<(), Violation> {
        let known = self.known()?;
        let mut chain = self.chain(&known)?;
        self.date(&mut chain)?;
        self.weigh(&chain)
    }

    /// Each version that the row had, and the id of who wrote it.
    fn known(&self) -> Result<BTreeMap<Version, u64>, Violation> {
        let mut versions = HashMap::new();
        let mut known = BTreeMap::new();
        let mut learn = |version: Version, id| {
            let before = *versions.entry(id).or_insert(version);
            match *known.entry(version).or_insert(id) {
                _ if before != version => Err(Violation::Twice(before.min(version), before.max(version))),
                writer if writer != id => Err(Violation::Shared(version)),
                _ => Ok(()),
            }
        };
        for (id, write) in &self.writes {
            if let Outcome::Done(version) = write.outcome {
                learn(version, *id)?;
            }
        }
        for (version, reads) in &self.seen {
            for (id, _) in reads {
                let write = self.writes.get(id).ok_or(Violation::Invented(*version))?;
                if write.outcome == Outcome::Conflict {
                    return Err(Violation::Refused(*version));
                }
                learn(*version, *id)?;
            }
        }
        Ok(known)
    }

    /// The states of the row, each resting on the one before it.
    fn chain(&self, known: &BTreeMap<Version, u64>) -> Result<Vec<State>, Violation> {
        let always = Window { earliest: Instant::LONG_AGO, latest: Instant::NEVER };
        let absent = |begins| State { version: Version::ABSENT, begins };
        let mut chain = vec![absent(always)];
        let mut held = Version::ABSENT;
        for (version, id) in known {
            let Write { base, effect, .. } = self.writes[id];
            let deleted = self.deleted.get(&held);
            if base == Version::ABSENT && held != base {
                let deleted = deleted.or_else(|| self.perhaps_deleted.get(&held));
                chain.push(absent(*deleted.ok_or(Violation::Stale { base, held })?));
            } else if base != held {
                return Err(Violation::Stale { base, held });
            } else if deleted.is_some() {
                return Err(Violation::Stale { base, held: *version });
            }
            chain.push(State { version: *version, begins: effect });
            held = *version;
        }
        if let Some(base) = self.deleted.keys().find(|base| !known.contains_key(base)) {
            return Err(Violation::Stale { base: *base, held });
        }
        match self.deleted.get(&held) {
            Some(deleted) => {
                chain.push(absent(*deleted));
                chain.extend(self.last(Version::ABSENT, known));
            }
            None => chain.extend(self.last(held, known)),
        }
        Ok(chain)
    }

    /// What may have come last, after the state at `held`, unseen: it began at some moment, or never.
    fn last(&self, held: Version, known: &BTreeMap<Version, u64>) -> Vec<State> {
        let deletion = self.perhaps_deleted.get(&held);
        let seen: HashSet<_> = known.values().collect();
        let fits = |base| base == held || deletion.is_some() && base == Version::ABSENT;
        let unseen = self.writes.iter().filter(|(id, write)| {
            write.outcome == Outcome::Unknown && fits(write.base) && !seen.contains(id)
        });
        let write = unseen.map(|(_, write)| write.effect.earliest).min();
        let earliest = deletion.map(|window| window.earliest).into_iter().chain(write).min();
        let begins = Window { earliest: earliest.unwrap_or(Instant::NEVER), latest: Instant::NEVER };
        let gone = deletion.map(|_| State { version: Version::ABSENT, begins });
        gone.into_iter().chain(write.map(|_| State { version: UNSEEN, begins })).collect()
    }

    /// Narrows down when each state began, by who saw what before and after.
    fn date(&self, chain: &mut [State]) -> Result<(), Violation> {
        let seen = |version| self.seen.get(&version).into_iter().flatten().map(|(_, window)| window);
        let mut earliest = Instant::LONG_AGO;
        for State { version, begins } in &mut *chain {
            begins.earliest = begins.earliest.max(earliest);
            earliest = seen(*version).map(|read| read.earliest).fold(begins.earliest, Instant::max);
        }
        let mut latest = Instant::NEVER;
        for State { version, begins } in chain.iter_mut().rev() {
            latest = seen(*version).map(|read| read.latest).fold(latest, Instant::min).min(begins.latest);
            begins.latest = latest;
            if begins.earliest > latest {
                return Err(Violation::Misplaced(*version));
            }
        }
        Ok(())
    }

    /// Holds the answers that name no version against the states.
    fn weigh(&self, chain: &[State]) -> Result<(), Violation> {
        let never = Window { earliest: Instant::NEVER, latest: Instant::NEVER };
        let ends = chain.iter().skip(1).map(|next| next.begins).chain([never]);
        let spans: Vec<_> = chain.iter().map(|state| (state.version, state.begins)).zip(ends).collect();
        let (absent, present): (Vec<_>, Vec<_>) =
            spans.iter().partition(|((version, _), _)| *version == Version::ABSENT);
        // The first of these states that can have lasted until the call, if it can have begun by its end.
        let possible = |states: &[((Version, Window), Window)], call: &Window| {
            let first = states.partition_point(|(_, end)| end.latest < call.earliest);
            states.get(first).is_some_and(|((_, begins), _)| begins.earliest <= call.latest)
        };
        if let Some(call) = self.absences.iter().find(|call| !possible(&absent, call)) {
            return Err(Violation::Overlooked(call.earliest));
        }
        for (base, call) in &self.conflicts {
            let founded = match present.binary_search_by_key(base, |((version, _), _)| *version) {
                _ if *base == Version::ABSENT => possible(&present, call),
                Ok(at) => {
                    let ((_, begins), end) = present[at];
                    call.earliest <= begins.latest || call.latest >= end.earliest
                }
                Err(_) => true,
            };
            if !founded {
                return Err(Violation::Unfounded(*base));
            }
        }
        Ok(())
    }
}
