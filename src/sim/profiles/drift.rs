//! Clocks that run further apart than the contract allows.

use fastrand::Rng;

use super::{Outside, Profile, edge, swarm};
use crate::sim::court::Article;
use crate::sim::weather::{Weather, pick};

pub(super) const PROFILE: Profile = Profile {
    name: "drift",
    about: "boot clocks run at rates further apart than the margin allows for",
    outside: Some(Outside {
        assumption: "boot clocks run at rates that are less than ttl / (ttl - margin) apart",
        costs: &[Article::OneLeader, Article::TermsRise, Article::InOrder],
    }),
    draw,
};

fn draw(random: &mut Rng) -> Weather {
    let mut weather = swarm::everything(random);
    weather.instances = weather.instances.max(2);
    edge::sharpen(&mut weather, random);
    weather.drift = pick(random, &[100_000, 200_000, 400_000]);
    weather
}
