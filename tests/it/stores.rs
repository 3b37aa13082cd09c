//! Every store keeps the promises of `tenure::stores`, and one that does not is found out.

use std::sync::Arc;
use std::time::Duration;

use tenure::stores::conformance::conformance;
use tenure::stores::flaky::{Flaky, Weather};
use tenure::stores::memory::Memory;
use tenure::stores::{
    Change, Fields, Key, Kind, Outcome, Pending, Query, Snapshot, Store, StoreError, Version, prove,
};
use tenure::time::SystemClock;

pub(crate) fn insert(kind: Kind, id: &str) -> Change {
    Change { key: Key::new(kind, id), base: Version::ABSENT, fields: Some(Fields::new()) }
}

pub(crate) fn all_of(kind: Kind) -> Query {
    Query { kinds: vec![kind], ..Query::default() }
}

#[tokio::test]
async fn memory_conforms() {
    let store = Memory::with_clock(Arc::new(SystemClock));
    conformance(&store, "run").await.unwrap();
    prove(&store, 1).await.unwrap();
    assert_eq!(store.read(all_of(Kind::Probe)).await.unwrap().rows, []);
}

#[tokio::test]
async fn memory_conforms_in_bad_weather() {
    for seed in 0..50 {
        let store = Flaky::new(Arc::new(Memory::with_clock(Arc::new(SystemClock))), seed, Weather::STORM);
        conformance(&store, "run").await.unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
    }
}

#[tokio::test]
async fn memory_conforms_behind_a_slow_network() {
    let (latency, silence) = (Duration::from_millis(2), Duration::from_millis(1));
    let store = Flaky::new(Arc::new(Memory::new()), 1, Weather { latency, silence, ..Weather::STORM });
    conformance(&store, "run").await.unwrap();
}

#[tokio::test]
async fn a_wiped_memory_is_not_alone_and_starts_over() {
    let store = Memory::new();
    let other = store.clone();
    store.commit(vec![insert(Kind::Cluster, "c")]).await.unwrap();
    assert!(store.traits().alone && store.traits().volatile);

    other.wipe();
    assert!(!store.traits().alone);
    assert_eq!(store.read(all_of(Kind::Cluster)).await.unwrap().rows, []);
}

#[tokio::test]
async fn weather_turns_while_the_store_is_in_use() {
    let memory = Memory::new();
    let store = Flaky::new(Arc::new(memory.clone()), 1, Weather::FAIR);
    prove(&store, 1).await.unwrap();

    store.turn(Weather::DOWN);
    let answer = store.commit(vec![insert(Kind::Lease, "job")]).await;
    assert!(matches!(answer, Err(StoreError::Unreachable(_))), "{answer:?}");
    assert_eq!(memory.read(all_of(Kind::Lease)).await.unwrap().rows, [], "a lost request changes nothing");

    store.turn(Weather { lost_replies: 1.0, ..Weather::FAIR });
    let answer = store.commit(vec![insert(Kind::Lease, "job")]).await;
    assert!(matches!(answer, Err(StoreError::Unreachable(_))), "{answer:?}");
    assert_eq!(memory.read(all_of(Kind::Lease)).await.unwrap().rows.len(), 1, "only the reply was lost");
}

#[tokio::test]
async fn a_late_request_lands_during_a_later_call() {
    let memory = Memory::new();
    let store = Flaky::new(Arc::new(memory.clone()), 1, Weather { late_requests: 1.0, ..Weather::FAIR });
    store.commit(vec![insert(Kind::Lease, "job")]).await.unwrap_err();
    assert_eq!(memory.read(all_of(Kind::Lease)).await.unwrap().rows, []);

    store.turn(Weather::FAIR);
    for _ in 0..64 {
        store.read(Query::default()).await.unwrap();
    }
    assert_eq!(memory.read(all_of(Kind::Lease)).await.unwrap().rows.len(), 1);
}

#[tokio::test]
async fn a_seed_draws_the_same_weather_again() {
    let answers = async |seed| {
        let store = Flaky::new(Arc::new(Memory::new()), seed, Weather::STORM);
        let mut answers = Vec::new();
        for _ in 0..100 {
            answers.push(store.read(Query::default()).await.is_ok());
        }
        answers
    };
    assert_eq!(answers(7).await, answers(7).await);
    assert_ne!(answers(7).await, answers(8).await);
}

