//! The figures that the README publishes: `cargo bench`.
//!
//! Real processes of the program, built as users build it, on an `SQLite` file, or on the Datastore
//! that the environment names. Times are counted from outside: from the signal to the log line of the
//! next leader. `FAILOVER` (seconds) and `ROUNDS` may be set; `cargo bench -- crashes` makes one of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    reason = "a benchmark"
)]
#![allow(dead_code, unreachable_pub, reason = "it uses part of what the tests have")]

use std::thread::sleep;
use std::time::Duration;

use jiff::Timestamp;
use rustix::process::Signal;

#[path = "../../tests/it/fleet.rs"]
mod fleet;
#[path = "../../tests/it/folder.rs"]
mod folder;
#[cfg(feature = "datastore")]
mod transaction;

use fleet::{Fleet, Line, assert_exclusive, now};

fn main() {
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let failover = Duration::from_secs(number("FAILOVER", 2));
    let rounds = number("ROUNDS", 20);
    println!("failover {failover:?}, {rounds} rounds, store {}", store());
    let chosen: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    let figures: [(&str, &dyn Fn()); 7] = [
        ("cold_start", &cold_start),
        ("crashes", &|| crashes(failover, rounds)),
        ("departures", &|| departures(failover, rounds)),
        ("many_jobs", &|| many_jobs(10_000, failover)),
        ("few_jobs", &|| memory_of(10)),
        ("throughput", &|| throughput(if store() == "sqlite" { 1000 } else { 200 })),
        ("transaction", &transaction),
    ];
    for (name, make) in figures {
        if chosen.is_empty() || chosen.iter().any(|chosen| chosen == name) {
            make();
        }
    }
}

fn transaction() {
    #[cfg(feature = "datastore")]
    if let Ok(address) = std::env::var("DATASTORE_EMULATOR_HOST") {
        transaction::compare(&address);
    }
}

fn store() -> String {
    std::env::var("DATASTORE_EMULATOR_HOST")
        .map_or("sqlite".to_owned(), |host| format!("datastore at {host}"))
}

/// A fleet on the store that the environment names, in a cluster of its own.
fn new_fleet(failover: Duration, jobs: usize, every: &str) -> Fleet {
    let fleet = Fleet::new(&format!("{}ms", failover.as_millis()), jobs, every);
    match std::env::var("DATASTORE_EMULATOR_HOST") {
        Ok(address) => fleet.on_emulator(&address),
        Err(_) => fleet,
    }
}

fn cold_start() {
    let mut times = Vec::new();
    for _ in 0..10 {
        let mut fleet = new_fleet(Duration::from_secs(2), 2, "1m");
        let start = now();
        fleet.start();
        let led = fleet
            .wait("leads", |lines| lines.iter().find(|line| line.is("lease.acquired")).map(|line| line.at));
        times.push(led.since(start));
    }
    show("cold start, until it leads", &mut times);
}

/// `kill -9` of a leader: until somebody else leads its job.
fn crashes(failover: Duration, rounds: u64) {
    let mut fleet = new_fleet(failover, 3, "500ms");
    for _ in 0..3 {
        fleet.start();
    }
    let mut gaps = Vec::new();
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..rounds {
        fleet.next_leader("job-0", 0);
        sleep(failover + failover.mul_f64(random.f64()));
        let (leader, term) = fleet.leader("job-0").unwrap();
        let killed = now();
        fleet.node(&leader).signal(Signal::KILL);
        fleet.next_leader("job-0", term);
        let next = fleet.wait("leads", |lines| {
            let next = lines
                .iter()
                .find(|line| line.is("lease.acquired") && line.text("job") == "job-0" && line.term() > term);
            next.map(|line| line.at)
        });
        gaps.push(next.since(killed));
        fleet.remove(&leader);
        fleet.start();
    }
    assert_exclusive(&fleet.lines());
    show("kill -9, until the next leader", &mut gaps);
}

