//! Fenced writes: what a leader of the past sends is refused by the store, and what a leader sends is not.

use std::sync::Arc;
use std::time::Duration;

use tenure::stores::Store;
use tenure::stores::flaky::{Flaky, Weather};
use tenure::{Fence, FenceError, Leadership, Tenure};

use crate::library::{builder, in_time, start_brief};

/// A cluster in which the first leader lost its lease to the second, and neither knows of this test.
pub(crate) struct Deposed {
    pub(crate) first: Leadership,
    pub(crate) second: Leadership,
    _instances: [Tenure; 2],
}

impl Deposed {
    pub(crate) async fn on(one: Arc<dyn Store>, two: Arc<dyn Store>) -> Self {
        let sky = Flaky::new(one, 1, Weather::FAIR);
        let instances = [
            start_brief("one", sky.clone()).await,
            start_brief("two", Flaky::new(two, 1, Weather::FAIR)).await,
        ];
        let first = in_time("the first leads", instances[0].lead("indexer")).await.unwrap();
        // Its instance is cut off. It is paused itself, in the middle of a write, so it does not see that it lost.
        sky.turn(Weather::DOWN);
        let second = in_time("the second leads", instances[1].lead("indexer")).await.unwrap();
        Self { first, second, _instances: instances }
    }
}

#[track_caller]
fn assert_passed<T: std::fmt::Debug>(answer: &Result<T, FenceError>, by: &Fence) {
    let Err(FenceError::Passed { fence, .. }) = answer else { panic!("{answer:?}") };
    assert_eq!(fence, by);
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use rusqlite::{Transaction, params};
    use tenure::stores::sqlite::Sqlite;

    use super::*;
    use crate::folder::Folder;

    const PATIENCE: Duration = Duration::from_secs(30);

    async fn open(folder: &Folder, deadline: Duration) -> Arc<Sqlite> {
        Arc::new(Sqlite::open(&folder.0.join("tenure.db"), "test", deadline).await.unwrap())
    }

    fn pay(transaction: &Transaction<'_>, by: &str) -> Result<usize, rusqlite::Error> {
        transaction.execute("CREATE TABLE IF NOT EXISTS bill (by TEXT) STRICT", [])?;
        transaction.execute("INSERT INTO bill VALUES (?)", params![by])
    }

    async fn paid(store: &Sqlite, fence: &Fence) -> Vec<String> {
        let read = |transaction: &Transaction<'_>| {
            let mut all = transaction.prepare("SELECT by FROM bill ORDER BY rowid")?;
            all.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, rusqlite::Error>>()
        };
        store.fence(fence, read).await.unwrap()
    }

    #[tokio::test]
    async fn sqlite_refuses_the_late_write_of_a_deposed_leader() {
        let folder = Folder::new();
        let (one, two) = (open(&folder, PATIENCE).await, open(&folder, PATIENCE).await);
        let Deposed { first, second, _instances } = Deposed::on(one.clone(), two.clone()).await;
        two.fence(second.fence(), |transaction| pay(transaction, "second")).await.unwrap();
        let late = one.fence(first.fence(), |transaction| pay(transaction, "first")).await;
        assert_passed(&late, first.fence());
        assert_eq!(paid(&two, second.fence()).await, ["second"]);
        let fence = second.fence().clone();
        in_time("release", second.release()).await;
        eventually_refused(&two, &fence).await;
    }

    async fn eventually_refused(store: &Sqlite, fence: &Fence) {
        crate::instance::eventually("what was given up is refused", async || {
            store.fence(fence, |_| Ok::<_, rusqlite::Error>(())).await.is_err()
        })
        .await;
    }

    #[tokio::test]
    async fn a_fenced_write_that_fails_leaves_nothing_behind() {
        let folder = Folder::new();
        let store = open(&folder, PATIENCE).await;
        let tenure = builder("one", Flaky::new(store.clone(), 1, Weather::FAIR)).build().unwrap();
        let tenure = tenure.start().await.unwrap();
        let leadership = in_time("it leads", tenure.lead("indexer")).await.unwrap();
        let fence = leadership.fence();
        store.fence(fence, |transaction| pay(transaction, "well")).await.unwrap();
        let failed = store.fence(fence, |transaction| {
            pay(transaction, "badly")?;
            transaction.execute("nonsense", [])
        });
        assert!(matches!(failed.await, Err(FenceError::Failed(_))));
        let panicked = store.fence(fence, |transaction| -> Result<(), rusqlite::Error> {
            pay(transaction, "in a panic")?;
            panic!("as this test wants it")
        });
        assert!(matches!(panicked.await, Err(FenceError::Failed(_))));
        assert_eq!(paid(&store, fence).await, ["well"]);
        let other = Fence { term: fence.term.next(), ..fence.clone() };
        assert_passed(&store.fence(&other, |transaction| pay(transaction, "nobody")).await, &other);
    }

    #[tokio::test]
    async fn what_takes_too_long_behind_a_fence_is_undone() {
        let folder = Folder::new();
        let (slow, store) = (open(&folder, Duration::from_secs(2)).await, open(&folder, PATIENCE).await);
        let tenure = builder("one", Flaky::new(store.clone(), 1, Weather::FAIR));
        let tenure = tenure.failover(Duration::from_secs(30)).build().unwrap().start().await.unwrap();
        let leadership = in_time("it leads", tenure.lead("indexer")).await.unwrap();
        let fence = leadership.fence();
        store.fence(fence, |transaction| pay(transaction, "well")).await.unwrap();
        let endless = slow.fence(fence, |transaction| {
            pay(transaction, "late")?;
            let count =
                "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT count(*) FROM n";
            transaction.query_row(count, [], |row| row.get::<_, i64>(0))
        });
        assert!(endless.await.is_err());
        assert_eq!(paid(&store, fence).await, ["well"]);
    }
}

