//! Commands that are not part of this build yet. Each says so.

#![expect(clippy::unused_async, reason = "what takes their place waits for the store")]

use std::fmt;

use serde::Serialize;

use crate::config::Config;
use crate::failure::Failure;
use crate::machine::JobName;

/// Who leads what, for `tenure status`: a table by `Display`, JSON by `Serialize`.
#[derive(Clone, Debug, Serialize)]
pub struct Status {}

impl fmt::Display for Status {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

/// Reads the store once.
pub async fn status(_: &Config) -> Result<Status, Failure> {
    missing("status")
}

/// Asks the leader of `job` to give it to `to`, or to anybody; returns what happened, for people.
pub async fn step_down(_: &Config, _: &JobName, _: Option<&str>) -> Result<String, Failure> {
    missing("step-down")
}

/// Measures the store; returns its report.
pub async fn bench(_: &Config) -> Result<String, Failure> {
    missing("bench")
}

fn missing<T>(command: &str) -> Result<T, Failure> {
    Err(Failure::Other(format!("`{command}` is not part of this build")))
}
