//! The way to the store and back, where most things go wrong.

use std::time::Duration;

use super::court::{Article, Breach, Verdict};
use super::coverage::{State, Strike};
use super::weather::{Chance, part};
use super::world::{Event, Whom, World};
use crate::lease::{Answer, Ask, Input, RequestId, RowWrite, View, Write};
use crate::machine::JobName;
use crate::rows::Lease;
use crate::stores::{Outcome, Version};

/// How many times the deadline of a request its effect may come late.
const LATEST: u32 = 24;

/// A request on its way.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    from: Whom,
    id: RequestId,
    ask: Ask,
    /// What each of its writes is about to do, and whether there are several.
    deeds: Vec<State>,
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
        let deeds = self.deeds(index, &ask);
        if let Some(process) = self.process(from) {
            process.pending.insert(id, deeds.clone());
        }
        self.schedule_at(timeout, Event::Timeout(from, id));
        if self.crew[index].cut.0 > self.now || self.strikes(index, self.weather.lost_request) {
            self.saw(Strike::LostRequest, &deeds);
            return Ok(());
        }
        let letter = Box::new(Letter { from, id, ask, deeds, view: View::default() });
        if self.strikes(index, self.weather.twice) {
            self.saw(Strike::Twice, &letter.deeds);
            let way = self.latency(index) + self.latency(index);
            self.schedule(way, Event::Arrive(letter.clone()));
        }
        let late = if self.strikes(index, self.weather.late) { request * LATEST } else { Duration::ZERO };
        let late = part(&mut self.random, late);
        if late > request {
            self.saw(Strike::Late, &letter.deeds);
        }
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
                Answer::Written(self.commit(letter.from, letter.id, &writes, &letter.deeds)?)
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
        if heavy || self.strikes(from, self.weather.lost_reply) {
            self.saw(Strike::LostReply, &letter.deeds);
        } else {
            self.schedule(back, Event::Reply(letter.from, letter.id, Box::new(answer)));
        }
        Ok(())
    }

    fn commit(
        &mut self,
        from: Whom,
        id: RequestId,
        writes: &[Write],
        deeds: &[State],
    ) -> Result<Vec<Outcome>, Breach> {
        let before = self.store.version();
        let mut outcomes = self.store.commit(self.now, writes);
        self.tell(|world| {
            format!("{:?} the store takes from {}: {writes:?}: {outcomes:?}", world.now, from.index)
        });
        let awaited = self.process(from).is_some_and(|process| process.pending.contains_key(&id));
        self.figures.zombies += u64::from(!awaited && self.store.version() > before);
        let strange = self.is_strange(from, writes);
        for (write, outcome) in writes.iter().zip(&outcomes) {
            if let RowWrite::Run(job, row) = &write.row
                && let Some(row) = self.store.run(job, row.entry.due)
            {
                self.figures.entries += u64::from(self.accounts.filed(&self.court, job, &row.entry)?);
            }
            let RowWrite::Lease(job, lease) = &write.row else { continue };
            let takes = matches!(outcome, Outcome::Done(_)) && lease.holder.is_some();
            self.court.require(Article::SameStore, !(strange && takes), || {
                format!("{} leads {job} in another store than the one that it met", from.index)
            })?;
            if let Some(row) = self.store.lease(job) {
                self.law.written(&self.court, job, row)?;
                self.accounts.written(&self.court, job, row, self.now)?;
            }
        }
        let batch = &deeds[writes.len()..];
        for (outcome, deed) in outcomes.iter_mut().zip(deeds) {
            if *outcome == Outcome::Conflict {
                self.saw(Strike::Conflict, std::slice::from_ref(deed));
                self.saw(Strike::Conflict, batch);
            }
            if self.strikes(from.index, self.weather.unknown) {
                self.saw(Strike::Unknown, std::slice::from_ref(deed));
                self.saw(Strike::Unknown, batch);
                *outcome = Outcome::Unknown;
            }
        }
        Ok(outcomes)
    }

    /// What each write of a request is about to do, as far as it shows, and whether there are several.
    fn deeds(&self, index: usize, ask: &Ask) -> Vec<State> {
        let Ask::Write(writes) = ask else { return Vec::new() };
        let several = (writes.len() > 1).then_some(State::Batch);
        writes.iter().map(|write| self.deed(index, write)).chain(several).collect()
    }

    fn deed(&self, index: usize, write: &Write) -> State {
        match &write.row {
            RowWrite::Cluster(_) => State::Founding,
            RowWrite::Member(_, None) => State::Reaping,
            RowWrite::Member(_, Some(_)) if write.base == Version::ABSENT => State::Registering,
            RowWrite::Member(_, Some(_)) => State::Beating,
            RowWrite::Run(..) => State::Filing,
            RowWrite::Lease(job, row) => self.deed_on(index, job, row),
        }
    }

    fn deed_on(&self, index: usize, job: &JobName, row: &Lease) -> State {
        let job = self.jobs.binary_search(job).unwrap_or_default();
        let Some(process) = &self.crew[index].process else { return State::Amending };
        let launching = process.desks[job].launch.as_ref().map(|(launch, _)| launch.cursor.run);
        let recorded = row.cursor.as_ref().map(|cursor| cursor.run);
        match row.holder {
            None => State::Releasing,
            holder if holder != process.machine.incarnation() => State::Giving,
            _ if self.crew[index].leads(job, self.now).is_none() => State::Claiming,
            _ if launching.is_some() && launching == recorded => State::Recording,
            _ => State::Amending,
        }
    }

    /// Something struck in all of these states.
    pub(super) fn saw(&mut self, strike: Strike, states: &[State]) {
        for state in states {
            self.coverage.saw(strike, *state);
        }
    }

    /// Whether a process writes to a store that lost everything after it registered there, which only
    /// a person may allow unless the store is volatile. A row of the cluster that a late copy of a
    /// request has put back is the one that the process met, as far as anybody can know.
    fn is_strange(&mut self, from: Whom, writes: &[Write]) -> bool {
        let (cluster, volatile) = (self.store.cluster(), self.weather.traits.volatile);
        let Some(process) = self.process(from) else { return false };
        if writes.iter().any(|write| matches!(write.row, RowWrite::Member(_, Some(_)))) {
            process.met = process.met.or(cluster);
        }
        !volatile && process.met.is_some() && process.met != cluster
    }

    /// An answer comes back.
    pub(super) fn reply(&mut self, who: Whom, id: RequestId, answer: Answer) -> Verdict {
        if self.crew[who.index].cut.1 > self.now {
            return Ok(());
        }
        let awaited = self.process(who).is_some_and(|process| process.pending.remove(&id).is_some());
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
        if process.pending.remove(&id).is_some() { self.answer(who, id, Answer::Silence) } else { Ok(()) }
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
    pub(super) fn latency(&mut self, index: usize) -> Duration {
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
