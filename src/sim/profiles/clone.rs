//! Machines that are copied while they run.

use fastrand::Rng;

use super::{Outside, Profile, swarm};
use crate::sim::court::Article;
use crate::sim::weather::{Fault, Weather, pick};

pub(super) const PROFILE: Profile = Profile {
    name: "clone",
    about: "machines are copied while they run, and both go on",
    outside: Some(Outside {
        assumption: "no two machines begin with the same memory",
        costs: &[
            Article::OneLeader,
            Article::TermsRise,
            Article::Once,
            Article::InOrder,
            Article::OneAccount,
            Article::Fenced,
            Article::Recovery,
        ],
    }),
    draw,
};

fn draw(random: &mut Rng) -> Weather {
    let mut weather = swarm::everything(random);
    weather.instances = weather.instances.max(2);
    weather.faults.push((Fault::Clone, weather.timing.ttl * pick(random, &[3, 10])));
    weather
}
