//! The smallest world that still breaks the same article of the law.
//!
//! A world with less in it draws other chances, so what broke it may have to be met again: each smaller
//! world is tried with a few other streams of chance, and kept if one of them breaks the article.

use std::fmt;
use std::time::Duration;

use fastrand::Rng;

use super::weather::{Chance, Weather};
use super::world::World;
use super::{Article, Profile, Violation};

/// How many streams of chance each smaller world is tried with.
const LUCKS: u64 = 30;
/// How many worlds are tried at most.
const MOST_TRIES: u32 = 20_000;

/// A small world that breaks the law.
#[derive(Clone, Debug)]
pub struct Minimal {
    /// What breaks it, and how it comes to that.
    pub violation: Violation,
    /// How many worlds were tried to find it.
    pub tries: u32,
    /// The seed of its chances, if not that of the weather.
    luck: Option<u64>,
    weather: Weather,
}

/// Something to leave out of a world. It leaves a world that has none of it as it is.
type Less = fn(&mut Weather);

/// The greatest savings come first.
const LESS: &[Less] = &[
    |weather| weather.storms = 1,
    |weather| weather.jobs = 1,
    |weather| weather.instances = weather.instances.min(2),
    |weather| weather.instances = 1,
    |weather| weather.late = Chance::default(),
    |weather| weather.twice = Chance::default(),
    |weather| weather.unknown = Chance::default(),
    |weather| weather.ambush = Chance::default(),
    |weather| weather.slow = Chance::default(),
    |weather| weather.lost_request = Chance::default(),
    |weather| weather.lost_reply = Chance::default(),
    |weather| weather.lost_wake = Chance::default(),
    |weather| weather.drift = 0,
    |weather| weather.narrow = None,
    |weather| weather.brittle = false,
    |weather| weather.torn = false,
    |weather| weather.aged = false,
    |weather| weather.namesakes = false,
    |weather| weather.deaf = false,
    |weather| weather.lopsided = false,
    |weather| weather.extreme &= weather.drift > 0,
    |weather| weather.sloth = Duration::ZERO,
    |weather| weather.latency = weather.latency.min(weather.timing.ttl / 10_000),
    |weather| weather.storm = weather.storm.mul_f64(0.5),
    |weather| weather.storm = weather.storm.mul_f64(0.8),
];

/// Makes the world of a seed smaller as long as it breaks what it broke: what must not happen there, or
/// else what it is excused for. `None` if it breaks nothing.
pub fn minimise(profile: &Profile, seed: u64) -> Option<Minimal> {
    let (weather, random) = profile.world(seed);
    let broken = |weather: Weather| {
        let violation = World::new(seed, weather.clone(), random.clone()).told().run().violation?;
        Some(Minimal { violation, luck: None, tries: 1, weather })
    };
    let mut minimal = broken(weather.clone()).or_else(|| broken(weather.unexcused()))?;
    while minimal.tries < MOST_TRIES {
        let before = minimal.weather.clone();
        for fault in (0..before.faults.len()).rev() {
            minimal.try_with(|weather| {
                weather.faults.remove(fault);
            });
        }
        for less in LESS {
            minimal.try_with(less);
        }
        if minimal.weather == before {
            break;
        }
    }
    Some(minimal)
}

impl Minimal {
    /// Which article of the law it breaks.
    pub fn article(&self) -> Article {
        self.violation.article
    }

    fn try_with(&mut self, less: impl Fn(&mut Weather)) {
        let mut weather = self.weather.clone();
        less(&mut weather);
        if weather == self.weather {
            return;
        }
        let seed = self.violation.seed;
        for luck in 0..LUCKS {
            self.tries += 1;
            let world = || World::new(seed, weather.clone(), Rng::with_seed(luck));
            let broken = world().run().violation.is_some_and(|found| found.article == self.violation.article);
            if let (true, Some(violation)) = (broken, world().told().run().violation) {
                (self.violation, self.luck, self.weather) = (violation, Some(luck), weather);
                return;
            }
        }
    }
}

impl fmt::Display for Minimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { violation, tries, luck, weather } = self;
        let luck = luck.map_or_else(String::new, |luck| format!(", with other chances (stream {luck})"));
        writeln!(
            f,
            "The weather of seed {}, less what it does not need{luck}; {tries} worlds tried:\n",
            violation.seed
        )?;
        writeln!(f, "{weather:#?}\n\n{violation}")
    }
}
