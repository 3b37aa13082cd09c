//! Where the leases live, and the way in.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Store, StoreError};

/// Where the leases live.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// A file, for instances on one machine.
    Sqlite {
        /// The file; made if it is not there.
        path: PathBuf,
    },
    /// Google's Datastore or one of its emulators.
    Datastore(DatastorePlace),
    /// This process: for trying things out.
    Memory,
}

/// Where in Google's Datastore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatastorePlace {
    /// The Google Cloud project.
    pub project: String,
    /// The database in it; empty for the default one.
    pub database: String,
    /// The namespace in that; empty for the default one.
    pub namespace: String,
    /// `host:port` of an emulator; `None` for Google's own servers, which are called with the
    /// Application Default Credentials.
    pub emulator: Option<String>,
}

/// Opens a store that is there already: who only looks must not leave an empty one behind.
pub async fn visit(place: &Place, cluster: &str, deadline: Duration) -> Result<Arc<dyn Store>, StoreError> {
    if let Place::Sqlite { path } = place
        && path.try_exists().is_ok_and(|there| !there)
    {
        return Err(StoreError::Denied(format!(
            "there is no file {}: name the one that the instances use, with --path or TENURE_PATH",
            path.display()
        )));
    }
    open(place, cluster, deadline).await
}

/// Opens a store for the rows of `cluster`. No call to it takes longer than `deadline`.
pub async fn open(place: &Place, cluster: &str, deadline: Duration) -> Result<Arc<dyn Store>, StoreError> {
    match place {
        Place::Memory => Ok(Arc::new(super::memory::Memory::new())),
        Place::Sqlite { path } => super::sqlite::open(path, cluster, deadline).await,
        Place::Datastore(place) => super::datastore::open(place, cluster, deadline).await,
    }
}

/// For people.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { path } => write!(f, "store sqlite at {}", path.display()),
            Self::Datastore(DatastorePlace { project, emulator: None, .. }) => {
                write!(f, "store datastore in project {project}")
            }
            Self::Datastore(DatastorePlace { project, emulator: Some(address), .. }) => {
                write!(f, "store datastore in project {project} of the emulator at {address}")
            }
            Self::Memory => write!(f, "store memory"),
        }
    }
}
