//! Datastore keeps the promises of `tenure::stores`, on each of its emulators.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tenure::stores::conformance::conformance;
use tenure::stores::datastore::{Datastore, Options};
use tenure::stores::flaky::{Flaky, Weather};
use tenure::stores::{Change, Fields, Key, Kind, Outcome, Query, Row, Store, StoreError, Version, prove};
use tenure::time::{Clock, SystemClock};

use crate::emulator::{Emulator, Flavour, shared};

/// Long enough for an emulator on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Short enough to wait for in a test.
const IMPATIENCE: Duration = Duration::from_millis(300);
/// What a busy machine may add to a deadline.
const SLACK: Duration = Duration::from_secs(10);

/// Rows of a cluster that nobody used before.
fn options(address: &str, deadline: Duration) -> Options {
    Options {
        project: "tenure".to_owned(),
        database: String::new(),
        namespace: "tests".to_owned(),
        emulator: Some(address.to_owned()),
        cluster: format!("{:016x}", fastrand::u64(..)),
        deadline,
    }
}

fn open(address: &str, deadline: Duration) -> Datastore {
    Datastore::open(options(address, deadline)).unwrap()
}

/// A new cluster on each emulator that a production store resembles.
fn each() -> impl Iterator<Item = Datastore> {
    let flavours = [Flavour::Datastore, Flavour::FirestoreMode].into_iter();
    flavours.filter_map(shared).map(|address| open(&address, PATIENCE))
}

fn put(id: &str, base: Version, value: impl Into<Value>) -> Change {
    let fields = Fields::from_iter([("value".to_owned(), value.into())]);
    Change { key: Key::new(Kind::Lease, id), base, fields: Some(fields) }
}

async fn insert(store: &Datastore, id: &str) -> Version {
    match store.commit(vec![put(id, Version::ABSENT, "first")]).await.unwrap()[..] {
        [Outcome::Done(version)] => version,
        ref other => panic!("{other:?}"),
    }
}

async fn find(store: &Datastore, id: &str) -> Option<Row> {
    let query = Query { keys: vec![Key::new(Kind::Lease, id)], ..Query::default() };
    store.read(query).await.unwrap().rows.pop()
}

fn is_unreachable<T>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Unreachable(_)))
}

#[tokio::test]
async fn datastore_conforms() {
    let firestore = shared(Flavour::Firestore).map(|address| open(&address, PATIENCE));
    for store in each().chain(firestore) {
        conformance(&store, "run").await.unwrap_or_else(|broken| panic!("{}: {broken}", store.describe()));
        prove(&store, 1).await.unwrap();
    }
}

#[tokio::test]
async fn datastore_conforms_in_bad_weather() {
    for seed in 0..3 {
        for store in each() {
            let name = store.describe();
            let store = Flaky::new(Arc::new(store), seed, Weather::STORM);
            conformance(&store, "run").await.unwrap_or_else(|broken| panic!("seed {seed}, {name}: {broken}"));
        }
    }
}

#[tokio::test]
async fn a_stale_write_is_refused() {
    for store in each() {
        let first = insert(&store, "job").await;
        let outcomes = store.commit(vec![put("job", first, "second")]).await.unwrap();
        let [Outcome::Done(second)] = outcomes[..] else { panic!("{outcomes:?}") };
        for stale in [Version::ABSENT, first, Version(second.0 + 1000)] {
            assert_eq!(store.commit(vec![put("job", stale, "stale")]).await.unwrap(), [Outcome::Conflict]);
            let delete = Change { fields: None, ..put("job", stale, "") };
            assert_eq!(store.commit(vec![delete]).await.unwrap(), [Outcome::Conflict]);
        }
        let row = find(&store, "job").await.unwrap();
        assert_eq!((row.version, &row.fields["value"]), (second, &"second".into()));
    }
}

#[tokio::test]
async fn a_batch_with_a_stale_row_has_unknown_outcomes() {
    for store in each() {
        insert(&store, "stale").await;
        let batch = ["before", "stale", "after"].map(|id| put(id, Version::ABSENT, "new"));
        assert_eq!(store.commit(batch.to_vec()).await.unwrap(), [Outcome::Unknown; 3]);
        assert_eq!(find(&store, "stale").await.unwrap().fields["value"], "first");
    }
}

#[tokio::test]
async fn a_conflict_that_the_server_resolved_is_a_conflict() {
    for store in each().map(Datastore::careless) {
        let first = insert(&store, "job").await;
        let batch = vec![put("job", Version::ABSENT, "stale"), put("other", Version::ABSENT, "new")];
        let outcomes = store.commit(batch).await.unwrap();
        assert!(matches!(outcomes[..], [Outcome::Conflict, Outcome::Done(_)]), "{outcomes:?}");
        assert_eq!(find(&store, "job").await.unwrap().version, first);
    }
}

