//! What happens to jobs when their leaders crash, leave, stand still or share a name: real processes.

use std::collections::{BTreeMap, BTreeSet};
use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;

use crate::fleet::{Fleet, assert_exclusive, now};

const FAILOVER: Duration = Duration::from_secs(1);

fn fleet(jobs: usize) -> Fleet {
    Fleet::new("1s", jobs, "1s")
}

#[test]
fn every_occurrence_runs_once_and_the_jobs_are_spread() {
    let mut fleet = fleet(10);
    for _ in 0..3 {
        fleet.start();
    }
    sleep(FAILOVER * 15);
    let lines = fleet.lines();
    assert_exclusive(&lines);
    let mut dues: BTreeMap<&str, BTreeSet<i64>> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.is("occurrence.started")) {
        dues.entry(line.text("job")).or_default().insert(millis(line.text("due")));
    }
    assert_eq!(dues.len(), 10);
    for (job, dues) in &dues {
        let gaps: BTreeSet<_> = dues.iter().zip(dues.iter().skip(1)).map(|(one, next)| next - one).collect();
        assert_eq!(gaps, BTreeSet::from([1000]), "{job} missed occurrences: {dues:?}");
        assert!(dues.len() >= 12, "{job} ran {} times", dues.len());
    }
    let leaders: BTreeSet<_> =
        (0..10).filter_map(|job| fleet.leader(&format!("job-{job}"))).map(|(node, _)| node).collect();
    assert_eq!(leaders.len(), 3, "{leaders:?}");
}

#[test]
fn a_killed_leader_is_replaced_and_nothing_runs_twice() {
    let mut fleet = fleet(2);
    fleet.start();
    fleet.start();
    let mut term = 0;
    for round in 0..3 {
        let (leader, held) = fleet.next_leader("job-0", term);
        term = held;
        sleep(FAILOVER);
        let (leader, held) = fleet.leader("job-0").filter(|(_, held)| *held > term).unwrap_or((leader, held));
        let killed = now();
        fleet.node(&leader).signal(Signal::KILL);
        let (_, next) = fleet.next_leader("job-0", held);
        assert!(now().since(killed) < FAILOVER * 5, "{:?}", now().since(killed));
        term = next - 1;
        fleet.remove(&leader);
        if round < 2 {
            fleet.start();
        }
    }
    assert_exclusive(&fleet.lines());
}

#[test]
fn a_leader_that_is_told_to_stop_hands_over_at_once() {
    let mut fleet = fleet(2);
    fleet.start();
    let (leader, _) = fleet.next_leader("job-0", 0);
    fleet.start();
    sleep(FAILOVER / 2);
    let told = now();
    fleet.node(&leader).signal(Signal::TERM);
    let mut node = fleet.remove(&leader);
    let status = node.child.wait().unwrap();
    assert!(status.success(), "{status}");
    fleet.next_leader("job-0", 1);
    fleet.next_leader("job-1", 1);
    assert!(now().since(told) < FAILOVER * 2, "{:?}", now().since(told));
    let lines = fleet.lines();
    assert!(lines.iter().any(|line| line.is("lease.handed_over")), "handed over, not left to expire");
    assert_exclusive(&lines);
}

#[test]
fn a_leader_that_stood_still_launches_nothing_under_its_old_term() {
    let mut fleet = Fleet::new("1s", 1, "200ms");
    fleet.start();
    let (leader, term) = fleet.next_leader("job-0", 0);
    fleet.start();
    sleep(FAILOVER / 2);
    fleet.node(&leader).signal(Signal::STOP);
    fleet.next_leader("job-0", term);
    sleep(FAILOVER * 2);
    let woken = now();
    fleet.node(&leader).signal(Signal::CONT);
    fleet.wait("the leader of the past says that it lapsed", |lines| {
        lines.iter().find(|line| line.is("instance.lapsed") && line.process == leader).map(|_| ())
    });
    fleet.wait("it competes again", |lines| {
        let again = |line: &&crate::fleet::Line| {
            line.is("instance.registered") && line.process == leader && line.at > woken
        };
        lines.iter().find(again).map(|_| ())
    });
    sleep(FAILOVER);
    let lines = fleet.lines();
    let late = lines.iter().filter(|line| line.is("occurrence.started") && line.at > woken);
    assert_eq!(late.filter(|line| line.term() <= term).count(), 0);
    assert_exclusive(&lines);
}

#[test]
fn two_instances_of_one_name_are_two_instances() {
    let mut fleet = Fleet::new("1s", 4, "200ms");
    fleet.start_with("twin", &[]);
    fleet.start_with("twin", &[]);
    sleep(FAILOVER * 6);
    let lines = fleet.lines();
    assert_exclusive(&lines);
    let leaders: BTreeSet<_> =
        (0..4).filter_map(|job| fleet.leader(&format!("job-{job}"))).map(|(node, _)| node).collect();
    assert_eq!(leaders.len(), 2, "each leads its share: {leaders:?}");
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
