//! The classic elections, each as its paper has it, with the repairs that it needs.
//!
//! An election is a [`Machine`] whose world is its peers: what can happen to it is that a message
//! arrives or that a connection is refused, and what it asks for is that something be kept, sent or
//! told. Whoever runs one gives it what it kept in its last life ([`Stable`]) and carries out its
//! outputs in their order, so that what must be durable is, before anybody hears of it.
//!
//! | election | whose priority wins | two leaders under a partition | number that only rises |
//! |---|---|---|---|
//! | [`bully`] | the highest id | yes | none |
//! | [`invitation`] | the highest id, usually | one in each group | the counter of each node |
//! | [`async_bully`] | the lowest id | one in each group | incarnations |
//! | [`ring`] | the highest attribute value | yes | the view, but not under a partition |
//!
//! None of them bounds a leadership in time, so none of them replaces [`crate::lease`]: they
//! elect, and two of their leaders may be at work at once. They have one seat; whoever has it leads
//! every job.

pub mod async_bully;
pub mod bully;
pub mod invitation;
pub mod ring;

use std::fmt;
use std::time::Duration;

use fastrand::Rng;
use serde::{Deserialize, Serialize};

use crate::machine::{Leadership, Machine, Term};
use crate::time::Instant;

/// An election among nodes that know each other's names and not who is up.
pub trait Election:
    Machine<Input = Input<<Self as Election>::Message>, Output = Output<<Self as Election>::Message>> + fmt::Debug
{
    /// What its nodes say to each other.
    type Message: Message;
    /// What can be chosen about it.
    type Rules: Clone + fmt::Debug;

    /// A node that has just been started. Its first `tick` is its recovery.
    fn new(now: Instant, setup: Setup<Self::Rules>) -> Self;
    /// What it shows.
    fn view(&self) -> View;
}

/// What one node says to another.
pub trait Message: Clone + PartialEq + fmt::Debug {
    /// The word of the paper for it.
    fn name(&self) -> &'static str;
    /// It is said again and again while nothing happens, and is left out of stories.
    fn is_routine(&self) -> bool;
}

/// A node, by its place among the configured ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u16);

/// What a node keeps when it crashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stable {
    /// How many times it has been started.
    pub incarnation: u64,
    /// What its election counts, if anything.
    pub counter: u64,
}

/// What a node is started with.
#[derive(Clone, Debug)]
pub struct Setup<R> {
    /// Which one it is.
    pub me: NodeId,
    /// How many nodes are configured.
    pub nodes: u16,
    /// What it kept; zeros at its very first start.
    pub stable: Stable,
    /// How fast the network is believed to be.
    pub timing: Timing,
    /// What its chance is drawn from.
    pub seed: u64,
    /// What was chosen about the election.
    pub rules: R,
}

/// How fast the network is believed to be. Everything else follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// The longest way of one message, from the decision to send it until it has been acted upon.
    pub delay: Duration,
}

/// So many heartbeats may be missing before anybody worries.
const MISSES: u32 = 4;

impl Timing {
    /// Until when an answer must be here: more than there and back.
    pub fn reply(self) -> Duration {
        self.delay * 14 / 5
    }

    /// From one heartbeat to the next.
    pub fn heartbeat(self) -> Duration {
        self.delay * 2
    }

    /// How long a node may be silent before somebody does something about it.
    pub fn suspicion(self) -> Duration {
        self.heartbeat() * MISSES
    }
}

/// What can happen to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input<M> {
    /// A message arrived.
    Received(Envelope<M>),
    /// Nobody listens where that node should be: it is dead now. Silence would be no such evidence.
    Refused(NodeId),
    /// A person wants an election.
    Begin,
}

/// What a node can ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output<M> {
    /// Must be durable before anything after it is done.
    Persist(Stable),
    /// A message for another node, which may be lost.
    Send(Envelope<M>),
    /// For the log.
    Note(Note),
}

/// A message and its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope<M> {
    /// Who says it,
    pub from: NodeId,
    /// and in which of its lives.
    pub incarnation: u64,
    /// To whom.
    pub to: NodeId,
    /// What.
    pub message: M,
}

