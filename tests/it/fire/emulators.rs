//! Datastore's emulators behind a network that misbehaves.

use std::sync::Arc;
use std::time::Duration;

use tenure::stores::datastore::{Datastore, Options};
use tenure::stores::{Change, Fields, Key, Kind, Outcome, Query, Store, StoreError, Version};

use super::{LOAD, LONG, Load, opener, survive};
use crate::emulator::{Flavour, shared};
use crate::proxy::{Mood, Proxy, Temper};

/// For short: a fault every few dozen calls on each connection.
const WILD: Temper = Temper { calm: 20_000, longest: Duration::from_secs(1) };
/// For long: more calls in the same time.
const TESTY: Temper = Temper { calm: 1_000_000, ..WILD };

/// Rows of a cluster that nobody used before, behind a proxy.
fn options(proxy: &Proxy, deadline: Duration) -> Options {
    Options {
        project: "tenure".to_owned(),
        database: String::new(),
        namespace: "tests".to_owned(),
        emulator: Some(proxy.address.clone()),
        cluster: format!("fire-{:016x}", fastrand::u64(..)),
        deadline,
    }
}

async fn survive_behind_a_proxy(flavour: Flavour, load: Load, temper: Temper) {
    let Some(address) = shared(flavour) else { return };
    let proxy = Proxy::new(&address);
    let options = options(&proxy, load.deadline);
    proxy.infuriate(load.seed, temper);
    let open = opener(move |_| Arc::new(Datastore::open(options.clone()).unwrap()));
    let calm = || {
        let moods = proxy.soothe();
        eprintln!("{flavour:?}: {moods:?}");
        assert!(moods.len() == 5, "not every kind of fault occurred: {moods:?}");
    };
    let sum = survive(&open, load, calm).await;
    assert!(sum.tally.unknown > 100 && sum.landed > 10, "{sum}");
}

#[tokio::test]
async fn datastore_behind_a_bad_network_keeps_its_promises() {
    survive_behind_a_proxy(Flavour::Datastore, LOAD, WILD).await;
}

#[tokio::test]
async fn firestore_behind_a_bad_network_keeps_its_promises() {
    survive_behind_a_proxy(Flavour::Firestore, LOAD, WILD).await;
}

#[tokio::test]
#[ignore = "takes many minutes"]
async fn datastore_keeps_them_for_long() {
    survive_behind_a_proxy(Flavour::Datastore, LONG, TESTY).await;
}

#[tokio::test]
#[ignore = "takes many minutes"]
async fn firestore_keeps_them_for_long() {
    survive_behind_a_proxy(Flavour::Firestore, LONG, TESTY).await;
}

#[tokio::test]
async fn a_change_whose_reply_is_lost_is_unknown_and_was_applied() {
    for address in [Flavour::Datastore, Flavour::Firestore].into_iter().filter_map(shared) {
        let proxy = Proxy::new(&address);
        let store = Datastore::open(options(&proxy, Duration::from_secs(2))).unwrap();
        let key = Key::new(Kind::Probe, "row");
        let fields = Fields::from_iter([("id".to_owned(), 1.into())]);
        let insert = vec![Change { key: key.clone(), base: Version::ABSENT, fields: Some(fields.clone()) }];

        proxy.turn(Mood::Mute);
        let answer = store.commit(insert.clone()).await;
        assert!(matches!(answer, Err(StoreError::Unreachable(_))), "{answer:?}");

        proxy.turn(Mood::Fair);
        let rows = store.read(Query { keys: vec![key], ..Query::default() }).await.unwrap().rows;
        assert_eq!(rows[0].fields, fields);
        assert_eq!(store.commit(insert).await.unwrap(), [Outcome::Conflict]);
    }
}
