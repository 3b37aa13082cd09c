//! What the controller answers: to nodes that report, to the page, and to `tenure lab`.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{Method, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{Mutex as Turn, Notify};
use tokio::time::timeout;

use super::board::Shown;
use super::crew::Crew;
use super::intake::Intake;
use super::members::Members;
use super::pages::{self, Problem};
use super::port::Blocked;
use super::record::{Order, Way};
use super::report::{self, Report};
use crate::client::ask;
use crate::elections::NodeId;
use crate::time::{Clock, SystemClock};

/// Largest request: a report with as many tales as are told at once.
const LARGEST_BODY: usize = 256 * 1024;
/// How long a node may take to be told something.
const PATIENCE: Duration = Duration::from_secs(2);
/// What every answer is made from.
#[derive(Debug)]
pub(super) struct Office {
    pub(super) members: Members,
    pub(super) intake: Mutex<Intake>,
    pub(super) crew: Turn<Crew>,
    /// Somebody wants it all to end.
    pub(super) stop: Notify,
}

#[derive(Debug, Deserialize)]
struct Ways {
    blocked: BTreeSet<Way>,
}

type Answer<T> = Result<T, Problem>;

pub(super) fn router(office: Arc<Office>) -> Router {
    let orders = Router::new()
        .route("/api/v1/lab", get(show))
        .route("/api/v1/lab/after/{number}", get(show_news))
        .route(report::PATH, post(take))
        .route("/api/v1/nodes/{node}/{order}", post(order))
        .route("/api/v1/leader/kill", post(kill_leader))
        .route("/api/v1/blocks", post(block))
        .route("/api/v1/stop", post(stop))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(office);
    pages::guarded(orders)
}

async fn show(State(office): State<Arc<Office>>) -> Json<Shown> {
    Json(office.intake().show(SystemClock.wall()))
}

async fn show_news(State(office): State<Arc<Office>>, Path(number): Path<u64>) -> Json<Value> {
    let intake = office.intake();
    let (board, records) = (intake.show(SystemClock.wall()), intake.chronicle.after(number));
    Json(json!({ "board": board, "records": records }))
}

async fn take(State(office): State<Arc<Office>>, Json(report): Json<Report>) -> Answer<Json<Blocked>> {
    let blocked = office.intake().report(report, SystemClock.now());
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
    let leaders = office.intake().chronicle.board().leaders();
    if leaders.is_empty() {
        return Err(Problem(StatusCode::CONFLICT, "nobody leads now".to_owned()));
    }
    for leader in leaders {
        office.carry_out(leader, Order::Kill).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn block(State(office): State<Arc<Office>>, Json(Ways { blocked }): Json<Ways>) -> Answer<StatusCode> {
    if office.intake().block(blocked, SystemClock.wall()) {
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
    fn intake(&self) -> MutexGuard<'_, Intake> {
        self.intake.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the children and at who is silent.
    pub(super) async fn look(&self) {
        let states = self.crew.lock().await.states();
        self.intake().look(&states, SystemClock.now(), SystemClock.wall());
    }

    async fn carry_out(&self, node: NodeId, order: Order) -> Answer<()> {
        self.intake().order(node, order, SystemClock.wall());
        let mut crew = self.crew.lock().await;
        match order {
            Order::Begin => {
                drop(crew);
                return self.begin(node).await;
            }
            Order::Kill => crew.kill(node).await?,
            Order::Pause => crew.pause(node)?,
            Order::Resume => crew.resume(node)?,
            Order::Restart => {
                crew.kill(node).await?;
                let states = crew.states();
                self.intake().look(&states, SystemClock.now(), SystemClock.wall());
                crew.start(node)?;
            }
        }
        drop(crew);
        self.look().await;
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
