//! Faults: real processes to which something is done, and the law that holds all the same.
//! `faults/README.md` lists every scenario, and a test here holds that list to the code.

use crate::failover::{Place, play};
use crate::fleet::share;

#[cfg(feature = "datastore")]
mod cables;
#[cfg(feature = "sqlite")]
mod disk;
#[cfg(feature = "datastore")]
mod hosts;
#[cfg(feature = "datastore")]
mod lab;
mod list;
mod machines;
#[cfg(feature = "datastore")]
mod network;
mod processes;
mod recorder;
mod resources;
mod scene;
#[cfg(feature = "datastore")]
mod shutdown;
#[cfg(feature = "datastore")]
mod together;
mod verdict;

/// Plays a scenario on every store, beside other scenarios.
fn everywhere(scenario: impl Fn(&Place) + Sync) {
    let _share = share();
    play(&Place::all(), scenario);
}

/// Says that a test is skipped, and what it needs. In CI, where that was to be there, it fails.
fn skip(needs: &str) {
    let asked = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(!asked, "this test must not be skipped where CI=true; it needs {needs}");
    eprintln!("skipped: this test needs {needs}");
}
