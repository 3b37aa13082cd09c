//! Opens the store that the configuration names.

use std::sync::Arc;
use std::time::Duration;

use super::{Store, StoreError};
use crate::config::StoreConfig;

/// Opens a store that is there already: who only looks must not leave an empty one behind.
pub async fn visit(
    config: &StoreConfig,
    cluster: &str,
    deadline: Duration,
) -> Result<Arc<dyn Store>, StoreError> {
    if let StoreConfig::Sqlite { path } = config
        && path.try_exists().is_ok_and(|there| !there)
    {
        return Err(StoreError::Denied(format!(
            "there is no file {}: name the one that the instances use, with --path or TENURE_PATH",
            path.display()
        )));
    }
    open(config, cluster, deadline).await
}

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
