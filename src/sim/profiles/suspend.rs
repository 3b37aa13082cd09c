//! Machines that stand still, and their clocks with them.

use fastrand::Rng;

use super::{Outside, Profile, swarm};
use crate::sim::court::Article;
use crate::sim::weather::{Fault, Weather, pick};

pub(super) const PROFILE: Profile = Profile {
    name: "suspend",
    about: "machines stand still, and their boot clocks with them",
    outside: Some(Outside {
        assumption: "a boot clock counts the time for which its machine stood still",
        costs: &[Article::OneLeader, Article::TermsRise, Article::InOrder],
    }),
    draw,
};

fn draw(random: &mut Rng) -> Weather {
    let mut weather = swarm::everything(random);
    weather.instances = weather.instances.max(2);
    weather.faults.push((Fault::Freeze, weather.timing.ttl * pick(random, &[3, 10])));
    weather.pardons = false;
    weather
}
