//! What a seed draws for an election: how many take part, what the network does, what goes wrong.

use std::time::Duration;

use fastrand::Rng;

use crate::elections::Timing;
use crate::sim::weather::pick;

/// What a network does to messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// The shortest way of a message,
    pub shortest: Duration,
    /// and the longest of one that is in time.
    pub longest: Duration,
    /// Messages between two nodes never overtake each other.
    pub fifo: bool,
    /// So many of a thousand are lost,
    pub lost: u32,
    /// or arrive twice,
    pub doubled: u32,
    /// or arrive long after they were expected.
    pub late: u32,
    /// Where a node is down, connections are refused.
    pub refuses: bool,
    /// How late a timer may fire.
    pub sloth: Duration,
}

/// One seed's world, before it begins to move.
#[derive(Clone, Debug)]
pub(super) struct Weather {
    pub(super) nodes: u16,
    pub(super) timing: Timing,
    /// The papers' assumptions hold: whatever a node that is up sends to one that is up arrives, in
    /// order and in time.
    pub(super) synchronous: bool,
    pub(super) network: Network,
    pub(super) faults: Vec<Fault>,
    /// The mean time from one fault to the next.
    pub(super) between: Duration,
    /// A node vanishes after one of so many sends.
    pub(super) cut_short: Option<u32>,
    /// How often faults begin.
    pub(super) storms: u32,
    /// How long they go on.
    pub(super) storm: Duration,
    /// How long it is quiet after that.
    pub(super) quiet: Duration,
    /// Some nodes are down when it becomes quiet, and stay down.
    pub(super) some_stay_down: bool,
}

/// Something that goes wrong now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A node vanishes, and is back after a while, perhaps before anybody misses it.
    Crash,
    /// A coordinator does.
    CrashCoordinator,
    /// A coordinator and its deputy, or anybody else, do at once.
    Behead,
    /// All links between two groups break.
    Partition,
    /// One link breaks, in both directions.
    Link,
    /// One link breaks, in one direction.
    OneWay,
    /// All nodes hear nothing of one.
    Mute,
}

impl Fault {
    const CRASHES: [Self; 3] = [Self::Crash, Self::CrashCoordinator, Self::Behead];
    const CUTS: [Self; 4] = [Self::Partition, Self::Link, Self::OneWay, Self::Mute];
}

/// From the decision to send until the message is acted upon, at most.
const DELAY: Duration = Duration::from_millis(5);

impl Weather {
    /// The weather of a seed.
    pub(super) fn draw(random: &mut Rng) -> Self {
        let synchronous = random.u8(..3) == 0;
        let mut faults: Vec<_> = Fault::CRASHES.into_iter().filter(|_| random.bool()).collect();
        if !synchronous {
            faults.extend(Fault::CUTS.into_iter().filter(|_| random.bool()));
        }
        let mut foul = |choices: &[u32]| if synchronous || random.bool() { 0 } else { pick(random, choices) };
        let (lost, doubled, late) = (foul(&[10, 50, 100, 300]), foul(&[10, 100, 300]), foul(&[10, 50, 200]));
        let timing = Timing { delay: DELAY };
        Self {
            nodes: random.u16(2..=8),
            timing,
            synchronous,
            network: Network {
                shortest: DELAY / pick(random, &[1, 5, 50]),
                longest: DELAY,
                fifo: synchronous || random.bool(),
                lost,
                doubled,
                late,
                refuses: random.bool(),
                sloth: DELAY / pick(random, &[10, 100]),
            },
            faults,
            between: timing.suspicion() * pick(random, &[1, 3, 10, 30]) / 10,
            cut_short: if random.bool() { Some(pick(random, &[20, 100, 500])) } else { None },
            storms: random.u32(1..=2),
            storm: timing.suspicion() * random.u32(10..40),
            quiet: timing.suspicion() * QUIET,
            some_stay_down: random.bool(),
        }
    }
}

/// How many times the time after which somebody is suspected it is quiet before all must agree.
const QUIET: u32 = 40;
