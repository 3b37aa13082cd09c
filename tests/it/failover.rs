//! What happens to jobs when their leaders crash, leave, stand still, share a name or lose their
//! store: real processes, on an `SQLite` file and on each Datastore emulator side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::panic::resume_unwind;
use std::thread::{scope, sleep};
use std::time::Duration;

use rustix::process::Signal;

use tenure::time::{Clock, SystemClock};

use crate::fleet::{Fleet, Line, assert_exclusive, leader, machine, now};

pub(crate) const FAILOVER: Duration = Duration::from_secs(2);
/// A failover that is no reason to lapse on however busy a machine, where nothing else is one.
pub(crate) const CALM: Duration = Duration::from_secs(5);

/// Where a scenario is played.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Sqlite,
    #[cfg_attr(not(feature = "datastore"), expect(dead_code, reason = "no emulator without it"))]
    Emulator(String),
}

impl Place {
    /// A fleet there. Each job is due every so often.
    pub(crate) fn fleet(&self, jobs: usize, every: &str) -> Fleet {
        self.fleet_with(FAILOVER, jobs, every)
    }

    /// The same with another failover.
    pub(crate) fn fleet_with(&self, failover: Duration, jobs: usize, every: &str) -> Fleet {
        self.hold(Fleet::new(&format!("{}ms", failover.as_millis()), jobs, every))
    }

    /// Has a fleet keep its rows there.
    pub(crate) fn hold(&self, fleet: Fleet) -> Fleet {
        match self {
            Self::Sqlite => fleet,
            Self::Emulator(address) => fleet.on_emulator(address),
        }
    }

    /// Every store that there is.
    pub(crate) fn all() -> Vec<Self> {
        std::iter::once(Self::Sqlite).chain(emulators()).collect()
    }
}

/// Plays a scenario on every store at the same time.
pub(crate) fn everywhere(scenario: impl Fn(&Place) + Sync) {
    let _machine = machine();
    play(&Place::all(), scenario);
}

/// Plays a scenario in several ways at the same time.
pub(crate) fn play<Way: Debug + Sync>(ways: &[Way], scenario: impl Fn(&Way) + Sync) {
    scope(|threads| {
        let scenario = &scenario;
        let played: Vec<_> = ways.iter().map(|way| (way, threads.spawn(move || scenario(way)))).collect();
        for (way, thread) in played {
            thread.join().unwrap_or_else(|panic| {
                eprintln!("on {way:?}");
                resume_unwind(panic)
            });
        }
    });
}

#[cfg(feature = "datastore")]
pub(crate) fn emulators() -> Vec<Place> {
    crate::emulator::for_a_scene().into_iter().map(Place::Emulator).collect()
}

#[cfg(not(feature = "datastore"))]
pub(crate) fn emulators() -> Vec<Place> {
    Vec::new()
}

/// Waits until the job has stood with one leader for a while, so that its next move has a cause.
pub(crate) fn settled_leader(fleet: &Fleet, job: &str) -> (String, u64) {
    fleet.next_leader(job, 0);
    sleep(FAILOVER * 2);
    fleet.leader(job).unwrap()
}

/// Waits until the jobs are spread over that many instances.
pub(crate) fn spread(fleet: &Fleet, jobs: usize, instances: usize) {
    fleet.wait("each leads its share", |lines| {
        let leaders = (0..jobs).filter_map(|job| leader(lines, &format!("job-{job}")));
        let leaders: BTreeSet<_> = leaders.map(|(process, _)| process).collect();
        (leaders.len() == instances).then_some(())
    });
}

#[test]
fn every_occurrence_runs_once_and_the_jobs_are_spread() {
    everywhere(|place| {
        let mut fleet = place.fleet(10, "1s");
        for _ in 0..3 {
            fleet.start();
        }
        spread(&fleet, 10, 3);
        sleep(FAILOVER * 6);
        let lines = fleet.lines();
        assert_exclusive(&lines);
        assert_none_missing(&lines, 10);
    });
}

