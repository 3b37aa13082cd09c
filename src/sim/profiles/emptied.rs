//! A durable store that loses everything.

use fastrand::Rng;

use super::{Outside, Profile, swarm};
use crate::sim::court::Article;
use crate::sim::weather::{Fault, Weather, pick};
use crate::stores::Traits;

pub(super) const PROFILE: Profile = Profile {
    name: "emptied",
    about: "a store that counts as durable loses everything, and people start the instances again",
    outside: Some(Outside {
        assumption: "a store that counts as durable keeps its rows",
        costs: &[Article::TermsRise, Article::Once, Article::InOrder, Article::Fenced],
    }),
    draw,
};

fn draw(random: &mut Rng) -> Weather {
    let mut weather = swarm::everything(random);
    weather.instances = weather.instances.max(2);
    weather.traits = Traits::default();
    weather.faults.push((Fault::Wipe, weather.timing.ttl * pick(random, &[3, 10, 30])));
    weather
}
