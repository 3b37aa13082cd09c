//! Asks the leader of a job to give it away, and waits until it has.
//!
//! The wish stands in the job's lease row: its leader ends the work that runs and hands over. A
//! leader that cannot grant the wish removes it.

use std::fmt;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::hand::{MOST_ATTEMPTS, announce, write};
use super::lookup::{NodeError, called, lease_key, meant, suggestion};
use crate::lease::{Found, View};
use crate::machine::{Incarnation, JobName, Term};
use crate::ports::wake::wake;
use crate::ports::wire;
use crate::rows::{Lease, Member, RowError, Wish, encode};
use crate::stores::{Kind, Query, Store, StoreError};

/// From one look at the row to the next.
const POLL: Duration = Duration::from_millis(50);

/// A job has changed hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Which job.
    pub job: JobName,
    /// Who led it.
    pub from: String,
    /// Who leads it now.
    pub leader: String,
    /// At which term.
    pub term: Term,
}

/// Why a job stays where it is, or may.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepDownError {
    /// The store did not answer, or refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No such job.
    #[error("there is no job {job} in this store{}", suggestion(.meant.as_ref()))]
    UnknownJob {
        /// What was asked for.
        job: JobName,
        /// What was meant, perhaps.
        meant: Option<JobName>,
    },
    /// Its row cannot be understood.
    #[error("the row of job {0} cannot be used: {1}")]
    Unreadable(JobName, RowError),
    /// It has no leader that could step down.
    #[error("nobody leads {0} now: try again when somebody does")]
    Leaderless(JobName),
    /// The instance was not found.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// There is nothing to do.
    #[error("{leader} leads {job} already")]
    AlreadyLeads {
        /// Which job.
        job: JobName,
        /// Who leads it.
        leader: String,
    },
    /// The instance is on its way out.
    #[error("{0} is leaving and takes nothing more: choose another instance")]
    Draining(String),
    /// The instance has another list of jobs.
    #[error("{0} has another list of jobs than the leader, which hands over only to instances with the same")]
    OtherJobs(String),
    /// Nobody else could take it.
    #[error("no other instance could take {0}: start one with the same jobs")]
    Alone(JobName),
    /// Somebody else wrote the row each time that we tried.
    #[error("the row of {0} was changed by others each of {MOST_ATTEMPTS} times: try again")]
    Contended(JobName),
    /// The leader would not.
    #[error("{leader} keeps {job}: it could not hand it over to who was asked for")]
    Declined {
        /// Which job.
        job: JobName,
        /// Who leads it still.
        leader: String,
    },
    /// It takes longer.
    #[error("{leader} still leads {job} after {waited:?}: its work may take long to end; the wish stands")]
    Late {
        /// Which job.
        job: JobName,
        /// Who leads it still.
        leader: String,
        /// How long we waited.
        waited: Duration,
    },
}

impl StepDownError {
    /// Whether the same request may succeed at another moment.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Leaderless(_)
            | Self::Draining(_)
            | Self::Alone(_)
            | Self::Contended(_)
            | Self::Declined { .. }
            | Self::Late { .. } => true,
            Self::Store(_)
            | Self::UnknownJob { .. }
            | Self::Unreadable(..)
            | Self::Node(_)
            | Self::AlreadyLeads { .. }
            | Self::OtherJobs(_) => false,
        }
    }
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { job, from, leader, term } = self;
        write!(f, "{leader} leads {job} now, at term {term}; {from} did before")
    }
}

/// Asks the leader of `job` to give it to the instance called `to`, or to any, and waits for twice
/// the `failover` until somebody leads it at a higher term.
pub async fn step_down(
    store: &dyn Store,
    failover: Duration,
    job: &JobName,
    to: Option<&str>,
) -> Result<Moved, StepDownError> {
    let (row, leader) = wish(store, job, to).await?;
    // Without it the leader still learns of the wish, from the wake-up or at its next sweep.
    drop(announce(store).await);
    let waited = failover * 2;
    let moved = async {
        let ((), moved) =
            tokio::join!(wake(leader.url.clone(), vec![job.clone()]), watch(store, job, &row, &leader.name));
        moved
    };
    let late = |_| StepDownError::Late { job: job.clone(), leader: leader.name.clone(), waited };
    timeout(waited, moved).await.map_err(late)?
}

/// Writes the wish into the lease row. Returns the row as it was, and its leader.
async fn wish(store: &dyn Store, job: &JobName, to: Option<&str>) -> Result<(Lease, Member), StepDownError> {
    for _ in 0..MOST_ATTEMPTS {
        let query = Query { keys: vec![lease_key(job)], kinds: vec![Kind::Member], ..Query::default() };
        let View { members, mut leases, .. } = wire::view(store.read(query).await?);
        let Some((_, found)) = leases.pop() else {
            return Err(StepDownError::UnknownJob { job: job.clone(), meant: meant(store, job).await? });
        };
        let row = found.row.map_err(|why| StepDownError::Unreadable(job.clone(), why))?;
        let members: Vec<_> =
            members.into_iter().filter_map(|(id, found)| Some((id, found.row.ok()?))).collect();
        let leader = members.iter().find(|(id, _)| Some(*id) == row.holder);
        let leader = leader.ok_or_else(|| StepDownError::Leaderless(job.clone()))?;
        let to = successor(&members, leader, job, to)?;
        let wished = Lease { wish: Some(Wish::StepDown { to }), ..row.clone() };
        if wished == row || write(store, lease_key(job), found.version, encode(&wished)).await? {
            return Ok((row, leader.1.clone()));
        }
    }
    Err(StepDownError::Contended(job.clone()))
}

/// Whom the job shall go to, if anybody in particular, after a look at whether that can be.
fn successor(
    members: &[(Incarnation, Member)],
    leader: &(Incarnation, Member),
    job: &JobName,
    to: Option<&str>,
) -> Result<Option<Incarnation>, StepDownError> {
    let Some(name) = to else {
        let able = |row: &Member| !row.draining && row.placement == leader.1.placement;
        let anybody = members.iter().any(|(id, row)| *id != leader.0 && able(row));
        return if anybody { Ok(None) } else { Err(StepDownError::Alone(job.clone())) };
    };
    match called(members, name)? {
        (id, _) if *id == leader.0 => {
            Err(StepDownError::AlreadyLeads { job: job.clone(), leader: leader.1.name.clone() })
        }
        (_, row) if row.draining => Err(StepDownError::Draining(row.name.clone())),
        (_, row) if row.placement != leader.1.placement => Err(StepDownError::OtherJobs(row.name.clone())),
        (id, _) => Ok(Some(*id)),
    }
}

/// Waits until the job of `before` has another leader, or its leader declines.
async fn watch(store: &dyn Store, job: &JobName, before: &Lease, from: &str) -> Result<Moved, StepDownError> {
    loop {
        let query = Query { keys: vec![lease_key(job)], ..Query::default() };
        // A store that does not answer now may do so at the next look.
        let view = store.read(query).await.map(wire::view).unwrap_or_default();
        if let Some((_, Found { row: Ok(row), .. })) = view.leases.into_iter().next() {
            if row.term > before.term
                && let Some(leader) = row.leader
            {
                return Ok(Moved { job: job.clone(), from: from.to_owned(), leader, term: row.term });
            }
            if row.term == before.term && row.holder == before.holder && row.wish.is_none() {
                return Err(StepDownError::Declined { job: job.clone(), leader: from.to_owned() });
            }
        }
        sleep(POLL).await;
    }
}