/// What is worth a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Note {
    /// It was started, and this is its incarnation.
    Started(u64),
    /// It takes that node for dead.
    Suspects(NodeId),
    /// It holds an election.
    Holds,
    /// It leaves the election to that node.
    Yields(NodeId),
    /// It is coordinator from now on.
    Leads,
    /// That one is.
    Follows(NodeId),
}

/// What a node shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct View {
    /// Which node.
    pub node: NodeId,
    /// In which of its lives.
    pub incarnation: u64,
    /// In the words of the paper.
    pub status: &'static str,
    /// It has a coordinator and no doubt.
    pub settled: bool,
    /// Who coordinates, as far as it knows.
    pub coordinator: Option<NodeId>,
    /// Who will, if the coordinator dies.
    pub deputy: Option<NodeId>,
    /// The group it is in, where the election has groups.
    pub group: String,
    /// Who else is in it, as far as it knows.
    pub members: Vec<NodeId>,
    /// The number of this leadership, where the election has one.
    pub number: u64,
}

impl View {
    /// Whether it takes itself for the coordinator.
    pub fn leads(&self) -> bool {
        self.settled && self.coordinator == Some(self.node)
    }

    /// The seat, as any job sees it.
    pub fn leadership(&self) -> Leadership {
        if self.leads() {
            Leadership::Leader { term: Term(self.number), until: None }
        } else {
            Leadership::Follower { leader: self.coordinator.map(|node| node.to_string()) }
        }
    }
}

/// What makes an answer belong to its question, across crashes of whoever asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ticket {
    incarnation: u64,
    number: u64,
}

/// What each node of every election has.
#[derive(Clone, Debug)]
struct Oneself {
    me: NodeId,
    nodes: u16,
    stable: Stable,
    timing: Timing,
    random: Rng,
    /// The latest life of each node that was heard of.
    lives: Vec<u64>,
    tickets: u64,
}

impl Oneself {
    /// In a life after the one that was kept.
    fn new<R>(setup: &Setup<R>) -> Self {
        Self {
            me: setup.me,
            nodes: setup.nodes,
            stable: Stable { incarnation: setup.stable.incarnation + 1, ..setup.stable },
            timing: setup.timing,
            random: Rng::with_seed(setup.seed),
            lives: vec![0; usize::from(setup.nodes)],
            tickets: 0,
        }
    }

    /// What a node does before all else: nobody may hear of this life before it is on record.
    fn start<M>(&self, out: &mut Vec<Output<M>>) {
        out.push(Output::Persist(self.stable));
        out.push(Output::Note(Note::Started(self.stable.incarnation)));
    }

    /// Whether a message is for this node and from the latest life of its sender.
    fn believes<M>(&mut self, envelope: &Envelope<M>) -> bool {
        let Some(life) = self.lives.get_mut(envelope.from.index()) else { return false };
        *life = envelope.incarnation.max(*life);
        *life == envelope.incarnation && envelope.to == self.me && envelope.from != self.me
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket { incarnation: self.stable.incarnation, number: self.tickets }
    }

    fn send<M>(&self, to: NodeId, message: M, out: &mut Vec<Output<M>>) {
        let incarnation = self.stable.incarnation;
        out.push(Output::Send(Envelope { from: self.me, incarnation, to, message }));
    }

    /// All other nodes, in order.
    fn others(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        let me = self.me;
        (0..self.nodes).map(NodeId).filter(move |node| *node != me)
    }

    /// Those with higher ids, the lowest first.
    fn higher(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        (self.me.0 + 1..self.nodes).map(NodeId)
    }

    /// Those with lower ids, the lowest first.
    fn lower(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        (0..self.me.0).map(NodeId)
    }

    /// A random part of `most`, so that nodes do not do the same thing at the same time.
    fn jitter(&mut self, most: Duration) -> Duration {
        most.mul_f64(self.random.f64())
    }
}

impl NodeId {
    /// Its place among the configured ones.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "P{}", self.0)
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.incarnation, self.number)
    }
}
