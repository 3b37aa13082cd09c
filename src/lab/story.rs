//! What a node tells: each thing as a line of its log, and the last ones for its card on the page.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use super::wire::Refusal;
use crate::elections::{NodeId, Note};
use crate::time::{Clock, SystemClock, Wall};

/// Lines that a node remembers for its card.
const MOST_LINES: usize = 100;

/// The story of one node.
#[derive(Debug)]
pub(super) struct Story {
    node: String,
    lines: Mutex<VecDeque<(u64, String)>>,
    refused: Mutex<BTreeSet<Refusal>>,
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
        Self { node: node.to_owned(), lines: Mutex::default(), refused: Mutex::default() }
    }

    /// The lines after number `after`, and the number of the last one.
    pub(super) fn since(&self, after: u64) -> (u64, Vec<String>) {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let last = lines.back().map_or(after, |(number, _)| *number);
        let new = lines.iter().filter(|(number, _)| *number > after).map(|(_, line)| line.clone());
        (last, new.collect())
    }

    fn add(&self, line: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let line = format!("{}  {line}", clock(SystemClock.wall()));
        let number = lines.back().map_or(0, |(number, _)| *number) + 1;
        lines.push_back((number, line));
        if lines.len() > MOST_LINES {
            lines.pop_front();
        }
    }

    pub(super) fn sent(&self, passage: &Passage<'_>) {
        let Passage { name, routine, id, cause, peer } = *passage;
        let node = self.node.as_str();
        if routine {
            tracing::debug!(event = "node.sent", node, message_name = name, id, cause, to = %peer, "{name} to {peer}");
        } else {
            tracing::info!(event = "node.sent", node, message_name = name, id, cause, to = %peer, "{name} to {peer}");
            self.add(&format!("sends {name} to {peer}"));
        }
    }

    pub(super) fn received(&self, passage: &Passage<'_>) {
        let Passage { name, routine, id, cause, peer } = *passage;
        let node = self.node.as_str();
        if routine {
            tracing::debug!(event = "node.received", node, message_name = name, id, cause, from = %peer, "{name} from {peer}");
        } else {
            tracing::info!(event = "node.received", node, message_name = name, id, cause, from = %peer, "{name} from {peer}");
            self.add(&format!("hears {name} from {peer}"));
        }
    }

    /// The machine has something to say.
    pub(super) fn note(&self, note: Note) {
        let node = self.node.as_str();
        let line = match note {
            Note::Started(incarnation) => {
                tracing::info!(
                    event = "node.started",
                    node,
                    incarnation,
                    "Node {node} starts life {incarnation}"
                );
                format!("starts life {incarnation}")
            }
            Note::Suspects(peer) => {
                tracing::info!(event = "node.suspects", node, %peer, "Node {node} takes {peer} for dead");
                format!("takes {peer} for dead")
            }
            Note::Holds => {
                tracing::info!(event = "node.holds", node, "Node {node} holds an election");
                "holds an election".to_owned()
            }
            Note::Yields(peer) => {
                tracing::info!(event = "node.yields", node, %peer, "Node {node} leaves it to {peer}");
                format!("leaves it to {peer}")
            }
            Note::Leads => {
                tracing::info!(event = "node.leads", node, "Node {node} is coordinator");
                "is coordinator".to_owned()
            }
            Note::Follows(peer) => {
                tracing::info!(event = "node.follows", node, %peer, "Node {node} follows {peer}");
                format!("follows {peer}")
            }
        };
        self.add(&line);
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
            self.add(&format!("refuses a call: {why}"));
        }
    }
}

/// The time of the day, in UTC, to the microsecond.
pub(super) fn clock(wall: Wall) -> String {
    wall.to_string().chars().skip(11).take(15).collect()
}
