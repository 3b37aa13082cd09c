//! Instances that people drain, and undrain.

use fastrand::Rng;

use super::{Profile, swarm};
use crate::sim::weather::{Fault, Weather, pick};

pub(super) const PROFILE: Profile = Profile {
    name: "aside",
    about: "people drain instances, which give everything up, and undrain them",
    outside: None,
    draw,
};

fn draw(random: &mut Rng) -> Weather {
    let mut weather = swarm::everything(random);
    weather.instances = weather.instances.max(2);
    weather.faults.push((Fault::Aside, weather.timing.ttl * pick(random, &[1, 3, 10])));
    weather
}
