//! A simulated world, to find out what the lease machine does where no test can take it.
//!
//! Each seed is a world of its own: instances with clocks that disagree, a store that is far away,
//! and weather in between. The machine in it is the one of production, unchanged; the
//! rest is a queue of events in true time, which nobody in the world knows. After every step the
//! law is checked, and at the end, after a calm, that every job has found its leader.
//! The same seed always makes the same world, so a violation is found again by its seed.
//!
//! The worlds of a [`Profile`] have something in common. Most keep to what the protocol asks of the
//! world; others do not, and show which articles of the law hold all the same.

mod accounts;
mod calm;
mod claims;
mod clock;
mod court;
mod coverage;
mod desk;
pub mod elections;
mod faults;
mod fence;
mod figures;
mod instance;
mod law;
mod mail;
mod minimise;
mod profiles;
mod report;
mod step;
mod store;
mod weather;
mod world;

use std::fmt;

use fastrand::Rng;

pub use self::court::Article;
pub use self::coverage::{Coverage, State, Strike};
pub use self::figures::Figures;
pub use self::minimise::{Minimal, minimise};
pub use self::profiles::{Outside, Profile};
pub use self::report::Report;

use self::world::World;
use crate::time::Instant;

/// What a seed came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What happened.
    pub figures: Figures,
    /// What struck whom doing what.
    pub coverage: Coverage,
    /// How often each article of the law was broken where that is excused, in the order of
    /// [`Article::ALL`].
    pub excused: [u64; Article::ALL.len()],
    /// Differs as soon as anything differs.
    pub fingerprint: u64,
    /// What must not have happened.
    pub violation: Option<Violation>,
}

/// Something that must not happen.
#[derive(Clone, Debug)]
pub struct Violation {
    /// In which world.
    pub seed: u64,
    /// When, in true time.
    pub at: Instant,
    /// Which article of the law was broken.
    pub article: Article,
    /// What.
    pub what: String,
    /// What led to it.
    pub story: Vec<String>,
}

/// Runs one world.
pub fn run_seed(profile: &Profile, seed: u64) -> Outcome {
    let (weather, random) = profile.world(seed);
    let mut outcome = World::new(seed, weather.clone(), random.clone()).run();
    if outcome.violation.is_some() {
        // Few worlds are worth a story, and the same seed makes the same world again.
        outcome.violation = World::new(seed, weather, random).told().run().violation;
    }
    outcome
}

/// Tells how one world came to what must not happen there, or else to what it is excused for.
pub fn tell(profile: &Profile, seed: u64) -> Option<Violation> {
    let (weather, random) = profile.world(seed);
    let world = |weather| World::new(seed, weather, random.clone()).told().run().violation;
    world(weather.clone()).or_else(|| world(weather.unexcused()))
}

impl Profile {
    /// The weather of a seed, and the chance that is left for the rest.
    fn world(&self, seed: u64) -> (weather::Weather, Rng) {
        let mut random = Rng::with_seed(seed);
        let mut weather = (self.draw)(&mut random);
        if let Some(outside) = &self.outside {
            weather.excused = outside.costs;
        }
        (weather, random)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.story.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        writeln!(f, "seed {} at {:?}, against \"{}\": {}", self.seed, self.at, self.article.says(), self.what)
    }
}
