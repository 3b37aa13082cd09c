//! One request to another instance, over HTTP. Its callers set the deadline.

use std::error::Error;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Longest answer that is listened to: the status of a hundred thousand jobs.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// Sends JSON to the instance at `url`, an `http://host:port`, and returns what it answers.
pub(crate) async fn ask(
    method: Method,
    url: &str,
    path: &str,
    body: String,
) -> Result<Bytes, Box<dyn Error + Send + Sync>> {
    let address = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, address)
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let answer = Limited::new(response.into_body(), LARGEST_ANSWER).collect().await?.to_bytes();
        if status.is_success() { Ok(answer) } else { Err(format!("it answered {status}").into()) }
    };
    tokio::select! {
        biased;
        answer = exchange => answer,
        // A connection that closes in peace has delivered everything before.
        Err(error) = connection => Err(error.into()),
    }
}
