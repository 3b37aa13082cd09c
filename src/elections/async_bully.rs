//! The asynchronous bully: a strongest node that hears others halts them one by one and leads them.
//!
//! # What
//!
//! Scott D. Stoller, *Leader Election in Asynchronous Distributed Systems* (2000): the bully without its
//! assumption that the network never fails. **The lowest id is the strongest.** Instead of waiting for
//! answers, a node relies on a failure detector, which may be wrong.
//!
//! ```text
//!             start, or its leader is down, or somebody is not in its group
//!   Norm --------------------------------------------------------------------> Elec2
//!    ^  \  Halt from a stronger one than its leader                              |  all weaker ones
//!    |   +-----------------> Wait <----------------------------------------------+  acknowledged,
//!    |    Ldr                 |                     Halt                         |  refused or down
//!    +------------------------+                                                  |
//!    +---------------------------------------------------------------------------+
//! ```
//!
//! # Rules
//!
//! An election is called by `elid`: who holds it, in which incarnation, and a count of his elections.
//!
//! 1. *`StartStage2`*: begin an election and halt all weaker ones, one after the other, the strongest first.
//!    Who acknowledges is a member; who refuses (`Rej`) or is down is passed over. After the last one
//!    this node is leader, and tells the members (`Ldr`).
//! 2. A `Halt` is refused if this node has a leader, or waits for one, that is stronger than the sender.
//!    Else it waits for him, and *plays dead* to all weaker nodes, so that those it led leave it.
//! 3. If the detector says that the leader, or the one waited for, is down: rule 1.
//! 4. A leader asks all weaker nodes now and then whether they are in its group (`Norm?`). One that is not,
//!    and is led by a weaker one or by nobody, says `NotNorm`, and the leader holds a new election.
//!
//! Three repairs, each for a way to wait for ever:
//!
//! * a `Halt` without an answer is sent again, and acknowledged again: it may have got lost between two
//!   lives of a node that the detector did not tell apart;
//! * a node that waits takes `Norm?` of the election it waits for as `Ldr`, which may have got lost, and
//!   answers `NotNorm` to one of any other election of that node, which has passed it over;
//! * a `Rej` counts only in the election that it refuses.
//!
//! # What it assumes
//!
//! For safety nothing about time; a node's incarnations survive its crashes. The detector asks a node
//! whether it is there and takes long silence, or a refused connection, for death.
//!
//! # What holds
//!
//! Nodes in Norm with the same election have the same leader, who held it (LE1), always. When faults have ended
//! and the detector errs no more, all are in Norm under the strongest node that is up (LE2).
//!
//! # What is not guaranteed
//!
//! One leader: parts of a partition have one each, and so have a node and whoever wrongly takes it for
//! dead. Elections of different nodes cannot be compared, so they fence nothing.

mod detector;
mod message;

pub use self::message::Message;

use std::fmt;

use serde::{Deserialize, Serialize};

use self::detector::Detector;
use super::{Election, Input, NodeId, Note, Oneself, Output, Setup, View};
use crate::machine::{JobName, Leadership, Machine};
use crate::time::Instant;

/// The paper's `elid`: an election, never held twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ElectionId {
    /// Who holds it.
    pub id: NodeId,
    /// In which of his lives.
    pub incarnation: u64,
    /// Which one of that life; later ones have higher numbers.
    pub number: u64,
}

/// The paper's `status`, with what only it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Status {
    /// Not started yet.
    Down,
    /// Halts the weaker ones; `pending` is being halted, and is told again at `again`.
    Elec2 { pending: NodeId, again: Instant },
    /// Waits for a leader to be.
    Wait,
    /// Has a leader.
    Norm { leader: NodeId },
}

/// A node of an asynchronous bully election.
#[derive(Clone, Debug)]
pub struct AsyncBully {
    own: Oneself,
    status: Status,
    elid: ElectionId,
    acks: Vec<NodeId>,
    /// To the weaker nodes this one plays dead.
    plays_dead: bool,
    detector: Detector,
    /// When a leader asks again whether all are in its group, or a node starts.
    next: Instant,
}

type Out<'a> = &'a mut Vec<Output<Message>>;

impl Election for AsyncBully {
    type Message = Message;
    type Rules = ();

