//! What a node tells the controller, once a second and at each change, and what it is answered.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::port::{Blocked, Blocks};
use super::story::Story;
use crate::client::{Trouble, ask};
use crate::elections::{NodeId, View};

/// Where the controller listens.
pub(super) const PATH: &str = "/api/v1/report";
/// From one report to the next, if nothing changes.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);
/// From one report to the next, if everything does.
const SPACING: Duration = Duration::from_millis(30);
/// How long a report may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// A [`View`], and what was told since the last one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) node: NodeId,
    pub(super) election: String,
    pub(super) incarnation: u64,
    pub(super) status: String,
    pub(super) leads: bool,
    pub(super) coordinator: Option<NodeId>,
    pub(super) deputy: Option<NodeId>,
    pub(super) group: String,
    #[serde(default, skip_serializing)]
    pub(super) lines: Vec<String>,
}

/// Who reports.
#[derive(Debug)]
pub(super) struct Reporter {
    pub(super) controller: String,
    pub(super) election: &'static str,
    pub(super) story: Arc<Story>,
    pub(super) shown: watch::Receiver<Option<View>>,
    pub(super) blocks: Arc<Blocks>,
}

impl Reporter {
    /// Reports as long as the node lives. A controller that is away costs nothing.
    pub(super) async fn run(mut self) -> Infallible {
        let mut told = 0;
        loop {
            let view = self.shown.borrow_and_update().clone();
            if let Some(view) = view {
                let (last, lines) = self.story.since(told);
                match self.report(&view, &lines).await {
                    Ok(()) => told = last,
                    Err(error) => tracing::debug!(
                        event = "node.unreported",
                        "The controller at {} does not take a report: {error}",
                        self.controller
                    ),
                }
            }
            sleep(SPACING).await;
            // Neither an end of the wait nor of the machine matters here.
            drop(timeout(INTERVAL, self.shown.changed()).await);
        }
    }

    async fn report(&self, view: &View, lines: &[String]) -> Result<(), Trouble> {
        let body = serde_json::json!({
            "node": view.node,
            "election": self.election,
            "incarnation": view.incarnation,
            "status": view.status,
            "leads": view.leads(),
            "coordinator": view.coordinator,
            "deputy": view.deputy,
            "group": view.group,
            "lines": lines,
        });
        let answer = timeout(PATIENCE, ask(Method::POST, &self.controller, PATH, body.to_string())).await??;
        let blocked: Blocked = serde_json::from_slice(&answer)?;
        if self.blocks.set(blocked) {
            tracing::info!(event = "node.blocked", "Other links are blocked now");
        }
        Ok(())
    }
}