/// A way to break a store's promises.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Flaw {
    InsertsOverWhatIsThere,
    UpdatesFromStaleVersions,
    DeletesFromStaleVersions,
    RefusesEverything,
    KeepsOldFields,
    AnswersBackwards,
    TellsTooHighAges,
    ForgetsRowsOfKinds,
}

/// A memory with a flaw.
#[derive(Debug)]
struct Broken(Memory, Flaw);

impl Store for Broken {
    fn read(&self, query: Query) -> Pending<'_, Result<Snapshot, StoreError>> {
        Box::pin(async move {
            let mut snapshot = self.0.read(query.clone()).await?;
            if self.1 == Flaw::TellsTooHighAges {
                snapshot.rows.iter_mut().for_each(|row| row.age = Some(Duration::from_hours(1)));
            }
            if self.1 == Flaw::ForgetsRowsOfKinds && query.keys.is_empty() {
                snapshot.rows.pop();
            }
            Ok(snapshot)
        })
    }

    fn commit(&self, mut changes: Vec<Change>) -> Pending<'_, Result<Vec<Outcome>, StoreError>> {
        Box::pin(async move {
            for change in &mut changes {
                let query = Query { keys: vec![change.key.clone()], ..Query::default() };
                let row = self.0.read(query).await?.rows.pop();
                let version = row.as_ref().map_or(Version::ABSENT, |row| row.version);
                let careless = match self.1 {
                    Flaw::InsertsOverWhatIsThere => change.base == Version::ABSENT,
                    Flaw::UpdatesFromStaleVersions => {
                        change.base > Version::ABSENT && change.fields.is_some()
                    }
                    Flaw::DeletesFromStaleVersions => change.fields.is_none(),
                    Flaw::RefusesEverything
                    | Flaw::KeepsOldFields
                    | Flaw::AnswersBackwards
                    | Flaw::TellsTooHighAges
                    | Flaw::ForgetsRowsOfKinds => false,
                };
                if careless {
                    change.base = version;
                }
                if self.1 == Flaw::RefusesEverything {
                    change.base = Version(u64::MAX);
                }
                if let (Flaw::KeepsOldFields, Some(fields), Some(row)) = (self.1, &mut change.fields, row) {
                    *fields = row.fields.into_iter().chain(std::mem::take(fields)).collect();
                }
            }
            let mut outcomes = self.0.commit(changes).await?;
            if self.1 == Flaw::AnswersBackwards {
                outcomes.reverse();
            }
            Ok(outcomes)
        })
    }

    fn describe(&self) -> String {
        format!("a store with a flaw ({:?})", self.1)
    }
}

#[tokio::test]
async fn a_store_without_compare_and_set_is_refused() {
    for flaw in [Flaw::InsertsOverWhatIsThere, Flaw::UpdatesFromStaleVersions, Flaw::RefusesEverything] {
        let refused = prove(&Broken(Memory::new(), flaw), 1).await;
        assert!(matches!(refused, Err(StoreError::Unfit(_))), "{flaw:?}: {refused:?}");
    }
}

#[tokio::test]
async fn a_broken_promise_is_named() {
    for (flaw, promise) in [
        (Flaw::InsertsOverWhatIsThere, "an insert needs an absent row"),
        (Flaw::UpdatesFromStaleVersions, "an update needs the newest version"),
        (Flaw::DeletesFromStaleVersions, "a delete needs the newest version"),
        (Flaw::RefusesEverything, "an insert needs an absent row"),
        (Flaw::KeepsOldFields, "an update replaces every field"),
        (Flaw::AnswersBackwards, "a batch answers in order and its rows are independent"),
        (Flaw::TellsTooHighAges, "an age never exceeds the truth"),
        (Flaw::ForgetsRowsOfKinds, "a read shows every answered change"),
    ] {
        let broken = conformance(&Broken(Memory::new(), flaw), "run").await.unwrap_err();
        assert!(broken.starts_with(promise), "{flaw:?} was found as: {broken}");
    }
}
