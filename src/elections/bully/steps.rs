//! How a procedure goes on from question to question, whichever the profile.

use super::{Bully, Out, Profile, Running, Status, Step};
use crate::elections::{NodeId, Note, Output};
use crate::time::Instant;

impl Bully {
    /// Begins a step that asks `left`.
    pub(super) fn begin(&mut self, step: Step, left: Vec<NodeId>, now: Instant, out: Out<'_>) {
        let ticket = self.own.ticket();
        if step == Step::Ready {
            self.task = Some(ticket);
        }
        self.running = Some(Running { step, ticket, left, until: Instant::NEVER });
        self.ask(now, out);
    }

    /// Asks the next one, or all at once, or goes on when none is left.
    pub(super) fn ask(&mut self, now: Instant, out: Out<'_>) {
        let at_once = self.asks_at_once();
        let Some(running) = &mut self.running else { return };
        running.until = now + self.own.timing.reply();
        let (step, ticket) = (running.step, running.ticket);
        let most = if at_once { running.left.len() } else { 1 };
        let asked: Vec<_> = running.left.iter().copied().take(most).collect();
        if asked.is_empty() {
            return self.complete(step, now, out);
        }
        for node in asked {
            self.own.send(node, self.question(step, ticket), out);
        }
    }

    fn asks_at_once(&self) -> bool {
        let step = self.running.as_ref().map(|running| running.step);
        step == Some(Step::Check) || self.profile != Profile::GarciaMolina
    }

    /// The time for an answer is over.
    pub(super) fn silence(&mut self, now: Instant, out: Out<'_>) {
        let at_once = self.asks_at_once();
        let Some(running) = &mut self.running else { return };
        if running.step == Step::StandBack {
            return self.hold(now, out);
        }
        let silent = if at_once { running.left.len() } else { 1 };
        let silent: Vec<_> = running.left.drain(..silent).collect();
        self.unanswered(&silent, now, out);
    }

    /// They do not answer.
    fn unanswered(&mut self, silent: &[NodeId], now: Instant, out: Out<'_>) {
        out.extend(silent.iter().map(|node| Output::Note(Note::Suspects(*node))));
        match self.running.as_ref().map(|running| running.step) {
            Some(Step::Announce | Step::Ready | Step::Timeout) => self.hold(now, out),
            Some(Step::Check) => self.proceed(now, out),
            Some(Step::Probe | Step::Halt) => self.ask(now, out),
            Some(Step::StandBack) | None => {}
        }
    }

    /// Goes on when all have answered that were asked at once.
    pub(super) fn proceed(&mut self, now: Instant, out: Out<'_>) {
        let done = |running: &&Running| running.left.is_empty();
        if let Some(step) = self.running.as_ref().filter(done).map(|running| running.step) {
            self.complete(step, now, out);
        }
    }

    /// A step was taken with nobody left to ask.
    fn complete(&mut self, step: Step, now: Instant, out: Out<'_>) {
        match step {
            Step::Probe if self.profile == Profile::GarciaMolina => self.halt_the_lower(now, out),
            Step::Probe => self.win(now, out),
            Step::Halt => self.reach_the_election_point(now, out),
            Step::Announce => self.begin(Step::Ready, self.up.clone(), now, out),
            Step::Ready => self.lead(now, out),
            Step::Check | Step::Timeout | Step::StandBack => self.running = None,
        }
    }

    /// Nobody listens where that node should be.
    pub(super) fn refused(&mut self, now: Instant, node: NodeId, out: Out<'_>) {
        let at_once = self.asks_at_once();
        if let Some(running) = &mut self.running {
            let asked = if at_once { running.left.len() } else { 1 };
            if running.left.iter().take(asked).any(|left| *left == node) {
                running.left.retain(|left| *left != node);
                if !at_once || running.left.is_empty() {
                    self.unanswered(&[node], now, out);
                }
            }
        } else if self.status == Status::Normal && self.coordinator == Some(node) {
            out.push(Output::Note(Note::Suspects(node)));
            self.hold(now, out);
        }
    }
}
