//! The commands that look: the accounts of a job, why it ran or did not, when it is due next, who is there.

use std::time::Duration;

use tenure::commands::events::{Watcher, What};
use tenure::commands::history::history;
use tenure::commands::lookup::LookupError;
use tenure::commands::next::next;
use tenure::commands::nodes::nodes;
use tenure::commands::status::status;
use tenure::commands::why::why;
use tenure::machine::{Incarnation, JobName, RunId, Term};
use tenure::rows::{Cursor, Entry, Fate, Lease, Run, RunState, encode};
use tenure::schedulers::{Every, Schedule};
use tenure::stores::memory::Memory;
use tenure::stores::{Change, Fields, Key, Kind, Query, Store, Version};
use tenure::time::{SystemClock, Wall};

fn job(name: &str) -> JobName {
    JobName::new(name).unwrap()
}

fn at(minute: i64) -> Wall {
    Wall::from_nanos(minute * 60_000_000_000)
}

fn minute() -> Every {
    Every::new(Duration::from_mins(1)).unwrap()
}

fn cursor(due: i64, state: RunState) -> Cursor {
    Cursor {
        due: at(due),
        attempt: 1,
        run: RunId(7),
        term: Term(3),
        node: "owl".to_owned(),
        at: at(due),
        state,
        again: None,
        schedule: minute().fingerprint(),
        extra: None,
    }
}

fn entry(due: i64, fate: Fate, reason: &str) -> Entry {
    cursor(due, RunState::Finished).entry(fate, reason, Some(at(due)))
}

async fn put(store: &Memory, key: Key, fields: Fields) {
    store.commit(vec![Change { key, base: Version::ABSENT, fields: Some(fields) }]).await.unwrap();
}

/// A job of which three entries are filed, one of them stands in its row still with one that is not,
/// and a run goes on.
async fn scene() -> Memory {
    let store = Memory::new();
    let missed = Entry { last: at(3), count: 2, ..entry(2, Fate::Missed, "nobody led the job then") };
    for entry in [entry(1, Fate::Ran, ""), missed.clone(), entry(4, Fate::Failed, "it broke")] {
        let id = Run::id(&job("bill"), entry.due);
        put(&store, Key::new(Kind::Run, id), encode(&Run::new(entry))).await;
    }
    let ledger =
        vec![entry(4, Fate::Failed, "it broke"), entry(5, Fate::Unknown, "its leader vanished during it")];
    let row = Lease {
        holder: Some(Incarnation(1)),
        leader: Some("owl".to_owned()),
        term: Term(3),
        cursor: Some(cursor(6, RunState::Started)),
        ledger,
        ..Lease::unborn()
    };
    put(&store, Key::new(Kind::Lease, "bill"), encode(&row)).await;
    store
}

#[tokio::test]
async fn every_due_time_is_told_once_whether_it_is_filed_or_not() {
    let store = scene().await;
    let found = history(&store, &job("bill"), None, 10).await.unwrap();
    let told: Vec<_> = found.accounts.iter().map(|account| (account.due, account.fate)).collect();
    let expected = [(at(5), Fate::Unknown), (at(4), Fate::Failed), (at(2), Fate::Missed), (at(1), Fate::Ran)];
    assert_eq!(told, expected);
    assert_eq!(found.open.as_ref().map(|open| open.due), Some(at(6)));
    let table = found.to_string();
    assert!(table.contains("started") && table.contains("; 2 times, until 1970-01-01T00:03:00"), "{table}");
    let newest = history(&store, &job("bill"), Some(at(5)), 2).await.unwrap();
    assert_eq!(newest.accounts.iter().map(|account| account.due).collect::<Vec<_>>(), [at(4), at(2)]);
}

#[tokio::test]
async fn it_is_told_why_a_job_did_or_did_not_run() {
    let store = scene().await;
    let because = async |minute| why(&store, &job("bill"), at(minute)).await.unwrap().to_string();
    assert!(because(0).await.contains("was never due by then"));
    assert!(because(1).await.contains("it ran on owl"));
    assert!(because(3).await.contains("missed, because nobody led the job then"));
    assert!(because(4).await.contains("it failed on owl, because it broke"));
    assert!(because(5).await.contains("nobody knows how it ended"));
    assert!(because(9).await.contains("attempt 1, at term 3, is started"));
}

