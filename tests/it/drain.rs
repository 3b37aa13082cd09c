//! Instances that people drain and undrain, as real processes.

use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::failover::{FAILOVER, everywhere, spread};
use crate::fleet::{Fleet, PATIENCE, get, now};

const JOBS: usize = 4;

/// What `tenure nodes` says of an instance.
fn look(fleet: &Fleet, name: &str) -> Option<Value> {
    let nodes: Value = serde_json::from_str(&fleet.ask(&["nodes", "-o", "json"])).ok()?;
    nodes["nodes"].as_array()?.iter().find(|node| node["name"] == name).cloned()
}

fn leads(node: &Value) -> usize {
    usize::try_from(node["leads"].as_u64().unwrap()).unwrap()
}

fn ready(fleet: &Fleet, process: &str) -> bool {
    get(&fleet.address(process), "/.well-known/ready").starts_with("HTTP/1.1 200")
}

/// Runs the binary, which must have nothing to complain about.
fn tenure(fleet: &Fleet, arguments: &[&str]) -> String {
    let output = fleet.command(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Waits until something is true of an instance.
fn wait(fleet: &Fleet, name: &str, right: impl Fn(&Value) -> bool) -> Value {
    let end = now() + PATIENCE;
    loop {
        match look(fleet, name) {
            Some(node) if right(&node) => return node,
            other => assert!(now() < end, "{name}: {other:?}"),
        }
        sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_drained_instance_leads_nothing_and_goes_on_until_it_is_undrained() {
    everywhere(|place| {
        let mut fleet = place.fleet(JOBS, "1s");
        let first = fleet.start();
        // Nobody can wake this one.
        let second = fleet.start_with("deaf", &[("TENURE_ADVERTISE", "http://127.0.0.1:9")]);
        spread(&fleet, JOBS, 2);

        let said = tenure(&fleet, &["drain", "deaf"]);
        assert!(said.contains("deaf is drained"), "{said}");
        let node = look(&fleet, "deaf").unwrap();
        assert_eq!((leads(&node), &node["drained"]), (0, &true.into()), "{node}");
        let table = tenure(&fleet, &["nodes"]);
        assert!(table.lines().any(|line| line.starts_with("deaf") && line.contains("draining")), "{table}");
        assert!(!ready(&fleet, &second) && ready(&fleet, &first));
        wait(&fleet, "node-1", |node| leads(node) == JOBS);
        sleep(FAILOVER * 2);
        assert_eq!(leads(&look(&fleet, "deaf").unwrap()), 0);

        tenure(&fleet, &["undrain", "deaf"]);
        wait(&fleet, "deaf", |node| leads(node) > 0);
        assert!(ready(&fleet, &second));
        let again = fleet.command(&["undrain", "deaf"]).output().unwrap();
        assert_eq!(again.status.code(), Some(1));
        // Both are the processes that they were.
        assert!(fleet.nodes.iter_mut().all(|node| node.child.try_wait().unwrap().is_none()));
    });
}

#[test]
fn an_instance_stays_drained_when_its_life_lapses_and_another_process_of_that_name_is_not() {
    everywhere(|place| {
        let mut fleet = place.fleet(1, "1s");
        let drained = fleet.start();
        fleet.next_leader("job-0", 0);
        let said = tenure(&fleet, &["drain", "node-1"]);
        assert!(said.contains("nobody else takes part"), "{said}");
        let before = look(&fleet, "node-1").unwrap();
        fleet.freeze(&drained);
        sleep(FAILOVER * 2);
        fleet.node(&drained).signal(Signal::CONT);
        let changed = |node: &Value| node["incarnation"] != before["incarnation"] && node["drained"] == true;
        let after = wait(&fleet, "node-1", changed);
        assert_eq!((leads(&after), &after["draining"]), (0, &true.into()));
        assert!(!ready(&fleet, &drained));

        fleet.node(&drained).signal(Signal::TERM);
        fleet.wait("it stops", |lines| {
            lines.iter().any(|line| line.process == drained && line.is("instance.stopped")).then_some(())
        });
        let term = fleet.leader("job-0").unwrap().1;
        fleet.start_with("node-1", &[]);
        fleet.next_leader("job-0", term);
    });
}
