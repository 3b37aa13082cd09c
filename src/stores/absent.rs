//! Stands in for a store that was left out of this build.

use std::sync::Arc;
use std::time::Duration;

use super::{Store, StoreError};

/// Says so.
pub(super) async fn open<P>(
    _place: P,
    _cluster: &str,
    _deadline: Duration,
) -> Result<Arc<dyn Store>, StoreError> {
    Err(StoreError::Unfit("this build has no such store: build Tenure with its default features".to_owned()))
}
