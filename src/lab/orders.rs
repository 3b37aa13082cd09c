//! What the controller answers: to nodes that report, to the page, and to `tenure lab`.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{Mutex as Turn, Notify};
use tokio::time::timeout;

use super::LabError;
use super::board::{Board, Shown, Way};
use super::crew::{Crew, State as Process};
use super::members::Members;
use super::port::Blocked;
use super::report::{self, Report};
use crate::client::ask;
use crate::elections::NodeId;
use crate::http::guard::{is_cross_site, shield};
use crate::time::{Clock, SystemClock};

/// Largest request: a report with all lines that a node remembers.
const LARGEST_BODY: usize = 64 * 1024;
/// How long a node may take to be told something.
const PATIENCE: Duration = Duration::from_secs(2);
/// The page has a script and asks for what it shows; nothing comes from elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What every answer is made from.
#[derive(Debug)]
pub(super) struct Office {
    pub(super) members: Members,
    pub(super) board: Mutex<Board>,
    pub(super) crew: Turn<Crew>,
    /// Somebody wants it all to end.
    pub(super) stop: Notify,
}

/// What can be done to a node.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Order {
    Begin,
    Kill,
    Pause,
    Resume,
    Restart,
}

#[derive(Debug, Deserialize)]
struct Ways {
    blocked: BTreeSet<Way>,
}

type Answer<T> = Result<T, Problem>;
struct Problem(StatusCode, String);

pub(super) fn router(office: Arc<Office>) -> Router {
    Router::new()
        .route("/", get(async || Html(include_str!("page.html"))))
        .route("/page.js", get(async || typed("text/javascript; charset=utf-8", include_str!("page.js"))))
        .route("/page.css", get(async || typed("text/css; charset=utf-8", include_str!("page.css"))))
        .route("/api/v1/lab", get(show))
        .route(report::PATH, post(take))
        .route("/api/v1/nodes/{node}/{order}", post(order))
        .route("/api/v1/leader/kill", post(kill_leader))
        .route("/api/v1/blocks", post(block))
        .route("/api/v1/stop", post(stop))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(from_fn(guard))
        .with_state(office)
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

async fn show(State(office): State<Arc<Office>>) -> Json<Shown> {
    let states = office.crew.lock().await.states();
    let state = |node: NodeId| states.get(node.index()).copied().unwrap_or(Process::Elsewhere);
    Json(office.board().show(state, SystemClock.now()))
}

async fn take(State(office): State<Arc<Office>>, Json(report): Json<Report>) -> Answer<Json<Blocked>> {
    let blocked = office.board().take(report, SystemClock.now(), SystemClock.wall());
    blocked
        .map(Json)
        .ok_or_else(|| Problem(StatusCode::FORBIDDEN, "no such node is in this election".to_owned()))
}

async fn order(
    State(office): State<Arc<Office>>,
    Path((node, order)): Path<(String, Order)>,
) -> Answer<StatusCode> {
    let known = office.members.iter().find(|(id, member)| member.name == node || id.0.to_string() == node);
    let unknown = || Problem(StatusCode::NOT_FOUND, format!("no node is called {node:?}"));
    let (id, _) = known.ok_or_else(unknown)?;
    office.carry_out(id, order).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn kill_leader(State(office): State<Arc<Office>>) -> Answer<StatusCode> {
    let leaders = office.board().leaders(SystemClock.now());
    if leaders.is_empty() {
        return Err(Problem(StatusCode::CONFLICT, "nobody leads now".to_owned()));
    }
    for leader in leaders {
        office.carry_out(leader, Order::Kill).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn block(State(office): State<Arc<Office>>, Json(Ways { blocked }): Json<Ways>) -> Answer<StatusCode> {
    if office.board().block(blocked) {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem(StatusCode::BAD_REQUEST, "a way leads from one node to another one".to_owned()))
    }
}

async fn stop(State(office): State<Arc<Office>>) -> StatusCode {
    office.stop.notify_one();
    StatusCode::ACCEPTED
}

impl Office {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn carry_out(&self, node: NodeId, order: Order) -> Answer<()> {
        let line = match order {
            Order::Begin => return self.begin(node).await,
            Order::Kill => {
                self.crew.lock().await.kill(node).await?;
                self.board().forget(node);
                "is killed"
            }
            Order::Pause => {
                self.crew.lock().await.pause(node)?;
                "is paused"
            }
            Order::Resume => {
                self.crew.lock().await.resume(node)?;
                "goes on"
            }
            Order::Restart => {
                let mut crew = self.crew.lock().await;
                crew.kill(node).await?;
                crew.start(node)?;
                "is restarted"
            }
        };
        self.board().tell(node, line, SystemClock.wall());
        Ok(())
    }

    /// Has a node hold an election.
    async fn begin(&self, node: NodeId) -> Answer<()> {
        let address = self.members.get(node).map(|member| format!("http://{}", member.address));
        let told = ask(Method::POST, address.as_deref().unwrap_or_default(), "/api/v1/begin", String::new());
        match timeout(PATIENCE, told).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => {
                Err(Problem(StatusCode::BAD_GATEWAY, format!("{node} is not reached: {error}")))
            }
            Err(_) => Err(Problem(StatusCode::GATEWAY_TIMEOUT, format!("{node} does not answer"))),
        }
    }
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
