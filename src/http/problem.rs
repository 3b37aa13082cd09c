//! Answers that say what went wrong and what to do about it.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Longest piece of a request that is repeated to its sender.
const LONGEST_ECHO: usize = 200;

/// Why a request got no better answer.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    status: StatusCode,
    error: String,
    hint: &'static str,
}

impl Problem {
    pub(super) fn unavailable(error: impl Into<String>) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, error: error.into(), hint: "try again later" }
    }

    pub(super) fn forbidden(error: impl Into<String>) -> Self {
        let hint = "send it from a program, or from a page of this instance";
        Self { status: StatusCode::FORBIDDEN, error: error.into(), hint }
    }

    pub(super) fn misdirected() -> Self {
        let error =
            "this instance listens for its own machine alone, and does not go by that name".to_owned();
        let hint = "ask for localhost or for an address, or set advertise to http:// and the name";
        Self { status: StatusCode::MISDIRECTED_REQUEST, error, hint }
    }

    pub(super) fn unknown_job(job: &str) -> Self {
        let error = format!("there is no job {:?} on this instance", shortened(job));
        Self { status: StatusCode::NOT_FOUND, error, hint: "GET /api/v1/jobs lists all jobs" }
    }
}

pub(super) async fn not_found(uri: Uri) -> Problem {
    Problem {
        status: StatusCode::NOT_FOUND,
        error: format!("there is nothing at {}", shortened(uri.path())),
        hint: "try /, /metrics, /api/v1/status, /api/v1/jobs, /.well-known/live or /.well-known/ready",
    }
}

pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    Problem {
        status: StatusCode::METHOD_NOT_ALLOWED,
        error: format!("{method} is not for {}", shortened(uri.path())),
        hint: "the Allow header says what is",
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        let hint = "percent-encode the job's name as UTF-8";
        Self { status: rejection.status(), error: rejection.body_text(), hint }
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        let hint = r#"send {"jobs": ["a job's name"]} as application/json, 64 KiB at most"#;
        Self { status: rejection.status(), error: rejection.body_text(), hint }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { status, error, hint } = self;
        (status, Json(json!({ "error": error, "hint": hint }))).into_response()
    }
}

fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST_ECHO)]
}
