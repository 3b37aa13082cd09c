//! Whether a term leads its job, by the rows and at this moment.
//!
//! What it says holds when the store answered, and may not a moment later: a script that asks before each
//! of its steps does not go on for long after its term, but only what it writes to can refuse a step
//! that came too late, by comparing terms.

use std::fmt;

use super::lookup::{LookupError, lease_key, unknown};
use super::table::Printable;
use crate::lease::{Found, View};
use crate::machine::{JobName, Term};
use crate::ports::wire;
use crate::rows::Member;
use crate::stores::{Kind, Query, Store, StoreError};

/// Why it cannot be said that a term leads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// The job was not found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// It does not lead.
    #[error("term {term} does not lead {}: {why}", Printable(.job.as_str()))]
    Over {
        /// Which job.
        job: JobName,
        /// Which term.
        term: Term,
        /// What is instead.
        why: Instead,
    },
}

/// What is instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instead {
    /// Another term, of whom, if anybody.
    Term(Term, Option<String>),
    /// It was given up, and nobody leads.
    Nobody,
    /// Its leader has not been heard of for too long.
    Vanished(String),
}

impl From<StoreError> for CheckError {
    fn from(error: StoreError) -> Self {
        Self::Lookup(error.into())
    }
}

/// Checks that `term` leads `job`.
pub async fn check(store: &dyn Store, job: &JobName, term: Term) -> Result<(), CheckError> {
    let query = Query { keys: vec![lease_key(job)], kinds: vec![Kind::Member], ..Query::default() };
    let View { members, mut leases, .. } = wire::view(store.read(query).await?);
    let Some((_, found)) = leases.pop() else { return Err(unknown(store, job).await?.into()) };
    let row = found.row.map_err(|why| LookupError::Unreadable(job.clone(), why))?;
    let leader = row.leader.unwrap_or_default();
    let why = match row.holder {
        holder if row.term != term => Instead::Term(row.term, holder.map(|_| leader)),
        None => Instead::Nobody,
        Some(holder) if members.iter().any(|(id, found)| *id == holder && is_live(found)) => return Ok(()),
        Some(_) => Instead::Vanished(leader),
    };
    Err(CheckError::Over { job: job.clone(), term, why })
}

/// Whether nobody may remove the row of a member, as far as the store says how long it has stood.
fn is_live(member: &Found<Member>) -> bool {
    let ttl = member.row.as_ref().ok().map(|row| row.ttl);
    member.age.zip(ttl).is_none_or(|(age, ttl)| age < ttl)
}

impl fmt::Display for Instead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Term(term, Some(leader)) => write!(f, "{} leads it at term {term}", Printable(leader)),
            Self::Term(term, None) => write!(f, "nobody does, and its last term is {term}"),
            Self::Nobody => write!(f, "it was given up, and nobody does"),
            Self::Vanished(leader) => write!(f, "its leader {} vanished", Printable(leader)),
        }
    }
}
