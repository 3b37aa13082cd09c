//! What the nodes of a bully election say.

use serde::{Deserialize, Serialize};

use super::Step;
use crate::elections::{self, NodeId, Ticket};

/// A message of one of the profiles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// I hold an election. (exam)
    Election {
        /// Which one.
        ticket: Ticket,
    },
    /// I am alive and higher than you, and take over. (exam)
    Ok {
        /// The election that is answered.
        ticket: Ticket,
        /// With the hint: the leader whom I hear, so that no election is needed.
        leader: Option<NodeId>,
    },
    /// I am the coordinator. (exam)
    Coordinator,
    /// I still am. (exam)
    Heartbeat,
    /// Are you there? (1982)
    AreYouThere {
        /// What the answer is to carry.
        ticket: Ticket,
    },
    /// Are you normal, from where I stand? (1982)
    AreYouNormal {
        /// What the answer is to carry.
        ticket: Ticket,
    },
    /// Stop what you do: I hold an election. (1982)
    Halt {
        /// What the answer is to carry.
        ticket: Ticket,
    },
    /// I am the coordinator, if you stopped for me. (1982)
    NewCoordinator {
        /// What the answer is to carry.
        ticket: Ticket,
    },
    /// Go on as normal. (1982)
    Ready {
        /// What the answer is to carry.
        ticket: Ticket,
        /// What everybody is to do.
        task: Ticket,
    },
    /// The answer to a question of 1982.
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
            Self::Election { .. } => "ELECTION",
            Self::Ok { .. } => "OK",
            Self::Coordinator => "COORDINATOR",
            Self::Heartbeat => "HEARTBEAT",
            Self::AreYouThere { .. } => "AreYouThere",
            Self::AreYouNormal { .. } => "AreYouNormal",
            Self::Halt { .. } => "Halt",
            Self::NewCoordinator { .. } => "NewCoordinator",
            Self::Ready { .. } => "Ready",
            Self::Reply { yes: true, .. } => "yes",
            Self::Reply { yes: false, .. } => "no",
        }
    }

    fn is_routine(&self) -> bool {
        matches!(self, Self::Heartbeat | Self::AreYouNormal { .. })
    }
}

impl super::Bully {
    /// What a step asks.
    pub(super) fn question(&self, step: Step, ticket: Ticket) -> Message {
        match step {
            Step::Probe if self.profile != super::Profile::GarciaMolina => Message::Election { ticket },
            Step::Probe | Step::Timeout | Step::StandBack => Message::AreYouThere { ticket },
            Step::Check => Message::AreYouNormal { ticket },
            Step::Halt => Message::Halt { ticket },
            Step::Announce => Message::NewCoordinator { ticket },
            Step::Ready => Message::Ready { ticket, task: self.task.unwrap_or(ticket) },
        }
    }
}
