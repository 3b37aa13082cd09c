//! One running instance.

use crate::config::Config;
use crate::failure::Failure;

/// Runs an instance until it is told to stop.
pub async fn run(config: Config) -> Result<(), Failure> {
    tracing::debug!(node = config.name, "not there yet");
    Err(Failure::Other("`run` is not part of this build".to_owned()))
}
