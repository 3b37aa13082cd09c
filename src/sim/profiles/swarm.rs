//! Everything that the protocol allows for.
//!
//! Each fault is left out of half of the seeds and drawn at its own strength in the others. Constant
//! weather hides bugs: slack in the network hides clocks that drift, and pauses hide lost replies.

use std::time::Duration;

use fastrand::Rng;

use super::{MOST_DRIFT_PPM, Profile, edge};
use crate::lease::{Balance, Timing};
use crate::sim::court::Article;
use crate::sim::weather::{Chance, Fault, Weather, pick};
use crate::stores::Traits;

pub(super) const PROFILE: Profile = Profile {
    name: "swarm",
    about: "a random part of everything that may go wrong, at random strengths",
    outside: None,
    draw,
};

/// Times to live, in milliseconds. A world costs as much whatever its time-to-live, so the hours are
/// in the long ones.
const FAILOVERS: [u64; 6] = [500, 2000, 10_000, 60_000, 60_000, 300_000];
/// What is lost with a store when not everybody can bring back what he knows.
const FORGOTTEN: &[Article] = &[Article::TermsRise, Article::Once, Article::InOrder, Article::Fenced];

fn draw(random: &mut Rng) -> Weather {
    let mut weather = everything(random);
    match random.u8(..5) {
        0 => edge::sharpen(&mut weather, random),
        1 => lose(&mut weather, random),
        2 => weather.faults.push((Fault::Freeze, weather.timing.ttl * pick(random, &[3, 10]))),
        3 => weather.faults.push((Fault::Revise, weather.timing.ttl * pick(random, &[1, 3, 10]))),
        _ => {}
    }
    weather
}

/// A random subset of everything.
pub(super) fn everything(random: &mut Rng) -> Weather {
    let timing = Timing::from_failover(Duration::from_millis(pick(random, &FAILOVERS)));
    let ttl = timing.ttl;
    let often =
        [Fault::Pause, Fault::Crash, Fault::Drain, Fault::Cut, Fault::Outage, Fault::Jump, Fault::Wish];
    let faults = often.into_iter().filter(|_| random.bool()).collect::<Vec<_>>();
    let faults = faults.into_iter().map(|fault| (fault, ttl * pick(random, &[2, 4, 10, 30]))).collect();
    Weather {
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
        pardons: true,
        excused: &[],
    }
}

/// A store that loses everything now and then, and instances that may rebuild it. What they can
/// save is checked in otherwise fair weather; in foul weather only that nobody leads twice.
fn lose(weather: &mut Weather, random: &mut Rng) {
    weather.traits = Traits { alone: false, volatile: random.u8(..4) > 0 };
    let fair = random.bool();
    if fair {
        weather.faults.clear();
        weather.narrow = None;
        weather.latency = weather.latency.min(weather.timing.ttl / 50);
        let foul = [&mut weather.lost_request, &mut weather.lost_reply, &mut weather.unknown];
        foul.into_iter()
            .chain([&mut weather.late, &mut weather.slow, &mut weather.ambush])
            .for_each(|chance| *chance = Chance::default());
    }
    weather.forgetful = !fair || !weather.traits.volatile;
    weather.excused = if weather.forgetful { FORGOTTEN } else { &[] };
    weather.faults.push((Fault::Wipe, weather.timing.ttl * pick(random, &[3, 10, 30])));
}
