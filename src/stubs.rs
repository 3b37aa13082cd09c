//! Commands that are not part of this build yet. Each says so.

use std::fmt;
use std::time::Duration;

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

/// What `tenure prove` does.
#[derive(Clone, Copy, Debug)]
pub struct Proof {
    /// How long.
    pub duration: Duration,
    /// With how many instances.
    pub instances: u16,
    /// What its faults are drawn from.
    pub seed: u64,
}

/// Which worlds `tenure sim` runs.
#[derive(Clone, Copy, Debug)]
pub struct Seeds {
    /// The first.
    pub first: u64,
    /// How many.
    pub count: u64,
}

/// Reads the store once.
pub async fn status(_: &Config) -> Result<Status, Failure> {
    missing("status")
}

/// Asks the leader of `job` to give it to `to`, or to anybody; returns what happened, for people.
pub async fn step_down(_: &Config, _: &JobName, _: Option<&str>) -> Result<String, Failure> {
    missing("step-down")
}

/// Runs instances against the store, hurts them and checks what they did; returns its report.
pub async fn prove(_: &Config, _: Proof) -> Result<String, Failure> {
    missing("prove")
}

/// Runs simulated worlds; returns its report.
pub fn sim(_: Seeds) -> Result<String, Failure> {
    missing("sim")
}

/// Measures the store; returns its report.
pub async fn bench(_: &Config) -> Result<String, Failure> {
    missing("bench")
}

fn missing<T>(command: &str) -> Result<T, Failure> {
    Err(Failure::Other(format!("`{command}` is not part of this build")))
}
