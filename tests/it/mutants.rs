//! The test of the tests: the protocol with a hole in it, which the simulator must find.
//!
//! Each mutant of the [`table`] is the source with one small edit that opens a hole known from the
//! lease protocols of this world. It is built and let loose in simulated worlds until one of them
//! breaks the law. A mutant that none of them catches is a simulator that is blind to its hole.

mod table;
mod workshop;

use std::fmt;
use std::time::Duration;

use tenure::time::{Clock, SystemClock};

use self::table::MUTANTS;
use self::workshop::Workshop;

/// How many worlds a mutant may survive.
const SEEDS: u64 = 300;

/// The source with a hole in it.
pub(crate) struct Mutant {
    /// Names its package too.
    pub(crate) name: &'static str,
    /// What it does wrong.
    pub(crate) hole: &'static str,
    pub(crate) edits: &'static [Edit],
    /// Why it is no worse than the original, if it is not.
    pub(crate) survives: Option<&'static str>,
}

/// In a file, a text that stands there exactly once, and what to write instead.
pub(crate) struct Edit(pub(crate) &'static str, pub(crate) &'static str, pub(crate) &'static str);

/// What became of a mutant.
struct Fate {
    mutant: &'static Mutant,
    /// The first seed that caught it, and what that world saw.
    caught: Option<(u64, String)>,
    took: Duration,
}

/// The source as it is.
const ORIGINAL: Mutant =
    Mutant { name: "original", hole: "None.", edits: &[], survives: Some("It is right.") };

#[test]
#[ignore = "takes minutes, and tells which holes the simulator does not see yet: cargo test mutants -- --ignored"]
fn the_simulator_catches_every_mutant() {
    let began = SystemClock.now();
    let workshop = Workshop::open();
    let only = std::env::var("ONLY").unwrap_or_default();
    let mutants: Vec<_> = [&ORIGINAL]
        .into_iter()
        .chain(MUTANTS)
        .filter(|m| only.is_empty() || only.split(',').any(|o| m.name == o))
        .collect();
    workshop.build(&mutants);
    println!("built in {:?}", SystemClock.now().since(began));
    let fates = workshop.run(&mutants, SEEDS);
    for fate in &fates {
        println!("{fate}");
    }
    println!("all in {:?}", SystemClock.now().since(began));
    let wrong: Vec<_> = fates.iter().filter_map(Fate::complaint).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

impl Fate {
    /// What is wrong with the simulator, or with the table.
    fn complaint(&self) -> Option<String> {
        let Mutant { name, hole, .. } = self.mutant;
        match (&self.caught, self.mutant.survives) {
            (None, None) => Some(format!("{name} survived {SEEDS} worlds, blind to its hole: {hole}")),
            (Some((seed, what)), Some(_)) => {
                Some(format!("{name} should survive, but seed {seed} saw: {what}"))
            }
            (Some(_), None) | (None, Some(_)) => None,
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, took) = (self.mutant.name, self.took);
        match &self.caught {
            Some((seed, what)) => {
                write!(f, "{name:40} caught after {:4} seeds in {took:.1?}: {what}", seed + 1)
            }
            None => write!(f, "{name:40} survived in {took:.1?}"),
        }
    }
}
