//! What the nodes of a ring say.

use serde::{Deserialize, Serialize};

use super::{Crew, ViewId};
use crate::elections::{self, Envelope, NodeId, Ticket};

/// A message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// The classic ELECT, with an attribute value.
    Value(u64),
    /// A token goes on.
    Hop {
        /// What the acknowledgement is to carry.
        ticket: Ticket,
        /// The token.
        token: Token,
    },
    /// The token is here.
    Ack {
        /// Which one.
        ticket: Ticket,
    },
    /// The leader is there, and this is what holds.
    Heartbeat {
        /// The leader's view.
        crew: Crew,
    },
    /// So is the member.
    HeartbeatAck {
        /// Of this view.
        id: ViewId,
    },
    /// The leader greets one who is not in its view.
    Hello {
        /// The leader's view.
        crew: Crew,
    },
    /// You are behind: this is what holds.
    Stale {
        /// The view of whoever is ahead.
        crew: Crew,
    },
    /// The deputy asks: do you hear our leader?
    Probe {
        /// In this view.
        id: ViewId,
    },
    /// I do.
    Alive {
        /// In this view.
        id: ViewId,
    },
    /// I am here, and these I hear.
    Beat {
        /// Those.
        hears: Vec<NodeId>,
    },
    /// A message for a node that its sender does not reach.
    Relay(Box<Envelope<Message>>),
}

/// What goes round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Token {
    /// First lap.
    Elect(Elect),
    /// Second lap.
    View {
        /// What was elected.
        crew: Crew,
        /// Where it has been.
        path: Vec<NodeId>,
    },
}

impl Token {
    /// Whether whoever holds this view would not send it on.
    pub(super) fn is_overtaken_by(&self, holds: &Crew) -> bool {
        match self {
            Self::Elect(elect) => elect.num <= holds.id.num,
            Self::View { crew, .. } => crew.id < holds.id,
        }
    }
}

/// The first lap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Elect {
    /// The number of the election.
    pub num: u64,
    /// Who began it.
    pub origin: NodeId,
    /// Where it has been, and in which lives of those.
    pub visited: Vec<(NodeId, u64)>,
}

impl elections::Message for Message {
    fn name(&self) -> &'static str {
        match self {
            Self::Value(_) | Self::Hop { token: Token::Elect(_), .. } => "ELECT",
            Self::Hop { token: Token::View { .. }, .. } => "VIEW",
            Self::Ack { .. } => "ACK",
            Self::Heartbeat { .. } => "HB",
            Self::HeartbeatAck { .. } => "HBACK",
            Self::Hello { .. } => "HELLO",
            Self::Stale { .. } => "STALE",
            Self::Probe { .. } => "PROBE",
            Self::Alive { .. } => "ALIVE",
            Self::Beat { .. } => "BEAT",
            Self::Relay(_) => "RELAY",
        }
    }

    fn is_routine(&self) -> bool {
        match self {
            Self::Relay(envelope) => envelope.message.is_routine(),
            Self::Heartbeat { .. }
            | Self::HeartbeatAck { .. }
            | Self::Hello { .. }
            | Self::Ack { .. }
            | Self::Beat { .. } => true,
            Self::Value(_)
            | Self::Hop { .. }
            | Self::Stale { .. }
            | Self::Probe { .. }
            | Self::Alive { .. } => false,
        }
    }
}
