//! A configuration that changes while instances run.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

use jiff::{Timestamp, ToSpan};
use rustix::process::Signal;
use serde_json::Value;

use crate::failover::everywhere;
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

/// How often each job has run.
fn runs(lines: &[Line]) -> BTreeMap<String, usize> {
    let mut runs = BTreeMap::new();
    for line in lines.iter().filter(|line| line.is("occurrence.started")) {
        *runs.entry(line.text("job").to_owned()).or_default() += 1;
    }
    runs
}

fn has_run(fleet: &Fleet, jobs: &[&str]) {
    fleet.wait("each has run", |lines| {
        let runs = runs(lines);
        jobs.iter().all(|job| runs.contains_key(*job)).then_some(())
    });
}

fn leads(fleet: &Fleet, process: &str, jobs: &[&str]) {
    fleet.wait("it leads them", |lines| {
        let led = |job: &&str| crate::fleet::leader(lines, job).is_some_and(|(leader, _)| leader == process);
        jobs.iter().all(led).then_some(())
    });
}

#[test]
fn beside_an_older_configuration_nothing_fires_but_what_the_change_asks_for_and_plan_has_said_so() {
    everywhere(|place| {
        // Daily, in six hours. Six hours further east it was due some seconds after the start.
        let due = Timestamp::now() + 5.seconds() + 6.hours();
        let daily = due.strftime("%S %M %H * * *").to_string();
        let cron = |zone: &str| {
            job("moves", "1h").replace("every = \"1h\"", &format!("cron = \"{daily}\"\nzone = \"{zone}\""))
        };
        let before = [
            job("edited", "1h"),
            job("old-name", "1h"),
            job("paused", "300ms"),
            job("stays", "300ms"),
            cron("UTC"),
        ];
        let after = [
            job("edited", "5h"),
            job("new-name", "1h"),
            job("paused", "200ms"),
            job("stays", "300ms"),
            cron("Asia/Dhaka"),
        ];
        let mut fleet = place.hold(Fleet::of(FAILOVER, &before.concat()));
        let old = fleet.start();
        leads(&fleet, &old, &["edited", "old-name", "paused", "stays", "moves"]);
        has_run(&fleet, &["edited", "old-name", "paused", "stays"]);
        fleet.ask(&["jobs", "pause", "paused"]);
        let east = due - 6.hours();
        let born = fleet.wait("it is known", |lines| {
            lines.iter().find(|line| line.is("lease.acquired") && line.text("job") == "moves").cloned()
        });
        let in_time = born.text("time").parse::<Timestamp>().unwrap() < east;
        sleep(Duration::try_from(east + 1.seconds() - Timestamp::now()).unwrap_or_default());

        fleet.part_ways(FAILOVER, &after.concat());
        assert_planned(&fleet, in_time);
        let known = runs(&fleet.lines());
        let new = fleet.start();
        has_run(&fleet, &["new-name"]);
        // Each takes over from the other, by another schedule than the row knows.
        let both = ["edited", "paused", "stays", "moves"];
        drop(fleet.remove(&old));
        leads(&fleet, &new, &both);
        one_more_run(&fleet, "stays");
        fleet.rewrite(FAILOVER, &before.concat());
        fleet.node(&new).signal(Signal::HUP);
        fleet.wait("it goes back", |lines| place_of(lines, "config.reloaded"));
        one_more_run(&fleet, "stays");
        one_more_run(&fleet, "stays");

        let mut fired = runs(&fleet.lines());
        assert_eq!((fired.remove("new-name"), fired["old-name"]), (Some(1), known["old-name"]));
        let mut same = known.clone();
        for quiet in [&mut fired, &mut same] {
            quiet.remove("stays");
        }
        assert_eq!(fired, same);
    });
}

/// The plan for a newer file says what is due by now: what is new, and nothing else.
fn assert_planned(fleet: &Fleet, was_due: bool) {
    let plan: Value = serde_json::from_str(&fleet.ask(&["plan", "-o", "json"])).unwrap();
    let changes = plan["changes"].as_array().unwrap();
    let said: BTreeMap<_, _> = changes.iter().map(|one| (one["job"].as_str().unwrap(), one)).collect();
    let what: Vec<_> = said.iter().map(|(job, one)| (*job, one["change"].as_str().unwrap())).collect();
    let changed = ["edited", "moves", "new-name", "old-name", "paused"];
    let ways = ["changed", "changed", "added", "removed", "changed"];
    assert_eq!(what, changed.into_iter().zip(ways).collect::<Vec<_>>(), "{plan}");
    assert_eq!(said["moves"]["passed"], u64::from(was_due), "{plan}");
    assert_eq!(plan["others"], serde_json::json!(["node-1"]), "{plan}");
    let now = Timestamp::now().to_string();
    let soon = said.iter().filter(|(_, one)| one["next"].as_str().is_some_and(|next| next < &*now));
    assert_eq!(soon.map(|(job, _)| *job).collect::<Vec<_>>(), ["new-name"], "{plan}");
}

fn place_of(lines: &[Line], event: &str) -> Option<usize> {
    lines.iter().position(|line| line.is(event))
}
