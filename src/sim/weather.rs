//! What a seed draws: how many take part, what goes wrong, how often and how badly.
//!
//! Each fault is left out of half of the seeds and drawn at its own strength in the others. Constant
//! weather hides bugs: slack in the network hides clocks that drift, and pauses hide lost replies.

use std::time::Duration;

use fastrand::Rng;

use crate::lease::{Balance, Timing};
use crate::stores::Traits;

/// One seed's world, before it begins to move.
#[derive(Clone, Debug)]
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
    /// An instance gets another list of jobs.
    Revise,
    /// The store loses everything.
    Wipe,
}

/// How often something happens, in a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chance(u32);

impl Chance {
    pub(super) fn strikes(self, random: &mut Rng) -> bool {
        self.0 > 0 && random.u32(..1000) < self.0
    }

    fn draw(random: &mut Rng) -> Self {
        Self(if random.bool() { 0 } else { pick(random, &[2, 10, 50, 200, 400]) })
    }
}

/// Clocks this far from true time, one way and the other, are `ttl / (ttl - margin)` apart.
const MOST_DRIFT_PPM: i64 = 52_631;

impl Weather {
    /// The weather of a seed.
    pub(super) fn draw(random: &mut Rng) -> Self {
        let mut weather = Self::swarm(random);
        match random.u8(..5) {
            0 => weather.sharpen(random),
            1 => weather.lose(random),
            2 => weather.faults.push((Fault::Freeze, weather.timing.ttl * pick(random, &[3, 10]))),
            3 => weather.faults.push((Fault::Revise, weather.timing.ttl * pick(random, &[1, 3, 10]))),
            _ => {}
        }
        weather
    }

    /// A random subset of everything.
    fn swarm(random: &mut Rng) -> Self {
        let timing = Timing::from_failover(Duration::from_millis(pick(random, &[500, 2000, 10_000, 60_000])));
        let ttl = timing.ttl;
        let often =
            [Fault::Pause, Fault::Crash, Fault::Drain, Fault::Cut, Fault::Outage, Fault::Jump, Fault::Wish];
        let faults = often.into_iter().filter(|_| random.bool()).collect::<Vec<_>>();
        let faults = faults.into_iter().map(|fault| (fault, ttl * pick(random, &[2, 4, 10, 30]))).collect();
        Self {
            timing,
            instances: random.usize(1..=5),
            jobs: random.usize(1..=6),
            balance: pick(random, &[Balance::Spread, Balance::Sticky]),
            traits: Traits { alone: random.bool(), volatile: false },
            aged: random.bool(),
            brittle: random.bool(),
            narrow: if random.u8(..4) == 0 { Some(random.usize(1..=3)) } else { None },
            namesakes: random.bool(),
            deaf: random.u8(..4) == 0,
            drift: pick(random, &[0, 200, MOST_DRIFT_PPM]),
            extreme: random.bool(),
            lopsided: random.bool(),
            latency: ttl / pick(random, &[10_000, 500, 50, 15]),
            slow: Chance::draw(random),
            sloth: ttl / pick(random, &[100_000, 1000, 100]),
            torn: random.bool(),
            lost_request: Chance::draw(random),
            lost_reply: Chance::draw(random),
            lost_wake: Chance::draw(random),
            late: Chance::draw(random),
            twice: Chance::draw(random),
            unknown: Chance::draw(random),
            ambush: Chance::draw(random),
            faults,
            interval: ttl * pick(random, &[1, 2, 5, 20]) / 4,
            run: ttl * pick(random, &[1, 4, 20]) / 8,
            join: timing.heartbeat * pick(random, &[1, 10]),
            storms: random.u32(1..=3),
            storm: ttl * random.u32(20..80),
            quiet: ttl * 15,
            forgetful: false,
        }
    }

    /// The worst clocks that are allowed, in a network that gives nothing away but to those whom it
    /// keeps waiting, and surprises for whoever has just begun.
    fn sharpen(&mut self, random: &mut Rng) {
        self.instances = self.instances.max(2);
        self.drift = MOST_DRIFT_PPM;
        self.extreme = true;
        self.latency = self.timing.ttl / 10_000;
        self.sloth = Duration::ZERO;
        self.slow = Chance(pick(random, &[0, 100, 400]));
        self.late = Chance(pick(random, &[0, 0, 200]));
        self.ambush = Chance(pick(random, &[0, 400]));
        let blow = pick(random, &[Fault::Pause, Fault::Outage]);
        self.faults.retain(|(fault, _)| !matches!(fault, Fault::Crash | Fault::Outage));
        self.faults.push((blow, self.timing.ttl * pick(random, &[3, 6])));
    }

    /// A store that loses everything now and then, and instances that may rebuild it. What they can
    /// save is checked in otherwise fair weather; in foul weather only that nobody leads twice.
    fn lose(&mut self, random: &mut Rng) {
        self.traits = Traits { alone: false, volatile: random.u8(..4) > 0 };
        let fair = random.bool();
        if fair {
            self.faults.clear();
            self.narrow = None;
            self.latency = self.latency.min(self.timing.ttl / 50);
            let foul = [&mut self.lost_request, &mut self.lost_reply, &mut self.unknown];
            foul.into_iter()
                .chain([&mut self.late, &mut self.slow, &mut self.ambush])
                .for_each(|chance| *chance = Chance::default());
        }
        self.forgetful = !fair || !self.traits.volatile;
        self.faults.push((Fault::Wipe, self.timing.ttl * pick(random, &[3, 10, 30])));
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