    fn new(now: Instant, setup: Setup<()>) -> Self {
        let own = Oneself::new(&setup);
        let elid = ElectionId { id: own.me, incarnation: own.stable.incarnation, number: 0 };
        Self {
            detector: Detector::new(own.timing),
            own,
            status: Status::Down,
            elid,
            acks: Vec::new(),
            plays_dead: false,
            next: now,
        }
    }

    fn view(&self) -> View {
        let leader = match self.status {
            Status::Norm { leader } => Some(leader),
            Status::Down | Status::Elec2 { .. } | Status::Wait => None,
        };
        View {
            node: self.own.me,
            incarnation: self.own.stable.incarnation,
            status: match self.status {
                Status::Down => "Down",
                Status::Elec2 { .. } => "Elec2",
                Status::Wait => "Wait",
                Status::Norm { .. } => "Norm",
            },
            settled: leader.is_some(),
            coordinator: leader,
            deputy: None,
            group: self.elid.to_string(),
            members: self.acks.clone(),
            number: self.elid.incarnation,
        }
    }
}

impl Machine for AsyncBully {
    type Input = Input<Message>;
    type Output = Output<Message>;

    fn handle(&mut self, now: Instant, input: Self::Input, out: &mut Vec<Self::Output>) {
        if self.status == Status::Down {
            return;
        }
        match input {
            Input::Received(envelope) if self.own.believes(&envelope) => {
                self.receive(now, envelope.from, envelope.message, out);
            }
            Input::Received(_) => {}
            Input::Begin => self.start_stage_2(now, out),
            Input::Refused(node) => {
                if self.detector.stop(node) {
                    self.down(now, node, out);
                }
            }
        }
    }

    fn tick(&mut self, now: Instant, out: &mut Vec<Self::Output>) {
        if self.status == Status::Down && self.next <= now {
            self.own.start(out);
            self.start_stage_2(now, out);
        }
        for node in self.detector.tick(now, &self.own, out) {
            self.down(now, node, out);
        }
        match self.status {
            Status::Elec2 { pending, again } if again <= now => self.halt(now, pending, out),
            Status::Norm { leader } if leader == self.own.me && self.next <= now => self.ask_around(now, out),
            Status::Down | Status::Elec2 { .. } | Status::Wait | Status::Norm { .. } => {}
        }
    }

    fn deadline(&self) -> Instant {
        let own = match self.status {
            Status::Elec2 { again, .. } => again,
            Status::Norm { leader } if leader != self.own.me => Instant::NEVER,
            Status::Wait => Instant::NEVER,
            Status::Down | Status::Norm { .. } => self.next,
        };
        own.min(self.detector.deadline())
    }

    fn leadership(&self, _job: &JobName, _now: Instant) -> Leadership {
        self.view().leadership()
    }
}

impl AsyncBully {
    /// The election it is in.
    pub(crate) fn elid(&self) -> ElectionId {
        self.elid
    }

    /// Whether the detector looks after that node.
    pub(crate) fn watches(&self, node: NodeId) -> bool {
        self.detector.watches(node)
    }

    /// Holds an election.
    fn start_stage_2(&mut self, now: Instant, out: Out<'_>) {
        out.push(Output::Note(Note::Holds));
        self.plays_dead = false;
        let number = self.own.ticket().number;
        self.elid = ElectionId { id: self.own.me, incarnation: self.own.stable.incarnation, number };
        self.acks.clear();
        self.detector.watch_only(None, now);
        self.contin_stage_2(now, self.own.me, out);
    }

    /// Halts the next weaker one, or leads when there is none.
    fn contin_stage_2(&mut self, now: Instant, after: NodeId, out: Out<'_>) {
        let pending = NodeId(after.0 + 1);
        if pending.0 < self.own.nodes {
            self.detector.watch(pending, now);
            return self.halt(now, pending, out);
        }
        self.status = Status::Norm { leader: self.own.me };
        self.detector.watch_only(None, now);
        self.next = now + self.own.timing.suspicion();
        out.push(Output::Note(Note::Leads));
        for node in &self.acks {
            self.own.send(*node, Message::Ldr { elid: self.elid }, out);
        }
    }

    /// Says Halt, for the first time or once more.
    fn halt(&mut self, now: Instant, pending: NodeId, out: Out<'_>) {
        self.status = Status::Elec2 { pending, again: now + self.own.timing.reply() };
        self.own.send(pending, Message::Halt { elid: self.elid }, out);
    }