#[tokio::test]
async fn a_store_that_overwrites_is_refused_with_a_sentence() {
    let Some(emulator) = Emulator::start(Flavour::Firestore) else { return };
    let store = open(&emulator.address(), PATIENCE);
    prove(&store, 1).await.unwrap();

    let refusal = prove(&store.careless(), 2).await.unwrap_err();
    let StoreError::Unfit(sentence) = refusal else { panic!("{refusal:?}") };
    assert!(sentence.contains("cannot carry leases: it inserted a row that was there already"), "{sentence}");
    assert!(
        sentence.contains("use a store that refuses every write whose base version is stale"),
        "{sentence}"
    );
}

#[tokio::test]
async fn thousands_of_rows_are_read_by_kind_and_by_key() {
    const COUNT: usize = 2500;
    for store in each() {
        let ids: Vec<String> = (0..COUNT).map(|number| format!("job {number}")).collect();
        for batch in ids.chunks(500) {
            let changes = batch.iter().map(|id| put(id, Version::ABSENT, id.as_str())).collect();
            store.commit(changes).await.unwrap();
        }
        let keys = ids.iter().map(|id| Key::new(Kind::Lease, id)).collect();
        for query in
            [Query { kinds: vec![Kind::Lease], ..Query::default() }, Query { keys, ..Query::default() }]
        {
            let mut rows = store.read(query).await.unwrap().rows;
            rows.sort_by(|one, other| one.key.cmp(&other.key));
            rows.dedup_by(|one, other| one.key == other.key);
            assert_eq!(rows.len(), COUNT);
            assert!(rows.iter().all(|row| row.fields["value"] == *row.key.id));
        }
    }
}

#[tokio::test]
async fn clusters_do_not_see_each_other() {
    for (store, other) in each().zip(each()) {
        insert(&store, "job").await;
        assert_eq!(find(&other, "job").await, None);
        let query = Query { kinds: vec![Kind::Lease], ..Query::default() };
        assert_eq!(other.read(query).await.unwrap().rows, []);
    }
}

#[tokio::test]
async fn an_emulator_is_volatile_and_tells_no_age() {
    for store in each() {
        insert(&store, "job").await;
        assert!(store.traits().volatile);
        assert_eq!(find(&store, "job").await.unwrap().age, None);
    }
}

#[tokio::test]
async fn calls_fail_while_the_server_is_down_and_work_again_by_themselves() {
    let Some(mut emulator) = Emulator::start(Flavour::FirestoreMode) else { return };
    let store = open(&emulator.address(), PATIENCE);
    let version = insert(&store, "job").await;
    emulator.kill();

    let query = Query { keys: vec![Key::new(Kind::Lease, "job")], ..Query::default() };
    for _ in 0..3 {
        let sent = SystemClock.now();
        assert!(is_unreachable(&store.read(query.clone()).await));
        assert!(is_unreachable(&store.commit(vec![put("job", version, "lost")]).await));
        assert!(SystemClock.now().since(sent) < PATIENCE + SLACK);
    }

    emulator.restart();
    assert_eq!(find(&store, "job").await, None, "it came back empty");
    let outcomes = store.commit(vec![put("job", version, "of an earlier life")]).await.unwrap();
    assert_eq!(outcomes, [Outcome::Conflict]);
    insert(&store, "job").await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said_to_refuse_the_connection() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let answer = open(&address, PATIENCE).commit(vec![put("job", Version::ABSENT, "")]).await;
    let Err(StoreError::Unreachable(sentence)) = answer else { panic!("{answer:?}") };
    assert!(sentence.contains(&address) && sentence.contains("refused"), "{sentence}");
}

#[tokio::test]
async fn silence_ends_at_the_deadline_and_the_next_call_dials_anew() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let store = open(&silent.local_addr().unwrap().to_string(), IMPATIENCE);
    let mut lines = Vec::new();
    for _ in 0..2 {
        let sent = SystemClock.now();
        let answer = store.read(Query { kinds: vec![Kind::Member], ..Query::default() }).await;
        assert!(SystemClock.now().since(sent) < IMPATIENCE + SLACK);
        let Err(StoreError::Unreachable(sentence)) = answer else { panic!("{answer:?}") };
        assert!(sentence.contains("no answer within 300ms"), "{sentence}");
        lines.push(silent.accept().unwrap());
    }
}

#[tokio::test]
async fn a_place_that_cannot_be_called_is_refused_when_it_is_opened() {
    for address in ["local host:1", ""] {
        let answer = Datastore::open(options(address, IMPATIENCE));
        assert!(matches!(answer, Err(StoreError::Denied(_))), "{address}: {answer:?}");
    }
    let place = options("localhost:1", IMPATIENCE);
    let answer = Datastore::open(Options { project: "two\nlines".to_owned(), ..place });
    assert!(matches!(answer, Err(StoreError::Denied(_))), "{answer:?}");
}

#[tokio::test]
async fn what_the_server_refuses_is_denied_with_its_reason() {
    for store in each() {
        let answer = store.commit(vec![put("__reserved__", Version::ABSENT, "")]).await;
        let Err(StoreError::Denied(sentence)) = answer else { panic!("{answer:?}") };
        assert!(sentence.contains("__reserved__"), "{sentence}");
    }
}
