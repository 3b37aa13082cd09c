//! Finds a job by its name, or what was meant by it.

use crate::machine::JobName;
use crate::ports::wire;
use crate::rows::{Lease, RowError};
use crate::stores::{Key, Kind, Query, Store, StoreError};

/// A name that is less like the one given is no suggestion.
const ALIKE: f64 = 0.7;

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

/// The row of a job.
pub(super) async fn lease(store: &dyn Store, job: &JobName) -> Result<Lease, LookupError> {
    let query = Query { keys: vec![lease_key(job)], ..Query::default() };
    match wire::view(store.read(query).await?).leases.pop() {
        Some((_, found)) => found.row.map_err(|why| LookupError::Unreadable(job.clone(), why)),
        None => Err(LookupError::Unknown { job: job.clone(), meant: meant(store, job).await? }),
    }
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
