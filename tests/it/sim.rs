//! The simulated world: what must hold in every weather, and what does not hold outside of the contract.

pub(crate) mod corpus;

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tenure::commands::sim::{cores, simulate, soak};
use tenure::sim::{self, Article, Profile, Report};
use tenure::time::{Clock, Instant, Wall};

/// How many worlds an ordinary run of the tests visits.
const SEEDS: u64 = 300;
/// How many of each kind that does not keep to the contract.
const OUTSIDE: u64 = 60;
/// How many are run twice.
const CANARY: u64 = 500;

fn profile(name: &str) -> &'static Profile {
    Profile::named(name).unwrap()
}

fn visit(profile: &'static Profile, first: u64, seeds: u64) -> Report {
    simulate(profile, first..first + seeds, cores())
}

#[test]
fn no_weather_makes_two_leaders() {
    let variable = |name: &str, default| std::env::var(name).map_or(default, |value| value.parse().unwrap());
    let report = visit(profile("swarm"), variable("FIRST", 0), variable("SEEDS", SEEDS));
    println!("{report}");
    assert_eq!(report.violations, 0, "{report}");
}

#[test]
fn clocks_at_the_limit_make_no_two_leaders() {
    let report = visit(profile("edge"), 0, OUTSIDE);
    assert_eq!(report.violations, 0, "{report}");
}

#[test]
fn whoever_is_drained_leads_nothing_and_everything_else_is_led() {
    let report = visit(profile("aside"), 0, OUTSIDE);
    assert_eq!(report.violations, 0, "{report}");
    assert!(report.figures.asides > 0, "{report}");
}

#[test]
fn a_world_outside_of_the_contract_breaks_what_it_says_and_nothing_else() {
    for profile in Profile::ALL {
        let Some(outside) = &profile.outside else { continue };
        let report = visit(profile, 0, OUTSIDE);
        assert_eq!(report.violations, 0, "{report}");
        assert!(outside.costs.iter().any(|article| report.broke(*article) > 0), "{report}");
    }
}

#[test]
fn the_same_seed_makes_the_same_world() {
    let prints = || {
        std::thread::scope(|scope| {
            let half = |half| {
                move || {
                    let seeds = (0..CANARY).filter(move |seed| seed % 2 == half);
                    seeds.map(|seed| sim::run_seed(profile("swarm"), seed).fingerprint).collect::<Vec<_>>()
                }
            };
            let halves = [scope.spawn(half(0)), scope.spawn(half(1))];
            halves.map(|half| half.join().unwrap())
        })
    };
    let (first, second) = (prints(), prints());
    assert_eq!(first, second);
    assert!(first[0].windows(2).all(|pair| pair[0] != pair[1]), "different seeds make different worlds");
}

#[test]
fn a_report_does_not_depend_on_the_number_of_threads() {
    let report = |threads| simulate(profile("clone"), 0..40, threads).to_string();
    assert_eq!(report(1), report(3));
}

/// A clock on which much time passes between any two looks at it.
#[derive(Debug, Default)]
struct Hurried(AtomicI64);

impl Clock for Hurried {
    fn now(&self) -> Instant {
        Instant::from_nanos(self.0.fetch_add(40_000_000_000, Ordering::Relaxed))
    }

    fn wall(&self) -> Wall {
        Wall::default()
    }
}

#[test]
fn a_soak_ends_when_its_time_is_over_and_says_every_minute_how_far_it_is() {
    let (clock, mut said) = (Hurried::default(), Vec::new());
    let time = Duration::from_secs(100);
    let report = soak(profile("edge"), 0, time, cores(), &clock, |so_far| said.push(so_far.figures.seeds));
    assert_eq!(said, [report.figures.seeds]);
    assert!(report.figures.seeds > 0, "{report}");
}

#[test]
fn a_world_that_breaks_the_law_is_made_as_small_as_can_be() {
    let drift = profile("drift");
    let (seed, before) = (0..).find_map(|seed| Some((seed, sim::tell(drift, seed)?))).unwrap();
    let minimal = sim::minimise(drift, seed).unwrap();
    assert_eq!((before.article, minimal.article()), (Article::OneLeader, Article::OneLeader));
    let said = minimal.to_string();
    for needed in ["instances: 2", "jobs: 1,", "storms: 1", "torn: false", "drift: ", "extreme: true"] {
        assert!(said.contains(needed), "{needed}: {said}");
    }
    assert!(!said.contains("drift: 0"), "{said}");
}
