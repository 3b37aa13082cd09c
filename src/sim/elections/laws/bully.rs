//! What must hold for the bully.

use std::collections::BTreeSet;

use super::{Law, Lawful, Verdict, require};
use crate::elections::bully::{Bully, Message, Profile};
use crate::elections::{Election, Envelope, Input, NodeId, Stable, Ticket, View};

impl Lawful for Bully {
    type Law = BullyLaw;
}

/// The law of the bully.
#[derive(Debug)]
pub struct BullyLaw {
    profile: Profile,
    synchronous: bool,
    /// The last election that each node began, and the last that was answered with OK.
    held: Vec<Option<Ticket>>,
    answered: Vec<Option<Ticket>>,
    /// The elections that were won.
    won: BTreeSet<(NodeId, Ticket)>,
    /// To whom each node announced its last victory.
    announced: Vec<BTreeSet<NodeId>>,
}

impl Law<Bully> for BullyLaw {
    fn new(nodes: u16, profile: &Profile) -> Self {
        let nodes = usize::from(nodes);
        Self {
            profile: *profile,
            synchronous: false,
            held: vec![None; nodes],
            answered: vec![None; nodes],
            won: BTreeSet::new(),
            announced: vec![BTreeSet::new(); nodes],
        }
    }

    fn assume_synchrony(&mut self) {
        self.synchronous = true;
    }

    fn told(&mut self, node: &Bully, input: &Input<Message>) -> Verdict {
        if let Input::Received(Envelope { message: Message::Ok { ticket, .. }, .. }) = input {
            self.answered[node.view().node.index()] = Some(*ticket);
        }
        Ok(())
    }

    fn sent(&mut self, node: &Bully, kept: Stable, envelope: &Envelope<Message>) -> Verdict {
        let (me, view) = (envelope.from, node.view());
        require(kept.incarnation == envelope.incarnation, || {
            format!("{me} speaks before it has kept its life")
        })?;
        let upward = envelope.to > me;
        match &envelope.message {
            Message::Election { ticket } => {
                self.held[me.index()] = Some(*ticket);
                require(upward, || format!("{me} sent ELECTION down"))
            }
            Message::Ok { .. } => require(!upward, || format!("{me} sent OK up")),
            Message::Halt { .. } | Message::NewCoordinator { .. } | Message::Ready { .. } => {
                require(!upward, || format!("{me} wants to command the higher {}", envelope.to))
            }
            Message::Coordinator => self.announces(&view, envelope.to),
            Message::Heartbeat | Message::AreYouNormal { .. } => {
                require(view.leads(), || format!("{me} acts as coordinator and is none"))
            }
            Message::AreYouThere { .. } | Message::Reply { .. } => Ok(()),
        }
    }

    fn stepped(&mut self, node: &Bully, up: &[&Bully]) -> Verdict {
        let me = node.view();
        let above = me.coordinator.is_none_or(|coordinator| coordinator >= me.node);
        require(above, || format!("{} obeys the lower {:?}", me.node, me.coordinator))?;
        require(!me.settled || me.coordinator.is_some(), || format!("{} is normal under nobody", me.node))?;
        if self.synchronous && self.profile == Profile::GarciaMolina {
            up.iter().try_for_each(|other| assertion_1(node, other))?;
        }
        Ok(())
    }

    /// Assertion 2: everybody is normal under the highest.
    fn agreed(up: &[&Bully], _profile: &Profile) -> Verdict {
        let highest = up.iter().map(|node| node.view().node).max();
        up.iter().map(|node| node.view()).try_for_each(|view| {
            require(view.settled && view.coordinator == highest, || {
                format!("{} is {} under {:?}", view.node, view.status, view.coordinator)
            })
        })
    }
}

impl BullyLaw {
    /// No victory after an OK to the same election, and one victory an election.
    fn announces(&mut self, view: &View, to: NodeId) -> Verdict {
        let me = view.node;
        let (held, answered) = (self.held[me.index()], self.answered[me.index()]);
        require(view.leads(), || format!("{me} announces itself and does not lead"))?;
        let Some(ticket) = held.filter(|_| self.profile == Profile::Exam) else { return Ok(()) };
        require(held != answered, || format!("{me} wins an election that was answered with OK"))?;
        if self.won.insert((me, ticket)) {
            self.announced[me.index()].clear();
        }
        let first = self.announced[me.index()].insert(to);
        require(first, || format!("{me} wins one election twice"))
    }
}

/// Assertion 1: two nodes in Reorganization or Normal have the same coordinator, and two in Normal
/// the same task.
fn assertion_1(one: &Bully, other: &Bully) -> Verdict {
    let (mine, yours) = (one.view(), other.view());
    let bound = |view: &View| matches!(view.status, "Reorganization" | "Normal");
    let same = !bound(&mine) || !bound(&yours) || mine.coordinator == yours.coordinator;
    require(same, || {
        format!(
            "assertion 1: {} has {:?}, {} has {:?}",
            mine.node, mine.coordinator, yours.node, yours.coordinator
        )
    })?;
    let agreed = !mine.settled || !yours.settled || one.task() == other.task();
    require(agreed, || {
        format!("assertion 1: {} and {} are normal with different tasks", mine.node, yours.node)
    })
}
