//! Opens the store that the configuration names.

use std::sync::Arc;
use std::time::Duration;

use super::{Store, StoreError};
use crate::config::StoreConfig;

/// Opens a store for the rows of `cluster`. No call to it takes longer than `deadline`.
pub async fn open(
    config: &StoreConfig,
    cluster: &str,
    deadline: Duration,
) -> Result<Arc<dyn Store>, StoreError> {
    match config {
        StoreConfig::Memory => Ok(Arc::new(super::memory::Memory::new())),
        #[cfg(feature = "sqlite")]
        StoreConfig::Sqlite { path } => super::sqlite::open(path, cluster, deadline).await,
        #[cfg(feature = "datastore")]
        StoreConfig::Datastore(place) => super::datastore::open(place, cluster, deadline),
        #[cfg(not(feature = "sqlite"))]
        StoreConfig::Sqlite { .. } => left_out("sqlite", cluster, deadline),
        #[cfg(not(feature = "datastore"))]
        StoreConfig::Datastore(_) => left_out("datastore", cluster, deadline),
    }
}

#[cfg(not(all(feature = "sqlite", feature = "datastore")))]
fn left_out(feature: &str, _: &str, _: Duration) -> Result<Arc<dyn Store>, StoreError> {
    Err(StoreError::Unfit(format!(
        "this build has no such store: build Tenure with its feature \"{feature}\""
    )))
}
