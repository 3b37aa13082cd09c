//! What is on record: a JSON object for each thing that happened, as it is kept, shown and exported.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::crew::State;
use super::members::{Member, Members};
use crate::elections::{NodeId, Note, View};
use crate::time::Wall;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Its place among all of them.
    pub(super) number: u64,
    /// When, by the clock of whoever tells it: microseconds since 1970.
    pub(super) at_us: i64,
    #[serde(flatten)]
    pub(super) what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum What {
    /// A laboratory was started.
    Began { election: String, seats: Vec<Seat> },
    /// A process came or went.
    Process { node: NodeId, state: State },
    /// A node has not reported for long.
    Silent { node: NodeId },
    /// A node shows something else than before.
    Shows(Sight),
    /// A node tells of something.
    Told { node: NodeId, tale: Tale },
    /// A node has told of so many things that never got here.
    Missed { node: NodeId, count: u64 },
    /// A person ordered something.
    Ordered { node: NodeId, order: Order },
    /// A person broke these ways, and mended all others.
    Blocked { ways: BTreeSet<Way> },
}

/// A node, as its members' file has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seat {
    pub(super) name: String,
    pub(super) addr: SocketAddr,
    pub(super) value: u64,
}

/// What a node shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sight {
    pub(super) node: NodeId,
    pub(super) incarnation: u64,
    pub(super) status: String,
    pub(super) settled: bool,
    pub(super) leads: bool,
    pub(super) coordinator: Option<NodeId>,
    pub(super) deputy: Option<NodeId>,
    pub(super) group: String,
}

/// What a node tells of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "tale", rename_all = "snake_case")]
pub(super) enum Tale {
    /// It sent a message, for the reason of another one, or of none.
    Sent { message: String, id: String, cause: Option<String>, to: NodeId },
    /// One arrived.
    Received { message: String, id: String, from: NodeId },
    /// Something that its machine says.
    Noted { note: Note },
    /// It did not take what came in.
    Refused { why: String },
}

/// What can be done to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    /// Have it hold an election.
    Begin,
    Kill,
    Pause,
    Resume,
    Restart,
}

/// From one node to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Way {
    pub(super) from: NodeId,
    pub(super) to: NodeId,
}

/// All members, as a record has them.
pub(super) fn seats(members: &Members) -> Vec<Seat> {
    let seat = |(_, member): (_, &Member)| Seat {
        name: member.name.clone(),
        addr: member.address,
        value: member.value,
    };
    members.iter().map(seat).collect()
}

/// A moment as a record has it.
pub(super) fn micros(wall: Wall) -> i64 {
    wall.as_nanos() / 1000
}

impl From<&View> for Sight {
    fn from(view: &View) -> Self {
        Self {
            node: view.node,
            incarnation: view.incarnation,
            status: view.status.to_owned(),
            settled: view.settled,
            leads: view.leads(),
            coordinator: view.coordinator,
            deputy: view.deputy,
            group: view.group.clone(),
        }
    }
}
