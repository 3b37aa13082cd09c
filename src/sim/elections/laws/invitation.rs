//! What must hold for the invitation.

use std::collections::BTreeSet;

use super::{Law, Lawful, Verdict, require};
use crate::elections::invitation::{Group, Invitation, Message};
use crate::elections::{Election, Envelope, Input, NodeId, Stable, View};
use crate::machine::Machine;
use crate::time::Instant;

impl Lawful for Invitation {
    type Law = InvitationLaw;
}

/// The law of the invitation.
#[derive(Debug)]
pub struct InvitationLaw {
    /// Who accepted which group.
    accepted: BTreeSet<(NodeId, Group)>,
    /// The last group that each node made.
    made: Vec<Option<(Group, u64)>>,
}

impl Law<Invitation> for InvitationLaw {
    fn new(nodes: u16, (): &()) -> Self {
        Self { accepted: BTreeSet::new(), made: vec![None; usize::from(nodes)] }
    }

    fn told(&mut self, _node: &Invitation, _input: &Input<Message>) -> Verdict {
        Ok(())
    }

    fn sent(&mut self, node: &Invitation, kept: Stable, envelope: &Envelope<Message>) -> Verdict {
        let (me, to) = (envelope.from, envelope.to);
        match &envelope.message {
            Message::Accept { group, .. } => {
                require(group.coordinator == to, || format!("{me} accepts {group} of {to}"))?;
                self.accepted.insert((me, *group));
            }
            Message::Ready { group, .. } => {
                let accepted = self.accepted.contains(&(to, *group));
                require(accepted, || format!("{me} makes {to} ready, which has not accepted {group}"))?;
            }
            Message::Invitation { group } if group.coordinator == me => {
                require(kept.counter >= group.counter, || {
                    format!("{me} invites to {group} before it is kept")
                })?;
            }
            Message::AreYouCoordinator { .. } => {
                require(node.group().coordinator == me, || {
                    format!("{me} looks for others and is no coordinator")
                })?;
            }
            Message::Invitation { .. } | Message::AreYouThere { .. } | Message::Reply { .. } => {}
        }
        Ok(())
    }

    fn stepped(&mut self, node: &Invitation, up: &[&Invitation]) -> Verdict {
        let (me, group) = (node.view(), node.group());
        let numbered = |other: &(Group, u64)| (other.0.counter, other.1) <= (group.counter, me.incarnation);
        if group.coordinator == me.node && me.status != "Down" {
            let made = &mut self.made[me.node.index()];
            let fresh = made
                .as_ref()
                .is_none_or(|last| numbered(last) && (last.0 != group || last.1 == me.incarnation));
            require(fresh, || format!("{} has made {group} after {made:?}", me.node))?;
            *made = Some((group, me.incarnation));
        }
        let hurried = me.status != "Reorganization" || node.deadline() < Instant::NEVER;
        require(hurried, || format!("{} reorganizes and has no time limit", me.node))?;
        up.iter().try_for_each(|other| assertion_3(node, other))
    }

    /// Assertion 4: all are in one group.
    fn agreed(up: &[&Invitation], (): &()) -> Verdict {
        let groups: BTreeSet<_> = up.iter().map(|node| node.group()).collect();
        require(groups.len() <= 1, || format!("there are the groups {groups:?}"))?;
        up.iter()
            .map(|node| node.view())
            .try_for_each(|view| require(view.settled, || format!("{} is {}", view.node, view.status)))
    }
}

/// Assertion 3: one group has one coordinator and one task.
fn assertion_3(one: &Invitation, other: &Invitation) -> Verdict {
    if one.group() != other.group() {
        return Ok(());
    }
    let (mine, yours) = (one.view(), other.view());
    let bound = |view: &View| matches!(view.status, "Reorganization" | "Normal");
    if !bound(&mine) || !bound(&yours) {
        return Ok(());
    }
    let same = mine.coordinator == yours.coordinator
        && (!mine.settled || !yours.settled || one.task() == other.task());
    require(same, || format!("assertion 3: {} and {} differ in {}", mine.node, yours.node, mine.group))
}