#[cfg(feature = "datastore")]
mod datastore {
    use std::collections::HashMap;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use tenure::stores::datastore::{Datastore, MOST_FENCED, Options, v1};
    use tenure::stores::{Key, Kind, Query};
    use tokio::task::JoinSet;
    use v1::mutation::Operation;

    use super::*;
    use crate::emulator::{Flavour, shared};
    use crate::instance::eventually;
    use crate::proxy::{Mood, Proxy};

    const PATIENCE: Duration = Duration::from_secs(30);
    /// What a leader writes at least.
    const WRITES: usize = 50;
    /// How often the role changes hands.
    const ROUNDS: usize = 3;
    /// How many go on to write for who led before.
    const WRITERS: usize = 12;

    /// A cluster that nobody used before, on each emulator.
    fn each() -> impl Iterator<Item = (Options, [Arc<Datastore>; 2])> {
        let flavours = [Flavour::Datastore, Flavour::FirestoreMode, Flavour::Firestore].into_iter();
        flavours.filter_map(shared).map(|address| {
            let options = Options {
                project: "tenure".to_owned(),
                database: String::new(),
                namespace: "fences".to_owned(),
                emulator: Some(address),
                cluster: format!("{:016x}", fastrand::u64(..)),
                deadline: PATIENCE,
            };
            let stores = [(); 2].map(|()| Arc::new(Datastore::open(options.clone()).unwrap()));
            (options, stores)
        })
    }

    fn key(path: &[(&str, &str)]) -> v1::Key {
        use v1::key::{PathElement, path_element::IdType};
        let partition = v1::PartitionId {
            project_id: "tenure".into(),
            namespace_id: "fences".into(),
            ..Default::default()
        };
        let step = |(kind, name): &(&str, &str)| PathElement {
            kind: (*kind).to_owned(),
            id_type: Some(IdType::Name((*name).to_owned())),
        };
        v1::Key { partition_id: Some(partition), path: path.iter().map(step).collect() }
    }

    /// Something to be done to the bill of this name.
    fn bill(name: &str, operation: impl FnOnce(v1::Entity) -> Operation) -> v1::Mutation {
        let entity = v1::Entity { key: Some(key(&[("Bill", name)])), properties: HashMap::new() };
        v1::Mutation { operation: Some(operation(entity)), ..Default::default() }
    }

    fn new_name() -> String {
        format!("{:016x}", fastrand::u64(..))
    }

    #[tokio::test]
    async fn datastore_refuses_the_late_write_of_a_deposed_leader() {
        for (_, [one, two]) in each() {
            let Deposed { first, second, _instances } = Deposed::on(one.clone(), two.clone()).await;
            let name = new_name();
            let late = one.fence(first.fence(), vec![bill(&name, Operation::Insert)]).await;
            assert_passed(&late, first.fence());
            // It would fail if the late one had left anything.
            two.fence(second.fence(), vec![bill(&name, Operation::Insert)]).await.unwrap();
        }
    }

    /// What a leader leaves of its term, among the cluster's own rows so that a store can read it.
    fn mark(cluster: &str, fence: &Fence) -> v1::Mutation {
        let term = v1::value::ValueType::IntegerValue(i64::try_from(fence.term.0).unwrap());
        let value = v1::Value { value_type: Some(term), ..Default::default() };
        let properties = HashMap::from([("term".to_owned(), value)]);
        let key = Some(key(&[("Cluster", cluster), ("Probe", "mark")]));
        v1::Mutation {
            operation: Some(Operation::Upsert(v1::Entity { key, properties })),
            ..Default::default()
        }
    }

