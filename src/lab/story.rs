//! What a node tells: each thing as a line of its log, and as a tale for the controller.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::record::{Tale, micros};
use super::wire::Refusal;
use crate::elections::{NodeId, Note};
use crate::time::{Clock, SystemClock};

/// Tales that a node remembers for a controller that does not listen. Of older ones it will hear how many
/// there were.
const MOST_TALES: usize = 1000;
/// Tales that are told at once. The rest comes with the next report.
const MOST_AT_ONCE: usize = 200;

/// The story of one node.
#[derive(Debug)]
pub(super) struct Story {
    node: String,
    tales: Mutex<VecDeque<Told>>,
    news: Notify,
    refused: Mutex<BTreeSet<Refusal>>,
}

/// A tale, its place among those of this life, and when it was.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) number: u64,
    pub(super) at_us: i64,
    pub(super) tale: Tale,
}

/// A message on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passage<'a> {
    pub(super) name: &'a str,
    pub(super) routine: bool,
    pub(super) id: &'a str,
    pub(super) cause: Option<&'a str>,
    pub(super) peer: NodeId,
}

impl Story {
    pub(super) fn new(node: &str) -> Self {
        Self {
            node: node.to_owned(),
            tales: Mutex::default(),
            news: Notify::new(),
            refused: Mutex::default(),
        }
    }

    /// Waits until there is something to tell.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    /// The tales after number `after`, as many as are told at once.
    pub(super) fn since(&self, after: u64) -> Vec<Told> {
        self.tales().iter().filter(|told| told.number > after).take(MOST_AT_ONCE).cloned().collect()
    }

    fn tales(&self) -> MutexGuard<'_, VecDeque<Told>> {
        self.tales.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, tale: Tale) {
        let mut tales = self.tales();
        let number = tales.back().map_or(0, |told| told.number) + 1;
        tales.push_back(Told { number, at_us: micros(SystemClock.wall()), tale });
        if tales.len() > MOST_TALES {
            tales.pop_front();
        }
        self.news.notify_one();
    }

    pub(super) fn sent(&self, passage: &Passage<'_>) {
        let Passage { name, routine, id, cause, peer } = *passage;
        let node = self.node.as_str();
        if routine {
            tracing::debug!(event = "node.sent", node, message_name = name, id, cause, to = %peer, "{name} to {peer}");
        } else {
            tracing::info!(event = "node.sent", node, message_name = name, id, cause, to = %peer, "{name} to {peer}");
            let cause = cause.map(str::to_owned);
            self.add(Tale::Sent { message: name.to_owned(), id: id.to_owned(), cause, to: peer });
        }
    }

    pub(super) fn received(&self, passage: &Passage<'_>) {
        let Passage { name, routine, id, cause, peer } = *passage;
        let node = self.node.as_str();
        if routine {
            tracing::debug!(event = "node.received", node, message_name = name, id, cause, from = %peer, "{name} from {peer}");
        } else {
            tracing::info!(event = "node.received", node, message_name = name, id, cause, from = %peer, "{name} from {peer}");
            self.add(Tale::Received { message: name.to_owned(), id: id.to_owned(), from: peer });
        }
    }

    /// The machine has something to say.
    pub(super) fn note(&self, note: Note) {
        let node = self.node.as_str();
        match note {
            Note::Started(incarnation) => {
                tracing::info!(
                    event = "node.started",
                    node,
                    incarnation,
                    "Node {node} starts life {incarnation}"
                );
            }
            Note::Suspects(peer) => {
                tracing::info!(event = "node.suspects", node, %peer, "Node {node} takes {peer} for dead");
            }
            Note::Holds => tracing::info!(event = "node.holds", node, "Node {node} holds an election"),
            Note::Yields(peer) => {
                tracing::info!(event = "node.yields", node, %peer, "Node {node} leaves it to {peer}");
            }
            Note::Leads => tracing::info!(event = "node.leads", node, "Node {node} is coordinator"),
            Note::Follows(peer) => {
                tracing::info!(event = "node.follows", node, %peer, "Node {node} follows {peer}");
            }
        }
        self.add(Tale::Noted { note });
    }

    /// Something that came in is not taken. Each kind is told once, so that nobody fills the log.
    pub(super) fn refused(&self, why: Refusal, who: &str) {
        if self.refused.lock().unwrap_or_else(PoisonError::into_inner).insert(why) {
            let node = self.node.as_str();
            tracing::warn!(
                event = "node.refused",
                node,
                who,
                "Node {node} refused a call: {why}. It will not say so again"
            );
            self.add(Tale::Refused { why: why.to_string() });
        }
    }
}
