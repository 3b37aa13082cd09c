//! The outside world of a node's machine: its peers, its file and its story.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tokio::sync::{mpsc, watch};

use super::LabError;
use super::keep::Keep;
use super::story::{Passage, Story};
use super::wire::Frame;
use crate::drive::Port;
use crate::elections::{Election, Envelope, Input, Message, NodeId, Output, View};
use crate::time::Instant;

/// Whom this node must not talk to, and whom it must not hear, though the network would let it.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    blocked: Mutex<Blocked>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
pub(super) struct Blocked {
    pub(super) to: BTreeSet<NodeId>,
    pub(super) from: BTreeSet<NodeId>,
}

impl Blocks {
    /// From now on these; whether that is a change.
    pub(super) fn set(&self, blocked: Blocked) -> bool {
        let mut current = self.blocked.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = *current != blocked;
        *current = blocked;
        changes
    }

    pub(super) fn to(&self, peer: NodeId) -> bool {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner).to.contains(&peer)
    }

    pub(super) fn from(&self, peer: NodeId) -> bool {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner).from.contains(&peer)
    }
}

/// What waits for the machine.
#[derive(Debug)]
pub(super) struct News<M> {
    pub(super) input: Input<M>,
    /// The message that it is, if it is one.
    pub(super) cause: Option<String>,
}

/// See above.
#[derive(Debug)]
pub(super) struct Wires<M> {
    pub(super) keep: Keep,
    pub(super) story: Arc<Story>,
    pub(super) blocks: Arc<Blocks>,
    /// The queue of each peer; none for this node itself.
    pub(super) peers: Vec<Option<mpsc::Sender<String>>>,
    pub(super) inbox: mpsc::Receiver<News<M>>,
    pub(super) shown: watch::Sender<Option<View>>,
    /// What made the machine take the step whose outputs are carried out now.
    pub(super) cause: Option<String>,
    pub(super) said: u64,
    /// Why this node must not say anything more.
    pub(super) broken: Option<LabError>,
}

impl<M: Message + Serialize> Wires<M> {
    fn send(&mut self, envelope: Envelope<M>) {
        let peer = envelope.to;
        let Some(Some(queue)) = self.peers.get(peer.index()) else { return };
        self.said += 1;
        let id = format!("{}.{}.{}", envelope.from.0, envelope.incarnation, self.said);
        let (name, routine) = (envelope.message.name(), envelope.message.is_routine());
        let cause = self.cause.clone();
        self.story.sent(&Passage { name, routine, id: &id, cause: cause.as_deref(), peer });
        let Ok(text) = serde_json::to_string(&Frame { id, cause, envelope }) else {
            unreachable!("a message has no keys but texts")
        };
        // A full queue is a network that loses messages, and so is a broken connection.
        let lost = self.blocks.to(peer) || queue.try_send(text).is_err();
        if lost {
            tracing::debug!(event = "node.lost", to = %peer, "{name} to {peer} is lost");
        }
    }
}

impl<E> Port<E> for Wires<E::Message>
where
    E: Election,
    E::Message: Serialize + Send,
{
    fn act(&mut self, _now: Instant, output: Output<E::Message>) {
        if self.broken.is_some() {
            return;
        }
        match output {
            // It takes a moment, and nothing else of this node may go on meanwhile.
            Output::Persist(stable) => self.broken = self.keep.save(stable).err(),
            Output::Send(envelope) => self.send(envelope),
            Output::Note(note) => self.story.note(note),
        }
    }

    async fn next(&mut self) -> Option<Input<E::Message>> {
        if self.broken.is_some() {
            return None;
        }
        let News { input, cause } = self.inbox.recv().await?;
        self.cause = cause;
        Some(input)
    }

    fn publish(&mut self, _now: Instant, machine: &E) {
        self.cause = None;
        let view = Some(machine.view());
        self.shown.send_if_modified(|shown| {
            let changes = *shown != view;
            *shown = view;
            changes
        });
    }
}
