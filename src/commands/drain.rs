//! Has an instance give up all that it leads and lead nothing, while its process goes on; or take part again.
//!
//! The list of those who were drained stands in the row of the cluster. Each instance reads that row at every
//! heartbeat, and at once when it is woken without the name of a job.

use std::fmt;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::hand::{MOST_ATTEMPTS, amend, ring};
use super::lookup::{NodeError, called};
use crate::lease::View;
use crate::machine::Incarnation;
use crate::ports::wire;
use crate::rows::{CLUSTER, Member};
use crate::stores::{Kind, Query, Store, StoreError};

/// From one look at the rows to the next: at first, and when it takes long.
const POLL: Duration = Duration::from_millis(50);
const SLOW_POLL: Duration = Duration::from_secs(1);
/// No more may be drained at a time, so that their list always fits into its row.
const MOST_DRAINED: usize = 500;

/// What became of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drained {
    /// It leads nothing and takes nothing.
    Aside {
        /// Its name.
        node: String,
        /// Somebody else takes part.
        others: bool,
    },
    /// It ended meanwhile.
    Gone(String),
    /// It takes part again.
    Back(String),
}

/// Why an instance was not drained, or not undrained.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DrainError {
    /// The store did not answer, or refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The instance was not found.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// There is nothing to undo.
    #[error("nobody has drained {0}")]
    NotDrained(String),
    /// They would not fit into the row.
    #[error("{MOST_DRAINED} instances are drained already: stop some of them, or undrain them")]
    TooMany,
    /// The list could not be written.
    #[error("{CLUSTER} cannot be read, or was changed by others each of {MOST_ATTEMPTS} times: try again")]
    Contended,
    /// It takes longer.
    #[error(
        "{node} has not {what} after {waited:?}: it may hang, or its store may be slow; the order stands"
    )]
    Late {
        /// Which instance.
        node: String,
        /// What it was to do.
        what: &'static str,
        /// How long we waited.
        waited: Duration,
    },
}

impl DrainError {
    /// Whether the same request may succeed at another moment.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Contended | Self::Late { .. })
    }
}

/// Drains the instance called `node`, and waits for twice the `failover` until it leads nothing.
pub async fn drain(store: &dyn Store, failover: Duration, node: &str) -> Result<Drained, DrainError> {
    let members = members(store).await?;
    let (who, row) = called(&members, node)?;
    let alive: Vec<_> = members.iter().map(|(id, _)| *id).collect();
    if drained(store).await?.iter().filter(|id| *id != who && alive.contains(id)).count() >= MOST_DRAINED {
        return Err(DrainError::TooMany);
    }
    if !amend(
        store,
        |cluster| if cluster.drained.contains(who) { cluster } else { cluster.drain(*who, &alive) },
    )
    .await?
    {
        return Err(DrainError::Contended);
    }
    let waited = failover * 2;
    let others = members.iter().any(|(id, row)| id != who && !row.draining);
    let aside = async {
        let ((), gone) = tokio::join!(ring(row.url.clone(), Vec::new()), leads_nothing(store, *who));
        gone
    };
    match timeout(waited, aside).await {
        Ok(true) => Ok(Drained::Gone(row.name.clone())),
        Ok(false) => Ok(Drained::Aside { node: row.name.clone(), others }),
        Err(_) => Err(DrainError::Late { node: row.name.clone(), what: "given everything up", waited }),
    }
}

/// Has the instance called `node` take part again, and waits for twice the `failover` until it does.
pub async fn undrain(store: &dyn Store, failover: Duration, node: &str) -> Result<Drained, DrainError> {
    let members = members(store).await?;
    let (who, row) = called(&members, node)?;
    if !drained(store).await?.contains(who) {
        return Err(DrainError::NotDrained(row.name.clone()));
    }
    let alive: Vec<_> = members.iter().map(|(id, _)| *id).collect();
    if !amend(store, |cluster| cluster.undrain(*who, &alive)).await? {
        return Err(DrainError::Contended);
    }
    let waited = failover * 2;
    let back = async {
        let ((), gone) =
            tokio::join!(ring(row.url.clone(), Vec::new()), until(store, *who, |row| !row.draining));
        gone
    };
    match timeout(waited, back).await {
        Ok(true) => Ok(Drained::Gone(row.name.clone())),
        Ok(false) => Ok(Drained::Back(row.name.clone())),
        Err(_) => Err(DrainError::Late { node: row.name.clone(), what: "taken part again", waited }),
    }
}

async fn members(store: &dyn Store) -> Result<Vec<(Incarnation, Member)>, StoreError> {
    let query = Query { kinds: vec![Kind::Member], ..Query::default() };
    let members = wire::view(store.read(query).await?).members;
    Ok(members.into_iter().filter_map(|(id, found)| Some((id, found.row.ok()?))).collect())
}

async fn drained(store: &dyn Store) -> Result<Vec<Incarnation>, StoreError> {
    let query = Query { keys: vec![wire::cluster_key()], ..Query::default() };
    let cluster = wire::view(store.read(query).await?).cluster;
    Ok(cluster.and_then(|found| found.row.ok()).map(|row| row.drained).unwrap_or_default())
}

/// Waits until `who` takes nothing any more and no job names it. True if it is gone.
async fn leads_nothing(store: &dyn Store, who: Incarnation) -> bool {
    if until(store, who, |row| row.draining).await {
        return true;
    }
    let mut pause = POLL;
    loop {
        let query = Query { kinds: vec![Kind::Member, Kind::Lease], ..Query::default() };
        // A store that does not answer now may do so at the next look.
        if let Ok(rows) = store.read(query).await {
            let View { members, leases, .. } = wire::view(rows);
            let holds = |holder: Option<Incarnation>| holder == Some(who);
            let leads = leases.iter().any(|(_, found)| found.row.as_ref().is_ok_and(|row| holds(row.holder)));
            let gone = members.iter().all(|(id, _)| *id != who);
            if gone || !leads {
                return gone;
            }
        }
        sleep(pause).await;
        pause = (pause * 2).min(SLOW_POLL);
    }
}

/// Waits until the row of `who` is as it should be. True if there is none.
async fn until(store: &dyn Store, who: Incarnation, right: impl Fn(&Member) -> bool) -> bool {
    loop {
        if let Ok(members) = members(store).await {
            match members.iter().find(|(id, _)| *id == who) {
                None => return true,
                Some((_, row)) if right(row) => return false,
                Some(_) => {}
            }
        }
        sleep(POLL).await;
    }
}

impl fmt::Display for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aside { node, others: true } => {
                write!(
                    f,
                    "{node} is drained: it leads nothing until `tenure undrain {node}`, or until it is started anew"
                )
            }
            Self::Aside { node, others: false } => {
                write!(f, "{node} is drained, and nobody else takes part: its jobs have no leader")
            }
            Self::Gone(node) => write!(f, "{node} has stopped meanwhile"),
            Self::Back(node) => write!(f, "{node} takes part again"),
        }
    }
}
