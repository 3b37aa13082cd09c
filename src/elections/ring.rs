//! The ring: a token goes round, and the greatest attribute value it meets wins.
//!
//! # What
//!
//! E. Chang and R. Roberts, *An improved algorithm for decentralized extrema-finding in circular
//! configurations of processes* (1979), for nodes whose order is configured. **The greatest attribute
//! value wins**, of equal ones that of the higher id. There are two modes:
//!
//! * [`Mode::Classic`]: the paper's election, once, on a ring that never breaks;
//! * [`Mode::Deputy`]: an election for a ring that does. It elects a leader and a *deputy* in the
//!   same lap; they watch each other by heartbeats, and the deputy takes over at once.
//!
//! # Rules of the classic mode
//!
//! ELECT(v) with a greater v than its own goes on; one with a smaller v is replaced by a node's
//! own, or swallowed if the node has sent its own already; one with its own v makes it leader. There is no
//! announcement: the token of the winner passes everybody.
//!
//! # Rules of the deputy mode
//!
//! What holds is a *view*: leader, deputy and members, under a number. A view with a higher number replaces one
//! with a lower, never the other way round. `num`, the highest number seen, is kept across crashes.
//!
//! 1. *First lap*: ELECT carries whoever it has visited. A node that finds itself among them closes the lap:
//!    the greatest is leader, the second deputy. Of several elections the one with the highest number
//!    goes on; who saw one that comes to nothing starts another.
//! 2. *Second lap*: VIEW tells everybody.
//! 3. *Hops*: each is acknowledged. A neighbour that does not answer is suspected and the next one is
//!    tried, however many are dead. Any word from a node clears it of suspicion.
//! 4. The leader sends heartbeats with its view to its members, and greets all others with it. Who is behind
//!    takes it over; who is ahead answers with his own. Who finds himself left out of a view holds an election,
//!    so that the parts of a healed partition merge.
//! 5. A member that does not answer the leader is left out of the next view. If it was the deputy, a lap finds
//!    another.
//! 6. A deputy that misses the leader asks the other members whether they hear him. If nobody does, it *takes
//!    over*: its view names itself as leader, and a lap finds its deputy. If nobody listens any more where the
//!    leader was, it takes over at once.
//! 7. A member that misses the leader for much longer holds an election: leader and deputy are gone.
//! 8. *Relay*: everybody tells everybody whom he hears. Where a link is broken, messages go through
//!    somebody who hears both ends.
//!
//! # What it assumes
//!
//! For the numbers: that a node keeps `num`. For one leader: that messages arrive in time and that no
//! partition lasts. Attribute values are configured and known to all.
//!
//! # What holds
//!
//! One view number has one leader, one deputy and the same members, always. A node's view never goes back.
//! When faults end all have one view, with the greatest as leader and the second as deputy. If only
//! the leader dies, its deputy is the next leader.
//!
//! # What is not guaranteed
//!
//! One leader at any moment: a deputy that hears nobody takes over, and so does the deputy of each part of a
//! partition. The number of a view fences only among nodes that hear each other.

mod classic;
mod keeping;
mod laps;
mod links;
mod message;

pub use self::message::{Elect, Message, Token};

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::classic::Classic;
use self::links::Links;
use super::{Election, Input, NodeId, Oneself, Output, Setup, View};
use crate::machine::{JobName, Leadership, Machine};
use crate::time::Instant;

/// How a ring elects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Once, as the paper has it.
    Classic,
    /// With a deputy, and as often as it takes.
    Deputy,
}

/// What is configured about a ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How it elects.
    pub mode: Mode,
    /// The attribute value of each node, in the order of the ring.
    pub values: Arc<[u64]>,
}

impl Rules {
    /// What decides who wins: the greatest.
    pub fn key(&self, node: NodeId) -> (u64, NodeId) {
        (self.values.get(node.index()).copied().unwrap_or(0), node)
    }
}

/// The number of a view, never given to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ViewId {
    /// The number of the election or the change that led to it.
    pub num: u64,
    /// Who made it,
    pub closer: NodeId,
    /// and in which of his lives.
    pub incarnation: u64,
}

/// Who leads whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crew {
    /// The number of the view.
    pub id: ViewId,
    /// Its leader.
    pub leader: NodeId,
    /// Who takes over if the leader is gone.
    pub deputy: Option<NodeId>,
    /// All that are in it, these two among them.
    pub members: Vec<NodeId>,
}

/// A node of a ring.
#[derive(Clone, Debug)]
pub struct Ring {
    own: Oneself,
    rules: Rules,
    classic: Classic,
    links: Links,
    started: bool,
    /// The view that holds here.
    crew: Option<Crew>,
    /// The election that goes on here: its number, and the key of who began it.
    seen: (u64, (u64, NodeId)),
    /// The last election that was closed here.
    closed: u64,
    /// The last view that went round through here.
    passed: Option<ViewId>,
    /// When the election under way has come to nothing.
    watchdog: Instant,
    /// When the leader was heard last,
    heard: Instant,
    /// and when that is too long ago; or when a node that is left out holds an election.
    patience: Instant,
    /// Until when members may tell the deputy that they hear the leader.
    probing: Option<Instant>,
    /// When each member answered the leader last.
    answered: BTreeMap<NodeId, Instant>,
    /// Who did not answer.
    suspects: BTreeSet<NodeId>,
    /// When the next heartbeat is due.
    beat: Instant,
}

