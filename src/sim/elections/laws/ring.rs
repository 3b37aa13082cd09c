//! What must hold for the ring.

use std::collections::BTreeMap;

use super::{Law, Lawful, Verdict, require};
use crate::elections::ring::{Crew, Message, Ring, Rules, Token, ViewId};
use crate::elections::{Election, Envelope, Input, Stable};

impl Lawful for Ring {
    type Law = RingLaw;
}

/// The law of the ring with a deputy.
#[derive(Debug)]
pub struct RingLaw {
    /// What each view was where it was first seen.
    views: BTreeMap<ViewId, Crew>,
    /// The last view of each node, and in which of its lives.
    last: Vec<Option<(u64, ViewId)>>,
}

impl Law<Ring> for RingLaw {
    fn new(nodes: u16, _rules: &Rules) -> Self {
        Self { views: BTreeMap::new(), last: vec![None; usize::from(nodes)] }
    }

    fn told(&mut self, _node: &Ring, _input: &Input<Message>) -> Verdict {
        Ok(())
    }

    fn sent(&mut self, _node: &Ring, kept: Stable, envelope: &Envelope<Message>) -> Verdict {
        let me = envelope.from;
        let num = match &envelope.message {
            Message::Heartbeat { crew } | Message::Hello { crew } => {
                require(crew.leader == me, || format!("{me} acts as leader of {crew:?}"))?;
                crew.id.num
            }
            Message::Stale { crew } | Message::Hop { token: Token::View { crew, .. }, .. } => crew.id.num,
            Message::Hop { token: Token::Elect(elect), .. } => elect.num,
            Message::Value(_)
            | Message::Ack { .. }
            | Message::HeartbeatAck { .. }
            | Message::Beat { .. }
            | Message::Probe { .. }
            | Message::Alive { .. }
            | Message::Relay(_) => 0,
        };
        require(num <= kept.counter, || format!("{me} speaks of {num} and keeps {kept:?}"))
    }

    fn stepped(&mut self, node: &Ring, _up: &[&Ring]) -> Verdict {
        let view = node.view();
        let Some(crew) = node.crew() else { return Ok(()) };
        let first = self.views.entry(crew.id).or_insert_with(|| crew.clone());
        require(first == crew, || format!("S1: view {} is {crew:?} and {first:?}", crew.id))?;
        require(crew.deputy != Some(crew.leader), || format!("S2: {crew:?} has one for both"))?;
        let last = &mut self.last[view.node.index()];
        let falls = last.is_some_and(|(life, id)| life == view.incarnation && id > crew.id);
        require(!falls, || format!("S3: {} went from {last:?} to {}", view.node, crew.id))?;
        *last = Some((view.incarnation, crew.id));
        let inside =
            [Some(crew.leader), crew.deputy].into_iter().flatten().all(|node| crew.members.contains(&node));
        require(inside, || format!("S4: {crew:?} is led from outside"))
    }

    /// L1: all have one view of exactly those that are up, the greatest leads and the second is deputy.
    fn agreed(up: &[&Ring], rules: &Rules) -> Verdict {
        let mut ranked: Vec<_> = up.iter().map(|node| rules.key(node.view().node)).collect();
        ranked.sort_unstable();
        ranked.reverse();
        let [leader, deputy] = [0, 1].map(|rank| ranked.get(rank).map(|(_, node)| *node));
        let id = up.first().and_then(|node| node.crew()).map(|crew| crew.id);
        up.iter().try_for_each(|node| {
            let view = node.view();
            let same = node.crew().map(|crew| crew.id) == id && view.coordinator == leader;
            require(same && view.deputy == deputy && view.members.len() == up.len(), || {
                format!("{} is {} in {:?}", view.node, view.status, node.crew())
            })
        })
    }
}
