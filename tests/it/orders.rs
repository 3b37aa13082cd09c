//! What people order of a job, with the command line, of real processes that lead it.

use std::thread::sleep;
use std::time::Duration;

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
