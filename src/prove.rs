//! Do not trust us, prove it on your store: real instances, on your store, crashed, paused, cut off
//! and sent away while somebody counts what they do.
//!
//! 1. **The store.** The suite of promises that every store passes, then clients that read and change
//!    a few rows all at once. What they saw must have been possible ([`history`]), and how long they
//!    waited says how short a failover the store allows ([`latency`]).
//! 2. **The instances.** Their jobs do nothing but sign a common ledger, which knows what must never
//!    happen.
//!
//! All of it happens in a cluster of its own, which is empty again at the end.

pub mod clients;
pub mod history;
mod instances;
pub mod latency;
mod ledger;
mod report;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use self::clients::{Load, Note};
use self::history::History;
use self::instances::Prover;
use self::latency::Latency;
pub use self::report::{Calls, Report};
use crate::ports::wire::cluster_key;
use crate::stores::conformance::conformance;
use crate::stores::{Change, Kind, MOST_CHANGES, Pending, Query, Row, Store, StoreError};

/// What to prove, and how hard to try.
#[derive(Clone, Copy, Debug)]
pub struct Proof {
    /// How long the instances run. The clients before them take a sixth of it.
    pub duration: Duration,
    /// With how many instances.
    pub instances: u16,
    /// With how many jobs.
    pub jobs: u16,
    /// How fast a vanished leader shall be replaced.
    pub failover: Duration,
    /// What the faults are drawn from.
    pub seed: u64,
}

/// Opens the store once more, on the runtime that will use it, for calls that take no longer than this.
pub type Opener = Arc<dyn Fn(Duration) -> Pending<'static, Result<Arc<dyn Store>, StoreError>> + Send + Sync>;

/// How long a call may take before there are instances: longer than any that a failover can rest on,
/// so that the slow ones are measured and not given up.
const PATIENCE: Duration = Duration::from_secs(10);
/// The clients get this part of the time,
const CLIENTS_SHARE: u32 = 6;
/// but no less,
const CLIENTS_LEAST: Duration = Duration::from_secs(1);
/// and no more than this.
const CLIENTS_MOST: Duration = Duration::from_secs(20);
/// Clients for each instance that there will be.
const CLIENTS: u16 = 2;
/// Rows of the clients: few, so that they meet.
const ROWS: u16 = 4;
/// The longest that a client waits from one call to the next: a busy store is measured, not a flooded one.
const PAUSE: Duration = Duration::from_millis(20);
/// More calls than they can make.
const MOST_CALLS: u64 = 1_000_000;

/// Tries the store that `open` opens, then runs instances on it, hurts them and checks what they do.
pub async fn prove(open: Opener, proof: Proof) -> Result<Report, StoreError> {
    let store = open(PATIENCE).await?;
    crate::stores::prove(&*store, fastrand::Rng::with_seed(proof.seed).u128(..)).await?;
    let mut report = Report { store: store.describe(), failover: proof.failover, ..Report::default() };
    report.violations.extend(conformance(&*store, "prove").await.err());
    try_store(&open, proof, &mut report).await?;
    tidy_up(&*store).await?;
    let report = Prover::new(open, proof, report).run().await?;
    tidy_up(&*store).await?;
    Ok(report)
}

/// Lets clients loose on the store, and judges what they saw.
async fn try_store(open: &Opener, proof: Proof, report: &mut Report) -> Result<(), StoreError> {
    let history = Arc::new(Mutex::new(History::default()));
    let noted = Arc::clone(&history);
    let note: Note = Arc::new(move |operation| {
        noted.lock().unwrap_or_else(PoisonError::into_inner).note(operation);
    });
    let load = Load {
        handles: proof.instances.max(1),
        clients: CLIENTS,
        rows: ROWS,
        calls: MOST_CALLS,
        duration: (proof.duration / CLIENTS_SHARE).clamp(CLIENTS_LEAST, CLIENTS_MOST),
        pause: PAUSE,
        deadline: PATIENCE,
        first: 0,
        seed: proof.seed,
    };
    clients::work(open, load, &note).await?;
    let history = history.lock().unwrap_or_else(PoisonError::into_inner);
    let broken = history.violations().into_iter();
    report
        .violations
        .extend(broken.map(|(row, violation)| format!("of row {row} of the clients: {violation}")));
    report.calls = Calls {
        clients: load.handles * load.clients,
        tally: history.tally(),
        reads: Latency::of(history.reads()),
        commits: Latency::of(history.commits()),
    };
    Ok(())
}

/// Deletes what is left: the proof has its cluster to itself.
async fn tidy_up(store: &dyn Store) -> Result<(), StoreError> {
    let kinds = vec![Kind::Member, Kind::Lease, Kind::Run, Kind::Probe];
    let query = Query { keys: vec![cluster_key()], kinds, ..Query::default() };
    let rows = store.read(query).await?.rows;
    let delete = |row: &Row| Change { key: row.key.clone(), base: row.version, fields: None };
    for rows in rows.chunks(MOST_CHANGES) {
        store.commit(rows.iter().map(delete).collect()).await?;
    }
    Ok(())
}
