//! The page, and what holds for every request to it.

use axum::Json;
use axum::Router;
use axum::extract::Request;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use axum::http::{StatusCode, Uri};
use axum::middleware::{Next, from_fn};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use serde_json::json;

use super::LabError;
use crate::http::guard::{is_cross_site, shield};

/// The page has a script and asks for what it shows; nothing comes from elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// What cannot be done, and why.
pub(super) struct Problem(pub(super) StatusCode, pub(super) String);

/// The page beside `others`, all of it guarded.
pub(super) fn guarded(others: Router) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/status", get(page))
        .route("/page.css", get(async || typed(STYLE, include_str!("page/page.css"))))
        .route("/page.js", get(async || typed(SCRIPT, include_str!("page/page.js"))))
        .route("/cards.js", get(async || typed(SCRIPT, include_str!("page/cards.js"))))
        .route("/diagram.js", get(async || typed(SCRIPT, include_str!("page/diagram.js"))))
        .route("/plays.js", get(async || typed(SCRIPT, include_str!("page/plays.js"))))
        .merge(others)
        .layer(from_fn(guard))
}

async fn page() -> Html<&'static str> {
    Html(include_str!("page/page.html"))
}

async fn guard(request: Request, next: Next) -> Response {
    let strange = is_cross_site(&request) || !request.method().is_safe() && !is_addressed(request.headers());
    let mut response = if strange {
        Problem(StatusCode::FORBIDDEN, "another site made a browser send this".to_owned()).into_response()
    } else {
        next.run(request).await
    };
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    shield(&mut response);
    response
}

/// Whether a request is for an address and not for a name, which any site can give to this machine.
fn is_addressed(headers: &HeaderMap) -> bool {
    let host =
        headers.get(HOST).and_then(|host| host.to_str().ok()).and_then(|host| host.parse::<Uri>().ok());
    let name = host.as_ref().and_then(Uri::host).unwrap_or_default();
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok()
}

fn typed(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(CONTENT_TYPE, kind)], text)
}

impl From<LabError> for Problem {
    fn from(error: LabError) -> Self {
        Self(StatusCode::CONFLICT, error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}
