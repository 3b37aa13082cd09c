//! What people order of a job, with the command line, of real processes that lead it.

use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::failover::everywhere;
use crate::fleet::{Fleet, Line};

const EVERY: &str = "200ms";

/// Runs the binary, which must have nothing to complain about.
fn tenure(fleet: &Fleet, arguments: &[&str]) -> String {
    let output = fleet.command(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn runs(lines: &[Line]) -> usize {
    lines.iter().filter(|line| line.is("occurrence.started")).count()
}

fn one_more_run(fleet: &Fleet) {
    let before = runs(&fleet.lines());
    fleet.wait("the job runs", |lines| (runs(lines) > before).then_some(()));
}

#[test]
fn nothing_starts_while_a_job_is_paused_and_what_was_due_is_accounted_for() {
    everywhere(|place| {
        let mut fleet = place.fleet(1, EVERY);
        let leader = fleet.start();
        one_more_run(&fleet);
        tenure(&fleet, &["jobs", "pause", "job-0"]);
        // What was recorded before may be told of a moment later.
        sleep(Duration::from_millis(500));
        let before = runs(&fleet.lines());
        // A successor finds the pause in the row.

        drop(fleet.remove(&leader));
        fleet.start();
        fleet.wait("a successor leads", |lines| {
            (lines.iter().filter(|line| line.is("lease.acquired")).count() > 1).then_some(())
        });
        sleep(Duration::from_secs(1));
        assert_eq!(runs(&fleet.lines()), before);
        tenure(&fleet, &["jobs", "resume", "job-0"]);
        one_more_run(&fleet);
        let history = tenure(&fleet, &["jobs", "history", "job-0", "-n", "100"]);
        assert!(history.contains("skipped") && history.contains("the job was paused"), "{history}");
        assert!(fleet.command(&["jobs", "resume", "job-0"]).output().unwrap().status.code() == Some(1));
    });
}

#[test]
fn one_look_shows_everything_about_a_job() {
    everywhere(|place| {
        let mut fleet = place.fleet(1, "1s");
        fleet.start();
        one_more_run(&fleet);
        tenure(&fleet, &["jobs", "pause", "job-0"]);
        let text = tenure(&fleet, &["jobs", "show", "job-0"]);
        for what in
            ["node-1, at term 1", "every 1s, at a fixed rate", "latest, within 1d", "it is paused since"]
        {
            assert!(text.contains(what), "{what}: {text}");
        }
        assert_eq!(text.lines().filter(|line| line.starts_with("due ")).count(), 5, "{text}");
        let json: Value =
            serde_json::from_str(&tenure(&fleet, &["jobs", "show", "job-0", "-o", "json"])).unwrap();
        assert_eq!(json["configured"]["due"].as_array().unwrap().len(), 5, "{json}");
        assert_eq!((&json["term"], &json["paused"]), (&1.into(), &true.into()), "{json}");
        assert_eq!(json["configured"]["policy"]["on_orphan"], "skip", "{json}");
        assert_eq!(json["recorded"]["node"], "node-1", "{json}");
        let wrong = fleet.command(&["jobs", "show", "job-7"]).output().unwrap();
        assert!(String::from_utf8_lossy(&wrong.stderr).contains("did you mean job-0?"), "{wrong:?}");
    });
}

#[test]
fn a_run_that_is_asked_for_comes_at_once_and_the_next_due_time_can_be_left_out() {
    everywhere(|place| {
        let mut fleet = place.fleet(1, "2s");
        fleet.start();
        one_more_run(&fleet);
        tenure(&fleet, &["jobs", "skip-next", "job-0"]);
        tenure(&fleet, &["jobs", "run", "job-0"]);
        one_more_run(&fleet);
        one_more_run(&fleet);
        let history = tenure(&fleet, &["jobs", "history", "job-0"]);
        for what in ["a person asked for it", "a person skipped it"] {
            assert_eq!(history.matches(what).count(), 1, "{history}");
        }
    });
}
