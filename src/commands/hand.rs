//! The hand of a person in the rows: it writes by compare-and-set, as everybody does, and tells.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

use super::lookup::lease_key;
use crate::lease::{Found, View};
use crate::machine::JobName;
use crate::ports::wake::wake;
use crate::ports::wire;
use crate::rows::{Cluster, encode};
use crate::stores::{Change, Fields, Key, Kind, Outcome, Query, Store, StoreError, Version};

/// Writes of one row before we give up: each fails only because somebody else wrote it.
pub(super) const MOST_ATTEMPTS: usize = 10;
/// Instances that are told at once; others find out by themselves.
const MOST_TOLD: usize = 64;
/// Jobs that are offered at once.
const MOST_OFFERED: usize = 500;
/// How long a wake-up may take; whoever misses it finds out by itself.
const PATIENCE: Duration = Duration::from_secs(1);

/// Writes one row on `base`. False if it may not have been written.
pub(super) async fn write(
    store: &dyn Store,
    key: Key,
    base: Version,
    fields: Fields,
) -> Result<bool, StoreError> {
    let outcomes = store.commit(vec![Change { key, base, fields: Some(fields) }]).await?;
    Ok(matches!(outcomes.first(), Some(Outcome::Done(_))))
}

/// Makes every instance read the lease rows at its next look.
pub(super) async fn announce(store: &dyn Store) -> Result<(), StoreError> {
    let raised = |row: Cluster| Cluster { wishes: row.wishes.saturating_add(1), ..row };
    amend(store, raised).await.map(drop)
}

/// Changes the row of the cluster. False if others changed it each time, or nobody can read it.
pub(super) async fn amend(
    store: &dyn Store,
    change: impl Fn(Cluster) -> Cluster,
) -> Result<bool, StoreError> {
    for _ in 0..MOST_ATTEMPTS {
        let query = Query { keys: vec![wire::cluster_key()], ..Query::default() };
        let Some(Found { version, row: Ok(row), .. }) = wire::view(store.read(query).await?).cluster else {
            return Ok(false);
        };
        let changed = change(row.clone());
        if changed == row || write(store, wire::cluster_key(), version, encode(&changed)).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Tells the instance at `url` that the row of `job` is worth reading.
pub(super) async fn tell(url: String, job: &JobName) {
    ring(url, vec![job.clone()]).await;
}

/// Tells the instance at `url` that the rows of `jobs` are worth reading; of none, that the cluster's is.
pub(super) async fn ring(url: String, jobs: Vec<JobName>) {
    if !url.is_empty() {
        drop(timeout(PATIENCE, wake(url, jobs)).await);
    }
}

/// Tells everybody which of `jobs` nobody leads: a leader that gave them up may have known of nobody.
pub(crate) async fn offer(store: &dyn Store, jobs: &[JobName]) {
    let keys: Vec<_> = jobs.iter().take(MOST_OFFERED).map(lease_key).collect();
    if keys.is_empty() {
        return;
    }
    let query = Query { keys, kinds: vec![Kind::Member], ..Query::default() };
    // Without it they still learn of it when they look next.
    let View { members, leases, .. } = store.read(query).await.map(wire::view).unwrap_or_default();
    let free =
        leases.into_iter().filter(|(_, found)| found.row.as_ref().is_ok_and(|row| row.holder.is_none()));
    let free: Vec<_> = free.map(|(job, _)| job).collect();
    if free.is_empty() {
        return;
    }
    let mut told = JoinSet::new();
    for row in members.into_iter().filter_map(|(_, found)| found.row.ok()).take(MOST_TOLD) {
        told.spawn(ring(row.url, free.clone()));
    }
    told.join_all().await;
}
