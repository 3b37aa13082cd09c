//! Tells another instance, over HTTP, that some rows are worth reading. Best effort: a wake-up that
//! is lost costs a heartbeat, because the next look at the members shows the same.

use std::time::Duration;

use hyper::Method;
use tokio::time::timeout;

use crate::client::ask;
use crate::machine::JobName;

/// Longest time that a wake-up may take.
const PATIENCE: Duration = Duration::from_millis(300);
/// Where instances listen for wake-ups.
pub const PATH: &str = "/api/v1/wake";
/// Largest body of a request that an instance takes.
pub const LARGEST_BODY: usize = 64 * 1024;
/// Bytes of names in one wake-up, which leaves room for quotes; jobs that do not fit are found at
/// the next look.
const MOST_NAMES: usize = LARGEST_BODY / 2;

/// Wakes the instance that listens at `url`, an `http://host:port`.
pub async fn wake(url: String, jobs: Vec<JobName>) {
    match timeout(PATIENCE, ask(Method::POST, &url, PATH, body(&jobs))).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::debug!(event = "wake.lost", url, "Could not wake {url}: {error}"),
        Err(_) => tracing::debug!(event = "wake.lost", url, "Could not wake {url} within {PATIENCE:?}"),
    }
}

fn body(jobs: &[JobName]) -> String {
    let mut room = MOST_NAMES;
    let names = jobs.iter().map(JobName::as_str);
    let fitting = names.map_while(|name| {
        room = room.checked_sub(name.len() + 3)?;
        Some(name)
    });
    serde_json::json!({ "jobs": fitting.collect::<Vec<_>>() }).to_string()
}
