//! What the nodes of an asynchronous bully election say.

use serde::{Deserialize, Serialize};

use super::ElectionId;
use crate::elections;

/// A message. All but those of the failure detector carry the election that they are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// Wait for me.
    Halt {
        /// In this election.
        elid: ElectionId,
    },
    /// I wait.
    Ack {
        /// In this election.
        elid: ElectionId,
    },
    /// I have a stronger one.
    Rej {
        /// What is refused.
        elid: ElectionId,
    },
    /// I lead.
    Ldr {
        /// In this election.
        elid: ElectionId,
    },
    /// The paper's `Norm?`: are you in my group?
    AskNorm {
        /// The leader's election.
        elid: ElectionId,
    },
    /// I am not, and could be.
    NotNorm {
        /// The election of the leader who asked.
        elid: ElectionId,
    },
    /// The detector asks.
    AreYouThere,
    /// The detector's answer, which may be a pretence.
    IAmThere {
        /// False: I play dead.
        up: bool,
    },
}

impl elections::Message for Message {
    fn name(&self) -> &'static str {
        match self {
            Self::Halt { .. } => "Halt",
            Self::Ack { .. } => "Ack",
            Self::Rej { .. } => "Rej",
            Self::Ldr { .. } => "Ldr",
            Self::AskNorm { .. } => "Norm?",
            Self::NotNorm { .. } => "NotNorm",
            Self::AreYouThere => "AreYouThere",
            Self::IAmThere { up: true } => "there",
            Self::IAmThere { up: false } => "dead",
        }
    }

    fn is_routine(&self) -> bool {
        matches!(self, Self::AskNorm { .. } | Self::AreYouThere | Self::IAmThere { up: true })
    }
}
