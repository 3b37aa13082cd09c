//! Every due time of every job has exactly one account, whatever becomes of the instances: real processes, one of
//! which is killed, stopped in its tracks or told to stop every few seconds.
//!
//! `cargo test --test it five_hundred_jobs -- --ignored --nocapture --test-threads 1` does it with all of them,
//! for three minutes on each store.

mod chaos;
mod verdict;

use std::fmt::Write as _;
use std::time::Duration;

use tenure::time::{Clock, SystemClock, Wall};

use self::chaos::Chaos;
use self::verdict::judge;
use crate::failover::{CALM, FAILOVER, Place, emulators, everywhere};
use crate::fleet::{Fleet, machine};

const INSTANCES: usize = 3;
/// From one blow to the next.
const STEP: Duration = Duration::from_secs(5);
/// How long many jobs are hurt.
const LONG: Duration = Duration::from_mins(3);
/// How long after the start a job is due that is due once.
const ONCE: Duration = Duration::from_secs(15);

/// A job, and what is known of its due times.
pub(super) struct Job {
    pub(super) name: String,
    pub(super) cadence: Cadence,
    /// It waits for a person when its leader vanishes.
    pub(super) holds: bool,
}

/// When a job is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cadence {
    /// So often.
    Every(Duration),
    /// Once.
    At(Wall),
    /// Whenever it does not run.
    Whenever,
}

/// As many jobs of many kinds, and their tables.
fn jobs(count: usize) -> (Vec<Job>, String) {
    let (mut jobs, mut text) = (Vec::new(), String::new());
    let once = SystemClock.wall() + ONCE;
    for index in 0..count {
        let name = format!("job-{index}");
        let (cadence, keys) = kind(index, once);
        let holds = keys.contains("\"hold\"");
        writeln!(text, "[[job]]\nname = \"{name}\"\nhistory = 10000\n{keys}").unwrap();
        jobs.push(Job { name, cadence, holds });
    }
    (jobs, text)
}

fn kind(index: usize, once: Wall) -> (Cadence, String) {
    let every = |seconds, rest: &str| {
        let keys = format!("every = \"{seconds}s\"\n{rest}");
        (Cadence::Every(Duration::from_secs(seconds)), keys)
    };
    let cron = |seconds: u64, rest: &str| {
        let keys = format!("cron = \"*/{seconds} * * * * *\"\n{rest}");
        (Cadence::Every(Duration::from_secs(seconds)), keys)
    };
    let says = "preacher = { message = \"amen\", times = 1 }";
    let long = "preacher = { message = \"amen\", times = 4, pause = \"150ms\" }";
    let alone = "command = [\"flock\", \"-n\", \"-E\", \"99\", \"$PWD/lock-";
    match index % 10 {
        0 => every(5, says),
        1 => every(10, &format!("missed = \"all\"\n{says}")),
        2 => every(7, &format!("on_orphan = \"rerun\"\n{long}")),
        3 => cron(10, says),
        4 => cron(15, &format!("zone = \"Asia/Kolkata\"\njitter = \"5s\"\n{long}")),
        5 => every(10, "retries = 1\nbackoff = \"300ms\"\nhttp = \"http://127.0.0.1:9/\""),
        6 => every(20, &format!("missed = \"skip\"\n{says}")),
        7 => (Cadence::At(once), format!("at = \"{once}\"\non_orphan = \"rerun\"\n{long}")),
        8 if index % 50 == 8 => every(10, &format!("{alone}{index}\", \"sleep\", \"0.5\"]")),
        8 => every(12, &format!("on_orphan = \"hold\"\n{long}")),
        _ if index % 50 == 9 => {
            let keys = "while = \"leading\"\nbackoff = \"1s\"\n";
            (
                Cadence::Whenever,
                format!("{keys}preacher = {{ message = \"amen\", times = 20, pause = \"150ms\" }}"),
            )
        }
        _ => every(15, long),
    }
}

/// Hurts instances with so many jobs for a while, and judges what stands in the ledger then.
fn hurt(place: &Place, count: usize, time: Duration, failover: Duration) {
    let (jobs, text) = jobs(count);
    let mut fleet = place.hold(Fleet::of(&format!("{}s", failover.as_secs()), &text));
    for _ in 0..INSTANCES {
        fleet.start();
    }
    fleet.next_leader("job-0", 0);
    let mut chaos = Chaos::new(&mut fleet, failover);
    chaos.reign(time, STEP);
    let blows = chaos.calm();
    let calm = SystemClock.wall();
    chaos::recover(&fleet, &jobs, calm);
    chaos::stop_all(&mut fleet);
    let figures = judge(&fleet, &jobs, calm);
    eprintln!("{place:?}: {count} jobs, {time:?}: {blows}; {figures}");
}

#[test]
fn every_due_time_has_one_account_whoever_is_killed_stopped_or_told_to_stop() {
    everywhere(|place| hurt(place, 20, Duration::from_secs(30), FAILOVER));
}

#[test]
#[ignore = "takes some minutes: cargo test --test it five_hundred_jobs -- --ignored --nocapture"]
fn five_hundred_jobs_keep_their_ledger_in_a_file() {
    let _machine = machine();
    hurt(&Place::Sqlite, 500, LONG, FAILOVER);
}

#[test]
#[ignore = "takes ten minutes: cargo test --test it five_hundred_jobs -- --ignored --nocapture"]
fn five_hundred_jobs_keep_their_ledger_on_an_emulator() {
    let _machine = machine();
    // It is no fast store, and slower the more it has seen.
    for emulator in emulators() {
        hurt(&emulator, 500, LONG, CALM);
    }
}
