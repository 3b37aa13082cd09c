//! What a changed configuration is said to fire before it is applied, and that it fires that and nothing else.

use std::io;
use std::path::Path;

use tenure::commands::plan::{Change, Plan, What, plan};
use tenure::config::{Config, Flags, Surroundings};
use tenure::machine::{Incarnation, JobName, RunId, Term};
use tenure::rows::{Cursor, Lease, Orders, Pause, RunState, encode};
use tenure::schedulers::Job;
use tenure::schedulers::agenda::Agenda;
use tenure::stores::memory::Memory;
use tenure::stores::{Change as Write, Key, Kind, Store, Version};
use tenure::time::Wall;

/// A Saturday morning.
const NOW: &str = "2026-11-21T10:30:00Z";

fn at(text: &str) -> Wall {
    tenure::config::moment(text).unwrap()
}

/// The job of a file that says this of it.
fn job(keys: &str) -> Job {
    let text = format!("[[job]]\nname = \"bill\"\ncommand = [\"true\"]\n{keys}");
    let read = |path: &Path| match path.to_str() {
        Some("tenure.toml") => Ok(text.clone()),
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    let flags = Flags::default();
    let from = Surroundings { flags: &flags, env: &|_| None, variables: &[], read: &read, warden: None };
    Config::load(&from).unwrap_or_else(|error| panic!("{error}")).jobs.remove(0)
}

/// The row of a job whose last due time was then.
fn row_of(job: &Job, due: &str, state: RunState) -> Lease {
    let cursor = Cursor {
        due: at(due),
        attempt: 1,
        run: RunId(7),
        term: Term(3),
        node: "owl".to_owned(),
        at: at(due),
        state,
        again: None,
        schedule: job.schedule.fingerprint(),
        extra: None,
    };
    Lease {
        holder: Some(Incarnation(1)),
        leader: Some("owl".to_owned()),
        term: Term(3),
        born: at("2026-11-01T00:00:00Z"),
        cursor: Some(cursor),
        ..Lease::unborn()
    }
}

async fn planned(jobs: &[Job], row: Option<&Lease>) -> Plan {
    let store = Memory::new();
    if let Some(row) = row {
        let key = Key::new(Kind::Lease, "bill");
        let change = Write { key, base: Version::ABSENT, fields: Some(encode(row)) };
        store.commit(vec![change]).await.unwrap();
    }
    plan(&store, jobs, at(NOW)).await.unwrap()
}

/// The due time of the first run that starts, with these jobs, within a year.
fn fired(job: &Job, row: &Lease) -> Option<Wall> {
    let mut agenda = Agenda::new("owl".to_owned(), std::slice::from_ref(job), fastrand::Rng::with_seed(7));
    let mut now = at(NOW);
    agenda.lead(&job.name, Term(4), row, now);
    while now < at("2027-11-21T10:30:00Z") {
        for launch in agenda.fall_due(now) {
            if launch.cursor.state == RunState::Started {
                return Some(launch.cursor.due);
            }
            agenda.grant(&job.name, launch.cursor.run, now);
        }
        now = agenda.next_due()?.max(now);
    }
    None
}

/// What the plan says of the only change, which must be what comes.
async fn change(new: &Job, row: &Lease) -> Change {
    let mut plan = planned(std::slice::from_ref(new), Some(row)).await;
    assert_eq!((plan.changes.len(), plan.unchanged), (1, 0), "{plan}");
    let change = plan.changes.remove(0);
    assert_eq!(fired(new, row), change.next, "{change:?}");
    change
}

#[tokio::test]
async fn an_edited_job_fires_what_the_plan_says_and_nothing_that_has_passed() {
    let (old, new) = (job("cron = \"0 3 * * *\""), job("cron = \"*/10 * * * *\""));
    let row = row_of(&old, "2026-11-21T03:00:00Z", RunState::Finished);
    let said = change(&new, &row).await;
    assert_eq!(said.change, What::Changed);
    assert_eq!(said.next, Some(at("2026-11-21T10:40:00Z")));
    assert_eq!(said.instead_of, Some(at("2026-11-22T03:00:00Z")));
    assert_eq!(said.passed, 45);
    let back = change(&old, &row_of(&new, "2026-11-21T10:30:00Z", RunState::Finished)).await;
    assert_eq!(back.next, Some(at("2026-11-22T03:00:00Z")));
}

#[tokio::test]
async fn a_job_in_another_zone_is_due_by_that_zone_from_then_on() {
    let keys = "cron = \"0 11 * * *\"\n";
    let (old, new) = (job(keys), job(&format!("{keys}zone = \"Europe/Athens\"\n")));
    // In Athens, eleven has passed.
    let said = change(&new, &row_of(&old, "2026-11-20T11:00:00Z", RunState::Finished)).await;
    assert_eq!(said.next, Some(at("2026-11-22T09:00:00Z")));
    assert_eq!(said.instead_of, Some(at("2026-11-21T11:00:00Z")));
    let table =
        planned(&[new], Some(&row_of(&old, "2026-11-20T11:00:00Z", RunState::Finished))).await.to_string();
    assert!(table.contains("UTC") && table.contains("Europe/Athens"), "{table}");
}

#[tokio::test]
async fn a_job_that_is_paused_or_held_fires_nothing_whatever_its_schedule() {
    let (old, new) =
        (job("cron = \"0 3 * * *\"\non_orphan = \"hold\""), job("every = \"1m\"\non_orphan = \"hold\""));
    let finished = row_of(&old, "2026-11-21T03:00:00Z", RunState::Finished);
    let pause =
        |to| Orders { pause: Some(Pause { from: at("2026-11-21T04:00:00Z"), to }), ..Orders::default() };
    let paused = Lease { orders: pause(None), ..finished.clone() };
    let said = change(&new, &paused).await;
    assert_eq!(said.next, None);
    assert!(said.notes[0].contains("tenure jobs resume"), "{said:?}");
    let resumed = Lease { orders: pause(Some(at("2026-11-21T10:00:00Z"))), ..finished };
    assert_eq!(change(&new, &resumed).await.next, Some(at("2026-11-21T10:31:00Z")));
    let held = Lease { term: Term(4), ..row_of(&old, "2026-11-21T03:00:00Z", RunState::Started) };
    let said = change(&new, &held).await;
    assert_eq!(said.next, None);
    assert!(said.notes[0].contains("tenure jobs ack"), "{said:?}");
}

#[tokio::test]
async fn a_job_under_another_name_is_another_job() {
    let old = job("every = \"1h\"");
    let row = row_of(&old, "2026-11-21T10:00:00Z", RunState::Finished);
    let renamed = Job { name: JobName::new("invoice").unwrap(), ..old };
    let plan = planned(&[renamed], Some(&row)).await;
    let said: Vec<_> = plan.changes.iter().map(|one| (one.job.as_str(), one.change, one.next)).collect();
    assert_eq!(said, [("bill", What::Removed, None), ("invoice", What::Added, Some(at(NOW)))]);
    assert_eq!(plan.changes[0].instead_of, Some(at("2026-11-21T11:00:00Z")));
}

#[tokio::test]
async fn a_job_that_stays_as_it_is_is_no_change() {
    let job = job("every = \"1h\"");
    let plan =
        planned(std::slice::from_ref(&job), Some(&row_of(&job, "2026-11-21T10:00:00Z", RunState::Finished)))
            .await;
    assert_eq!((plan.changes.len(), plan.unchanged), (0, 1));
    assert_eq!(plan.to_string(), "1 job is due as before.\n");
}
