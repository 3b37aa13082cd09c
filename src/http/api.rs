//! What programs ask.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Site;
use super::problem::Problem;
use crate::handle::Snapshot;
use crate::lease::SeatView;
use crate::report::{Job, Status};

/// A wake-up: these rows are worth reading.
#[derive(Debug, Deserialize)]
pub(super) struct Wake {
    jobs: Vec<String>,
}

pub(super) async fn status(State(site): State<Arc<Site>>) -> Result<Json<Status>, Problem> {
    Ok(Json(site.status(&*site.look().await?)))
}

pub(super) async fn jobs(State(site): State<Arc<Site>>) -> Result<Json<Vec<Job>>, Problem> {
    Ok(Json(site.look().await?.seats.iter().map(|seat| site.job(seat)).collect()))
}

pub(super) async fn job(
    State(site): State<Arc<Site>>,
    job: Result<Path<String>, PathRejection>,
) -> Result<Json<Job>, Problem> {
    let Path(job) = job?;
    let snapshot = site.look().await?;
    seat_of(&snapshot, &job).map(|seat| Json(site.job(seat)))
}

/// Jobs that this instance does not run are none of its business: the sender need not know.
pub(super) async fn wake(
    State(site): State<Arc<Site>>,
    wake: Result<Json<Wake>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let Json(Wake { jobs }) = wake?;
    let known: Vec<_> = {
        let listed = site.app.listed.borrow();
        jobs.iter().filter_map(|job| Some(listed.jobs.get_key_value(job.as_str())?.0.clone())).collect()
    };
    let answer = json!({ "woken": known.len() });
    site.gate.wake(known);
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

/// What `snapshot` shows of a job.
pub(super) fn seat_of<'a>(snapshot: &'a Snapshot, job: &str) -> Result<&'a SeatView, Problem> {
    snapshot.seats.iter().find(|seat| seat.job.as_str() == job).ok_or_else(|| Problem::unknown_job(job))
}
