//! Jobs that run as long as their instance leads, in real processes.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::fleet::{Fleet, Line};

/// The lines of what started, or ended, of a job.
fn events(lines: &[Line], event: &str) -> Vec<Line> {
    lines.iter().filter(|line| line.is(event) && line.text("job") == "service").cloned().collect()
}

fn service(script: &str) -> String {
    let script = serde_json::json!(["sh", "-c", script]);
    format!("[[job]]\nname = \"service\"\nwhile = \"leading\"\nbackoff = \"100ms\"\ncommand = {script}\n")
}

fn accounts(fleet: &Fleet) -> Vec<(String, String)> {
    let history: Value =
        serde_json::from_str(&fleet.ask(&["jobs", "history", "service", "-o", "json"])).unwrap();
    let text = |account: &Value, key: &str| account[key].as_str().unwrap().to_owned();
    let accounts = history["accounts"].as_array().unwrap().iter();
    accounts.map(|account| (text(account, "fate"), text(account, "reason"))).collect()
}

#[test]
fn each_start_of_what_runs_while_it_is_led_has_its_account() {
    let script = "echo run >> runs; case $(wc -l < runs) in 1) exit 0;; 2) exit 3;; esac; \
        trap 'exit 143' TERM; while :; do sleep 0.01; done";
    let mut fleet = Fleet::of("10s", &service(script));
    let first = fleet.start();
    fleet.wait("it runs for the third time", |lines| {
        (events(lines, "occurrence.started").len() == 3).then_some(())
    });
    let status: Value = serde_json::from_str(&fleet.ask(&["status", "-o", "json"])).unwrap();
    assert_eq!(
        (&status["jobs"][0]["last"]["state"], &status["jobs"][0]["next"]),
        (&"started".into(), &Value::Null)
    );
    let next = fleet.ask(&["jobs", "next", "service"]);
    assert_eq!(next, "service runs as long as somebody leads it\n");
    assert!(fleet.ask(&["why", "service"]).contains("attempt 1, at term 1, is started"));

    let second = fleet.start();
    fleet.wait("the second is there", |lines| {
        lines.iter().any(|line| line.is("instance.registered") && line.process == second).then_some(())
    });
    fleet.node(&first).signal(Signal::TERM);
    fleet.wait("the second runs it", |lines| {
        events(lines, "occurrence.started").iter().any(|line| line.process == second).then_some(())
    });
    let history = accounts(&fleet);
    let expected = [("ran", "the job had to leave"), ("failed", "exited with code 3"), ("ran", "")];
    assert_eq!(history, expected.map(|(fate, reason)| (fate.to_owned(), reason.to_owned())));
    // A run that had to leave is nothing to be alarmed about.
    let failed = events(&fleet.lines(), "occurrence.failed");
    assert_eq!(failed.iter().map(|line| line.text("reason")).collect::<Vec<_>>(), ["exited with code 3"]);
}

#[test]
fn what_is_paused_while_it_is_led_does_not_start_again() {
    let mut fleet = Fleet::of("10s", &service("sleep 0.2"));
    fleet.start();
    fleet.wait("it runs", |lines| (!events(lines, "occurrence.started").is_empty()).then_some(()));
    fleet.ask(&["jobs", "pause", "service"]);
    let ended = |lines: &[Line]| events(lines, "occurrence.finished").len();
    let started = fleet.wait("nothing runs", |lines| {
        let started = events(lines, "occurrence.started").len();
        let paused = lines.iter().any(|line| line.is("job.ordered"));
        (paused && started == ended(lines)).then_some(started)
    });
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(events(&fleet.lines(), "occurrence.started").len(), started);
    fleet.ask(&["jobs", "resume", "service"]);
    fleet.wait("it runs again", |lines| (events(lines, "occurrence.started").len() > started).then_some(()));
}
