//! The page over an exported story: the same records, added up to whatever moment is asked for.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::extract::{Path as Captured, State};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::board::Board;
use super::record::Record;
use super::{LabError, archive, pages};
use crate::http;
use crate::log;
use crate::signals::{STOPPING, Signals};

/// Name of the file of records, in the folder for what nodes keep.
pub(super) const FILE: &str = "story.db";

/// An exported story.
#[derive(Debug)]
pub struct Replay {
    records: Vec<Record>,
}

/// The records of a laboratory that keeps them in `folder`, the last one if none is named: a JSON object
/// a line.
pub fn export(folder: &Path, run: Option<i64>) -> Result<Vec<String>, LabError> {
    archive::read(&folder.join(FILE), run)
}

impl Replay {
    /// Reads what was exported.
    pub fn load(path: &Path) -> Result<Self, LabError> {
        let problem = |why: String| LabError::Archive { path: path.to_owned(), why };
        let text = std::fs::read_to_string(path).map_err(|error| problem(error.to_string()))?;
        let record = |(number, line): (usize, &str)| {
            serde_json::from_str(line).map_err(|error| problem(format!("line {number}: {error}")))
        };
        let records: Vec<_> = (1..).zip(text.lines()).map(record).collect::<Result<_, _>>()?;
        if records.is_empty() {
            return Err(problem("it tells nothing".to_owned()));
        }
        Ok(Self { records })
    }

    /// Shows it until somebody stops it.
    pub async fn run(self, listen: SocketAddr) -> Result<(), LabError> {
        let refused = |error: std::io::Error| LabError::Listen { address: listen, why: error.to_string() };
        let mut signals = Signals::listen(&STOPPING).map_err(refused)?;
        let listener = TcpListener::bind(listen).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        tracing::info!(event = "lab.started", address = %address, "The story is told at http://{address}");
        let mut helpers = JoinSet::new();
        helpers.spawn(log::own_up());
        let router = Router::new()
            .route("/api/v1/lab/after/{number}", get(show))
            .route("/api/v1/lab/after/{number}/until/{until}", get(show_until))
            .with_state(Arc::new(self));
        let router = pages::guarded(router);
        tokio::select! {
            never = http::listen(&listener, &router) => match never {},
            _ = signals.next() => {}
        }
        tracing::info!(event = "lab.stopped", "The story is told no more");
        Ok(())
    }
}

async fn show(story: State<Arc<Replay>>, Captured(after): Captured<usize>) -> Json<Value> {
    let end = story.records.len();
    show_until(story, Captured((after, end))).await
}

async fn show_until(
    State(story): State<Arc<Replay>>,
    Captured((after, until)): Captured<(usize, usize)>,
) -> Json<Value> {
    let length = story.records.len();
    let past = &story.records[..until.clamp(1, length)];
    let mut board = Board::default();
    for record in past {
        board.take(record);
    }
    let at_us = past.last().map_or(0, |record| record.at_us);
    let news = past.get(after..).unwrap_or_default();
    Json(json!({ "length": length, "board": board.show(at_us), "records": news }))
}
