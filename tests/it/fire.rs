//! Stores under fire: many clients at once read and compare-and-set a few rows, while their calls,
//! their connections and they themselves are cut down. What they saw must have been possible.
//!
//! The short tests belong to the gate. The long ones are the same for as long as one likes to wait:
//! `cargo test --test it for_long -- --ignored --nocapture --test-threads 1`.

#[cfg(feature = "datastore")]
mod emulators;
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
    calls: 4_000,
    duration: Duration::from_mins(1),
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
    let sum = survive(&opener(storm), Load { calls: 8_000, ..LOAD }, || ()).await;
    assert!(sum.tally.unknown > 500 && sum.landed > 50, "{sum}");
}

#[tokio::test]
async fn a_store_that_lies_once_in_a_thousand_calls_is_found_out() {
    for lie in [Lie::StaleRead, Lie::BlindWrite, Lie::LostWrite, Lie::LateTwin, Lie::NeedlessConflict] {
        let liar = Liar::new(lie);
        let shared = liar.clone();
        let open = opener(move |_| Arc::new(shared.clone()));
        let notes = Notes::default();
        work(&open, Load { calls: 20_000, ..LOAD }, &notes.note()).await.unwrap();
        let (told, found) = (liar.told(), notes.violations());
        eprintln!("{lie:?}, told {told} times: {found:?}");
        assert!(!found.is_empty(), "{lie:?}, told {told} times, is not seen");
    }
}
