//! What a node does when others ask, invite, accept and answer: the paper's server procedures.

use std::collections::BTreeSet;

use super::{Group, Invitation, Message, Out, Status, Step};
use crate::elections::{Envelope, NodeId, Note, Output, Ticket};
use crate::time::Instant;

impl Invitation {
    pub(super) fn receive(&mut self, now: Instant, envelope: Envelope<Message>, out: Out<'_>) {
        let Envelope { from, message, .. } = envelope;
        let mut reply = |ticket, yes| self.own.send(from, Message::Reply { ticket, yes }, out);
        match message {
            Message::AreYouCoordinator { ticket } => {
                reply(ticket, self.status == Status::Normal && self.leads());
            }
            Message::AreYouThere { ticket, group } => {
                reply(ticket, self.group == group && self.leads() && self.up.contains(&from));
            }
            Message::Accept { ticket, group } => {
                // Who comes after the members were counted is told No when he asks.
                if self.status == Status::Election && self.group == group && self.leads() {
                    self.up.insert(from);
                }
                reply(ticket, true);
            }
            Message::Ready { ticket, group, task } => {
                reply(ticket, true);
                if self.status == Status::Reorganization && self.group == group && !self.leads() {
                    self.settle(now, task, out);
                }
            }
            Message::Invitation { group } => self.invited(now, group, out),
            Message::Reply { ticket, yes } => self.answered(now, from, ticket, yes, out),
        }
    }

    /// Moves to another group, with all that are in this node's own.
    fn invited(&mut self, now: Instant, group: Group, out: Out<'_>) {
        if self.status != Status::Normal || group.coordinator == self.own.me {
            return;
        }
        let old = if self.leads() { std::mem::take(&mut self.up) } else { BTreeSet::new() };
        self.up.clear();
        self.group = group;
        let others = old.iter().filter(|node| **node != group.coordinator);
        others.for_each(|node| self.own.send(*node, Message::Invitation { group }, out));
        self.status = Status::Reorganization;
        out.push(Output::Note(Note::Yields(group.coordinator)));
        let ticket = self.own.ticket();
        self.own.send(group.coordinator, Message::Accept { ticket, group }, out);
        self.wait(Step::Accept, ticket, now + self.own.timing.reply());
        self.rest(now);
    }

    /// An answer, if it is to what is being asked.
    fn answered(&mut self, now: Instant, from: NodeId, ticket: Ticket, yes: bool, out: Out<'_>) {
        let Some(running) = self.running.as_mut().filter(|running| running.ticket == ticket) else { return };
        let complete = match &mut running.step {
            Step::Check { asked, found } => {
                if asked.remove(&from) && yes {
                    found.insert(from);
                }
                asked.is_empty()
            }
            Step::Ready { left } => {
                left.remove(&from);
                left.is_empty()
            }
            Step::Timeout => !yes,
            Step::Accept | Step::Defer { .. } | Step::Merge => false,
        };
        if complete {
            self.expire(now, out);
        } else if matches!(running.step, Step::Accept | Step::Timeout) {
            self.running = None;
        }
    }

    /// Nobody listens where that node should be.
    pub(super) fn refused(&mut self, now: Instant, node: NodeId, out: Out<'_>) {
        if !self.leads() && self.group.coordinator == node {
            out.push(Output::Note(Note::Suspects(node)));
            return self.recover(now, out);
        }
        let complete = match self.running.as_mut().map(|running| &mut running.step) {
            Some(Step::Check { asked, .. }) => asked.remove(&node) && asked.is_empty(),
            Some(Step::Ready { .. } | Step::Defer { .. } | Step::Merge | Step::Accept | Step::Timeout)
            | None => false,
        };
        if complete {
            self.expire(now, out);
        }
    }
}
