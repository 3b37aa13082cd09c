//! Tells another instance, over HTTP, that some rows are worth reading. Best effort: a wake-up that
//! is lost costs a heartbeat, because the next look at the members shows the same.

use std::time::Duration;

use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::machine::JobName;

/// Longest time that a wake-up may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Where instances listen for wake-ups.
pub const PATH: &str = "/api/v1/wake";
/// Jobs named in one wake-up; with more, the others are found at the next look.
const MOST_JOBS: usize = 500;

/// Wakes the instance that listens at `url`, an `http://host:port`.
pub async fn wake(url: String, jobs: Vec<JobName>) {
    let names: Vec<_> = jobs.iter().take(MOST_JOBS).map(JobName::as_str).collect();
    let body = serde_json::json!({ "jobs": names }).to_string();
    match timeout(PATIENCE, post(&url, body)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(event = "wake.lost", url, "Could not wake {url}: {error}"),
        Err(_) => tracing::debug!(event = "wake.lost", url, "Could not wake {url} within {PATIENCE:?}"),
    }
}

async fn post(url: &str, body: String) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let address = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = hyper::Request::post(PATH)
        .header("host", address)
        .header("content-type", "application/json")
        .body(http_body_util::Full::new(Bytes::from(body)))?;
    tokio::select! {
        response = sender.send_request(request) => response.map(drop).map_err(Into::into),
        result = connection => result.map_err(Into::into),
    }
}
