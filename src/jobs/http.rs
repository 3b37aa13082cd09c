//! Sends a request, and goes by the status of the answer.
//!
//! The first line of the answer is said; the rest is read, within limits, so that a server which works
//! while it answers can finish. Redirects are not followed: a request that does something must not do
//! it somewhere else. A run that is asked to end goes on, because nothing can be asked of a request;
//! when it is cut off the connection is closed, and what the server does then is the server's affair.
//! It is told the term, which it can compare with the highest that it has seen, and a key by which it
//! knows what it may have done already: another attempt at the same due time has the same one.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderMap, HeaderName, HeaderValue, LOCATION};
use hyper::http::uri::Authority;
use hyper::{Method, Request, Response, StatusCode, Uri};
use tokio::time::timeout;

use super::command::LONGEST_LINE;
use super::{Action, JobError, Run, Work};
use crate::client::{self, Trouble};
use crate::secret::{Secrets, Value};

/// Bytes of an answer that are read before the connection is closed.
const LONGEST_ANSWER: usize = 1 << 20;
/// What the names of the headers begin with that tell a server of the run.
pub const PREFIX: &str = "tenure-";
/// By this a server knows a request that it has had before, whether a proxy sent it twice or it is tried
/// again: the same for every attempt at a due time.
const KEY: &str = "idempotency-key";

/// A job that sends a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// How.
    pub method: Method,
    /// Where to: `http`, a host, and what else there is.
    pub url: Uri,
    /// Headers beside those of the run.
    pub headers: BTreeMap<String, Value>,
    /// What is sent.
    pub body: String,
    /// The answers that mean that it was done.
    pub success: Vec<Success>,
    /// How long it may take, from the connection to the end of the answer.
    pub timeout: Duration,
}

/// Some statuses of answers: `204`, or `2xx` for all that begin with 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Success {
    /// This one.
    Status(StatusCode),
    /// All between this number of hundreds and the next.
    Class(u16),
}

/// What is of interest of an answer.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    /// Where it leads instead.
    location: Option<HeaderValue>,
    /// What it begins with.
    start: Vec<u8>,
}

impl Action for Http {
    fn run<'a>(&'a self, run: &'a Run) -> Work<'a> {
        Box::pin(self.call(run))
    }
}

impl Http {
    /// How long a request may take unless somebody says otherwise.
    pub const TIMEOUT: Duration = Duration::from_secs(30);

    /// A `POST` without a body, done when the answer is `2xx`.
    pub fn new(url: Uri) -> Self {
        let (method, body) = (Method::POST, String::new());
        let (success, timeout) = (vec![Success::Class(2)], Self::TIMEOUT);
        Self { method, url, headers: BTreeMap::new(), body, success, timeout }
    }

