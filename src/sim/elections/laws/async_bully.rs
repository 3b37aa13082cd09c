//! What must hold for the asynchronous bully.

use std::collections::BTreeMap;

use super::{Law, Lawful, Verdict, require};
use crate::elections::async_bully::{AsyncBully, ElectionId, Message};
use crate::elections::{Election, Envelope, Input, NodeId, Stable};

impl Lawful for AsyncBully {
    type Law = AsyncBullyLaw;
}

/// The law of the asynchronous bully.
#[derive(Debug)]
pub struct AsyncBullyLaw {
    /// Whom each election has halted last.
    pending: BTreeMap<ElectionId, NodeId>,
    /// The last election of each node.
    held: Vec<Option<ElectionId>>,
}

impl Law<AsyncBully> for AsyncBullyLaw {
    fn new(nodes: u16, (): &()) -> Self {
        Self { pending: BTreeMap::new(), held: vec![None; usize::from(nodes)] }
    }

    fn told(&mut self, _node: &AsyncBully, _input: &Input<Message>) -> Verdict {
        Ok(())
    }

    fn sent(&mut self, node: &AsyncBully, kept: Stable, envelope: &Envelope<Message>) -> Verdict {
        let (me, to) = (envelope.from, envelope.to);
        match &envelope.message {
            Message::Halt { elid } => {
                let last = self.pending.insert(*elid, to);
                require(last.is_none_or(|last| last <= to), || format!("{me} halts {to} after {last:?}"))?;
                let known = kept.incarnation == elid.incarnation && elid.id == me && to > me;
                require(known, || format!("{me} halts {to} for {elid}, and keeps {kept:?}"))
            }
            Message::Ldr { .. } | Message::AskNorm { .. } => {
                require(node.view().leads() && to > me, || format!("{me} acts as leader of {to}"))
            }
            Message::Ack { elid } | Message::Rej { elid } | Message::NotNorm { elid } => {
                require(elid.id == to, || format!("{me} answers {to} about {elid}"))
            }
            Message::AreYouThere | Message::IAmThere { .. } => Ok(()),
        }
    }

    fn stepped(&mut self, node: &AsyncBully, up: &[&AsyncBully]) -> Verdict {
        let (me, elid) = (node.view(), node.elid());
        if elid.id == me.node {
            let held = &mut self.held[me.node.index()];
            require(held.is_none_or(|last| last <= elid), || {
                format!("{} holds {elid} after {held:?}", me.node)
            })?;
            *held = Some(elid);
        }
        require(!me.settled || me.coordinator == Some(elid.id), || {
            format!("{} is led by {:?} in {elid}", me.node, me.coordinator)
        })?;
        require(me.members.iter().all(|member| *member > me.node), || {
            format!("{} leads a stronger one", me.node)
        })?;
        let waits = me.status != "Wait" || node.watches(elid.id);
        require(waits, || format!("{} waits for {} and does not look after it", me.node, elid.id))?;
        // LE1
        up.iter().filter(|other| other.elid() == elid).map(|other| other.view()).try_for_each(|other| {
            let same = !me.settled || !other.settled || me.coordinator == other.coordinator;
            require(same, || format!("LE1: {} and {} differ in {elid}", me.node, other.node))
        })
    }

    /// LE2: all are in Norm under the strongest.
    fn agreed(up: &[&AsyncBully], (): &()) -> Verdict {
        let strongest = up.iter().map(|node| node.view().node).min();
        up.iter().map(|node| node.view()).try_for_each(|view| {
            require(view.settled && view.coordinator == strongest, || {
                format!("{} is {} under {:?}", view.node, view.status, view.coordinator)
            })
        })
    }
}
