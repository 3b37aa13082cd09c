//! What a world is like: how many take part, what goes wrong, how often and how badly.

use std::time::Duration;

use fastrand::Rng;

use super::court::Article;
use crate::lease::{Balance, Timing};
use crate::stores::Traits;

/// One seed's world, before it begins to move.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a coin that the seed tossed")]
pub(super) struct Weather {
    pub(super) timing: Timing,
    pub(super) instances: usize,
    pub(super) jobs: usize,
    pub(super) balance: Balance,
    pub(super) traits: Traits,
    /// The store tells how long rows have stood.
    pub(super) aged: bool,
    /// One stale row in a batch hides what became of the others, as in Datastore.
    pub(super) brittle: bool,
    /// It answers no request with more lease rows than these in time.
    pub(super) narrow: Option<usize>,
    /// All instances share one human name.
    pub(super) namesakes: bool,
    /// Nobody listens for words from others.
    pub(super) deaf: bool,
    /// Boot clocks run this much too fast or too slow, in parts per million, at most.
    pub(super) drift: i64,
    /// Each clock runs at one end of that range, not somewhere within.
    pub(super) extreme: bool,
    /// What goes wrong with messages spares every other instance.
    pub(super) lopsided: bool,
    /// How long a message usually travels.
    pub(super) latency: Duration,
    /// A message travels for as long as anybody would wait for it.
    pub(super) slow: Chance,
    /// How late a timer may fire.
    pub(super) sloth: Duration,
    /// The rows of one read are read at different moments.
    pub(super) torn: bool,
    pub(super) lost_request: Chance,
    pub(super) lost_reply: Chance,
    pub(super) lost_wake: Chance,
    /// A request is applied after its sender was told that nobody knows, perhaps long after.
    pub(super) late: Chance,
    /// A request is applied twice.
    pub(super) twice: Chance,
    /// An outcome within an answer is unknown.
    pub(super) unknown: Chance,
    /// Who has just begun to live or to lead stands still or is cut off.
    pub(super) ambush: Chance,
    /// What strikes now and then, with the mean time between two strikes.
    pub(super) faults: Vec<(Fault, Duration)>,
    /// From one occurrence of a job to the next.
    pub(super) interval: Duration,
    /// How long a run takes, at most.
    pub(super) run: Duration,
    /// How long it takes, at most, until nothing is left of a run that was killed.
    pub(super) join: Duration,
    /// How often faults begin.
    pub(super) storms: u32,
    /// How long they go on.
    pub(super) storm: Duration,
    /// How long it is quiet after that.
    pub(super) quiet: Duration,
    /// What a store loses may be lost for good, because not everybody can bring back what he knows.
    pub(super) forgetful: bool,
    /// Whose machine stood still may err until a heartbeat from after that is confirmed.
    pub(super) pardons: bool,
    /// What may be broken here, because the world itself does not keep to the contract.
    pub(super) excused: &'static [Article],
}

/// Something that strikes now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A process stands still; its clock goes on.
    Pause,
    /// A machine stands still, and its clock with it, as only a hypervisor can make it.
    Freeze,
    /// A process vanishes.
    Crash,
    /// A process is told to stop.
    Drain,
    /// An instance cannot reach the store, or hears nothing from it.
    Cut,
    /// Nobody can.
    Outage,
    /// A wall clock jumps.
    Jump,
    /// A person wants a job to move.
    Wish,
    /// A person drains an instance, or undrains it.
    Aside,
    /// An instance gets another list of jobs.
    Revise,
    /// The store loses everything.
    Wipe,
    /// The store is backed up, or is what its last backup was.
    Rollback,
    /// A machine is copied while it runs, and both go on.
    Clone,
}

/// Its start, its end, and its account when that is filed.
const WRITES_A_RUN: u32 = 3;

/// How often something happens, in a thousand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Chance(pub(super) u32);

impl Chance {
    pub(super) fn strikes(self, random: &mut Rng) -> bool {
        self.0 > 0 && random.u32(..1000) < self.0
    }

    pub(super) fn draw(random: &mut Rng) -> Self {
        Self(if random.bool() { 0 } else { pick(random, &[2, 10, 50, 200, 400]) })
    }
}

impl Weather {
    /// The same world, which answers for everything.
    pub(super) fn unexcused(self) -> Self {
        Self { excused: &[], ..self }
    }

    /// More is due than a store can take that answers for a few rows at a time, so that somebody always waits.
    pub(super) fn is_overloaded(&self) -> bool {
        let writes = WRITES_A_RUN * u32::try_from(self.jobs).unwrap_or(u32::MAX);
        let rows = self.narrow.and_then(|rows| u32::try_from(rows).ok());
        rows.is_some_and(|rows| self.latency * 2 * writes / rows > self.interval)
    }

    pub(super) fn has(&self, fault: Fault) -> bool {
        self.faults.iter().any(|(other, _)| *other == fault)
    }
}

pub(super) fn pick<T: Copy>(random: &mut Rng, choices: &[T]) -> T {
    choices[random.usize(..choices.len())]
}

/// A random part of `most`.
pub(super) fn part(random: &mut Rng, most: Duration) -> Duration {
    most.mul_f64(random.f64())
}