    async fn call(&self, run: &Run) -> Result<(), JobError> {
        let mut secrets = Secrets::default();
        let request = self.request(run, &mut secrets).await.map_err(JobError::Failed)?;
        let failed = |what: fmt::Arguments<'_>| {
            let mut why = secrets.redact(format!("{} {} {what}", self.method, self.place()));
            why.truncate(why.floor_char_boundary(LONGEST_LINE));
            JobError::Failed(why)
        };
        let answer = match timeout(self.timeout, client::send(request, listen)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(why)) => return Err(failed(format_args!("brought no answer: {why}"))),
            Err(_) => return Err(failed(format_args!("was not answered within {:?}", self.timeout))),
        };
        run.say(&answer.first_line(&secrets));
        let Answer { status, location, .. } = answer;
        if self.success.iter().any(|success| success.has(status)) {
            return Ok(());
        }
        Err(match location.filter(|_| status.is_redirection()) {
            Some(place) => {
                let place = String::from_utf8_lossy(place.as_bytes());
                failed(format_args!("was answered {status}: it leads to {place}, where nobody follows"))
            }
            None => failed(format_args!("was answered {status}")),
        })
    }

    /// Its URL without the query, where some keep their keys.
    fn place(&self) -> String {
        let host = self.url.authority().map_or("", Authority::as_str);
        format!("http://{host}{}", self.url.path())
    }

    async fn request(&self, run: &Run, secrets: &mut Secrets) -> Result<Request<Full<Bytes>>, String> {
        let mut request = Request::new(Full::from(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.url.clone();
        let headers = request.headers_mut();
        introduce(run, headers);
        for (name, value) in &self.headers {
            let unfit = |_| format!("the header {name} cannot have that value: it has a control character");
            let mut header = HeaderValue::from_str(&value.read(secrets).await?).map_err(unfit)?;
            header.set_sensitive(true);
            headers
                .insert(name.parse::<HeaderName>().map_err(|_| format!("{name} names no header"))?, header);
        }
        Ok(request)
    }
}

impl Success {
    /// The statuses that `text` says.
    pub fn new(text: &str) -> Option<Self> {
        match text.as_bytes() {
            [class @ b'1'..=b'5', b'x', b'x'] => Some(Self::Class(u16::from(class - b'0'))),
            _ => text.parse().ok().map(Self::Status),
        }
    }

    fn has(self, status: StatusCode) -> bool {
        match self {
            Self::Status(one) => one == status,
            Self::Class(class) => status.as_u16() / 100 == class,
        }
    }
}

impl Answer {
    /// The status, and the first line if there is one.
    fn first_line(&self, secrets: &Secrets) -> String {
        let status = self.status;
        let text = secrets.redact(String::from_utf8_lossy(&self.start).into_owned());
        let begun = if self.start.len() < LONGEST_LINE { 0 } else { secrets.begun(&text) };
        match text[..text.len() - begun].lines().next() {
            None | Some("") => status.to_string(),
            Some(line) => format!("{status}: {line}"),
        }
    }
}

/// Says which run it is.
fn introduce(run: &Run, headers: &mut HeaderMap) {
    let facts = run.facts().map(|(name, value)| (format!("{PREFIX}{}", name.to_ascii_lowercase()), value));
    for (name, value) in facts.into_iter().chain([(KEY.to_owned(), run.occurrence())]) {
        let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), visible(&value).parse()) else {
            unreachable!("what is visible fits into a header")
        };
        headers.insert(name, value);
    }
}

async fn listen(response: Response<Incoming>) -> Result<Answer, Trouble> {
    let (status, location) = (response.status(), response.headers().get(LOCATION).cloned());
    let (mut body, mut start, mut length) = (response.into_body(), Vec::new(), 0);
    while length < LONGEST_ANSWER
        && let Some(frame) = body.frame().await
    {
        let Ok(data) = frame?.into_data() else { continue };
        length += data.len();
        start.extend(&data[..data.len().min(LONGEST_LINE - start.len())]);
    }
    Ok(Answer { status, location, start })
}

/// `text` as a header may hold it: whatever is not visible is written like `%20`.
fn visible(text: &str) -> String {
    text.bytes().fold(String::new(), |mut visible, byte| {
        if byte.is_ascii_graphic() && byte != b'%' {
            visible.push(char::from(byte));
        } else if write!(visible, "%{byte:02X}").is_err() {
            unreachable!("a String takes everything");
        }
        visible
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_a_number_or_a_class() {
        let class = Success::new("2xx").unwrap();
        assert!(class.has(StatusCode::NO_CONTENT) && !class.has(StatusCode::NOT_MODIFIED));
        let one = Success::new("304").unwrap();
        assert!(one.has(StatusCode::NOT_MODIFIED) && !one.has(StatusCode::OK));
        for wrong in ["", "xx", "0xx", "6xx", "22xx", "2x", "99", "2000", "OK", "+2xx"] {
            assert_eq!(Success::new(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn any_name_fits_into_a_header() {
        assert_eq!(visible("a b/c%"), "a%20b/c%25");
        assert_eq!(visible("日\n"), "%E6%97%A5%0A");
    }
}
