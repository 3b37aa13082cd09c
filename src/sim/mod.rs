//! A simulated world, to find out what the lease machine does where no test can take it.
//!
//! Each seed is a world of its own: instances with clocks that disagree, a store that is far away,
//! and weather in between. The machine in it is the one of production, unchanged; the
//! rest is a queue of events in true time, which nobody in the world knows. After every step the
//! law is checked, and at the end, after a calm, that every job has found its leader.
//! The same seed always makes the same world, so a violation is found again by its seed.

mod accounts;
mod claims;
mod clock;
mod desk;
pub mod elections;
mod faults;
mod instance;
mod law;
mod mail;
mod store;
mod weather;
mod world;

use std::fmt;
use std::ops::AddAssign;
use std::time::Duration;

use self::world::World;
use crate::time::Instant;

/// How many violations a report tells of.
const MOST_TOLD: usize = 3;

/// What a seed came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What happened.
    pub figures: Figures,
    /// Differs as soon as anything differs.
    pub fingerprint: u64,
    /// What must not have happened.
    pub violation: Option<Violation>,
}

/// What happened, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Worlds.
    pub seeds: u64,
    /// How long they lasted.
    pub simulated: Duration,
    /// Things that a machine was told.
    pub steps: u64,
    /// Leaderships that began.
    pub leaderships: u64,
    /// Jobs given from one instance to another.
    pub handovers: u64,
    /// Lives that ended because no heartbeat was confirmed in time.
    pub lapses: u64,
    /// Processes that vanished.
    pub crashes: u64,
    /// Processes that were told to stop, and did.
    pub drained: u64,
    /// Processes that stood still for longer than a lease lasts.
    pub pauses: u64,
    /// Requests of which the sender did not learn what became.
    pub unknown: u64,
    /// Writes that were applied after their sender was told that nobody knows.
    pub zombies: u64,
    /// Times that an instance saw that the store had lost something.
    pub regressions: u64,
    /// Runs that started.
    pub launches: u64,
    /// Due times whose fate was filed in the history.
    pub entries: u64,
}

/// Something that must not happen.
#[derive(Clone, Debug)]
pub struct Violation {
    /// In which world.
    pub seed: u64,
    /// When, in true time.
    pub at: Instant,
    /// What.
    pub what: String,
    /// What led to it.
    pub story: Vec<String>,
}

/// What many seeds came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What happened in all of them together.
    pub figures: Figures,
    /// How many worlds broke the law.
    pub violations: u64,
    /// The first of them.
    pub told: Vec<Violation>,
}

/// Runs one world.
pub fn run_seed(seed: u64) -> Outcome {
    let (figures, fingerprint, violation) = World::new(seed, false).run();
    // Few worlds are worth a story, and the same seed makes the same world again.
    let violation = violation.and_then(|_| World::new(seed, true).run().2);
    Outcome { figures, fingerprint, violation }
}

/// Runs `seeds` worlds, from seed `first` on.
pub fn run(first: u64, seeds: u64) -> Report {
    let mut report = Report::default();
    for seed in (first..).take(usize::try_from(seeds).unwrap_or(usize::MAX)) {
        let outcome = run_seed(seed);
        report.figures += outcome.figures;
        report.violations += u64::from(outcome.violation.is_some());
        report.told.extend(outcome.violation.filter(|_| report.told.len() < MOST_TOLD));
    }
    report
}

impl AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.simulated += other.simulated;
        self.steps += other.steps;
        self.leaderships += other.leaderships;
        self.handovers += other.handovers;
        self.lapses += other.lapses;
        self.crashes += other.crashes;
        self.drained += other.drained;
        self.pauses += other.pauses;
        self.unknown += other.unknown;
        self.zombies += other.zombies;
        self.regressions += other.regressions;
        self.launches += other.launches;
        self.entries += other.entries;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = &self.figures;
        let lines = [
            ("seeds", figures.seeds),
            ("simulated hours", figures.simulated.as_secs() / 3600),
            ("steps", figures.steps),
            ("leaderships taken", figures.leaderships),
            ("hand-overs", figures.handovers),
            ("lapses", figures.lapses),
            ("crashes", figures.crashes),
            ("drained", figures.drained),
            ("pauses longer than a lease", figures.pauses),
            ("unknown outcomes", figures.unknown),
            ("zombie commits", figures.zombies),
            ("losses noticed", figures.regressions),
            ("launches", figures.launches),
            ("due times accounted for", figures.entries),
            ("violations", self.violations),
        ];
        for (name, value) in lines {
            writeln!(f, "{name:<28}{value:>14}")?;
        }
        self.told.iter().try_for_each(|violation| write!(f, "\n{violation}"))
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.story.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        writeln!(f, "seed {} at {:?}: {}", self.seed, self.at, self.what)
    }
}
