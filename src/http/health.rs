//! Health, for whoever restarts instances or sends them requests.
//!
//! Whether an instance leads is no part of its health: a follower that is restarted for following
//! would never get to lead.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use super::Site;
use super::api::seat_of;
use super::problem::Problem;
use crate::handle::Health;
use crate::rows::CLUSTER;

/// The process answers. Nothing else is asked, so that nobody restarts it because a store is away.
pub(super) async fn live() -> Json<Value> {
    Json(json!({ "live": true }))
}

/// The instance can take part in the elections.
pub(super) async fn ready(State(site): State<Arc<Site>>) -> Result<Json<Value>, Problem> {
    match trouble(&site.app.handle.health()) {
        None => Ok(Json(json!({ "ready": true }))),
        Some(why) => Err(Problem::unavailable(why)),
    }
}

/// This instance leads the job.
pub(super) async fn leader(
    State(site): State<Arc<Site>>,
    job: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, Problem> {
    let Path(job) = job?;
    let snapshot = site.look().await?;
    let seat = seat_of(&snapshot, &job)?;
    match (site.left(seat), &seat.row.leader) {
        (Some(_), _) => Ok(Json(json!({ "leader": site.app.about.name, "term": seat.row.term }))),
        (None, Some(leader)) => {
            Err(Problem::unavailable(format!("{leader} leads {job}, as far as is known")))
        }
        (None, None) => Err(Problem::unavailable(format!("nobody leads {job}"))),
    }
}

/// Why an instance in this state is not ready, if so.
pub(super) fn trouble(health: &Health) -> Option<String> {
    match health {
        Health { regressed: Some(what), .. } => Some(format!(
            "the store shows less than it did before ({what}): restore it, then restart every instance"
        )),
        Health { commits: Some(error), .. } | Health { reads: Some(error), .. } => {
            Some(format!("the store does not answer: {error}"))
        }
        Health { puzzled: Some(why), .. } => Some(format!("{CLUSTER}: {why}")),
        Health { met: false, .. } => Some("the store has not answered yet".to_owned()),
        Health { drained: true, .. } => {
            Some("it was drained and leads nothing, until `tenure undrain`".to_owned())
        }
        Health { met: true, .. } => None,
    }
}
