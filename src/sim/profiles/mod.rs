//! Kinds of worlds. Some keep to what the protocol asks of the world, and the whole law holds in them.
//! Each of the others breaks one assumption, and says which articles of the law that costs. All the
//! rest of the law holds there too: a breach of it is as grave as anywhere.

mod aside;
mod clone;
mod drift;
mod edge;
mod emptied;
mod rollback;
mod suspend;
mod swarm;

use fastrand::Rng;

use super::court::Article;
use super::weather::Weather;

/// Clocks this far from true time, one way and the other, are `ttl / (ttl - margin)` apart.
const MOST_DRIFT_PPM: i64 = 52_631;

/// A kind of worlds.
#[derive(Debug)]
pub struct Profile {
    /// What it is called.
    pub name: &'static str,
    /// What its worlds are like.
    pub about: &'static str,
    /// What its worlds do not keep to, if so.
    pub outside: Option<Outside>,
    pub(super) draw: fn(&mut Rng) -> Weather,
}

/// An assumption that does not hold.
#[derive(Debug)]
pub struct Outside {
    /// The assumption.
    pub assumption: &'static str,
    /// The articles of the law that need it.
    pub costs: &'static [Article],
}

impl Profile {
    /// All of them: first those in which the whole law holds.
    pub const ALL: [&Self; 8] = [
        &swarm::PROFILE,
        &edge::PROFILE,
        &aside::PROFILE,
        &suspend::PROFILE,
        &drift::PROFILE,
        &rollback::PROFILE,
        &emptied::PROFILE,
        &clone::PROFILE,
    ];

    /// The profile of a name.
    pub fn named(name: &str) -> Option<&'static Self> {
        Self::ALL.into_iter().find(|profile| profile.name == name)
    }
}
