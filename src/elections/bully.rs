//! The bully: of all nodes that are up, the one with the highest id makes itself coordinator.
//!
//! # What
//!
//! Hector Garcia-Molina, *Elections in a Distributed Computing System* (1982), section 3, and what
//! textbooks made of it. **The highest id wins.** There are three profiles of one core:
//!
//! * [`Profile::Exam`]: ELECTION, OK and COORDINATOR, as textbooks tell it and nothing more;
//! * [`Profile::Textbook`]: the same, and an OK says which leader its sender hears (the *hint*);
//! * [`Profile::GarciaMolina`]: the paper's procedures.
//!
//! ```text
//!             probe the higher ones            take over
//!   Down ---> Election --- nobody answers ---> [halt the lower ones] -> Reorganization -> Normal
//!                |  ^                           exam: COORDINATOR to all, Normal at once
//!      answered  |  |  he who answered died
//!                v  |
//!             stand back
//! ```
//!
//! # Rules of the exam
//!
//! 1. Whoever starts, or misses its coordinator, *holds an election*: it sends ELECTION to all higher
//!    ids and waits for an OK. Nobody there: it is coordinator and sends COORDINATOR to all.
//! 2. An OK means that somebody higher takes over: stand back and wait for his COORDINATOR; hold
//!    another election if it does not come.
//! 3. An ELECTION from below is answered with OK, first of all. Then hold an election, unless one is
//!    held. With the hint, a node that heard its coordinator of late names him in the OK instead.
//! 4. A COORDINATOR from above is always accepted, whoever was coordinator before; one from below
//!    is answered with an election.
//! 5. The coordinator sends heartbeats to *all configured* nodes, so that the parts of a healed
//!    partition find each other.
//!
//! # Rules of Garcia-Molina
//!
//! Each node has a status `s`, a coordinator `c`, the node `h` that halted it last, and `Up`, those that
//! it halted itself. Each procedure asks one node after the other and waits for each answer.
//!
//! 1. *Election*: are you there, higher ones? Any answer: leave it to him. None: halt the lower ones,
//!    highest first (the election point follows), make them accept the new coordinator, then make
//!    them ready. Whoever of them fails meanwhile makes this node begin again.
//! 2. *Halt* stops whatever a node does. *`NewCoordinator`* counts only from whoever halted it last.
//! 3. *Check*: the coordinator now and then asks all whether they are normal. A No is an election.
//! 4. *Timeout*: a node that has not heard its coordinator for long asks whether he is there, or, in
//!    the middle of an election, holds one.
//!
//! One repair: a node answers that it is normal only to its own coordinator, or if it hears a higher
//! one than the asker. In the original the followers of any coordinator are normal to all others, so
//! coordinators whose partition has healed never merge.
//!
//! # What it assumes
//!
//! That the network never fails, and that a node that is up answers in time (`Timing::reply`): the
//! paper's assumptions 8 and 9. Restarts are told apart by incarnations.
//!
//! # What holds
//!
//! Under these assumptions and Garcia-Molina's rules no two nodes in Reorganization or Normal ever name
//! different coordinators (assertion 1). By the rules of the exam they do for a moment, because
//! COORDINATOR stands for Halt, `NewCoordinator` and Ready at once. In both, when faults end, all that are
//! up agree on the highest (assertion 2).
//!
//! # What is not guaranteed
//!
//! Without the assumptions, a slow message is a wrong suspicion, and two coordinators work at once.
//! Nothing numbers a leadership, so nothing can refuse the former one.

mod exam;
mod garcia_molina;
mod message;
mod steps;

pub use self::message::Message;

use super::{Election, Input, NodeId, Note, Oneself, Output, Setup, Ticket, View};
use crate::machine::{JobName, Leadership, Machine};
use crate::time::Instant;

/// Which rules are played by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// The textbook's three messages, strictly.
    Exam,
    /// The same with the hint.
    Textbook,
    /// The paper's procedures.
    GarciaMolina,
}

/// The paper's `s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Down,
    Election,
    Reorganization,
    Normal,
}

/// One step of a procedure: questions that are to be answered in time.
#[derive(Clone, Debug)]
struct Running {
    step: Step,
    ticket: Ticket,
    /// Who has not answered. One after the other is asked, or all at once.
    left: Vec<NodeId>,
    until: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Is somebody higher there?
    Probe,
    /// Somebody is; he will make himself heard.
    StandBack,
    /// Stop what you do.
    Halt,
    /// I am the coordinator.
    Announce,
    /// Go on as normal.
    Ready,
    /// Are you all normal?
    Check,
    /// Are you still there, coordinator?
    Timeout,
}

/// A node of a bully election.
#[derive(Clone, Debug)]
pub struct Bully {
    own: Oneself,
    profile: Profile,
    status: Status,
    /// The paper's `c`.
    coordinator: Option<NodeId>,
    /// The paper's `h`: who halted this node last.
    halter: Option<NodeId>,
    /// The paper's `Up`: whom this node halted.
    up: Vec<NodeId>,
    /// The paper's `d`: what its coordinator has everybody do.
    task: Option<Ticket>,
    running: Option<Running>,
    /// When the coordinator was heard last.
    heard: Instant,
    /// When silence has lasted too long.
    patience: Instant,
    /// When the coordinator makes itself heard again.
    beat: Instant,
}

type Out<'a> = &'a mut Vec<Output<Message>>;

impl Election for Bully {
    type Message = Message;
    type Rules = Profile;

    fn new(now: Instant, setup: Setup<Profile>) -> Self {
        Self {
            own: Oneself::new(&setup),
            profile: setup.rules,
            status: Status::Down,
            coordinator: None,
            halter: None,
            up: Vec::new(),
            task: None,
            running: None,
            heard: Instant::LONG_AGO,
            patience: now,
            beat: Instant::NEVER,
        }
    }

