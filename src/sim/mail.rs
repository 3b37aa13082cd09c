//! The way to the store and back, where most things go wrong.

use std::time::Duration;

use super::law::{Verdict, require};
use super::weather::{Chance, part};
use super::world::{Event, Whom, World};
use crate::lease::{Answer, Ask, Input, RequestId, RowWrite, View, Write};
use crate::machine::JobName;
use crate::stores::Outcome;

/// How many times the deadline of a request its effect may come late.
const LATEST: u32 = 24;

/// A request on its way.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    from: Whom,
    id: RequestId,
    ask: Ask,
    /// What has been read so far.
    view: View,
}

impl World {
    /// Sends a request, which ends with exactly one answer to whoever still waits for it.
    pub(super) fn send(&mut self, index: usize, id: RequestId, ask: Ask) -> Verdict {
        self.ration(index)?;
        let (clock, request) = (self.crew[index].clock, self.weather.timing.request);
        let timeout = clock.reaches(clock.shows(self.now) + request);
        let from = self.whom(index);
        if let Some(process) = self.process(from) {
            process.pending.insert(id);
        }
        self.schedule_at(timeout, Event::Timeout(from, id));
        if self.crew[index].cut.0 > self.now || self.strikes(index, self.weather.lost_request) {
            return Ok(());
        }
        let letter = Box::new(Letter { from, id, ask, view: View::default() });
        if self.strikes(index, self.weather.twice) {
            let way = self.latency(index) + self.latency(index);
            self.schedule(way, Event::Arrive(letter.clone()));
        }
        let late = if self.strikes(index, self.weather.late) { request * LATEST } else { Duration::ZERO };
        let late = part(&mut self.random, late);
        let way = self.latency(index) + part(&mut self.random, late);
        self.schedule(way, Event::Arrive(letter));
        Ok(())
    }

    /// A request reaches the store.
    pub(super) fn arrive(&mut self, mut letter: Letter) -> Verdict {
        let from = letter.from.index;
        let heavy = self.weather.narrow.is_some_and(|most| leases(&letter) > most);
        let answer = match &mut letter.ask {
            Ask::Write(_) if heavy && self.random.bool() => return Ok(()),
            Ask::Write(writes) => {
                let writes = std::mem::take(writes);
                Answer::Written(self.commit(letter.from, letter.id, &writes)?)
            }
            Ask::Read(wanted) => {
                while !wanted.is_empty() {
                    self.store.read(self.now, wanted, self.random.u8(..3), &mut letter.view);
                    if self.weather.torn && !wanted.is_empty() {
                        let pause = self.latency(from);
                        self.schedule(pause, Event::Arrive(Box::new(letter)));
                        return Ok(());
                    }
                }
                Answer::Read(letter.view)
            }
        };
        let back = self.latency(from);
        if !heavy && !self.strikes(from, self.weather.lost_reply) {
            self.schedule(back, Event::Reply(letter.from, letter.id, Box::new(answer)));
        }
        Ok(())
    }

    fn commit(&mut self, from: Whom, id: RequestId, writes: &[Write]) -> Result<Vec<Outcome>, String> {
        let before = self.store.version();
        let mut outcomes = self.store.commit(self.now, writes);
        self.tell(|world| {
            format!("{:?} the store takes from {}: {writes:?}: {outcomes:?}", world.now, from.index)
        });
        let awaited = self.process(from).is_some_and(|process| process.pending.contains(&id));
        self.figures.zombies += u64::from(!awaited && self.store.version() > before);
        let strange = self.is_strange(from, writes);
        for (write, outcome) in writes.iter().zip(&outcomes) {
            if let RowWrite::Run(job, row) = &write.row
                && let Some(row) = self.store.run(job, row.entry.due)
            {
                self.figures.entries += u64::from(self.accounts.filed(job, &row.entry)?);
            }
            let RowWrite::Lease(job, lease) = &write.row else { continue };
            let takes = matches!(outcome, Outcome::Done(_)) && lease.holder.is_some();
            require(!(strange && takes), || {
                format!("{} leads {job} in another store than the one that it met", from.index)
            })?;
            if let Some(row) = self.store.lease(job) {
                self.law.written(job, row)?;
                self.accounts.written(job, row, self.now)?;
            }
        }
        for outcome in &mut outcomes {
            if self.strikes(from.index, self.weather.unknown) {
                *outcome = Outcome::Unknown;
            }
        }
        Ok(outcomes)
    }

