//! The simulated world: what must hold in every weather.

use tenure::sim;

/// How many worlds an ordinary run of the tests visits.
const SEEDS: u64 = 300;

#[test]
fn no_weather_makes_two_leaders() {
    let variable = |name: &str, default| std::env::var(name).map_or(default, |value| value.parse().unwrap());
    let report = sim::run(variable("FIRST", 0), variable("SEEDS", SEEDS));
    println!("{report}");
    assert_eq!(report.violations, 0, "{report}");
}

#[test]
fn the_same_seed_makes_the_same_world() {
    for seed in 0..100 {
        assert_eq!(sim::run_seed(seed).fingerprint, sim::run_seed(seed).fingerprint, "seed {seed}");
    }
}
