//! The invitation: nodes that hear each other form groups, and groups merge.
//!
//! # What
//!
//! Hector Garcia-Molina, *Elections in a Distributed Computing System* (1982), section 4: the
//! election for networks that fail. Each node begins as a group of its own. Coordinators look
//! for other coordinators and invite them, with their members, into a new group. **The highest
//! id usually wins**, because it is the first to invite; it is not promised.
//!
//! ```text
//!            Recovery: a group of its own
//!   Down ---------------------------------> Normal ---- Merge: invites ----> Election
//!                     ^                       | ^                               |
//!                     |              invited  | | Ready                         | time is up
//!     coordinator gone, or says No            v |                               v
//!                     +------------------ Reorganization <---------------- Reorganization
//!                                            (member)     Ready to members  (coordinator)
//! ```
//!
//! # Rules
//!
//! A group has a number `g`: its coordinator, and a count that each node keeps across crashes and never
//! uses twice. `Up` are those who accepted this node's invitation.
//!
//! 1. *Recovery*: a new group, alone, normal at once. At the start, and whenever the coordinator is lost.
//! 2. *Check*: a normal coordinator now and then asks all others whether they are one too. If some are,
//!    it waits in proportion to how far it is below the highest of them, and merges if it is still
//!    normal, coordinator, and of the same group.
//! 3. *Merge*: a new group; invitations to those coordinators and to its own old members. After the time
//!    that two hops and a forwarding take, those who have accepted are made ready.
//! 4. *Invitation*: a normal node accepts; a coordinator passes it on to its old members, who are
//!    to answer the one who invites and not the one who passed it on. It is in Reorganization
//!    before its Accept leaves, so that no Ready comes too soon. An Accept that is not answered means Recovery.
//! 5. *Timeout*: a member asks its coordinator now and then whether he is there, for this group and
//!    with this member, **in Reorganization too**. No, or no answer, means Recovery, unless the node has
//!    changed its group since it asked.
//!
//! # What it assumes
//!
//! Nothing about time, and nothing about the network but that it invents no messages. A node's counter
//! survives its crashes.
//!
//! # What holds
//!
//! Two nodes in Reorganization or Normal with the same group number have the same coordinator, and if both
//! are Normal the same task, always (assertion 3). When faults end and everybody can talk to everybody,
//! there is one group at last (assertion 4).
//!
//! # What is not guaranteed
//!
//! One leader: each group has its own, and a node can be in a group whose coordinator has forgotten it, for
//! as long as it takes to ask. Nodes that hear their neighbours but not all nodes (a hears b, b hears c, a
//! does not hear c) may regroup for ever: there is no right grouping. Counters of different nodes are not
//! comparable, so a group number is no fencing token.

mod answers;
mod message;

pub use self::message::Message;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Election, Input, NodeId, Note, Oneself, Output, Setup, Ticket, Timing, View};
use crate::machine::{JobName, Leadership, Machine};
use crate::time::Instant;

/// The number of a group, never used for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Group {
    /// Who made it.
    pub coordinator: NodeId,
    /// Which of his groups it is.
    pub counter: u64,
}

/// The paper's `s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Down,
    Election,
    Reorganization,
    Normal,
}

/// What a node waits for, and in which group.
#[derive(Clone, Debug)]
struct Running {
    step: Step,
    ticket: Ticket,
    group: Group,
    until: Instant,
}

#[derive(Clone, Debug)]
enum Step {
    /// Who else is coordinator?
    Check { asked: BTreeSet<NodeId>, found: BTreeSet<NodeId> },
    /// A higher one may merge first.
    Defer { found: BTreeSet<NodeId> },
    /// Who accepts?
    Merge,
    /// Who is ready?
    Ready { left: BTreeSet<NodeId> },
    /// Does he know that I have accepted?
    Accept,
    /// Is my coordinator there?
    Timeout,
}