#[test]
fn a_leader_that_stops_tells_those_who_came_since_it_last_looked() {
    // It looks ten minutes later, and so does the other: longer than anybody waits here. An emulator would
    // settle for as long.
    let mut fleet = Fleet::new("30m", 1, "1h");
    let leader = fleet.start();
    let (_, term) = fleet.next_leader("job-0", 0);
    let other = fleet.start();
    fleet.wait("the other stands by", |lines| {
        lines.iter().any(|line| line.is("lease.idle") && line.process == other).then_some(())
    });
    fleet.node(&leader).signal(Signal::TERM);
    assert_eq!(fleet.next_leader("job-0", term).0, other);
}

#[test]
fn a_killed_leader_is_replaced_and_nothing_runs_twice() {
    everywhere(|place| {
        let mut fleet = place.fleet(2, "1s");
        fleet.start();
        fleet.start();
        for _ in 0..3 {
            let (leader, term) = settled_leader(&fleet, "job-0");
            let killed = now();
            fleet.node(&leader).signal(Signal::KILL);
            fleet.next_leader("job-0", term);
            assert!(now().since(killed) < FAILOVER * 5, "{:?}", now().since(killed));
            fleet.remove(&leader);
            fleet.start();
        }
        assert_exclusive(&fleet.lines());
    });
}

#[test]
fn a_leader_that_is_told_to_stop_hands_over_at_once() {
    everywhere(|place| {
        let mut fleet = place.fleet(2, "1s");
        let leader = fleet.start();
        fleet.next_leader("job-0", 0);
        fleet.next_leader("job-1", 0);
        fleet.start();
        fleet.wait("both instances know each other", |lines| {
            let registered: BTreeSet<_> = lines
                .iter()
                .filter(|line| line.is("instance.registered"))
                .map(|line| &line.process)
                .collect();
            (registered.len() == 2).then_some(())
        });
        sleep(FAILOVER / 2);
        let told = now();
        fleet.node(&leader).signal(Signal::TERM);
        let mut node = fleet.remove(&leader);
        let status = node.child.wait().unwrap();
        assert!(status.success(), "{status}");
        for job in ["job-0", "job-1"] {
            fleet.wait("the other one leads", |lines| {
                lines
                    .iter()
                    .rfind(|line| line.is("lease.acquired") && line.text("job") == job)
                    .is_some_and(|line| line.process != leader)
                    .then_some(())
            });
        }
        assert!(now().since(told) < FAILOVER * 2, "{:?}", now().since(told));
        let lines = fleet.lines();
        assert!(lines.iter().any(|line| line.is("lease.handed_over")), "handed over, not left to expire");
        assert_exclusive(&lines);
    });
}

#[test]
fn a_leader_that_stood_still_launches_nothing_under_its_old_term() {
    everywhere(|place| {
        let mut fleet = place.fleet(1, "200ms");
        fleet.start();
        fleet.start();
        let (leader, term) = settled_leader(&fleet, "job-0");
        fleet.freeze(&leader);
        fleet.next_leader("job-0", term);
        sleep(FAILOVER * 2);
        let (woken, woken_by_clock) = (now(), SystemClock.wall().to_string());
        fleet.node(&leader).signal(Signal::CONT);
        let said = |what: &str, event: &str| {
            fleet.wait(what, |lines| {
                let said = |line: &&Line| line.is(event) && line.process == leader && line.at > woken;
                lines.iter().find(said).map(|_| ())
            });
        };
        said("the leader of the past says that it lapsed", "instance.lapsed");
        said("it competes again", "instance.registered");
        sleep(FAILOVER);
        let lines = fleet.lines();
        // By the clock of the leader: what it said before it stood still may have reached us only now.
        let late = |line: &&Line| line.text("time") > woken_by_clock.as_str() && line.term() <= term;
        let started = |line: &&Line| line.is("occurrence.started");
        assert_eq!(lines.iter().filter(started).find(late).map(|line| &line.json), None);
        assert_exclusive(&lines);
    });
}

#[test]
fn two_instances_of_one_name_are_two_instances() {
    everywhere(|place| {
        let mut fleet = place.fleet(4, "200ms");
        fleet.start_with("twin", &[]);
        fleet.start_with("twin", &[]);
        spread(&fleet, 4, 2);
        sleep(FAILOVER * 4);
        assert_exclusive(&fleet.lines());
    });
}

