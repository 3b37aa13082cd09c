//! What holds for every request: a trace id, a deadline, a line in the log, and headers that leave a
//! browser nothing to misunderstand.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::uri::{Authority, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;
use tracing::Instrument;

use super::Site;
use super::problem::Problem;

/// Longest time from the head of a request to the head of its answer.
const LONGEST_REQUEST: Duration = Duration::from_secs(5);
/// Longest trace id that is taken from a client.
const LONGEST_TRACE: usize = 64;
/// Where the trace id is echoed.
const TRACE: HeaderName = HeaderName::from_static("x-trace-id");

/// What every answer carries unless its handler said otherwise.
const HEADERS: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

pub(super) async fn guard(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let trace = trace_id(request.headers());
    let span = tracing::debug_span!("request", traceID = trace);
    let mut response = answer(&site, request, next).instrument(span).await;
    shield(&mut response);
    if let Ok(trace) = trace.try_into() {
        response.headers_mut().insert(TRACE, trace);
    }
    response
}

/// Leaves a browser nothing to misunderstand.
pub(crate) fn shield(response: &mut Response) {
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
}

async fn answer(site: &Site, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let began = site.app.clock.now();
    let response = if site.local && !is_for_us(&request, &site.app.about.url) {
        Problem::misdirected().into_response()
    } else if is_cross_site(&request) {
        Problem::forbidden("another site made a browser send this").into_response()
    } else {
        let late = |_| Problem::unavailable("there was no answer in time").into_response();
        timeout(LONGEST_REQUEST, next.run(request)).await.unwrap_or_else(late)
    };
    let (status, took) = (response.status().as_u16(), site.app.clock.now().since(began));
    if path.starts_with("/.well-known/") || path == "/metrics" {
        tracing::trace!(event = "http.probe", %method, path, status, ?took, "Answered a probe");
    } else {
        tracing::debug!(event = "http.request", %method, path, status, ?took, "Answered a request");
    }
    response
}

/// Whether a request names a host that no stranger can own: an address, a name without a dot, one of this
/// machine, or the one that is advertised. A browser that was led here by somebody's domain names that.
fn is_for_us(request: &Request, advertised: &str) -> bool {
    let Some(host) = request.headers().get(header::HOST) else { return true };
    let host = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
    let Some(host) = host.as_ref().map(|host| host.host().trim_end_matches('.')) else { return false };
    let own = advertised.parse::<Uri>().ok();
    host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
        || !host.contains('.')
        || host.ends_with(".localhost")
        || own.as_ref().and_then(Uri::host).is_some_and(|own| own.eq_ignore_ascii_case(host))
}

/// Whether a browser sent a request that does more than look, on behalf of some other site.
pub(crate) fn is_cross_site(request: &Request) -> bool {
    let site = request.headers().get("sec-fetch-site").map(HeaderValue::as_bytes);
    !request.method().is_safe() && !matches!(site, None | Some(b"same-origin" | b"none"))
}

/// The id under which the client follows the request, if it sent one that makes sense; else a new one.
fn trace_id(headers: &HeaderMap) -> String {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let hex = |id: &&str| {
        id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()) && id.bytes().any(|b| b != b'0')
    };
    let plain = |id: &&str| {
        (1..=LONGEST_TRACE).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    text("traceparent")
        .and_then(|value| value.split('-').nth(1))
        .filter(hex)
        .or_else(|| text("x-cloud-trace-context").and_then(|value| value.split('/').next()).filter(hex))
        .or_else(|| text("x-request-id").filter(plain))
        .map_or_else(|| format!("{:032x}", fastrand::u128(1..)), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn of(name: &'static str, value: &str) -> String {
        trace_id(&HeaderMap::from_iter([(HeaderName::from_static(name), value.parse().unwrap())]))
    }

    #[test]
    fn the_trace_of_the_client_goes_on() {
        assert_eq!(of("traceparent", &format!("00-{ID}-00f067aa0ba902b7-01")), ID);
        assert_eq!(of("x-cloud-trace-context", &format!("{ID}/123;o=1")), ID);
        assert_eq!(of("x-request-id", "abc-1.2_3"), "abc-1.2_3");
    }

    #[test]
    fn a_trace_that_makes_no_sense_is_replaced() {
        let zero = format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32));
        let long = "x".repeat(LONGEST_TRACE + 1);
        for (name, value) in [
            ("traceparent", zero.as_str()),
            ("traceparent", "00"),
            ("x-cloud-trace-context", "zz/1"),
            ("x-request-id", "a b"),
            ("x-request-id", ""),
            ("x-request-id", &long),
        ] {
            let trace = of(name, value);
            assert!(trace.len() == 32 && trace != value, "{name}: {value} became {trace}");
        }
    }
}