/// A node of an invitation election.
#[derive(Clone, Debug)]
pub struct Invitation {
    own: Oneself,
    status: Status,
    /// The paper's `g`, and in it `c`.
    group: Group,
    /// The paper's `Up`.
    up: BTreeSet<NodeId>,
    /// The paper's `d`: here, who works in this group.
    task: Vec<NodeId>,
    running: Option<Running>,
    /// When *Check* or *Timeout* is to run again.
    next: Instant,
}

type Out<'a> = &'a mut Vec<Output<Message>>;

/// Until when accepts must be here: an invitation, a forwarding, an accept.
fn gathering(timing: Timing) -> Duration {
    timing.delay * 7 / 2
}

/// How much longer each lower node waits with a merge: longer than a merge takes.
fn deference(timing: Timing) -> Duration {
    gathering(timing) + 2 * timing.reply()
}

impl Election for Invitation {
    type Message = Message;
    type Rules = ();

    fn new(now: Instant, setup: Setup<()>) -> Self {
        let own = Oneself::new(&setup);
        let group = Group { coordinator: own.me, counter: own.stable.counter };
        Self {
            own,
            status: Status::Down,
            group,
            up: BTreeSet::new(),
            task: Vec::new(),
            running: None,
            next: now,
        }
    }

    fn view(&self) -> View {
        let up = self.status != Status::Down;
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
            coordinator: Some(self.group.coordinator).filter(|_| up),
            deputy: None,
            group: self.group.to_string(),
            members: self.up.iter().copied().collect(),
            number: self.group.counter,
        }
    }
}

impl Machine for Invitation {
    type Input = Input<Message>;
    type Output = Output<Message>;

    fn handle(&mut self, now: Instant, input: Self::Input, out: &mut Vec<Self::Output>) {
        if self.status == Status::Down {
            return;
        }
        match input {
            Input::Received(envelope) if self.own.believes(&envelope) => self.receive(now, envelope, out),
            Input::Received(_) => {}
            Input::Refused(node) => self.refused(now, node, out),
            Input::Begin => self.look_around(now, out),
        }
    }

    fn tick(&mut self, now: Instant, out: &mut Vec<Self::Output>) {
        if self.status == Status::Down && self.next <= now {
            self.own.start(out);
            self.recover(now, out);
        }
        while self.running.as_ref().is_some_and(|running| running.until <= now) {
            self.expire(now, out);
        }
        if self.next <= now {
            self.look_around(now, out);
        }
    }

    fn deadline(&self) -> Instant {
        self.running.as_ref().map_or(Instant::NEVER, |running| running.until).min(self.next)
    }

    fn leadership(&self, _job: &JobName, _now: Instant) -> Leadership {
        self.view().leadership()
    }
}

impl Invitation {
    /// The group it is in.
    pub(crate) fn group(&self) -> Group {
        self.group
    }

    /// The paper's `d`.
    pub(crate) fn task(&self) -> &[NodeId] {
        &self.task
    }

    fn leads(&self) -> bool {
        self.group.coordinator == self.own.me
    }

    /// A group that has never been, kept before anybody hears of it.
    fn found_group(&mut self, out: Out<'_>) {
        self.own.stable.counter += 1;
        out.push(Output::Persist(self.own.stable));
        self.group = Group { coordinator: self.own.me, counter: self.own.stable.counter };
    }

    /// *Recovery*: a group of its own.
    fn recover(&mut self, now: Instant, out: Out<'_>) {
        self.found_group(out);
        self.up.clear();
        self.settle(now, vec![self.own.me], out);
    }

    /// Works under its coordinator.
    fn settle(&mut self, now: Instant, task: Vec<NodeId>, out: Out<'_>) {
        self.status = Status::Normal;
        self.task = task;
        self.running = None;
        self.rest(now);
        out.push(Output::Note(if self.leads() {
            Note::Leads
        } else {
            Note::Follows(self.group.coordinator)
        }));
    }

