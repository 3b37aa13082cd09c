//! Chang and Roberts: ELECT with an attribute value, on a ring that never breaks.

use super::{Message, Out, Ring};
use crate::elections::{NodeId, Note, Output, View};

/// Where a node stands in the one election that there is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Classic {
    /// It has sent nothing.
    #[default]
    Nonparticipant,
    /// It has sent its value, or a greater one, which was this.
    Participant(NodeId),
    /// Its own value came back.
    Leader(NodeId),
}

impl Classic {
    /// What it shows. Only the winner knows that nobody is greater.
    pub(super) fn view(self, view: View) -> View {
        let (status, coordinator) = match self {
            Self::Nonparticipant => ("Nonparticipant", None),
            Self::Participant(node) => ("Participant", Some(node)),
            Self::Leader(node) => ("Leader", Some(node)),
        };
        View { status, coordinator, settled: matches!(self, Self::Leader(_)), ..view }
    }
}

impl Ring {
    /// A person wants an election.
    pub(super) fn initiate(&mut self, out: Out<'_>) {
        out.push(Output::Note(Note::Holds));
        self.pass_on(self.own.me, out);
    }

    /// A value arrives.
    pub(super) fn value(&mut self, value: u64, out: Out<'_>) {
        let owner = self.rules.values.iter().rposition(|other| *other == value);
        let Some(owner) = owner.and_then(|index| u16::try_from(index).ok()).map(NodeId) else { return };
        let (own, theirs) = (self.rules.key(self.own.me), self.rules.key(owner));
        if owner == self.own.me {
            self.classic = Classic::Leader(owner);
            out.push(Output::Note(Note::Leads));
        } else if theirs > own {
            self.pass_on(owner, out);
        } else if matches!(self.classic, Classic::Nonparticipant) {
            self.pass_on(self.own.me, out);
        }
    }

    fn pass_on(&mut self, owner: NodeId, out: Out<'_>) {
        self.classic = Classic::Participant(owner);
        let next = NodeId((self.own.me.0 + 1) % self.own.nodes);
        self.own.send(next, Message::Value(self.rules.key(owner).0), out);
    }
}
