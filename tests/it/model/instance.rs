//! An instance of the model: the real machine, and a scheduler that asks for more than it may have.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use fastrand::Rng;
use tenure::lease::{About, Answer, Balance, End, Input, Launch, Lease, Output, RequestId, Timing};
use tenure::machine::{JobName, Leadership, Machine, RunId, Term};
use tenure::rows::{Cursor, Orders, RunState};
use tenure::stores::Traits;
use tenure::time::{Instant, Wall};

use super::{Hole, TTL};

/// What an instance suffers from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Plight {
    /// Nothing.
    Well,
    /// It does nothing, and hears nothing.
    Frozen,
    /// Nothing that it asks reaches the store.
    Cut,
    /// No answer reaches it.
    Deaf,
    /// It is not there.
    Down,
}

/// One process after the other on one machine.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    pub(super) plight: Plight,
    machine: Lease,
    timing: Timing,
    /// Requests without an answer, and when one is no longer waited for.
    awaited: BTreeMap<RequestId, Instant>,
    desks: BTreeMap<JobName, Desk>,
    runs: u128,
    /// Everything that it was ever told and when: two with the same past are the same.
    pub(super) past: u64,
    /// Which process this is.
    pub(super) process: u64,
}

/// What the scheduler of one job knows.
#[derive(Clone, Debug, Default)]
struct Desk {
    led: Option<Term>,
    /// The number of the last due time that was asked for.
    due: i64,
    asked: Option<RunId>,
    work: Option<RunId>,
}

impl Instance {
    pub(super) fn new(index: usize, process: u64, jobs: &[JobName], hole: Hole) -> Self {
        let mut timing = Timing::from_failover(TTL);
        if hole == Hole::NoMargin {
            timing.margin = Duration::ZERO;
        }
        let about = About { name: "namesake".to_owned(), url: index.to_string(), version: String::new() };
        let traits = Traits::default();
        let random = Rng::with_seed(process);
        Self {
            plight: Plight::Well,
            machine: Lease::new(timing, about, Balance::Spread, traits, jobs.to_vec(), random),
            timing,
            awaited: BTreeMap::new(),
            desks: jobs.iter().map(|job| (job.clone(), Desk::default())).collect(),
            runs: 0,
            past: process,
            process,
        }
    }

    /// Tells the machine something, or only the time.
    pub(super) fn tell(&mut self, now: Instant, input: Option<Input>) -> Vec<Output> {
        let mut past = DefaultHasher::new();
        (self.past, now).hash(&mut past);
        write!(Text(&mut past), "{input:?}").unwrap();
        self.past = past.finish();
        let mut out = Vec::new();
        match input {
            Some(input) => self.machine.handle(now, input, &mut out),
            None => self.machine.tick(now, &mut out),
        }
        assert!(self.machine.deadline() > now, "it is due at once for ever");
        out
    }

    pub(super) fn leads(&self, job: &JobName, now: Instant) -> bool {
        self.plight != Plight::Down && matches!(self.machine.leadership(job, now), Leadership::Leader { .. })
    }

    /// When something is due next, on its own clock.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let timeouts = self.awaited.values().copied();
        let awake = !matches!(self.plight, Plight::Frozen | Plight::Down);
        let deadline = timeouts.chain([self.machine.deadline()]).min()?;
        (awake && deadline < Instant::NEVER).then_some(deadline)
    }

    /// What happens now: calls take too long, runs end, others start that are due by number, and a
    /// timer fires.
    pub(super) fn wake(&mut self, now: Instant, due: i64) -> Vec<Option<Input>> {
        let late: Vec<_> =
            self.awaited.iter().filter(|(_, until)| now >= **until).map(|(id, _)| *id).collect();
        self.awaited.retain(|id, _| !late.contains(id));
        let silence = |id| Some(Input::Answer { id, answer: Answer::Silence });
        let mut inputs: Vec<_> = late.into_iter().map(silence).collect();
        for (job, desk) in &mut self.desks {
            if let Some(run) = desk.work.take() {
                inputs.push(Some(ended(job, run)));
            } else if let Some(term) = desk.led.filter(|_| desk.asked.is_none() && desk.due < due) {
                desk.due += 1;
                self.runs += 1;
                let run = RunId((self.runs << 64) + u128::from(self.process));
                desk.asked = Some(run);
                inputs.push(Some(launch(job, term, desk.due, run)));
            }
        }
        if now >= self.machine.deadline() {
            inputs.push(None);
        }
        inputs
    }

    /// A request leaves.
    pub(super) fn await_answer(&mut self, id: RequestId, now: Instant) {
        self.awaited.insert(id, now + self.timing.request);
    }

    /// Whether an answer is still waited for, which it is once.
    pub(super) fn takes(&mut self, process: u64, id: RequestId) -> bool {
        self.process == process && self.awaited.remove(&id).is_some()
    }

    /// Until when an answer is waited for.
    pub(super) fn waits_for(&self, process: u64, id: RequestId) -> Option<Instant> {
        self.awaited.get(&id).copied().filter(|_| self.process == process && self.plight != Plight::Down)
    }

    /// The machine says that it leads. The scheduler will ask even for what must have been launched.
    pub(super) fn lead(&mut self, job: &JobName, term: Term, due: i64) {
        let desk = self.desks.get_mut(job).unwrap();
        (desk.led, desk.due, desk.asked) = (Some(term), due - 2, None);
    }

    pub(super) fn leave(&mut self, job: &JobName) {
        self.desks.get_mut(job).unwrap().led = None;
    }

    /// A launch was refused; the next due time may be another matter.
    pub(super) fn refused(&mut self, job: &JobName) {
        self.desks.get_mut(job).unwrap().asked = None;
    }

    /// A run starts. What was it due at?
    pub(super) fn granted(&mut self, job: &JobName, run: RunId) -> i64 {
        let desk = self.desks.get_mut(job).unwrap();
        assert_eq!(desk.asked.take(), Some(run), "it was granted what it did not ask for");
        desk.work = Some(run);
        desk.due
    }
}

fn launch(job: &JobName, term: Term, due: i64, run: RunId) -> Input {
    let due = Wall::from_nanos(due);
    let cursor = Cursor {
        due,
        attempt: 1,
        run,
        term,
        node: String::new(),
        at: due,
        state: RunState::Started,
        again: None,
        schedule: String::new(),
        extra: None,
    };
    Input::Launch(Launch { job: job.clone(), cursor, entries: Vec::new(), obeyed: Orders::default() })
}

// Without an entry: filing is the simulator's, and no leadership hangs on it.
fn ended(job: &JobName, run: RunId) -> Input {
    let end = End { state: RunState::Finished, again: None, entry: None };
    Input::Ended { job: job.clone(), run, end }
}

/// Hashes text as it is written.
pub(super) struct Text<'a, H>(pub(super) &'a mut H);

impl<H: Hasher> fmt::Write for Text<'_, H> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}