    fn rest(&mut self, now: Instant) {
        let pause = self.own.timing.heartbeat();
        self.next = now + pause + self.own.jitter(pause);
    }

    fn wait(&mut self, step: Step, ticket: Ticket, until: Instant) {
        self.running = Some(Running { step, ticket, group: self.group, until });
    }

    /// *Check* of a coordinator, *Timeout* of a member.
    fn look_around(&mut self, now: Instant, out: Out<'_>) {
        self.rest(now);
        if self.running.is_some() {
            return;
        }
        let (ticket, until) = (self.own.ticket(), now + self.own.timing.reply());
        if !self.leads() {
            let question = Message::AreYouThere { ticket, group: self.group };
            self.own.send(self.group.coordinator, question, out);
            self.wait(Step::Timeout, ticket, until);
        } else if self.status == Status::Normal {
            let asked: BTreeSet<_> = self.own.others().collect();
            for node in &asked {
                self.own.send(*node, Message::AreYouCoordinator { ticket }, out);
            }
            self.wait(Step::Check { asked, found: BTreeSet::new() }, ticket, until);
        }
    }

    /// The time for something is over.
    fn expire(&mut self, now: Instant, out: Out<'_>) {
        let Some(Running { step, group, .. }) = self.running.take() else { return };
        match step {
            Step::Check { found, .. } => self.defer(now, found, out),
            Step::Defer { found } if self.status == Status::Normal && self.group == group => {
                self.merge(now, &found, out);
            }
            Step::Merge => self.reorganize(now, out),
            Step::Ready { left } => {
                self.up.retain(|node| !left.contains(node));
                self.settle(now, self.task.clone(), out);
            }
            Step::Accept | Step::Timeout if self.group == group => {
                out.push(Output::Note(Note::Suspects(group.coordinator)));
                self.recover(now, out);
            }
            Step::Defer { .. } | Step::Accept | Step::Timeout => {}
        }
    }

    /// *Check*, second half: the further below the highest it is, the longer it waits.
    fn defer(&mut self, now: Instant, found: BTreeSet<NodeId>, out: Out<'_>) {
        let Some(highest) = found.last() else { return };
        let below = u32::from(highest.0.saturating_sub(self.own.me.0));
        if below == 0 {
            return self.merge(now, &found, out);
        }
        out.push(Output::Note(Note::Yields(*highest)));
        let timing = self.own.timing;
        let until = now + deference(timing) * below + self.own.jitter(timing.delay);
        let ticket = self.own.ticket();
        self.wait(Step::Defer { found }, ticket, until);
    }

    /// *Merge*: invites other coordinators, and its own members anew.
    fn merge(&mut self, now: Instant, found: &BTreeSet<NodeId>, out: Out<'_>) {
        out.push(Output::Note(Note::Holds));
        self.status = Status::Election;
        self.found_group(out);
        let old = std::mem::take(&mut self.up);
        let invited = found.iter().chain(old.difference(found));
        invited.for_each(|node| self.own.send(*node, Message::Invitation { group: self.group }, out));
        let ticket = self.own.ticket();
        self.wait(Step::Merge, ticket, now + gathering(self.own.timing));
    }

    /// *Merge*, second half: makes those ready that have accepted.
    fn reorganize(&mut self, now: Instant, out: Out<'_>) {
        self.status = Status::Reorganization;
        self.task = self.up.iter().copied().chain([self.own.me]).collect();
        let (ticket, left) = (self.own.ticket(), self.up.clone());
        for node in &left {
            let ready = Message::Ready { ticket, group: self.group, task: self.task.clone() };
            self.own.send(*node, ready, out);
        }
        if left.is_empty() {
            return self.settle(now, self.task.clone(), out);
        }
        self.wait(Step::Ready { left }, ticket, now + self.own.timing.reply());
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.coordinator, self.counter)
    }
}
