//! What the nodes of an invitation election say.

use serde::{Deserialize, Serialize};

use super::Group;
use crate::elections::{self, NodeId, Ticket};

/// A message. Every question carries the ticket that its answer is to carry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// Are you a coordinator, and normal?
    AreYouCoordinator {
        /// What the answer is to carry.
        ticket: Ticket,
    },
    /// Are you there, as coordinator of this group, and am I in it?
    AreYouThere {
        /// What the answer is to carry.
        ticket: Ticket,
        /// The group.
        group: Group,
    },
    /// Come into this group, of which the sender need not be the coordinator.
    Invitation {
        /// The group.
        group: Group,
    },
    /// I have come.
    Accept {
        /// What the answer is to carry.
        ticket: Ticket,
        /// The group.
        group: Group,
    },
    /// The group is complete: go on as normal.
    Ready {
        /// What the answer is to carry.
        ticket: Ticket,
        /// The group.
        group: Group,
        /// Who works in it.
        task: Vec<NodeId>,
    },
    /// The answer to a question.
    Reply {
        /// The question.
        ticket: Ticket,
        /// Yes, or it is done.
        yes: bool,
    },
}

impl elections::Message for Message {
    fn name(&self) -> &'static str {
        match self {
            Self::AreYouCoordinator { .. } => "AreYouCoordinator",
            Self::AreYouThere { .. } => "AreYouThere",
            Self::Invitation { .. } => "Invitation",
            Self::Accept { .. } => "Accept",
            Self::Ready { .. } => "Ready",
            Self::Reply { yes: true, .. } => "yes",
            Self::Reply { yes: false, .. } => "no",
        }
    }

    fn is_routine(&self) -> bool {
        matches!(self, Self::AreYouCoordinator { .. } | Self::AreYouThere { .. })
    }
}
