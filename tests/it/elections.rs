//! The classic elections: traces that papers and seeds of this project give, the laws in every
//! weather, and the mistakes of earlier programs.

mod async_bully;
mod bully;
mod invitation;
mod ring;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use tenure::elections::{Election, Envelope, Input, NodeId, Output, Setup, Stable, Timing};
use tenure::sim::elections::{self, Algorithm, Lawful, Network, World};
use tenure::time::Instant;

/// How many worlds of each election an ordinary run of the tests visits.
const SEEDS: u64 = 200;
/// The longest way of a message, as nodes believe.
const DELAY: Duration = Duration::from_millis(5);
/// Longer than any of these tests.
const LONG: Duration = Duration::from_mins(1);
const TIMING: Timing = Timing { delay: DELAY };

/// A network that takes exactly so long for each message, and loses none.
fn steady(way: Duration) -> Network {
    Network { shortest: way, longest: way, ..Network::default() }
}

/// A world in which all are up and agree.
fn agreed<E: Lawful>(nodes: u16, rules: E::Rules, way: Duration) -> World<E> {
    let mut world = World::new(1, nodes, TIMING, rules, steady(way), true);
    world.nodes().for_each(|node| world.start(node).unwrap());
    world.run_until_agreed().unwrap();
    world
}

/// The first two of four cannot reach the others, nor the others them.
fn divide<E: Lawful>(world: &mut World<E>) {
    for (a, b) in [(0, 2), (0, 3), (1, 2), (1, 3)].map(|(a, b)| (NodeId(a), NodeId(b))) {
        world.cut(a, b, LONG);
        world.cut(b, a, LONG);
    }
}

/// What was said from `since` on, as a golden file has it: without what is said again and again.
fn trace<E: Lawful>(world: &World<E>, since: Duration) -> Vec<String> {
    let said = world.sent().iter().filter(|sent| sent.at >= since && !sent.routine);
    let line = |sent: &elections::Sent| {
        let lost = if sent.arrived.is_some() { "" } else { "  (nobody there)" };
        let at = sent.at.saturating_sub(since).as_secs_f64() * 1000.0;
        format!("{at:5.1}  {} > {}  {}{lost}", sent.from, sent.to, sent.name)
    };
    said.map(line).collect()
}

/// How many messages of each name there are in a trace.
fn counts<E: Lawful>(world: &World<E>, since: Duration) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for sent in world.sent().iter().filter(|sent| sent.at >= since && !sent.routine) {
        *counts.entry(sent.name).or_default() += 1;
    }
    counts
}

/// Compares with a golden file. Run with `BLESS=1` to write what is said now into it.
#[track_caller]
fn assert_golden(name: &str, lines: &[String]) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/elections").join(name);
    let text = lines.join("\n") + "\n";
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&golden, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(golden).unwrap());
}

/// A node alone with the test, which has just been started.
struct Bench<E> {
    node: E,
    now: Instant,
}

impl<E: Election> Bench<E> {
    fn new(me: u16, nodes: u16, rules: E::Rules) -> (Self, Vec<Output<E::Message>>) {
        let setup =
            Setup { me: NodeId(me), nodes, stable: Stable::default(), timing: TIMING, seed: 1, rules };
        let now = Instant::default();
        let mut bench = Self { node: E::new(now, setup), now };
        let said = bench.wait(Duration::ZERO);
        (bench, said)
    }

    /// A message of the first life of `from` arrives.
    fn hear(&mut self, from: u16, message: E::Message) -> Vec<Output<E::Message>> {
        self.hear_life(from, 1, message)
    }

    fn hear_life(&mut self, from: u16, incarnation: u64, message: E::Message) -> Vec<Output<E::Message>> {
        let (from, to) = (NodeId(from), self.node.view().node);
        let mut out = Vec::new();
        self.node.handle(self.now, Input::Received(Envelope { from, incarnation, to, message }), &mut out);
        out
    }

    /// Time passes.
    fn wait(&mut self, time: Duration) -> Vec<Output<E::Message>> {
        let (end, mut out) = (self.now + time, Vec::new());
        while self.node.deadline() <= end {
            self.now = self.node.deadline().max(self.now);
            self.node.tick(self.now, &mut out);
        }
        self.now = end;
        out
    }
}

/// What is sent, and to whom.
fn sends<M: Clone>(out: &[Output<M>]) -> Vec<(NodeId, M)> {
    let send = |output: &Output<M>| match output {
        Output::Send(envelope) => Some((envelope.to, envelope.message.clone())),
        Output::Persist(_) | Output::Note(_) => None,
    };
    out.iter().filter_map(send).collect()
}

#[test]
fn every_election_keeps_its_law_and_agrees_when_it_is_quiet() {
    for (name, algorithm) in Algorithm::ALL {
        let report = elections::run(*algorithm, 0, SEEDS);
        assert_eq!(report.violations, 0, "{name}\n{report}");
    }
}

#[test]
fn the_same_seed_makes_the_same_world() {
    for (name, algorithm) in Algorithm::ALL {
        for seed in 0..10 {
            let [one, other] = [(); 2].map(|()| elections::run_seed(*algorithm, seed).fingerprint);
            assert_eq!(one, other, "{name}, seed {seed}");
        }
    }
}

#[test]
fn a_world_that_is_told_is_the_same_world() {
    for (name, algorithm) in Algorithm::ALL {
        let (told, untold) = (elections::story(*algorithm, 3), elections::run_seed(*algorithm, 3));
        assert_eq!(told.fingerprint, untold.fingerprint, "{name}");
        assert!(told.story.len() > 10, "{name}");
    }
}
