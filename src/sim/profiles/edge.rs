//! Clocks at the limit of the contract.

use std::time::Duration;

use fastrand::Rng;

use super::{MOST_DRIFT_PPM, Profile, swarm};
use crate::sim::weather::{Chance, Fault, Weather, pick};

pub(super) const PROFILE: Profile = Profile {
    name: "edge",
    about: "the worst clocks that are allowed, in a network that gives nothing away",
    outside: None,
    draw,
};

fn draw(random: &mut Rng) -> Weather {
    let mut weather = swarm::everything(random);
    sharpen(&mut weather, random);
    weather
}

/// The worst clocks that are allowed, in a network that gives nothing away but to those whom it
/// keeps waiting, and surprises for whoever has just begun.
pub(super) fn sharpen(weather: &mut Weather, random: &mut Rng) {
    weather.instances = weather.instances.max(2);
    weather.drift = MOST_DRIFT_PPM;
    weather.extreme = true;
    weather.latency = weather.timing.ttl / 10_000;
    weather.sloth = Duration::ZERO;
    weather.slow = Chance(pick(random, &[0, 100, 400]));
    weather.late = Chance(pick(random, &[0, 0, 200]));
    weather.ambush = Chance(pick(random, &[0, 400]));
    let blow = pick(random, &[Fault::Pause, Fault::Outage]);
    weather.faults.retain(|(fault, _)| !matches!(fault, Fault::Crash | Fault::Outage));
    weather.faults.push((blow, weather.timing.ttl * pick(random, &[3, 6])));
}
