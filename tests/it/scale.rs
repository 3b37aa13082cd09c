//! Many jobs cost an instance little: a heartbeat, some memory, and one takeover for all of them.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;

use crate::fleet::{Fleet, Line, assert_exclusive, machine, now};

const MANY: usize = 10_000;

/// Waits until a process has acquired that many jobs.
fn leads(fleet: &Fleet, process: &str, jobs: usize) {
    fleet.wait("it leads them all", |lines| {
        let led = lines.iter().filter(|line| line.is("lease.acquired") && line.process == process);
        (led.map(|line| line.text("job")).collect::<BTreeSet<_>>().len() == jobs).then_some(())
    });
}

#[test]
fn ten_thousand_idle_jobs_cost_one_heartbeat_and_little_memory() {
    let _machine = machine();
    let mut fleet = Fleet::new("10s", MANY, "24h");
    let node = fleet.start();
    leads(&fleet, &node, MANY);
    let finished = |lines: &[Line]| {
        let finished = lines.iter().filter(|line| line.is("occurrence.finished")).count();
        (finished == MANY).then_some(())
    };
    fleet.wait("their first runs have ended", finished);
    sleep(Duration::from_secs(4));

    let before = fleet.requests(&node);
    sleep(Duration::from_secs(10));
    let requests = fleet.requests(&node) - before;
    assert!(requests <= 15, "{requests} requests in 10 seconds");
    let memory = fleet.node(&node).memory();
    // The aim is 64, of a release build; a test build gets a quarter more.
    assert!(memory <= 80, "{memory} MiB");
}

#[test]
fn ten_jobs_fit_into_twenty_mebibytes() {
    let _machine = machine();
    let mut fleet = Fleet::new("1s", 10, "200ms");
    let node = fleet.start();
    leads(&fleet, &node, 10);
    sleep(Duration::from_secs(3));
    let memory = fleet.node(&node).memory();
    assert!(memory <= 20, "{memory} MiB");
}

#[test]
fn ten_thousand_jobs_of_a_dead_instance_are_taken_over_together() {
    let _machine = machine();
    let mut fleet = Fleet::new("5s", MANY, "24h");
    let first = fleet.start();
    leads(&fleet, &first, MANY);
    let heir = fleet.start_with("heir", &[("TENURE_BALANCE", "sticky")]);
    sleep(Duration::from_secs(3));
    let killed = now();
    fleet.node(&first).signal(Signal::KILL);
    leads(&fleet, &heir, MANY);
    // The aim is 1.1 failovers and 3 seconds; a busy machine gets some more.
    assert!(now().since(killed) < Duration::from_secs(45), "{:?}", now().since(killed));
    assert_exclusive(&fleet.lines());
}
