//! Stores under fire: many clients at once read and compare-and-set a few rows, while their calls,
//! their connections and they themselves are cut down. What they saw must have been possible.
//!
//! The short tests belong to the gate. The long ones are the same for as long as one likes to wait:
//! `cargo test --release --test it fire -- --ignored --nocapture --test-threads 1`.

mod liar;
mod notes;
#[cfg(feature = "sqlite")]
mod processes;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tenure::prove::Opener;
use tenure::prove::clients::{Load, work};
use tenure::stores::Store;
use tenure::stores::flaky::{Flaky, Weather};
use tenure::stores::memory::Memory;

use self::liar::{Liar, Lie};
use self::notes::{Notes, Sum};

/// Fifty clients on six rows. A call takes no longer than half a second.
const LOAD: Load = Load {
    handles: 5,
    clients: 10,
    rows: 6,
    calls: 20_000,
    duration: Duration::from_secs(15),
    pause: Duration::ZERO,
    deadline: Duration::from_millis(500),
    first: 0,
    seed: 1,
};
/// What they do when the storm is over.
const CALM: Load = Load { handles: 1, clients: 4, calls: 500, first: 1 << 31, ..LOAD };
#[cfg(any(feature = "sqlite", feature = "datastore"))]
const LONG: Load = Load { calls: 1_250_000, duration: Duration::from_mins(10), ..LOAD };

/// An opener that opens a store with the next number each time.
fn opener(open: impl Fn(u64) -> Arc<dyn Store> + Send + Sync + 'static) -> Opener {
    let opened = AtomicU64::new(0);
    Arc::new(move |_| {
        let store = open(opened.fetch_add(1, Relaxed));
        Box::pin(async { Ok(store) })
    })
}

/// Judges what clients note in a storm, and when it is over: then the store must serve again.
async fn survive(open: &Opener, load: Load, calm: impl FnOnce()) -> Sum {
    let notes = Notes::default();
    work(open, load, &notes.note()).await.unwrap();
    let before = notes.judge();
    calm();
    work(open, CALM, &notes.note()).await.unwrap();
    let after = notes.judge();
    assert!(after.tally.done > before.tally.done + 50, "nothing can be changed after the storm: {after}");
    eprintln!("{after}");
    after
}

#[tokio::test]
async fn memory_in_a_storm_keeps_its_promises() {
    let memory = Memory::new();
    let weather =
        Weather { latency: Duration::from_millis(1), silence: Duration::from_millis(2), ..Weather::STORM };
    let storm =
        move |seed| -> Arc<dyn Store> { Arc::new(Flaky::new(Arc::new(memory.clone()), seed, weather)) };
    let sum = survive(&opener(storm), LOAD, || ()).await;
    assert!(sum.tally.unknown > 1000 && sum.landed > 100, "{sum}");
}

#[tokio::test]
async fn a_store_that_lies_once_in_a_thousand_calls_is_found_out() {
    for lie in [Lie::StaleRead, Lie::BlindWrite, Lie::LostWrite, Lie::LateTwin, Lie::NeedlessConflict] {
        let liar = Liar::new(lie);
        let shared = liar.clone();
        let open = opener(move |_| Arc::new(shared.clone()));
        let notes = Notes::default();
        work(&open, Load { calls: 10_000, ..LOAD }, &notes.note()).await.unwrap();
        let (told, found) = (liar.told(), notes.violations());
        eprintln!("{lie:?}, told {told} times: {found:?}");
        assert!(told < 30 && !found.is_empty(), "{lie:?}, told {told} times, is not seen");
    }
}

#[cfg(feature = "datastore")]
mod emulators {
    use tenure::stores::datastore::{Datastore, Options};

    use super::*;
    use crate::emulator::{Flavour, shared};
    use crate::proxy::{Proxy, Temper};

    const TEMPER: Temper = Temper { calm: 100_000, longest: Duration::from_secs(1) };

    async fn survive_behind_a_proxy(flavour: Flavour, load: Load) {
        let Some(address) = shared(flavour) else { return };
        let proxy = Proxy::new(&address);
        let cluster = format!("fire-{:016x}", fastrand::u64(..));
        let options = Options {
            project: "tenure".to_owned(),
            database: String::new(),
            namespace: "tests".to_owned(),
            emulator: Some(proxy.address.clone()),
            cluster,
            deadline: load.deadline,
        };
        proxy.infuriate(load.seed, TEMPER);
        let open = opener(move |_| Arc::new(Datastore::open(options.clone()).unwrap()));
        let calm = || {
            let moods = proxy.soothe();
            eprintln!("{moods:?}");
            assert!(moods.len() == 5, "not every kind of fault occurred: {moods:?}");
        };
        let sum = survive(&open, load, calm).await;
        assert!(sum.tally.unknown > 100 && sum.landed > 0, "{sum}");
    }

    #[tokio::test]
    async fn datastore_behind_a_bad_network_keeps_its_promises() {
        survive_behind_a_proxy(Flavour::Datastore, LOAD).await;
    }

    #[tokio::test]
    async fn firestore_behind_a_bad_network_keeps_its_promises() {
        survive_behind_a_proxy(Flavour::Firestore, LOAD).await;
    }

    #[tokio::test]
    #[ignore = "ten minutes"]
    async fn datastore_keeps_them_for_long() {
        survive_behind_a_proxy(Flavour::Datastore, LONG).await;
    }

    #[tokio::test]
    #[ignore = "ten minutes"]
    async fn firestore_keeps_them_for_long() {
        survive_behind_a_proxy(Flavour::Firestore, LONG).await;
    }
}