    async fn marked(store: &Datastore) -> u64 {
        let query = Query { keys: vec![Key::new(Kind::Probe, "mark")], ..Query::default() };
        store.read(query).await.unwrap().rows[0].fields["term"].as_u64().unwrap()
    }

    /// Writes on and on for a leader, until it is refused or nobody answers any more.
    async fn insist(store: Arc<Datastore>, cluster: String, fence: Fence, written: Arc<AtomicUsize>) {
        while let Ok(_) | Err(FenceError::Untried(_)) =
            store.fence(&fence, vec![mark(&cluster, &fence)]).await
        {
            written.fetch_add(1, Relaxed);
        }
    }

    #[tokio::test]
    async fn a_write_that_was_sent_before_the_next_term_and_arrives_after_it_began_is_refused() {
        for (options, [one, two]) in each() {
            // What the writers send is held up on its way, wherever between look and commit they are.
            let network = Proxy::new(options.emulator.as_deref().unwrap());
            let behind = Options { emulator: Some(network.address.clone()), ..options.clone() };
            let first = start_brief("one", Flaky::new(one.clone(), 1, Weather::FAIR)).await;
            let second = start_brief("two", Flaky::new(two.clone(), 1, Weather::FAIR)).await;
            for _ in 0..ROUNDS {
                let leadership = in_time("the first leads", first.lead("indexer")).await.unwrap();
                let (mut late, written) = (JoinSet::new(), Arc::new(AtomicUsize::new(0)));
                for _ in 0..WRITERS {
                    let store = Arc::new(Datastore::open(behind.clone()).unwrap());
                    let (cluster, fence) = (options.cluster.clone(), leadership.fence().clone());
                    late.spawn(insist(store, cluster, fence, written.clone()));
                }
                eventually("they write", async || written.load(Relaxed) > 2 * WRITERS).await;
                network.turn(Mood::Silent);
                drop(leadership);
                let leadership = in_time("the second leads", second.lead("indexer")).await.unwrap();
                two.fence(leadership.fence(), vec![mark(&options.cluster, leadership.fence())])
                    .await
                    .unwrap();
                network.turn(Mood::Fair);
                in_time("the late ones end", late.join_all()).await;
                assert_eq!(marked(&two).await, leadership.term().0, "{}", two.describe());
                in_time("release", leadership.release()).await;
            }
        }
    }

    #[tokio::test]
    async fn a_leader_writes_while_heartbeats_go_on() {
        for (_, [one, two]) in each() {
            let tenure = start_brief("one", Flaky::new(one.clone(), 1, Weather::FAIR)).await;
            let _other = start_brief("two", Flaky::new(two, 1, Weather::FAIR)).await;
            let commits = || tenure.counters().commits.load(Relaxed);
            let (mut written, enough) = (0, commits() + 4);
            while written < WRITES || commits() < enough {
                let leadership = in_time("it leads", tenure.lead("indexer")).await.unwrap();
                loop {
                    match one.fence(leadership.fence(), vec![bill(&new_name(), Operation::Insert)]).await {
                        Ok(_) => written += 1,
                        // As happens on a machine that is busy with something else.
                        Err(FenceError::Passed { .. }) => break,
                        Err(error) => panic!("{error}, after {written} writes"),
                    }
                    if written >= WRITES && commits() >= enough {
                        break;
                    }
                }
            }
        }
    }

    #[tokio::test]
    async fn mutations_behind_a_fence_are_applied_all_or_none() {
        for (_, [store, _]) in each() {
            let tenure = start_brief("one", Flaky::new(store.clone(), 1, Weather::FAIR)).await;
            let leadership = in_time("it leads", tenure.lead("indexer")).await.unwrap();
            let (fence, there, new) = (leadership.fence(), new_name(), new_name());
            store.fence(fence, vec![bill(&there, Operation::Insert)]).await.unwrap();
            let both = vec![bill(&new, Operation::Insert), bill(&there, Operation::Insert)];
            let failed = store.fence(fence, both).await;
            assert!(matches!(failed, Err(FenceError::Failed(_))), "{}: {failed:?}", store.describe());
            let results = store.fence(fence, vec![bill(&new, Operation::Insert)]).await.unwrap();
            assert_eq!(results.len(), 1);
            let many = (0..=MOST_FENCED).map(|_| bill(&new_name(), Operation::Insert)).collect();
            assert!(matches!(store.fence(fence, many).await, Err(FenceError::Failed(_))));
        }
    }
}
