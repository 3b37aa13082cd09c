//! The test of the tests: the protocol with a hole in it, which the simulator must find.
//!
//! Each mutant is the source with one small edit that opens a hole known from the lease protocols of
//! this world. It is built and let loose in simulated worlds until one of them breaks the law. A
//! mutant that none of them catches is a simulator that is blind to its hole.

mod accounts;
mod horizon;
mod leading;
mod losing;
mod taking;
mod workshop;

use std::collections::BTreeSet;

use self::workshop::{Speed, Workshop};
use crate::sim::corpus::{self, Kept, catcher};

/// Most mutants are caught by the first worlds, which are worth no time to make the program fast.
const FIRST: u64 = 50;
/// How many worlds a mutant may survive.
const MOST: u64 = 3000;

/// The source with a hole in it.
struct Mutant {
    name: &'static str,
    /// What it does wrong.
    hole: &'static str,
    fate: Fate,
    edits: &'static [Edit],
}

/// What becomes of a mutant.
#[allow(dead_code, reason = "there may be none that is not caught")]
enum Fate {
    /// The simulator catches it.
    Caught,
    /// No simulated world shows the hole, but this unit test does.
    Tested(&'static str),
    /// Nothing shows the hole, and this is why.
    Survives(&'static str),
}

/// In a file, a text that stands there exactly once, and what to write instead.
struct Edit {
    file: &'static str,
    from: &'static str,
    to: &'static str,
}

/// A test for each mutant, and the list of them.
macro_rules! mutants {
    ($(
        $(#[doc = $hole:literal])+
        $name:ident: $fate:expr, { $($file:ident: $from:literal => $to:literal)* }
    )+) => {
        pub(super) const ALL: &[super::Mutant] = &[$(super::Mutant {
            name: stringify!($name),
            hole: concat!($($hole),+),
            fate: $fate,
            edits: &[$(super::Edit { file: $file, from: $from, to: $to }),*],
        }),+];

        $(
            #[test]
            #[ignore = "takes minutes with all the others: cargo test --test it -- --ignored mutants"]
            fn $name() {
                super::meet(stringify!($name), ALL);
            }
        )+
    };
}
use mutants;

const FILING: &str = "src/lease/filing.rs";
const LEADING: &str = "src/lease/leading.rs";
const LIVING: &str = "src/lease/living.rs";
const MACHINE: &str = "src/lease.rs";
const MEMBERS: &str = "src/lease/members.rs";
const RECALL: &str = "src/lease/recall.rs";
const SEAT: &str = "src/lease/seat.rs";
const SESSION: &str = "src/lease/session.rs";
const TIMING: &str = "src/lease/timing.rs";

fn all() -> impl Iterator<Item = &'static Mutant> {
    [horizon::ALL, taking::ALL, leading::ALL, accounts::ALL, losing::ALL].into_iter().flatten()
}

/// Lets a mutant loose, and sees that what should become of it does.
#[expect(clippy::print_stdout, reason = "whoever runs it wants to know how it was caught")]
fn meet(name: &str, mutants: &[Mutant]) {
    let mutant = mutants.iter().find(|mutant| mutant.name == name).unwrap();
    let workshop = Workshop::open(mutant);
    let quickly_built = workshop.build(Speed::OfBuilding);
    let kept = catcher(name).and_then(|Kept { seed, .. }| quickly_built.run(seed..seed + 1));
    let mut caught = kept.or_else(|| quickly_built.run(0..FIRST));
    match mutant.fate {
        Fate::Caught if caught.is_none() => caught = workshop.build(Speed::OfRunning).run(FIRST..MOST),
        Fate::Tested(test) => assert!(!workshop.passes(test), "{name} passes {test}"),
        Fate::Caught | Fate::Survives(_) => {}
    }
    match (&mutant.fate, caught) {
        (Fate::Caught, Some((seed, what))) => {
            println!("| `{name}` | {} | {seed} | {what} |", mutant.hole.trim());
        }
        (Fate::Caught, None) => panic!("{name} survived {MOST} worlds, blind to its hole:{}", mutant.hole),
        (Fate::Tested(_) | Fate::Survives(_), None) => {}
        (Fate::Tested(_) | Fate::Survives(_), Some((seed, what))) => {
            panic!("{name} is better than its reputation, seed {seed} saw: {what}")
        }
    }
}

#[test]
fn each_mutant_still_fits_the_source() {
    let mut names = BTreeSet::new();
    let misfits: Vec<_> = all().filter_map(|mutant| workshop::mutated(mutant).err()).collect();
    assert!(misfits.is_empty(), "\n{}", misfits.join("\n"));
    assert!(all().all(|mutant| names.insert(mutant.name)), "two mutants have one name");
    assert_eq!(corpus::mutants().find(|kept| !names.contains(kept.as_str())), None, "a seed of no mutant");
}
