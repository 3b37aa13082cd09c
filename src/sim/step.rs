//! One step of a machine: what it is told, what it says, and what must hold after it.

use super::court::{Article, Verdict};
use super::weather::part;
use super::world::{Event, World};
use crate::lease::{Input, Note, Output};
use crate::machine::{JobName, Machine};
use crate::time::Instant;

/// How many requests a machine may make in one time-to-live, and how many more for each thing that
/// happens to it: fifty times what it needs in fair weather.
const MOST_REQUESTS: usize = 50 * 10;
const REQUESTS_A_REASON: usize = 4;

impl World {
    /// One step of a machine, and all that must hold after it.
    pub(super) fn step(&mut self, index: usize, input: Option<Input>) -> Verdict {
        let now = self.crew[index].clock.shows(self.now);
        self.tell(|world| {
            format!(
                "{:?} {index} at {now:?}: {}",
                world.now,
                input.as_ref().map_or_else(|| "tick".to_owned(), |input| format!("{input:?}"))
            )
        });
        let Some(process) = &mut self.crew[index].process else { return Ok(()) };
        let mut outputs = Vec::new();
        match input {
            Some(input) => {
                let reason = !matches!(input, Input::Answer { .. });
                if let Input::Jobs(listed) = &input {
                    process.listed.clone_from(listed);
                }
                process.thrift.allowed += if reason { REQUESTS_A_REASON } else { 0 };
                process.machine.handle(now, input, &mut outputs);
            }
            None => process.machine.tick(now, &mut outputs),
        }
        let deadline = process.machine.deadline();
        self.court.require(Article::Manners, deadline > now, || {
            format!("{index} was told the time and still wants it at {deadline:?}")
        })?;
        self.mark(index, outputs.len(), deadline);
        self.tell(|_| format!("    {outputs:?}"));
        self.claim(index, now)?;
        for output in outputs {
            self.obey(index, output)?;
        }
        self.set_alarm(index, deadline);
        if self.random.u8(..8) == 0 { self.tick_for_nothing(index) } else { Ok(()) }
    }

    /// Folds a step into the fingerprint.
    fn mark(&mut self, index: usize, outputs: usize, deadline: Instant) {
        for word in [self.now.as_nanos().unsigned_abs(), deadline.as_nanos().unsigned_abs()] {
            self.fingerprint = (self.fingerprint ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
        }
        for word in [index, outputs] {
            self.fingerprint ^= u64::try_from(word).unwrap_or(u64::MAX);
            self.fingerprint = self.fingerprint.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
        self.figures.steps += 1;
    }

    /// A tick that is early or repeated does nothing.
    pub(super) fn tick_for_nothing(&mut self, index: usize) -> Verdict {
        let now = self.crew[index].clock.shows(self.now);
        let Some(process) = &mut self.crew[index].process else { return Ok(()) };
        let (deadline, mut outputs) = (process.machine.deadline(), Vec::new());
        process.machine.tick(now, &mut outputs);
        self.court.require(Article::Manners, outputs.is_empty(), || {
            format!("{index} answered a tick before {deadline:?} with {outputs:?}")
        })?;
        let after = process.machine.deadline();
        self.court.require(Article::Manners, after == deadline, || {
            format!("{index} moved its deadline from {deadline:?} to {after:?} in a tick before it")
        })
    }

    /// Does what a machine says.
    fn obey(&mut self, index: usize, output: Output) -> Verdict {
        let seat = |world: &Self, job: &JobName| world.jobs.binary_search(job).unwrap_or_default();
        match output {
            Output::Ask { id, ask } => return self.send(index, id, ask),
            Output::Wake { url, jobs } => self.send_word(&url, jobs),
            Output::Lead { job, term, row } => {
                return self.lead(index, seat(self, &job), term, *row);
            }
            Output::Orders { job, orders } => self.order(index, seat(self, &job), orders),
            Output::Leave { job, term, why } => return self.leave(index, seat(self, &job), term, &why),
            Output::Wind { job } => self.wind(index, seat(self, &job)),
            Output::Grant { job, run, term } => return self.grant(index, seat(self, &job), run, term),
            Output::Refuse { job, run, .. } => return self.refuse(index, seat(self, &job), run),
            Output::Clock(ahead) => {
                self.crew[index].process.iter_mut().for_each(|process| process.ahead = ahead);
            }
            Output::Note(Note::Lapsed(_)) => self.figures.lapses += 1,
            Output::Note(Note::Registered(_)) => self.beset(index),
            Output::Note(Note::Regressed { rebuilding, .. }) => {
                self.figures.regressions += 1;
                if !rebuilding {
                    // A person has looked after the store, and starts the instance again.
                    let later = part(&mut self.random, self.weather.timing.ttl);
                    self.schedule(later, Event::Drain(index));
                }
            }
            Output::Note(_) => {}
            Output::Stopped => return self.stopped(index),
        }
        Ok(())
    }

    /// Sets the timer that a machine wants, a little late as timers are.
    pub(super) fn set_alarm(&mut self, index: usize, deadline: Instant) {
        let sloth = part(&mut self.random, self.weather.sloth);
        let at = self.crew[index].clock.reaches(deadline) + sloth;
        let who = self.whom(index);
        let Some(process) = self.process(who) else { return };
        if deadline < Instant::NEVER && at < process.alarm {
            process.alarm = at;
            self.schedule_at(at, Event::Alarm(who));
        }
    }

    /// Counts a request, and finds fault with too many.
    pub(super) fn ration(&mut self, index: usize) -> Verdict {
        let (now, ttl) = (self.crew[index].clock.shows(self.now), self.weather.timing.ttl);
        let Some(process) = &mut self.crew[index].process else { return Ok(()) };
        let thrift = &mut process.thrift;
        if now >= thrift.since + ttl {
            (thrift.since, thrift.requests, thrift.allowed) = (now, 0, MOST_REQUESTS);
        }
        thrift.requests += 1;
        self.court.require(Article::Manners, thrift.requests <= thrift.allowed, || {
            format!("{index} made {} requests in a ttl", thrift.requests)
        })
    }
}
