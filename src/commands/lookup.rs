//! Finds a job by its name, or what was meant by it, and an instance by its name or incarnation.

use crate::machine::{Incarnation, JobName};
use crate::ports::wire;
use crate::rows::{Lease, Member, RowError};
use crate::stores::{Key, Kind, Query, Store, StoreError};

/// A name that is less like the one given is no suggestion.
const ALIKE: f64 = 0.7;
/// Digits that an incarnation is known by at least.
const SHORTEST_PREFIX: usize = 8;

/// Why a job was not found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// The store did not answer, or refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No such job.
    #[error("there is no job {job} in this store{}", suggestion(.meant.as_ref()))]
    Unknown {
        /// What was asked for.
        job: JobName,
        /// What was meant, perhaps.
        meant: Option<JobName>,
    },
    /// Its row cannot be understood.
    #[error("the row of job {0} cannot be used: {1}")]
    Unreadable(JobName, RowError),
}

/// Why an instance was not found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// No such instance.
    #[error("there is no instance {name}; there are {}", names(.known))]
    Unknown {
        /// What was asked for.
        name: String,
        /// Who is there.
        known: Vec<String>,
    },
    /// Several instances have that name.
    #[error("several instances are called {name}: give one of the incarnations {} instead", names(.incarnations))]
    Ambiguous {
        /// The name.
        name: String,
        /// What tells them apart.
        incarnations: Vec<String>,
    },
}

/// The row of a job.
pub(super) async fn lease(store: &dyn Store, job: &JobName) -> Result<Lease, LookupError> {
    let query = Query { keys: vec![lease_key(job)], ..Query::default() };
    match wire::view(store.read(query).await?).leases.pop() {
        Some((_, found)) => found.row.map_err(|why| LookupError::Unreadable(job.clone(), why)),
        None => Err(unknown(store, job).await?),
    }
}

/// That there is no such job, and what was meant.
pub(super) async fn unknown(store: &dyn Store, job: &JobName) -> Result<LookupError, StoreError> {
    Ok(LookupError::Unknown { job: job.clone(), meant: meant(store, job).await? })
}

/// The job of the store whose name is most like the one given, if any is.
pub(super) async fn meant(store: &dyn Store, job: &JobName) -> Result<Option<JobName>, StoreError> {
    let query = Query { kinds: vec![Kind::Lease], ..Query::default() };
    let leases = wire::view(store.read(query).await?).leases.into_iter();
    let alike = leases.map(|(known, _)| (strsim::jaro_winkler(job.as_str(), known.as_str()), known));
    let nearest = alike.max_by(|one, other| one.0.total_cmp(&other.0));
    Ok(nearest.filter(|(likeness, _)| *likeness >= ALIKE).map(|(_, known)| known))
}

pub(super) fn lease_key(job: &JobName) -> Key {
    Key::new(Kind::Lease, job.as_str())
}

pub(super) fn suggestion(meant: Option<&JobName>) -> String {
    meant.map(|meant| format!(": did you mean {meant}?")).unwrap_or_default()
}

/// The member of that name, or else of an incarnation that begins like that.
pub(super) fn called<'a>(
    members: &'a [(Incarnation, Member)],
    name: &str,
) -> Result<&'a (Incarnation, Member), NodeError> {
    let named: Vec<_> = members.iter().filter(|(_, row)| row.name == name).collect();
    let begins = |id: Incarnation| name.len() >= SHORTEST_PREFIX && id.to_string().starts_with(name);
    let found = if named.is_empty() { members.iter().filter(|(id, _)| begins(*id)).collect() } else { named };
    match found.as_slice() {
        [] => {
            let mut known: Vec<_> = members.iter().map(|(_, row)| row.name.clone()).collect();
            known.sort_unstable();
            Err(NodeError::Unknown { name: name.to_owned(), known })
        }
        [one] => Ok(one),
        several => {
            let incarnations = several.iter().map(|(id, _)| id.to_string()).collect();
            Err(NodeError::Ambiguous { name: name.to_owned(), incarnations })
        }
    }
}

fn names(names: &[String]) -> String {
    if names.is_empty() { "none at all".to_owned() } else { names.join(", ") }
}
