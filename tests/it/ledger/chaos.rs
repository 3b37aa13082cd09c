//! What becomes of the instances.

use std::collections::BTreeSet;
use std::fmt;
use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tenure::time::Wall;

use super::{Cadence, Job};
use crate::fleet::{Fleet, Node, PATIENCE, now};

const SEED: u64 = 0x1ed6_e401;

/// Whoever hurts a fleet.
pub(super) struct Chaos<'f> {
    fleet: &'f mut Fleet,
    failover: Duration,
    random: fastrand::Rng,
    /// What stands still, and until when.
    still: Vec<(String, tenure::time::Instant)>,
    blows: Blows,
}

/// How often what was done.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Blows {
    killed: usize,
    paused: usize,
    stopped: usize,
}

impl<'f> Chaos<'f> {
    pub(super) fn new(fleet: &'f mut Fleet, failover: Duration) -> Self {
        let random = fastrand::Rng::with_seed(SEED);
        Self { fleet, failover, random, still: Vec::new(), blows: Blows::default() }
    }

    /// Hurts one instance at every step.
    pub(super) fn reign(&mut self, time: Duration, step: Duration) {
        let end = now() + time;
        let mut next = now() + step;
        while now() < end {
            self.wake(|until| until <= now());
            if now() >= next {
                next = next + step;
                self.strike();
            }
            sleep(Duration::from_millis(50));
        }
    }

    fn strike(&mut self) {
        let awake = |node: &&Node| self.still.iter().all(|(still, _)| *still != node.name);
        let victims: Vec<_> = self.fleet.nodes.iter().filter(awake).map(|node| node.name.clone()).collect();
        let Some(victim) = self.random.choice(&victims).cloned() else { return };
        match self.random.u8(..3) {
            0 => {
                self.blows.killed += 1;
                drop(self.fleet.remove(&victim));
                self.fleet.start();
            }
            1 => {
                self.blows.paused += 1;
                self.fleet.freeze(&victim);
                let lasting = self.failover.mul_f64(0.5 + 3.0 * self.random.f64());
                self.still.push((victim, now() + lasting));
            }
            _ => {
                self.blows.stopped += 1;
                stop(self.fleet.remove(&victim));
                self.fleet.start();
            }
        }
    }

    /// Whoever stands still, and no longer should, goes on.
    fn wake(&mut self, due: impl Fn(tenure::time::Instant) -> bool) {
        let fleet = &*self.fleet;
        self.still.retain(|(node, until)| {
            let wakes = due(*until);
            if wakes {
                fleet.node(node).signal(Signal::CONT);
            }
            !wakes
        });
    }

    /// Everybody goes on.
    pub(super) fn calm(mut self) -> Blows {
        self.wake(|_| true);
        self.blows
    }
}

impl fmt::Display for Blows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { killed, paused, stopped } = self;
        write!(f, "{killed} killed, {paused} paused, {stopped} told to stop")
    }
}

/// Tells an instance to stop, and waits until it has.
fn stop(mut node: Node) {
    node.signal(Signal::TERM);
    let end = now() + PATIENCE;
    while node.child.try_wait().unwrap().is_none() {
        assert!(now() < end, "{} does not stop", node.name);
        sleep(Duration::from_millis(5));
    }
}

pub(super) fn stop_all(fleet: &mut Fleet) {
    while let Some(name) = fleet.nodes.first().map(|node| node.name.clone()) {
        stop(fleet.remove(&name));
    }
}

/// What a command says as JSON. A store that has just been through all this may be slow to answer.
pub(super) fn look(fleet: &Fleet, arguments: &[&str]) -> Value {
    let end = now() + PATIENCE;
    loop {
        let text = fleet.ask(arguments);
        match serde_json::from_str(&text) {
            Ok(said) => return said,
            Err(_) => assert!(now() < end, "{arguments:?}: {text}"),
        }
    }
}

/// Waits until every job has started again, and answers for those whose leader vanished during a run and that
/// wait because of it. An emulator that has seen much may not find all rows in time, but each of them.
pub(super) fn recover(fleet: &Fleet, jobs: &[Job], calm: Wall) {
    let (end, calm) = (now() + PATIENCE, calm.to_string());
    loop {
        let lines = fleet.lines();
        let started = lines.iter().filter(|line| line.is("occurrence.started") && line.text("due") > &*calm);
        let started: BTreeSet<_> = started.map(|line| line.text("job")).collect();
        let due_again = jobs.iter().filter(|job| !matches!(job.cadence, Cadence::At(_)));
        let left: Vec<_> = due_again.filter(|job| !started.contains(&*job.name)).collect();
        if left.is_empty() {
            return;
        }
        let names = || left.iter().map(|job| &job.name).collect::<Vec<_>>();
        assert!(now() < end, "these do not start again: {:?}", names());
        for Job { name, .. } in left.iter().filter(|job| job.holds) {
            if look(fleet, &["jobs", "history", name, "-n", "1", "-o", "json"])["held"] == true {
                fleet.ask(&["jobs", "ack", name, "--rerun"]);
            }
        }
        sleep(Duration::from_millis(500));
    }
}
