//! Orders that people give for a job: pause, go on, skip, run, and what shall become of a run whose
//! leader vanished.
//!
//! An order stands in the job's lease row. A pause holds from the moment in which it is written,
//! because a run is recorded in the same row before it starts; everything else its leader does when it
//! has read it, or whoever leads next.

use std::fmt;

use super::hand::{MOST_ATTEMPTS, announce, tell, write};
use super::lookup::{LookupError, lease_key, unknown};
use crate::lease::View;
use crate::machine::JobName;
use crate::ports::wire;
use crate::rows::{Lease, Orders, Pause, RunState, Verdict, encode};
use crate::stores::{Kind, Query, Store, StoreError};
use crate::time::Wall;

/// What a person orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Nothing starts by the schedule any more.
    Pause,
    /// It does again.
    Resume,
    /// The next due time is left out.
    Skip,
    /// The job runs though it is not due.
    Run,
    /// A run whose leader vanished is left as it is.
    Leave,
    /// A run whose leader vanished runs again.
    Rerun,
}

/// An order that stands in the row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ordered {
    /// For which job.
    pub job: JobName,
    /// What.
    pub order: Order,
    /// Who leads it.
    pub leader: Option<String>,
}

/// Why an order was not given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// The job was not found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// It stands there already.
    #[error("{0} {1} already")]
    Already(JobName, &'static str),
    /// It waits for nobody.
    #[error(
        "{0} waits for nobody: an answer is for a job with on_orphan = \"hold\", whose leader vanished during a run"
    )]
    NotHeld(JobName),
    /// Somebody else wrote the row each time that we tried.
    #[error("the row of {0} was changed by others each of {MOST_ATTEMPTS} times: try again")]
    Contended(JobName),
}

impl From<StoreError> for OrderError {
    fn from(error: StoreError) -> Self {
        Self::Lookup(error.into())
    }
}

/// Gives an order for `job`.
pub async fn order(store: &dyn Store, job: &JobName, order: Order, now: Wall) -> Result<Ordered, OrderError> {
    for _ in 0..MOST_ATTEMPTS {
        let query = Query { keys: vec![lease_key(job)], kinds: vec![Kind::Member], ..Query::default() };
        let View { members, mut leases, .. } = wire::view(store.read(query).await?);
        let Some((_, found)) = leases.pop() else { return Err(unknown(store, job).await?.into()) };
        let row = found.row.map_err(|why| LookupError::Unreadable(job.clone(), why))?;
        let orders = order.added_to(job, &row, now)?;
        let ordered = Lease { orders, ..row };
        if write(store, lease_key(job), found.version, encode(&ordered)).await? {
            // Without it the leader still learns of the order at its next sweep.
            drop(announce(store).await);
            let leader = members.into_iter().find(|(id, _)| Some(*id) == ordered.holder);
            let leader = leader.and_then(|(_, found)| found.row.ok());
            let leads = leader.as_ref().map(|member| member.name.clone());
            if let Some(member) = leader {
                tell(member.url, job).await;
            }
            return Ok(Ordered { job: job.clone(), order, leader: leads });
        }
    }
    Err(OrderError::Contended(job.clone()))
}

impl Order {
    /// The orders of `row`, with this one.
    fn added_to(self, job: &JobName, row: &Lease, now: Wall) -> Result<Orders, OrderError> {
        let already = |what| Err(OrderError::Already(job.clone(), what));
        let orders = row.orders;
        let held = row.cursor.as_ref();
        let held = held.filter(|cursor| cursor.state == RunState::Started && cursor.term < row.term);
        let verdict = |rerun| match held {
            Some(cursor) => Ok(Orders { verdict: Some(Verdict { run: cursor.run, rerun }), ..orders }),
            None => Err(OrderError::NotHeld(job.clone())),
        };
        match self {
            Self::Pause if orders.is_paused() => already("is paused"),
            // A pause that nobody has taken note of since it ended goes on.
            Self::Pause => {
                let from = orders.pause.map_or(now, |pause| pause.from);
                Ok(Orders { pause: Some(Pause { from, to: None }), ..orders })
            }
            Self::Resume => match orders.pause.filter(|pause| pause.to.is_none()) {
                Some(pause) => Ok(Orders { pause: Some(Pause { to: Some(now), ..pause }), ..orders }),
                None => already("is not paused"),
            },
            Self::Skip if orders.skip => already("skips its next due time"),
            Self::Skip => Ok(Orders { skip: true, ..orders }),
            Self::Run if orders.extra.is_some() => already("is about to run"),
            Self::Run => Ok(Orders { extra: Some(now), ..orders }),
            Self::Leave => verdict(false),
            Self::Rerun => verdict(true),
        }
    }
}

impl fmt::Display for Ordered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { job, order, leader } = self;
        match order {
            Order::Pause => write!(f, "{job} is paused: nothing starts from now on; what runs goes on"),
            Order::Resume => write!(f, "{job} goes on; what was due meanwhile is skipped"),
            Order::Skip => write!(f, "{job} skips its next due time"),
            Order::Run => write!(f, "{job} runs once more, as soon as it is not running"),
            Order::Leave => write!(f, "{job} goes on; the run that its leader left is not repeated"),
            Order::Rerun => write!(f, "{job} runs again what its leader left"),
        }?;
        if leader.is_none() {
            write!(f, " (nobody leads it now; whoever does next obeys)")?;
        }
        Ok(())
    }
}
