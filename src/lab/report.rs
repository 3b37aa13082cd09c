//! What a node tells the controller, once a second and at each change, and what it is answered.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::port::{Blocked, Blocks};
use super::record::{Sight, micros};
use super::story::{Story, Told};
use crate::client::{Trouble, ask};
use crate::elections::View;
use crate::time::{Clock, SystemClock};

/// Where the controller listens.
pub(super) const PATH: &str = "/api/v1/report";
/// From one report to the next, if nothing changes.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);
/// From one report to the next, if everything does.
const SPACING: Duration = Duration::from_millis(30);
/// How long a report may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a node shows, and what it has to tell since it was last heard.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) election: String,
    pub(super) at_us: i64,
    pub(super) sight: Sight,
    pub(super) tales: Vec<Told>,
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
                let tales = self.story.since(told);
                let last = tales.last().map_or(told, |tale| tale.number);
                match self.report(&view, tales).await {
                    Ok(()) => told = last,
                    Err(error) => tracing::debug!(
                        event = "node.unreported",
                        "The controller at {} does not take a report: {error}",
                        self.controller
                    ),
                }
            }
            sleep(SPACING).await;
            tokio::select! {
                _ = self.shown.changed() => {}
                () = self.story.news() => {}
                () = sleep(INTERVAL) => {}
            }
        }
    }

    async fn report(&self, view: &View, tales: Vec<Told>) -> Result<(), Trouble> {
        let (election, at_us) = (self.election.to_owned(), micros(SystemClock.wall()));
        let report = Report { election, at_us, sight: view.into(), tales };
        let body = serde_json::to_string(&report)?;
        let answer = timeout(PATIENCE, ask(Method::POST, &self.controller, PATH, body)).await??;
        let blocked: Blocked = serde_json::from_slice(&answer)?;
        if self.blocks.set(blocked) {
            tracing::info!(event = "node.blocked", "Other links are blocked now");
        }
        Ok(())
    }
}