    /// The detector says that a node is down.
    fn down(&mut self, now: Instant, node: NodeId, out: Out<'_>) {
        out.push(Output::Note(Note::Suspects(node)));
        match self.status {
            Status::Norm { leader } if leader == node => self.start_stage_2(now, out),
            Status::Wait if self.elid.id == node => self.start_stage_2(now, out),
            Status::Elec2 { pending, .. } if pending == node => self.contin_stage_2(now, node, out),
            Status::Down | Status::Elec2 { .. } | Status::Wait | Status::Norm { .. } => {}
        }
    }

    /// Every now and then: is everybody in this group?
    fn ask_around(&mut self, now: Instant, out: Out<'_>) {
        self.next = now + self.own.timing.suspicion();
        self.own.higher().for_each(|node| self.own.send(node, Message::AskNorm { elid: self.elid }, out));
    }

    fn receive(&mut self, now: Instant, from: NodeId, message: Message, out: Out<'_>) {
        match message {
            Message::Halt { elid } => self.halted(now, from, elid, out),
            Message::Ack { elid } | Message::Rej { elid } if elid != self.elid => {}
            Message::Ack { .. } => self.pass(now, from, true, out),
            Message::Rej { .. } => self.pass(now, from, false, out),
            Message::Ldr { elid } => self.accept(now, from, elid, out),
            Message::AskNorm { elid } => self.say_whether_norm(now, from, elid, out),
            Message::NotNorm { elid } => {
                let leads = self.status == Status::Norm { leader: self.own.me };
                if leads && self.elid == elid {
                    self.start_stage_2(now, out);
                }
            }
            Message::AreYouThere => {
                let up = !(self.plays_dead && from > self.own.me);
                self.own.send(from, Message::IAmThere { up }, out);
            }
            Message::IAmThere { up: true } => self.detector.heard(from, now),
            Message::IAmThere { up: false } => {
                if self.detector.stop(from) {
                    self.down(now, from, out);
                }
            }
        }
    }

    /// Somebody stronger wants this node to wait for him, or a weaker one thinks he is stronger.
    fn halted(&mut self, now: Instant, from: NodeId, elid: ElectionId, out: Out<'_>) {
        let refuses = match self.status {
            Status::Norm { leader } => leader < from,
            Status::Wait => self.elid.id < from,
            Status::Down | Status::Elec2 { .. } => self.own.me < from,
        };
        if refuses {
            return self.own.send(from, Message::Rej { elid }, out);
        }
        let same = elid.id == self.elid.id;
        if same && elid < self.elid {
            return; // He has long held another election.
        }
        if !same || elid > self.elid {
            out.push(Output::Note(Note::Yields(from)));
            self.plays_dead = true;
            self.elid = elid;
            self.acks.clear();
            self.status = Status::Wait;
            self.detector.watch_only(Some(from), now);
        }
        self.own.send(from, Message::Ack { elid }, out);
    }

    /// The node that is being halted has answered.
    fn pass(&mut self, now: Instant, from: NodeId, member: bool, out: Out<'_>) {
        if !matches!(self.status, Status::Elec2 { pending, .. } if pending == from) {
            return;
        }
        if member {
            self.acks.push(from);
        }
        self.detector.stop(from);
        self.contin_stage_2(now, from, out);
    }

    /// Whoever this node waits for has become leader.
    fn accept(&mut self, now: Instant, from: NodeId, elid: ElectionId, out: Out<'_>) {
        if self.status == Status::Wait && self.elid == elid {
            self.status = Status::Norm { leader: from };
            self.detector.watch_only(Some(from), now);
            out.push(Output::Note(Note::Follows(from)));
        }
    }

    /// A leader asks whether this node is in its group.
    fn say_whether_norm(&mut self, now: Instant, from: NodeId, elid: ElectionId, out: Out<'_>) {
        let not_norm = match self.status {
            Status::Wait if elid == self.elid => return self.accept(now, from, elid, out),
            Status::Norm { leader } => from < leader || from == leader && elid != self.elid,
            Status::Wait => from <= self.elid.id,
            Status::Elec2 { .. } | Status::Down => from < self.own.me,
        };
        if not_norm {
            self.own.send(from, Message::NotNorm { elid }, out);
        }
    }
}

impl fmt::Display for ElectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{},{}", self.id, self.incarnation, self.number)
    }
}
