//! The textbook's messages: ELECTION, OK, COORDINATOR, and a heartbeat that finds out who is gone.

use super::{Bully, Message, Out, Profile, Running, Status, Step};
use crate::elections::{NodeId, Note, Output, Ticket};
use crate::time::Instant;

impl Bully {
    /// Nobody higher answered: this node is coordinator, and says so to all.
    pub(super) fn win(&mut self, now: Instant, out: Out<'_>) {
        self.lead(now, out);
        self.own.others().for_each(|node| self.own.send(node, Message::Coordinator, out));
    }

    /// Somebody holds an election. If he is lower, this node takes over.
    pub(super) fn election(&mut self, now: Instant, from: NodeId, ticket: Ticket, out: Out<'_>) {
        if from > self.own.me {
            return;
        }
        let leader = self.hint(now, from);
        self.own.send(from, Message::Ok { ticket, leader }, out);
        if leader == Some(self.own.me) {
            self.own.send(from, Message::Coordinator, out);
        } else if self.status == Status::Normal && leader.is_none() {
            self.hold(now, out);
        }
    }

    /// The coordinator, if this node knows better than to hold an election: it is he, or hears him.
    fn hint(&self, now: Instant, asker: NodeId) -> Option<NodeId> {
        let fresh =
            self.coordinator == Some(self.own.me) || now.since(self.heard) <= 2 * self.own.timing.heartbeat();
        let knows = self.profile == Profile::Textbook && self.status == Status::Normal && fresh;
        self.coordinator.filter(|leader| knows && *leader > asker)
    }

    /// Somebody higher is alive: this node's job is done.
    pub(super) fn ok(
        &mut self,
        now: Instant,
        from: NodeId,
        ticket: Ticket,
        leader: Option<NodeId>,
        out: Out<'_>,
    ) {
        let asked = |running: &Running| running.step == Step::Probe && running.ticket == ticket;
        if !self.running.as_ref().is_some_and(asked) {
            return;
        }
        if let Some(leader) = leader {
            return self.follow(leader, now, out);
        }
        out.push(Output::Note(Note::Yields(from)));
        let timing = self.own.timing;
        let until = now + 2 * timing.reply() + self.own.jitter(timing.reply());
        self.running = Some(Running { step: Step::StandBack, ticket, left: Vec::new(), until });
    }

    /// Somebody makes himself coordinator.
    pub(super) fn coordinator(&mut self, now: Instant, from: NodeId, out: Out<'_>) {
        if from > self.own.me {
            self.follow(from, now, out);
        } else if self.status == Status::Normal {
            self.hold(now, out);
        }
    }

    /// Somebody still is coordinator.
    pub(super) fn heartbeat(&mut self, now: Instant, from: NodeId, out: Out<'_>) {
        if from < self.own.me {
            if self.status == Status::Normal {
                self.hold(now, out);
            }
        } else if self.coordinator.is_none_or(|coordinator| from > coordinator) {
            self.follow(from, now, out);
        }
    }
}