    fn view(&self) -> View {
        View {
            node: self.own.me,
            incarnation: self.own.stable.incarnation,
            status: match self.status {
                Status::Down => "Down",
                Status::Election => "Election",
                Status::Reorganization => "Reorganization",
                Status::Normal => "Normal",
            },
            settled: self.status == Status::Normal,
            coordinator: self.coordinator,
            deputy: None,
            group: "0".to_owned(),
            members: self.up.clone(),
            number: 0,
        }
    }
}

impl Machine for Bully {
    type Input = Input<Message>;
    type Output = Output<Message>;

    fn handle(&mut self, now: Instant, input: Self::Input, out: &mut Vec<Self::Output>) {
        if self.own.tickets == 0 {
            return; // Before its recovery a node is not there.
        }
        match input {
            Input::Received(envelope) if self.own.believes(&envelope) => {
                if self.coordinator == Some(envelope.from) {
                    self.hear(now);
                }
                self.receive(now, envelope.from, &envelope.message, out);
            }
            Input::Received(_) => {}
            Input::Refused(node) => self.refused(now, node, out),
            Input::Begin => self.hold(now, out),
        }
    }

    fn tick(&mut self, now: Instant, out: &mut Vec<Self::Output>) {
        if self.own.tickets == 0 && self.patience <= now {
            self.own.start(out);
            self.hold(now, out);
        }
        while self.running.as_ref().is_some_and(|running| running.until <= now) {
            self.silence(now, out);
        }
        if self.patience <= now {
            self.lose_patience(now, out);
        }
        if self.beat <= now {
            self.make_itself_heard(now, out);
        }
    }

    fn deadline(&self) -> Instant {
        let until = self.running.as_ref().map_or(Instant::NEVER, |running| running.until);
        until.min(self.patience).min(self.beat)
    }

    fn leadership(&self, _job: &JobName, _now: Instant) -> Leadership {
        self.view().leadership()
    }
}

impl Bully {
    /// The paper's `d`: what everybody under one coordinator is to do.
    pub(crate) fn task(&self) -> Option<Ticket> {
        self.task
    }

    /// *Election*, and its first step: to ask the higher ones whether they are there.
    fn hold(&mut self, now: Instant, out: Out<'_>) {
        out.push(Output::Note(Note::Holds));
        if self.profile != Profile::GarciaMolina {
            self.suspend();
        }
        let higher = self.own.higher().collect();
        self.begin(Step::Probe, higher, now, out);
    }

    /// This node is in an election, and nobody's.
    fn suspend(&mut self) {
        self.status = Status::Election;
        self.coordinator = None;
        self.running = None;
        self.patience = Instant::NEVER;
        self.beat = Instant::NEVER;
    }

    /// This node is coordinator, and normal.
    fn lead(&mut self, now: Instant, out: Out<'_>) {
        self.status = Status::Normal;
        self.coordinator = Some(self.own.me);
        self.running = None;
        self.patience = Instant::NEVER;
        self.beat = now + self.own.timing.heartbeat();
        out.push(Output::Note(Note::Leads));
    }

    /// That node is coordinator, and this one normal.
    fn follow(&mut self, coordinator: NodeId, now: Instant, out: Out<'_>) {
        if self.status != Status::Normal || self.coordinator != Some(coordinator) {
            out.push(Output::Note(Note::Follows(coordinator)));
        }
        self.status = Status::Normal;
        self.coordinator = Some(coordinator);
        self.running = None;
        self.beat = Instant::NEVER;
        self.hear(now);
    }

    /// The coordinator was heard.
    fn hear(&mut self, now: Instant) {
        let timing = self.own.timing;
        self.heard = now;
        self.patience = now + timing.suspicion() + self.own.jitter(timing.reply());
    }

    /// The coordinator was not heard for long.
    fn lose_patience(&mut self, now: Instant, out: Out<'_>) {
        match self.profile {
            Profile::Exam | Profile::Textbook => {
                out.extend(self.coordinator.map(|node| Output::Note(Note::Suspects(node))));
                self.hold(now, out);
            }
            Profile::GarciaMolina => self.time_out(now, out),
        }
    }

    fn make_itself_heard(&mut self, now: Instant, out: Out<'_>) {
        self.beat = now + self.own.timing.heartbeat();
        match self.profile {
            Profile::Exam | Profile::Textbook => {
                self.own.others().for_each(|node| self.own.send(node, Message::Heartbeat, out));
            }
            Profile::GarciaMolina if self.running.is_none() => {
                self.begin(Step::Check, self.own.others().collect(), now, out);
            }
            Profile::GarciaMolina => {}
        }
    }

    fn receive(&mut self, now: Instant, from: NodeId, message: &Message, out: Out<'_>) {
        match *message {
            Message::Election { ticket } => self.election(now, from, ticket, out),
            Message::Ok { ticket, leader } => self.ok(now, from, ticket, leader, out),
            Message::Coordinator => self.coordinator(now, from, out),
            Message::Heartbeat => self.heartbeat(now, from, out),
            Message::AreYouThere { ticket } => self.reply(from, ticket, true, out),
            Message::AreYouNormal { ticket } => {
                self.reply(from, ticket, self.is_normal_to(from, now), out);
            }
            Message::Halt { ticket } => self.halt(now, from, ticket, out),
            Message::NewCoordinator { ticket } => self.new_coordinator(now, from, ticket, out),
            Message::Ready { ticket, task } => self.ready(now, from, ticket, task, out),
            Message::Reply { ticket, yes } => self.answered(now, from, ticket, yes, out),
        }
    }
}
