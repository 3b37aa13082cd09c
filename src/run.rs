//! One running instance.

use crate::config::Config;
use crate::failure::Failure;

/// Runs an instance until it is told to stop.
#[expect(clippy::unused_async, reason = "what takes its place waits for everything")]
pub async fn run(config: Config) -> Result<(), Failure> {
    tracing::info!(event = "instance.absent", node = config.name, "There is no instance to run yet");
    Err(Failure::Other("`run` is not part of this build".to_owned()))
}
