//! The paper's procedures: `AreYouThere`, `AreYouNormal`, `Halt`, `NewCoordinator`, `Ready`, and what
//! runs them: `Election`, `Check` and `Timeout`.

use super::{Bully, Message, Out, Running, Status, Step};
use crate::elections::{NodeId, Note, Output, Ticket};
use crate::time::Instant;

impl Bully {
    /// *Election*, steps 2 and 3: nobody higher is there, so this node stops all lower ones, the
    /// highest first.
    pub(super) fn halt_the_lower(&mut self, now: Instant, out: Out<'_>) {
        self.suspend();
        self.halter = Some(self.own.me);
        self.up.clear();
        let lower = self.own.lower().rev().collect();
        self.begin(Step::Halt, lower, now, out);
    }

    /// *Election*, step 4: from here on this node is the coordinator.
    pub(super) fn reach_the_election_point(&mut self, now: Instant, out: Out<'_>) {
        self.coordinator = Some(self.own.me);
        self.status = Status::Reorganization;
        self.begin(Step::Announce, self.up.clone(), now, out);
    }

    /// *Timeout*: asks the coordinator whether he is there, or holds an election if there is none.
    pub(super) fn time_out(&mut self, now: Instant, out: Out<'_>) {
        self.hear(now);
        match self.coordinator {
            _ if self.running.is_some() => {}
            Some(coordinator) if coordinator == self.own.me => self.patience = Instant::NEVER,
            Some(coordinator) => self.begin(Step::Timeout, vec![coordinator], now, out),
            None => self.hold(now, out),
        }
    }

    /// Only whoever hears a higher coordinator than the asker is normal under another one: else two
    /// coordinators would never find each other, or would rob each other of their followers for ever.
    pub(super) fn is_normal_to(&self, asker: NodeId, now: Instant) -> bool {
        let hears =
            self.coordinator == Some(self.own.me) || now.since(self.heard) < self.own.timing.suspicion();
        let content = |coordinator| coordinator == asker || coordinator > asker && hears;
        self.status == Status::Normal && self.coordinator.is_some_and(content)
    }

    /// Answers a question.
    pub(super) fn reply(&self, to: NodeId, ticket: Ticket, yes: bool, out: Out<'_>) {
        self.own.send(to, Message::Reply { ticket, yes }, out);
    }

    /// Stops for somebody's election.
    pub(super) fn halt(&mut self, now: Instant, from: NodeId, ticket: Ticket, out: Out<'_>) {
        self.suspend();
        self.halter = Some(from);
        self.hear(now);
        out.push(Output::Note(Note::Yields(from)));
        self.reply(from, ticket, true, out);
    }

    /// Accepts a coordinator, if this node has stopped for him and for nobody after him.
    pub(super) fn new_coordinator(&mut self, now: Instant, from: NodeId, ticket: Ticket, out: Out<'_>) {
        if self.halter == Some(from) && self.status == Status::Election {
            self.coordinator = Some(from);
            self.status = Status::Reorganization;
            self.hear(now);
        }
        self.reply(from, ticket, true, out);
    }

    /// Goes on as normal, if this node has accepted its coordinator.
    pub(super) fn ready(&mut self, now: Instant, from: NodeId, ticket: Ticket, task: Ticket, out: Out<'_>) {
        if self.coordinator == Some(from) && self.status == Status::Reorganization {
            self.task = Some(task);
            self.follow(from, now, out);
        }
        self.reply(from, ticket, true, out);
    }

    /// An answer, if it is to what is being asked.
    pub(super) fn answered(&mut self, now: Instant, from: NodeId, ticket: Ticket, yes: bool, out: Out<'_>) {
        let asked = |running: &&mut Running| running.ticket == ticket && running.left.contains(&from);
        let Some(running) = self.running.as_mut().filter(asked) else { return };
        running.left.retain(|left| *left != from);
        match running.step {
            Step::Probe => self.leave_it_to(from, now, out),
            Step::Halt => {
                self.up.push(from);
                self.ask(now, out);
            }
            Step::Announce | Step::Ready => self.ask(now, out),
            Step::Check if !yes => self.hold(now, out),
            Step::Check => self.proceed(now, out),
            Step::Timeout | Step::StandBack => self.running = None,
        }
    }

    /// *Election*, step 1: somebody higher is there.
    fn leave_it_to(&mut self, node: NodeId, now: Instant, out: Out<'_>) {
        out.push(Output::Note(Note::Yields(node)));
        self.running = None;
        self.hear(now);
    }
}
