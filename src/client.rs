//! One request over HTTP, on a connection of its own. Its callers set the deadline.

use std::error::Error;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Longest answer of an instance that is listened to: the status of a hundred thousand jobs.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;
/// The port of a URL that names none.
const PORT: u16 = 80;

/// Why there is no answer.
pub(crate) type Trouble = Box<dyn Error + Send + Sync>;

/// Sends JSON to the instance at `url`, an `http://host:port`, and returns what it answers.
pub(crate) async fn ask(method: Method, url: &str, path: &str, body: String) -> Result<Bytes, Trouble> {
    let request = Request::builder()
        .method(method)
        .uri(format!("{}{path}", url.trim_end_matches('/')))
        .header(CONTENT_TYPE, "application/json")
        .body(Full::from(body))?;
    send(request, async |response| {
        let status = response.status();
        let answer = Limited::new(response.into_body(), LARGEST_ANSWER).collect().await?.to_bytes();
        if status.is_success() { Ok(answer) } else { Err(format!("it answered {status}").into()) }
    })
    .await
}

/// Sends a request to where its whole URL leads, and returns what `read` makes of the answer.
pub(crate) async fn send<T>(
    mut request: Request<Full<Bytes>>,
    read: impl AsyncFnOnce(Response<Incoming>) -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    let uri = request.uri().clone();
    let authority = uri.authority().ok_or("it has no host")?;
    let stream =
        TcpStream::connect(format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(PORT))).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let host = HeaderValue::from_str(authority.as_str())?;
    request.headers_mut().entry(HOST).or_insert(host);
    *request.uri_mut() = uri.path_and_query().map_or_else(Uri::default, |path| path.clone().into());
    let exchange = async { read(sender.send_request(request).await?).await };
    tokio::select! {
        biased;
        answer = exchange => answer,
        // A connection that closes in peace has delivered everything before.
        Err(error) = connection => Err(error.into()),
    }
}