#[tokio::test]
async fn the_next_due_times_follow_the_cursor() {
    let store = scene().await;
    let found = next(&store, &job("bill"), &minute(), at(6), 2).await.unwrap();
    assert_eq!(found.due, [at(7).to_string(), at(8).to_string()]);
    let later = next(&store, &job("bill"), &minute(), at(100), 1).await.unwrap();
    assert_eq!(later.due, [at(101).to_string()]);
}

#[tokio::test]
async fn a_job_that_is_not_there_is_guessed_at() {
    let store = scene().await;
    let error = history(&store, &job("bil"), None, 1).await.unwrap_err();
    assert_eq!(error, LookupError::Unknown { job: job("bil"), meant: Some(job("bill")) });
    assert_eq!(error.to_string(), "there is no job bil in this store: did you mean bill?");
}

#[tokio::test]
async fn an_instance_that_has_no_row_is_not_listed() {
    assert_eq!(nodes(&scene().await).await.unwrap().nodes.len(), 0);
}

#[tokio::test]
async fn a_job_that_is_held_is_said_to_wait_for_an_answer() {
    let store = Memory::new();
    let row = Lease { term: Term(4), cursor: Some(cursor(6, RunState::Started)), ..Lease::unborn() };
    put(&store, Key::new(Kind::Lease, "bill"), encode(&row)).await;
    let told = why(&store, &job("bill"), at(9)).await.unwrap().to_string();
    assert!(told.contains("the job waits for an answer: tenure jobs ack bill"), "{told}");
    let table = history(&store, &job("bill"), None, 1).await.unwrap().to_string();
    assert!(table.contains("held") && !table.contains("started"), "{table}");
    let status = status(&store, "tests", &SystemClock).await.unwrap().to_string();
    assert!(status.lines().any(|line| line.ends_with("held")), "{status}");
}

/// Writes the row of the job anew.
async fn rewrite(store: &Memory, lease: &Lease) {
    let key = Key::new(Kind::Lease, "bill");
    let query = Query { keys: vec![key.clone()], ..Query::default() };
    let rows = store.read(query).await.unwrap().rows;
    let base = rows.first().map_or(Version::ABSENT, |row| row.version);
    store.commit(vec![Change { key, base, fields: Some(encode(lease)) }]).await.unwrap();
}

#[tokio::test]
async fn what_came_and_went_between_two_looks_has_its_account_all_the_same() {
    let store = Memory::new();
    let led = Lease {
        holder: Some(Incarnation(1)),
        leader: Some("owl".to_owned()),
        term: Term(3),
        ..Lease::unborn()
    };
    let row = |cursor, ledger| Lease { cursor: Some(cursor), ledger, ..led.clone() };
    rewrite(&store, &row(cursor(1, RunState::Finished), vec![entry(1, Fate::Ran, "")])).await;
    let mut watcher = Watcher::default();
    assert_eq!(watcher.look(&store, at(9)).await.unwrap(), []);
    // Two runs came and went: one of them is filed, the other is about to be. A third goes on.
    let filed = entry(2, Fate::Ran, "");
    let key = Key::new(Kind::Run, Run::id(&job("bill"), filed.due));
    put(&store, key, encode(&Run::new(filed))).await;
    rewrite(&store, &row(cursor(4, RunState::Started), vec![entry(3, Fate::Failed, "it broke")])).await;
    let told = watcher.look(&store, at(9)).await.unwrap();
    let told: Vec<_> = told.into_iter().map(|event| event.what).collect();
    let [What::Ended { account: second, .. }, What::Ended { account: third, .. }, What::Began(fourth)] =
        &told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!([second.due, third.due, fourth.due], [at(2), at(3), at(4)]);
    // It ends, and another leads.
    let ended = row(cursor(4, RunState::Finished), vec![entry(4, Fate::Ran, "")]);
    rewrite(&store, &Lease { term: Term(4), holder: Some(Incarnation(2)), ..ended }).await;
    let told = watcher.look(&store, at(9)).await.unwrap();
    let told: Vec<_> = told.into_iter().map(|event| event.what).collect();
    let [What::Led { term: Term(4), .. }, What::Ended { account, .. }] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(account.due, at(4));
    assert_eq!(watcher.look(&store, at(9)).await.unwrap(), []);
}
