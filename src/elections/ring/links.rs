//! Hops that are tried until they are acknowledged, and ways round broken links.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Crew, Message, Out, Ring, Token};
use crate::elections::{Envelope, NodeId, Note, Oneself, Output, Ticket};
use crate::time::Instant;

/// How often a token is sent to one neighbour before the next one is tried.
const TRIES: u32 = 2;
/// So many heartbeats old may be what a node says about whom it hears.
const FRESH: u32 = 3;

/// What a node knows about the links between all.
#[derive(Clone, Debug)]
pub(super) struct Links {
    me: NodeId,
    fresh: Duration,
    /// When each node was heard last, not through another,
    heard: Vec<Instant>,
    /// and whom it said that it hears.
    hears: Vec<BTreeSet<NodeId>>,
    /// Tokens that were sent and are not acknowledged.
    hops: Vec<Hop>,
}

#[derive(Clone, Debug)]
struct Hop {
    ticket: Ticket,
    to: NodeId,
    token: Token,
    tries: u32,
    until: Instant,
}

impl Links {
    pub(super) fn new(own: &Oneself) -> Self {
        let nodes = usize::from(own.nodes);
        Self {
            me: own.me,
            fresh: own.timing.heartbeat() * FRESH,
            heard: vec![Instant::LONG_AGO; nodes],
            hears: vec![BTreeSet::new(); nodes],
            hops: Vec::new(),
        }
    }

    pub(super) fn heard(&mut self, node: NodeId, now: Instant) {
        self.heard[node.index()] = now;
    }

    pub(super) fn told(&mut self, node: NodeId, hears: Vec<NodeId>) {
        self.hears[node.index()] = hears.into_iter().collect();
    }

    pub(super) fn arrived(&mut self, ticket: Ticket) {
        self.hops.retain(|hop| hop.ticket != ticket);
    }

    /// Tokens that lead to nothing once this view holds are not sent again: where links come and go they
    /// would pile up.
    pub(super) fn drop_overtaken(&mut self, crew: &Crew) {
        self.hops.retain(|hop| !hop.token.is_overtaken_by(crew));
    }

    pub(super) fn deadline(&self) -> Instant {
        self.hops.iter().map(|hop| hop.until).min().unwrap_or(Instant::NEVER)
    }

    /// Those that this node hears.
    pub(super) fn hears(&self, now: Instant) -> Vec<NodeId> {
        (0..).map(NodeId).take(self.heard.len()).filter(|node| self.is_fresh(*node, now)).collect()
    }

    fn is_fresh(&self, node: NodeId, now: Instant) -> bool {
        // A view may name a node that nobody has configured.
        self.heard.get(node.index()).is_some_and(|heard| now.since(*heard) <= self.fresh)
    }

    /// Who hears this node and is heard by it, and hears `to`, if `to` does not hear this node.
    fn way_round(&self, to: NodeId, now: Instant) -> Option<NodeId> {
        let hears_me = |node: NodeId| self.is_fresh(node, now) && self.hears[node.index()].contains(&self.me);
        let nodes = || (0..).map(NodeId).take(self.heard.len());
        if hears_me(to) {
            return None;
        }
        nodes().find(|node| *node != to && hears_me(*node) && self.hears[node.index()].contains(&to))
    }
}

impl Ring {
    /// Sends a message, through another node if the direct way is broken.
    pub(super) fn tell(&self, to: NodeId, message: Message, now: Instant, out: Out<'_>) {
        match self.links.way_round(to, now) {
            None => self.own.send(to, message, out),
            Some(relay) => {
                let (from, incarnation) = (self.own.me, self.own.stable.incarnation);
                let envelope = Envelope { from, incarnation, to, message };
                self.own.send(relay, Message::Relay(Box::new(envelope)), out);
            }
        }
    }

    /// A message that came through another node, or is to go through this one.
    pub(super) fn relay(&mut self, now: Instant, envelope: Envelope<Message>, out: Out<'_>) {
        if envelope.to != self.own.me {
            let to = envelope.to;
            return self.own.send(to, Message::Relay(Box::new(envelope)), out);
        }
        if self.own.believes(&envelope) && !matches!(envelope.message, Message::Relay(_)) {
            self.suspects.remove(&envelope.from);
            self.receive(now, envelope.from, envelope.message, out);
        }
    }

    /// Sends a token on, to the next one that is not suspected.
    pub(super) fn hop(&mut self, now: Instant, token: Token, out: Out<'_>) {
        let (me, nodes) = (self.own.me, self.own.nodes);
        let ring = (1..nodes).map(|step| NodeId((me.0 + step) % nodes));
        let Some(to) = ring.into_iter().find(|node| !self.suspects.contains(node)) else {
            return self.take(now, me, token, out);
        };
        let (ticket, until) = (self.own.ticket(), now + self.own.timing.reply());
        self.tell(to, Message::Hop { ticket, token: token.clone() }, now, out);
        self.links.hops.push(Hop { ticket, to, token, tries: 1, until });
    }

    /// Tokens that were not acknowledged in time are sent again, or to the next node.
    pub(super) fn try_hops_again(&mut self, now: Instant, out: Out<'_>) {
        let due = |hop: &Hop| hop.until <= now;
        let (due, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.links.hops).into_iter().partition(due);
        self.links.hops = rest;
        for hop in due {
            if hop.tries == TRIES {
                self.give_up(now, hop, out);
            } else {
                let (ticket, token) = (hop.ticket, hop.token.clone());
                self.tell(hop.to, Message::Hop { ticket, token }, now, out);
                let until = now + self.own.timing.reply();
                self.links.hops.push(Hop { tries: hop.tries + 1, until, ..hop });
            }
        }
    }

    fn give_up(&mut self, now: Instant, hop: Hop, out: Out<'_>) {
        if self.suspects.insert(hop.to) {
            out.push(Output::Note(Note::Suspects(hop.to)));
        }
        self.hop(now, hop.token, out);
    }

    /// Nobody listens where that node should be.
    pub(super) fn refused(&mut self, now: Instant, node: NodeId, out: Out<'_>) {
        self.links.heard[node.index()] = Instant::LONG_AGO;
        let lost = |hop: &Hop| hop.to == node;
        let (lost, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.links.hops).into_iter().partition(lost);
        self.links.hops = rest;
        for hop in lost {
            self.give_up(now, hop, out);
        }
        self.miss_at_once(now, node, out);
    }
}
