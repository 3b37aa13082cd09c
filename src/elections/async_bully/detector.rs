//! The failure detector: `StartFD`, `StopFD` and `DownSig` of the paper.

use std::collections::BTreeMap;

use super::{Message, Out};
use crate::elections::{NodeId, Oneself, Timing};
use crate::time::Instant;

/// Looks after some nodes by asking them whether they are there.
#[derive(Clone, Debug)]
pub(super) struct Detector {
    timing: Timing,
    watched: BTreeMap<NodeId, Watch>,
}

#[derive(Clone, Copy, Debug)]
struct Watch {
    /// When it is to be asked again.
    ask: Instant,
    /// When its silence has lasted too long.
    patience: Instant,
}

impl Detector {
    pub(super) fn new(timing: Timing) -> Self {
        Self { timing, watched: BTreeMap::new() }
    }

    /// Looks after one more node, which counts as heard just now.
    pub(super) fn watch(&mut self, node: NodeId, now: Instant) {
        let (ask, patience) = (now + self.timing.heartbeat(), now + self.timing.suspicion());
        self.watched.insert(node, Watch { ask, patience });
    }

    /// Looks after this node, or nobody.
    pub(super) fn watch_only(&mut self, node: Option<NodeId>, now: Instant) {
        self.watched.clear();
        if let Some(node) = node {
            self.watch(node, now);
        }
    }

    /// Looks after that node no more; whether it did.
    pub(super) fn stop(&mut self, node: NodeId) -> bool {
        self.watched.remove(&node).is_some()
    }

    pub(super) fn watches(&self, node: NodeId) -> bool {
        self.watched.contains_key(&node)
    }

    /// A node is there.
    pub(super) fn heard(&mut self, node: NodeId, now: Instant) {
        if let Some(watch) = self.watched.get_mut(&node) {
            watch.patience = now + self.timing.suspicion();
        }
    }

    /// Asks whom it is time to ask. Who was silent for too long is down, and looked after no more.
    pub(super) fn tick(&mut self, now: Instant, own: &Oneself, out: Out<'_>) -> Vec<NodeId> {
        let silent = self.watched.iter().filter(|(_, watch)| watch.patience <= now);
        let silent: Vec<_> = silent.map(|(node, _)| *node).collect();
        self.watched.retain(|node, _| !silent.contains(node));
        for (node, watch) in self.watched.iter_mut().filter(|(_, watch)| watch.ask <= now) {
            watch.ask = now + self.timing.heartbeat();
            own.send(*node, Message::AreYouThere, out);
        }
        silent
    }

    pub(super) fn deadline(&self) -> Instant {
        let next = self.watched.values().map(|watch| watch.ask.min(watch.patience));
        next.min().unwrap_or(Instant::NEVER)
    }
}
