//! How long it takes until all know a new coordinator after one is killed.

use std::time::Duration;

use serde_json::json;
use tenure::elections::Timing;
use tenure::sim::elections::Algorithm;

use super::{Laboratory, order, shown};
use crate::fleet::now;

const NODES: usize = 7;
const DEATHS: usize = 20;
const DELAY: Duration = Duration::from_millis(200);
/// So many times longer may everything take on a busy machine.
const BUSY: u32 = 3;

/// `cargo test --test it -- --ignored --nocapture coordinators_that_are_killed`
#[test]
#[ignore = "takes many minutes"]
fn coordinators_that_are_killed_are_replaced_in_time() {
    eprintln!("{NODES} nodes, a message takes {DELAY:?} at most, a heartbeat is {:?}", DELAY * 2);
    for patient in [false, true] {
        for (election, _) in Algorithm::ALL {
            kill_coordinators(election, patient);
        }
    }
}

fn kill_coordinators(election: &str, patient: bool) {
    let values: Vec<_> = (0..).take(NODES).collect();
    let flags: &[&str] = if patient { &["--patient"] } else { &[] };
    let mut lab = Laboratory::new(&values, &format!("{}ms", DELAY.as_millis()), flags);
    let controller = lab.start_all(election);
    let first = || lab.wait("one leads them all", |_| leader(&controller, NODES));
    let (mut leader, mut took) = (first(), Vec::new());
    for _ in 0..DEATHS {
        let began = now();
        order(&controller, &format!("/api/v1/nodes/{leader}/kill"), &json!({}));
        lab.wait("another one leads all others", |_| {
            self::leader(&controller, NODES - 1).filter(|next| *next != leader)
        });
        took.push(now().since(began));
        order(&controller, &format!("/api/v1/nodes/{leader}/restart"), &json!({}));
        leader = first();
    }
    took.sort_unstable();
    let timing = Timing { delay: DELAY };
    let in_time = 3 * timing.heartbeat() + timing.suspicion() + 4 * timing.reply();
    assert!(took[DEATHS - 1] < BUSY * in_time, "{election}: {took:?}, {in_time:?} would be in time");
    let kind = if patient { "silence" } else { "refusal" };
    let [least, half, most] = [0, DEATHS / 2, DEATHS - 1].map(|place| took[place].as_millis());
    eprintln!("| {election} | {kind} | {least} ms | {half} ms | {most} ms |");
}

/// Who leads, if so many nodes are up, and all of them obey one of them.
fn leader(controller: &str, up: usize) -> Option<usize> {
    let nodes = shown(controller);
    let heard: Vec<_> = nodes.iter().filter(|node| node["heard"] == true).collect();
    let leaders: Vec<_> = (0..nodes.len()).filter(|node| nodes[*node]["leads"] == true).collect();
    let [leader] = leaders[..] else { return None };
    let obeys = |coordinator: &serde_json::Value| *coordinator == nodes[leader]["addr"];
    (heard.len() == up && heard.iter().all(|node| obeys(&node["coordinator"]))).then_some(leader)
}
