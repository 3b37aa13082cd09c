//! A store that goes back in time.

use fastrand::Rng;

use super::{Outside, Profile, swarm};
use crate::sim::court::Article;
use crate::sim::weather::{Fault, Weather, pick};

pub(super) const PROFILE: Profile = Profile {
    name: "rollback",
    about: "the store is now and then what it was at its last backup",
    outside: Some(Outside {
        assumption: "the store never goes back in time",
        costs: &[
            Article::OneLeader,
            Article::TermsRise,
            Article::RowsRise,
            Article::Once,
            Article::InOrder,
            Article::OneAccount,
            Article::Orders,
            Article::Fenced,
        ],
    }),
    draw,
};

fn draw(random: &mut Rng) -> Weather {
    let mut weather = swarm::everything(random);
    weather.instances = weather.instances.max(2);
    weather.faults.push((Fault::Rollback, weather.timing.ttl * pick(random, &[3, 10])));
    weather
}