    /// Whether a process writes to a store that lost everything after it registered there, which only
    /// a person may allow unless the store is volatile.
    fn is_strange(&mut self, from: Whom, writes: &[Write]) -> bool {
        let (wipes, volatile) = (self.store.wipes(), self.weather.traits.volatile);
        let Some(process) = self.process(from) else { return false };
        if writes.iter().any(|write| matches!(write.row, RowWrite::Member(_, Some(_)))) {
            process.met.get_or_insert(wipes);
        }
        !volatile && process.met.is_some_and(|met| met < wipes)
    }

    /// An answer comes back.
    pub(super) fn reply(&mut self, who: Whom, id: RequestId, answer: Answer) -> Verdict {
        if self.crew[who.index].cut.1 > self.now {
            return Ok(());
        }
        let awaited = self.process(who).is_some_and(|process| process.pending.remove(&id));
        if awaited { self.answer(who, id, answer) } else { Ok(()) }
    }

    /// A request has gone unanswered for too long. A process that stands still finds that out when
    /// it wakes up, unless it then finds the answer.
    pub(super) fn timeout(&mut self, who: Whom, id: RequestId) -> Verdict {
        let Some(process) = self.process(who) else { return Ok(()) };
        if process.asleep.is_some() {
            self.postpone(who, Event::Timeout(who, id));
            return Ok(());
        }
        if process.pending.remove(&id) { self.answer(who, id, Answer::Silence) } else { Ok(()) }
    }

    fn answer(&mut self, who: Whom, id: RequestId, answer: Answer) -> Verdict {
        let unknown = match &answer {
            Answer::Silence => true,
            Answer::Written(outcomes) => outcomes.contains(&Outcome::Unknown),
            Answer::Read(_) => false,
        };
        self.figures.unknown += u64::from(unknown);
        self.deliver(who, Input::Answer { id, answer })
    }

    /// Sends a word to whoever listens at `url`, which may be lost.
    pub(super) fn send_word(&mut self, url: &str, jobs: Vec<JobName>) {
        let listener = self.crew.iter().position(|instance| instance.url == url);
        if let Some(index) = listener.filter(|index| !self.strikes(*index, self.weather.lost_wake)) {
            let way = self.latency(index);
            self.schedule(way, Event::Wake(index, jobs));
        }
    }

    /// How long a message from or to an instance travels.
    fn latency(&mut self, index: usize) -> Duration {
        let (usual, request) = (self.weather.latency, self.weather.timing.request);
        let most = match self.strikes(index, self.weather.slow) {
            true => request,
            false if self.quiet || self.crew[index].lucky => 2 * usual.min(self.weather.timing.ttl / 50),
            false => 2 * usual,
        };
        part(&mut self.random, most)
    }

    /// Whether something goes wrong now with a message from or to an instance.
    fn strikes(&mut self, index: usize, chance: Chance) -> bool {
        !self.quiet && !self.crew[index].lucky && chance.strikes(&mut self.random)
    }
}

/// How many lease rows there are in a request.
fn leases(letter: &Letter) -> usize {
    match &letter.ask {
        Ask::Read(wanted) => wanted.leases.len() + letter.view.leases.len(),
        Ask::Write(writes) => writes.iter().filter(|write| matches!(write.row, RowWrite::Lease(..))).count(),
    }
}