#[test]
#[cfg(feature = "datastore")]
fn a_store_that_comes_back_empty_is_rebuilt_and_nothing_runs_twice() {
    use crate::emulator::{Emulator, Flavour};

    let _machine = machine();
    for flavour in [Flavour::Datastore, Flavour::FirestoreMode] {
        let Some(mut emulator) = Emulator::start(flavour) else { return };
        let mut fleet = Place::Emulator(emulator.address()).fleet(4, "300ms");
        let mut terms = BTreeMap::new();
        for _ in 0..3 {
            fleet.start();
        }
        for job in 0..4 {
            let job = format!("job-{job}");
            terms.insert(job.clone(), settled_leader(&fleet, &job).1);
        }
        emulator.kill();
        let killed = now();
        sleep(FAILOVER * 3);
        let still = |lines: &[Line]| {
            lines.iter().filter(|line| line.is("occurrence.started") && line.at > killed + FAILOVER).count()
        };
        assert_eq!(still(&fleet.lines()), 0, "leaders stop before their horizon");
        emulator.restart();
        let back = now();
        for (job, term) in &terms {
            let (_, next) = fleet.next_leader(job, *term);
            assert!(next > *term, "the term of {job} fell from {term} to {next}");
        }
        assert!(now().since(back) < FAILOVER * 20, "{:?}", now().since(back));
        sleep(FAILOVER * 2);
        assert_exclusive(&fleet.lines());
    }
}

/// Each job has an account of every due time from its first to its last: a run, a run of which nobody
/// knows how it ended, or a line that says that it was passed over.
pub(crate) fn assert_none_missing(lines: &[Line], jobs: usize) {
    let of = |job: &str, events: &[&str]| -> Vec<&Line> {
        let told = |line: &&Line| events.contains(&line.text("event")) && line.text("job") == job;
        lines.iter().filter(told).collect()
    };
    let names: BTreeSet<_> =
        lines.iter().filter(|line| line.is("occurrence.started")).map(|line| line.text("job")).collect();
    assert_eq!(names.len(), jobs);
    for job in names {
        let tried = of(job, &["occurrence.started", "occurrence.unknown", "occurrence.failed"]);
        let mut dues: BTreeSet<_> = tried.iter().map(|line| millis(line.text("due"))).collect();
        let every = dues.iter().zip(dues.iter().skip(1)).map(|(one, next)| next - one).min();
        let every = every.expect("several occurrences");
        for line in of(job, &["occurrence.missed", "occurrence.superseded"]) {
            let (first, last) = (millis(line.text("due")), millis(line.text("last")));
            let count = line.json["count"].as_i64().unwrap();
            assert_eq!(last - first, every * (count - 1), "{}", line.json);
            dues.extend((0..count).map(|number| first + every * number));
        }
        let gaps: Vec<_> = dues.iter().zip(dues.iter().skip(1)).map(|(one, next)| next - one).collect();
        let story = || {
            let lines = lines.iter().filter(|line| line.text("job") == job && !line.is("job.output"));
            let tell = |line: &Line| format!("{} {} {}\n", line.process, line.term(), line.json["message"]);
            lines.map(tell).collect::<String>()
        };
        assert!(gaps.iter().all(|gap| *gap == every), "{job} is silent about some: {gaps:?}\n{}", story());
    }
}

/// Milliseconds since midnight of a time in RFC 3339, which is all that differences need.
fn millis(time: &str) -> i64 {
    let clock = time.split('T').nth(1).unwrap().trim_end_matches('Z');
    let mut parts = clock.split(':');
    let mut next = || parts.next().unwrap().to_owned();
    let (hours, minutes, seconds) = (next(), next(), next());
    let (whole, nanos) = seconds.split_once('.').unwrap();
    let seconds: i64 = (hours.parse::<i64>().unwrap() * 60 + minutes.parse::<i64>().unwrap()) * 60
        + whole.parse::<i64>().unwrap();
    (seconds * 1_000_000_000 + nanos.parse::<i64>().unwrap() + 500_000) / 1_000_000
}
