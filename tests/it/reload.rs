//! A configuration that changes while instances run.

use rustix::process::Signal;

use crate::fleet::{Fleet, Line, get};

const FAILOVER: &str = "2s";

fn job(name: &str, every: &str) -> String {
    format!(
        "[[job]]\nname = \"{name}\"\nevery = \"{every}\"\npreacher = {{ message = \"amen\", times = 1 }}\n"
    )
}

fn place(lines: &[Line], event: &str, job: &str) -> Option<usize> {
    lines.iter().position(|line| line.is(event) && line.text("job") == job)
}

fn count(lines: &[Line], event: &str) -> usize {
    lines.iter().filter(|line| line.is(event)).count()
}

fn one_more_run(fleet: &Fleet, job: &str) {
    let runs = |lines: &[Line]| {
        lines.iter().filter(|line| line.is("occurrence.started") && line.text("job") == job).count()
    };
    let before = runs(&fleet.lines());
    fleet.wait("the job runs", |lines| (runs(lines) > before).then_some(()));
}

#[test]
fn a_file_that_changes_changes_the_jobs_and_disturbs_nothing_that_runs() {
    let long = "[[job]]\nname = \"goes\"\nevery = \"1h\"\ncommand = [\"sleep\", \"8\"]\n";
    let mut fleet = Fleet::of(FAILOVER, &format!("{}{long}", job("stays", "1h")));
    let process = fleet.start();
    fleet.wait("the long one runs", |lines| place(lines, "occurrence.started", "goes"));
    fleet.rewrite("3s", &format!("{}{}", job("stays", "200ms"), job("comes", "200ms")));
    let reloaded =
        fleet.wait("it is taken in", |lines| lines.iter().find(|line| line.is("config.reloaded")).cloned());
    let said = ["added", "removed", "changed", "restart"].map(|key| reloaded.text(key).to_owned());
    assert_eq!(said, ["comes", "goes", "stays", "failover"]);
    one_more_run(&fleet, "comes");
    one_more_run(&fleet, "stays");
    let released = fleet.wait("the long one is let go", |lines| place(lines, "lease.released", "goes"));
    let finished = place(&fleet.lines(), "occurrence.finished", "goes");
    assert!(finished.is_some_and(|finished| finished < released), "{finished:?} {released}");
    let shown = get(&fleet.address(&process), "/api/v1/status");
    assert!(shown.contains(reloaded.text("config")) && !shown.contains("\"goes\""), "{shown}");
}

#[test]
fn a_file_with_a_mistake_changes_nothing_and_is_told_once_with_its_place() {
    let mut fleet = Fleet::of(FAILOVER, &job("job-0", "200ms"));
    let process = fleet.start();
    one_more_run(&fleet, "job-0");
    fleet.rewrite(FAILOVER, &job("job-0", "200ms").replace("every", "evry"));
    fleet.node(&process).signal(Signal::HUP);
    let refused =
        fleet.wait("it is refused", |lines| lines.iter().find(|line| line.is("config.refused")).cloned());
    assert!(refused.text("reason").contains("tenure.toml:5:1: unknown key \"evry\""), "{refused:?}");
    one_more_run(&fleet, "job-0");
    fleet.rewrite(FAILOVER, &format!("{}{}", job("job-0", "200ms"), job("job-1", "200ms")));
    one_more_run(&fleet, "job-1");
    assert_eq!(count(&fleet.lines(), "config.refused"), 1);
    std::fs::remove_file(fleet.path("tenure.toml")).unwrap();
    fleet.wait("it is missed", |lines| (count(lines, "config.refused") == 2).then_some(()));
    one_more_run(&fleet, "job-1");
}

#[test]
fn a_job_is_led_by_who_knows_it_and_moves_there_when_its_leader_forgets_it() {
    let both = format!("{}{}", job("job-0", "200ms"), job("job-1", "200ms"));
    let mut fleet = Fleet::of(FAILOVER, &both);
    let old = fleet.start();
    one_more_run(&fleet, "job-1");
    fleet.rewrite(FAILOVER, &job("job-0", "200ms"));
    let new = fleet.start();
    fleet.wait("the first one forgets", |lines| place(lines, "lease.released", "job-1"));
    fleet.rewrite(FAILOVER, &both);
    fleet.node(&new).signal(Signal::HUP);
    // The first one looks for itself.
    fleet.wait("somebody leads it again", |lines| {
        let led = lines.iter().filter(|line| line.is("lease.acquired") && line.text("job") == "job-1");
        (led.count() > 1).then_some(())
    });
    drop(fleet.remove(&old));
    fleet.wait("the second one leads both", |lines| {
        let led = |job: &str| {
            lines
                .iter()
                .any(|line| line.is("lease.acquired") && line.process == new && line.text("job") == job)
        };
        (led("job-0") && led("job-1")).then_some(())
    });
    crate::fleet::assert_exclusive(&fleet.lines());
}