/// SIGTERM of a leader: from the line that says it gave the job away to the line of the next leader.
fn departures(failover: Duration, rounds: u64) {
    let mut fleet = new_fleet(failover, 3, "500ms");
    for _ in 0..3 {
        fleet.start();
    }
    let mut gaps = Vec::new();
    for _ in 0..rounds {
        fleet.next_leader("job-0", 0);
        sleep(failover);
        let (leader, term) = fleet.leader("job-0").unwrap();
        fleet.node(&leader).signal(Signal::TERM);
        let next = fleet.wait("leads", |lines| {
            let next = lines
                .iter()
                .find(|line| line.is("lease.acquired") && line.text("job") == "job-0" && line.term() > term);
            next.map(|line| line.at)
        });
        let given = fleet.wait("gave", |lines| {
            let gave = lines.iter().find(|line| {
                line.is("lease.handed_over") && line.text("job") == "job-0" && line.term() == term
            });
            gave.map(|line| line.at)
        });
        gaps.push(next.since(given));
        let mut node = fleet.remove(&leader);
        assert!(node.child.wait().unwrap().success());
        fleet.start();
    }
    assert_exclusive(&fleet.lines());
    show("SIGTERM, gap without a leader", &mut gaps);
}

/// One instance with many idle jobs: memory and requests; then a second one inherits them all.
fn many_jobs(jobs: usize, failover: Duration) {
    let mut fleet = new_fleet(failover, jobs, "24h");
    let first = fleet.start();
    all_led(&fleet, &first, jobs);
    fleet.wait("the first run of each has ended", |lines| {
        (lines.iter().filter(|line| line.is("occurrence.finished")).count() >= jobs).then_some(())
    });
    sleep(failover * 5);
    println!("{jobs} jobs: {} MiB resident", fleet.node(&first).memory());
    requests(&fleet, &first, jobs, failover);
    let second = fleet.start_with("heir", &[("TENURE_BALANCE", "sticky")]);
    sleep(failover * 2);
    let killed = now();
    fleet.node(&first).signal(Signal::KILL);
    all_led(&fleet, &second, jobs);
    println!("{jobs} jobs of a dead instance: all led again after {:.1?}", now().since(killed));
}

/// Store requests of an instance that only keeps what it has, by its own count.
fn requests(fleet: &Fleet, process: &str, jobs: usize, failover: Duration) {
    let watched = failover * 5;
    let before = fleet.requests(process);
    sleep(watched);
    let requests = u32::try_from(fleet.requests(process) - before).unwrap();
    let rate = f64::from(requests) / watched.as_secs_f64();
    let beats = 3.0 / failover.as_secs_f64();
    println!("{jobs} jobs: {rate:.2} store requests a second at {beats:.2} heartbeats a second");
}

fn all_led(fleet: &Fleet, process: &str, jobs: usize) {
    fleet.wait("all are led", |lines| {
        let mine = lines.iter().filter(|line| line.is("lease.acquired") && line.process == process);
        (mine.count() >= jobs).then_some(())
    });
}

fn memory_of(jobs: usize) {
    let mut fleet = new_fleet(Duration::from_secs(2), jobs, "24h");
    let node = fleet.start();
    all_led(&fleet, &node, jobs);
    sleep(Duration::from_secs(4));
    println!("{jobs} jobs: {} MiB resident", fleet.node(&node).memory());
}

/// As many jobs as one instance shall start in a second: how late they start, and whether all do.
fn throughput(jobs: usize) {
    const WARM_UP: Duration = Duration::from_secs(5);
    const MEASURED: Duration = Duration::from_secs(20);
    let mut fleet = new_fleet(Duration::from_secs(10), jobs, "1s");
    let node = fleet.start();
    all_led(&fleet, &node, jobs);
    sleep(WARM_UP);
    let from = now();
    sleep(MEASURED);
    let to = now();
    let lines = fleet.lines();
    let then: Vec<_> = lines.iter().filter(|line| line.at > from && line.at <= to).collect();
    let when = |line: &Line, key: &str| line.text(key).parse::<Timestamp>().unwrap();
    let started = then.iter().filter(|line| line.is("occurrence.started"));
    let mut delays: Vec<_> = started
        .map(|line| when(line, "time").duration_since(when(line, "due")).try_into().unwrap_or_default())
        .collect();
    let passed = ["occurrence.missed", "occurrence.superseded", "occurrence.failed", "occurrence.unknown"];
    let passed = then.iter().filter(|line| passed.contains(&line.text("event"))).count();
    let rate = delays.len() / usize::try_from(MEASURED.as_secs()).unwrap();
    println!("{jobs} jobs a second: {rate} started a second, {passed} lines of others");
    show("start after the due time", &mut delays);
}

fn show(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
    println!(
        "{what}: p50 {:.1?}, p90 {:.1?}, p99 {:.1?}, max {:.1?}, of {}",
        at(50),
        at(90),
        at(99),
        times[times.len() - 1],
        times.len()
    );
}
