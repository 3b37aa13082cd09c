//! What keeps a view true: heartbeats, the deputy's take-over, and elections when all else fails.

use std::time::Duration;

use super::{Crew, Message, Out, Ring, ViewId};
use crate::elections::{NodeId, Note, Output};
use crate::time::Instant;

/// How many times longer than the deputy a follower waits: for its probe, its take-over and a lap.
const FOLLOWERS_WAIT: u32 = 3;

impl Ring {
    /// From now on the leader may be silent for so long.
    pub(super) fn become_patient(&mut self, now: Instant) {
        let (suspicion, reply) = (self.own.timing.suspicion(), self.own.timing.reply());
        self.patience = match self.role_in_crew() {
            Role::Leader => Instant::NEVER,
            Role::Deputy => now + suspicion,
            Role::Follower | Role::Unborn => now + FOLLOWERS_WAIT * suspicion + self.own.jitter(suspicion),
            Role::LeftOut => now + reply + self.own.jitter(suspicion),
        };
    }

    fn role_in_crew(&self) -> Role {
        let me = self.own.me;
        match &self.crew {
            None => Role::Unborn,
            Some(crew) if !crew.members.contains(&me) => Role::LeftOut,
            Some(crew) if crew.leader == me => Role::Leader,
            Some(crew) if crew.deputy == Some(me) => Role::Deputy,
            Some(_) => Role::Follower,
        }
    }

    /// The leader was silent for too long, or there is none.
    pub(super) fn miss_the_leader(&mut self, now: Instant, out: Out<'_>) {
        let crew = self.crew.clone();
        match (self.role_in_crew(), crew) {
            (Role::Leader, _) => self.patience = Instant::NEVER,
            (Role::Deputy, Some(crew)) if self.watchdog == Instant::NEVER => {
                out.push(Output::Note(Note::Suspects(crew.leader)));
                self.patience = Instant::NEVER;
                self.probing = Some(now + self.own.timing.reply());
                let others =
                    crew.members.iter().filter(|node| **node != self.own.me && **node != crew.leader);
                others.for_each(|node| self.tell(*node, Message::Probe { id: crew.id }, now, out));
            }
            (Role::Unborn | Role::LeftOut | Role::Deputy | Role::Follower, _) => self.elect(now, out),
        }
    }

    /// Nobody listens where that node should be: its deputy need not ask anybody whether it is gone.
    pub(super) fn miss_at_once(&mut self, now: Instant, node: NodeId, out: Out<'_>) {
        let leader = self.crew.as_ref().map(|crew| crew.leader);
        let calm = self.watchdog == Instant::NEVER;
        if calm && leader == Some(node) && self.role_in_crew() == Role::Deputy {
            out.push(Output::Note(Note::Suspects(node)));
            self.take_over(now, out);
        }
    }

    /// The deputy asks whether the leader is heard here.
    pub(super) fn probed(&mut self, now: Instant, from: NodeId, id: ViewId, out: Out<'_>) {
        let same = self.crew.as_ref().is_some_and(|crew| crew.id == id);
        if same && now.since(self.heard) <= 2 * self.own.timing.heartbeat() {
            self.tell(from, Message::Alive { id }, now, out);
        }
    }

    /// Somebody hears the leader.
    pub(super) fn reassured(&mut self, now: Instant, id: ViewId) {
        if self.probing.is_some() && self.crew.as_ref().is_some_and(|crew| crew.id == id) {
            self.probing = None;
            self.become_patient(now);
        }
    }

    /// Nobody hears the leader: if this node still is the deputy, it leads from here.
    pub(super) fn take_over(&mut self, now: Instant, out: Out<'_>) {
        self.probing = None;
        let Some(crew) = self.crew.clone().filter(|_| self.role_in_crew() == Role::Deputy) else { return };
        self.suspects.insert(crew.leader);
        let members = crew.members.into_iter().filter(|node| *node != crew.leader).collect::<Vec<_>>();
        let alone = members.len() == 1;
        let num = self.number_after_all(out);
        let crew = Crew { id: self.view_id(num), leader: self.own.me, deputy: None, members };
        self.proclaim(now, crew, out);
        if !alone {
            self.elect(now, out);
        }
    }

    /// A heartbeat is due: of everybody, that he is there, and of the leader, what holds.
    pub(super) fn make_itself_heard(&mut self, now: Instant, out: Out<'_>) {
        self.beat = now + self.own.timing.heartbeat();
        let hears = self.links.hears(now);
        for node in self.own.others() {
            self.own.send(node, Message::Beat { hears: hears.clone() }, out);
        }
        let Some(crew) = self.crew.clone().filter(|_| self.role_in_crew() == Role::Leader) else { return };
        for node in self.own.others() {
            let crew = crew.clone();
            let member = crew.members.contains(&node);
            let word = if member { Message::Heartbeat { crew } } else { Message::Hello { crew } };
            self.tell(node, word, now, out);
        }
        self.look_after(now, crew, out);
    }

    /// The leader leaves out whoever does not answer.
    fn look_after(&mut self, now: Instant, crew: Crew, out: Out<'_>) {
        if self.watchdog < Instant::NEVER {
            return; // An election is under way, and will show who is there.
        }
        let (me, patience) = (self.own.me, self.own.timing.suspicion());
        let silent = |node: &NodeId| *node != me && self.silence(*node, now) > patience;
        let (silent, members): (Vec<_>, Vec<_>) = crew.members.into_iter().partition(silent);
        if silent.is_empty() && (crew.deputy.is_some() || members.len() == 1) {
            return;
        }
        out.extend(silent.iter().map(|node| Output::Note(Note::Suspects(*node))));
        self.suspects.extend(silent.iter().copied());
        if crew.deputy.is_none_or(|deputy| silent.contains(&deputy)) {
            return self.elect(now, out);
        }
        let num = self.number_after_all(out);
        let crew = Crew { id: self.view_id(num), leader: me, deputy: crew.deputy, members };
        self.proclaim(now, crew, out);
    }

    fn silence(&self, node: NodeId, now: Instant) -> Duration {
        self.answered.get(&node).map_or(Duration::ZERO, |answered| now.since(*answered))
    }

    /// The leader is there.
    pub(super) fn heartbeat(&mut self, now: Instant, from: NodeId, crew: Crew, out: Out<'_>) {
        let id = crew.id;
        self.compare(now, from, crew, out);
        if self.crew.as_ref().is_some_and(|mine| mine.id == id && mine.leader == from) {
            self.heard = now;
            self.probing = None;
            if self.watchdog == Instant::NEVER {
                self.become_patient(now);
            }
            self.tell(from, Message::HeartbeatAck { id }, now, out);
        }
    }

    /// A member is there.
    pub(super) fn acknowledged(&mut self, now: Instant, from: NodeId, id: ViewId) {
        if self.crew.as_ref().is_some_and(|crew| crew.id == id) {
            self.answered.insert(from, now);
        }
    }
}

/// What a node is in its view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Leader,
    Deputy,
    Follower,
    /// It has no view yet.
    Unborn,
    /// Its view is of others.
    LeftOut,
}
