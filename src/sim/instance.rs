//! One instance of the simulated world: a host with its clocks, and the process that runs on it
//! now, if any.

use std::collections::BTreeMap;

use super::clock::BootClock;
use super::coverage::State;
use super::desk::Desk;
use crate::lease::{Input, Lease, RequestId};
use crate::machine::{ClusterId, Incarnation, JobName, Term};
use crate::time::{Instant, Wall};

/// A host. It outlives its processes.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) name: String,
    pub(super) url: String,
    pub(super) clock: BootClock,
    /// Nothing goes wrong with its messages.
    pub(super) lucky: bool,
    /// What the wall clock showed when the boot clock showed zero.
    pub(super) wall: Wall,
    /// How many processes there have been.
    pub(super) life: u64,
    pub(super) process: Option<Process>,
    /// Until when nothing leaves for the store, and until when nothing comes from it.
    pub(super) cut: (Instant, Instant),
    /// Since when its machine has stood still, in true time.
    pub(super) frozen: Option<Instant>,
    /// Since it last stood still, what rests on heartbeats from before may be an error: claims that
    /// end by then, on its own clock.
    pub(super) misled: Instant,
}

/// A process: the machine with what surrounds it in production.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) born: Instant,
    pub(super) machine: Lease,
    /// It stands still until then; what comes meanwhile waits in `inbox`.
    pub(super) asleep: Option<Instant>,
    pub(super) inbox: Vec<Input>,
    /// Requests without an answer, and what they are about to do.
    pub(super) pending: BTreeMap<RequestId, Vec<State>>,
    /// The true time at which it will wake up.
    pub(super) alarm: Instant,
    /// How far the cluster's clock is ahead of the boot clock.
    pub(super) ahead: i64,
    /// The jobs that it knows.
    pub(super) listed: Vec<JobName>,
    /// The cluster in whose store it first registered.
    pub(super) met: Option<ClusterId>,
    /// Since when it has been on its way out.
    pub(super) draining: Option<Instant>,
    /// What the machine said it leads, by job, as of its last step. What ran out is kept.
    pub(super) claims: Vec<Option<Claim>>,
    pub(super) desks: Vec<Desk>,
    pub(super) thrift: Thrift,
}

/// A leadership that a machine claims, until its own clock shows `until`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    pub(super) term: Term,
    pub(super) until: Instant,
}

/// How many requests a machine has made lately, and how many it had a reason for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thrift {
    /// When the current count began.
    pub(super) since: Instant,
    pub(super) requests: usize,
    pub(super) allowed: usize,
}

impl Process {
    pub(super) fn new(machine: Lease, listed: Vec<JobName>, born: Instant) -> Self {
        let jobs = listed.len();
        Self {
            born,
            machine,
            asleep: None,
            inbox: Vec::new(),
            pending: BTreeMap::new(),
            alarm: Instant::NEVER,
            ahead: 0,
            listed,
            met: None,
            draining: None,
            claims: vec![None; jobs],
            desks: (0..jobs).map(|_| Desk::default()).collect(),
            thrift: Thrift { since: Instant::LONG_AGO, requests: 0, allowed: 0 },
        }
    }
}

impl Instance {
    /// What it is at, as seen from outside, at the true time `at`.
    pub(super) fn states(&self, at: Instant) -> Vec<State> {
        let Some(process) = &self.process else { return Vec::new() };
        let alive = process.machine.life().is_some();
        let leads = (0..process.claims.len()).any(|job| self.leads(job, at).is_some());
        let signs = [
            (State::Joining, !alive && process.draining.is_none()),
            (State::StandingBy, alive && !leads),
            (State::Leading, leads),
            (State::Running, process.desks.iter().any(|desk| desk.work.is_some())),
            (State::Draining, process.draining.is_some()),
        ];
        let signs = signs.into_iter().filter(|(_, shows)| *shows).map(|(state, _)| state);
        signs.chain(process.pending.values().flatten().copied()).collect()
    }

    /// Whether it has been drained, or is about to learn that.
    pub(super) fn stands_aside(&self, drained: &[Incarnation]) -> bool {
        let machine = self.process.as_ref().map(|process| &process.machine);
        machine.is_some_and(|machine| {
            machine.stands_aside() || machine.incarnation().is_some_and(|id| drained.contains(&id))
        })
    }

    /// What its wall clock shows at the true time `at`.
    pub(super) fn wall_at(&self, at: Instant) -> Wall {
        self.wall.shifted(self.clock.shows(at).as_nanos())
    }

    /// The term at which it claims to lead a job at the true time `at`, from wherever one looks.
    pub(super) fn leads(&self, job: usize, at: Instant) -> Option<Term> {
        let claim = self.process.as_ref()?.claims[job]?;
        (self.clock.shows(at) < claim.until).then_some(claim.term)
    }

    /// The same, when it cannot be an error.
    pub(super) fn surely_leads(&self, job: usize, at: Instant) -> Option<Term> {
        let claim = self.process.as_ref()?.claims[job]?;
        self.leads(job, at).filter(|_| !self.may_err(claim.until))
    }

    /// Whether a run of a job goes on in it at the true time `at`, and rightly so.
    pub(super) fn works(&self, job: usize, at: Instant) -> bool {
        let work = self.process.as_ref().and_then(|process| process.desks[job].work.as_ref());
        work.is_some_and(|work| self.clock.shows(at) < work.until && !self.may_err(work.until))
    }

    /// Whether what it believes until then may be an error, because its machine stood still.
    pub(super) fn may_err(&self, until: Instant) -> bool {
        until <= self.misled
    }
}