type Out<'a> = &'a mut Vec<Output<Message>>;

impl Election for Ring {
    type Message = Message;
    type Rules = Rules;

    fn new(now: Instant, setup: Setup<Rules>) -> Self {
        let own = Oneself::new(&setup);
        Self {
            links: Links::new(&own),
            own,
            rules: setup.rules,
            classic: Classic::default(),
            started: false,
            crew: None,
            seen: (0, (0, NodeId(0))),
            closed: 0,
            passed: None,
            watchdog: Instant::NEVER,
            heard: Instant::LONG_AGO,
            patience: Instant::NEVER,
            probing: None,
            answered: BTreeMap::new(),
            suspects: BTreeSet::new(),
            beat: now,
        }
    }

    fn view(&self) -> View {
        let crew = self.crew.as_ref().filter(|crew| crew.members.contains(&self.own.me));
        let view = View {
            node: self.own.me,
            incarnation: self.own.stable.incarnation,
            status: self.role(),
            settled: crew.is_some(),
            coordinator: crew.map(|crew| crew.leader),
            deputy: crew.and_then(|crew| crew.deputy),
            group: self.crew.as_ref().map_or_else(String::new, |crew| crew.id.to_string()),
            members: crew.map(|crew| crew.members.clone()).unwrap_or_default(),
            number: self.crew.as_ref().map_or(0, |crew| crew.id.num),
        };
        if self.rules.mode == Mode::Classic { self.classic.view(view) } else { view }
    }
}

impl Machine for Ring {
    type Input = Input<Message>;
    type Output = Output<Message>;

    fn handle(&mut self, now: Instant, input: Self::Input, out: &mut Vec<Self::Output>) {
        if !self.started {
            return;
        }
        match input {
            Input::Received(envelope) if self.own.believes(&envelope) => {
                self.links.heard(envelope.from, now);
                self.suspects.remove(&envelope.from);
                self.receive(now, envelope.from, envelope.message, out);
            }
            Input::Received(_) => {}
            Input::Refused(node) => self.refused(now, node, out),
            Input::Begin if self.rules.mode == Mode::Classic => self.initiate(out),
            Input::Begin => self.elect(now, out),
        }
    }

    fn tick(&mut self, now: Instant, out: &mut Vec<Self::Output>) {
        if !self.started && self.beat <= now {
            self.started = true;
            self.own.start(out);
            self.become_patient(now);
        }
        if self.rules.mode == Mode::Classic {
            (self.beat, self.patience) = (Instant::NEVER, Instant::NEVER);
            return;
        }
        self.try_hops_again(now, out);
        if self.watchdog <= now {
            self.elect(now, out);
        }
        if self.probing.is_some_and(|until| until <= now) {
            self.take_over(now, out);
        }
        if self.patience <= now {
            self.miss_the_leader(now, out);
        }
        if self.beat <= now {
            self.make_itself_heard(now, out);
        }
    }

    fn deadline(&self) -> Instant {
        let probing = self.probing.unwrap_or(Instant::NEVER);
        let watch = self.watchdog.min(self.patience).min(self.beat);
        self.links.deadline().min(probing).min(watch)
    }

    fn leadership(&self, _job: &JobName, _now: Instant) -> Leadership {
        self.view().leadership()
    }
}

impl Ring {
    /// The view that holds here.
    pub(crate) fn crew(&self) -> Option<&Crew> {
        self.crew.as_ref()
    }

    fn role(&self) -> &'static str {
        let me = self.own.me;
        match self.crew.as_ref().filter(|crew| crew.members.contains(&me)) {
            _ if self.watchdog < Instant::NEVER => "Electing",
            Some(crew) if crew.leader == me => "Leader",
            Some(crew) if crew.deputy == Some(me) => "Deputy",
            Some(_) => "Follower",
            None => "Joining",
        }
    }

    fn receive(&mut self, now: Instant, from: NodeId, message: Message, out: Out<'_>) {
        match message {
            Message::Value(value) => self.value(value, out),
            Message::Hop { ticket, token } => {
                self.tell(from, Message::Ack { ticket }, now, out);
                self.take(now, from, token, out);
            }
            Message::Ack { ticket } => self.links.arrived(ticket),
            Message::Heartbeat { crew } => self.heartbeat(now, from, crew, out),
            Message::Hello { crew } => self.compare(now, from, crew, out),
            Message::Stale { crew } => self.install(now, crew, out),
            Message::HeartbeatAck { id } => self.acknowledged(now, from, id),
            Message::Probe { id } => self.probed(now, from, id, out),
            Message::Alive { id } => self.reassured(now, id),
            Message::Beat { hears } => self.links.told(from, hears),
            Message::Relay(envelope) => self.relay(now, *envelope, out),
        }
    }
}

impl fmt::Display for ViewId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{},{}", self.num, self.closer, self.incarnation)
    }
}
