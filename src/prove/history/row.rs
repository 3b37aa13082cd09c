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

/// A state of the row.
#[derive(Clone, Copy, Debug)]
struct State {
    version: Version,
    begins: Window,
    ends: Window,
}

/// The version of a state that nobody saw.
const UNSEEN: Version = Version(u64::MAX);

impl State {
    fn new(version: Version, begins: Window) -> Self {
        Self { version, begins, ends: Window::since(Instant::NEVER) }
    }
}

impl Window {
    /// At that moment, or later, or never.
    fn since(earliest: Instant) -> Self {
        Self { earliest, latest: Instant::NEVER }
    }
}

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
        let mut states = self.chain(&known)?;
        self.date(&mut states)?;
        self.add_unseen(&mut states, &known);
        self.weigh(&states)
    }

    /// Each version that the row had, and the id of who wrote it.
    fn known(&self) -> Result<BTreeMap<Version, u64>, Violation> {
        let mut versions = HashMap::new();
        let mut known = BTreeMap::new();
        let mut learn = |version: Version, id| {
            let before = *versions.entry(id).or_insert(version);
            match *known.entry(version).or_insert(id) {
                _ if before != version => Err(Violation::Twice(before.min(version), before.max(version))),
                writer if writer != id || version == Version::ABSENT => Err(Violation::Shared(version)),
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

    /// The states that somebody saw or made, each resting on the one before it.
    fn chain(&self, known: &BTreeMap<Version, u64>) -> Result<Vec<State>, Violation> {
        let absent = |begins: &Window| State::new(Version::ABSENT, *begins);
        let mut states = vec![absent(&Window::since(Instant::LONG_AGO))];
        let mut held = Version::ABSENT;
        for (version, id) in known {
            let Write { base, effect, .. } = self.writes[id];
            let deleted = self.deleted.get(&held);
            if base == Version::ABSENT && held != base {
                let deleted = deleted.or_else(|| self.perhaps_deleted.get(&held));
                states.push(absent(deleted.ok_or(Violation::Stale { base, held })?));
            } else if base != held {
                return Err(Violation::Stale { base, held });
            } else if deleted.is_some() {
                return Err(Violation::Stale { base, held: *version });
            }
            states.push(State::new(*version, effect));
            held = *version;
        }
        if let Some(base) = self.deleted.keys().find(|base| !known.contains_key(base)) {
            return Err(Violation::Stale { base: *base, held });
        }
        states.extend(self.deleted.get(&held).map(absent));
        Ok(states)
    }

    /// Narrows down when each state began and ended, by who saw what before and after.
    fn date(&self, states: &mut [State]) -> Result<(), Violation> {
        let seen = |version| self.seen.get(&version).into_iter().flatten().map(|(_, window)| window);
        let mut earliest = Instant::LONG_AGO;
        for State { version, begins, .. } in &mut *states {
            begins.earliest = begins.earliest.max(earliest);
            earliest = seen(*version).map(|read| read.earliest).fold(begins.earliest, Instant::max);
        }
        let mut next = Window::since(earliest);
        for State { version, begins, ends } in states.iter_mut().rev() {
            *ends = next;
            let latest = begins.latest.min(ends.latest);
            begins.latest = seen(*version).map(|read| read.latest).fold(latest, Instant::min);
            if begins.earliest > begins.latest {
                return Err(Violation::Misplaced(*version));
            }
            next = *begins;
        }
        Ok(())
    }

    /// Adds what may have come last though nobody saw it: no row, or another one, or neither. An insert
    /// after the deletion would make nothing possible that is not so already.
    fn add_unseen(&self, states: &mut Vec<State>, known: &BTreeMap<Version, u64>) {
        let Some(last) = states.last_mut() else { return };
        let (held, end) = (last.version, last.ends.earliest);
        let seen: HashSet<_> = known.values().collect();
        let writes = self.writes.iter().filter(|(id, write)| {
            write.base == held && write.outcome == Outcome::Unknown && !seen.contains(id)
        });
        let written = writes.map(|(_, write)| write.effect.earliest).min();
        let deleted = self.perhaps_deleted.get(&held).map(|deleted| deleted.earliest);
        let [written, deleted] = [written, deleted].map(|earliest| Some(Window::since(earliest?.max(end))));
        let ends = written.into_iter().chain(deleted).min_by_key(|begins| begins.earliest);
        last.ends = ends.unwrap_or(Window::since(Instant::NEVER));
        states.extend(deleted.map(|begins| State::new(Version::ABSENT, begins)));
        states.extend(written.map(|begins| State::new(UNSEEN, begins)));
    }

    /// Holds the answers that name no version against the states.
    fn weigh(&self, states: &[State]) -> Result<(), Violation> {
        let (absent, present): (Vec<_>, Vec<_>) =
            states.iter().copied().partition(|state| state.version == Version::ABSENT);
        // The first of these states that can have lasted until the call, if it can have begun by its end.
        let possible = |states: &[State], call: &Window| {
            let first = states.partition_point(|state| state.ends.latest < call.earliest);
            states.get(first).is_some_and(|state| state.begins.earliest <= call.latest)
        };
        if let Some(call) = self.absences.iter().find(|call| !possible(&absent, call)) {
            return Err(Violation::Overlooked(call.earliest));
        }
        for (base, call) in &self.conflicts {
            let founded = match present.binary_search_by_key(base, |state| state.version) {
                _ if *base == Version::ABSENT => possible(&present, call),
                Ok(at) => {
                    let State { begins, ends, .. } = present[at];
                    call.earliest <= begins.latest || call.latest >= ends.earliest
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
