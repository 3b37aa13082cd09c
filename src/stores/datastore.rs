//! To come.
use super::{Store, StoreError};
use std::sync::Arc;
pub(super) async fn open(
    _: &crate::config::DatastoreConfig,
    _: &str,
    _: std::time::Duration,
) -> Result<Arc<dyn Store>, StoreError> {
    Err(StoreError::Unfit(String::new()))
}
