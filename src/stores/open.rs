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
        StoreConfig::Sqlite { path } => super::sqlite::open(path, cluster, deadline).await,
        StoreConfig::Datastore(place) => super::datastore::open(place, cluster, deadline).await,
    }
}
