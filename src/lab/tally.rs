//! How many messages an election took, beside what its formula says.

use std::collections::BTreeMap;

use serde::Serialize;

use super::board::Card;
use super::record::{Record, Tale, What};
use crate::elections::{NodeId, Note};

/// The messages since a person did something.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// The first record that counts.
    since: u64,
    counts: BTreeMap<String, usize>,
    /// Who held an election first.
    initiator: Option<NodeId>,
}

/// The same, as the page shows it.
#[derive(Debug, Serialize)]
pub(super) struct ShownTally {
    since: u64,
    counts: BTreeMap<String, usize>,
    total: usize,
    initiator: Option<NodeId>,
    formula: Option<Formula>,
}

/// What one election takes if nobody disturbs it.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Formula {
    text: &'static str,
    total: usize,
}

impl Tally {
    pub(super) fn take(&mut self, record: &Record) {
        match &record.what {
            What::Began { .. } | What::Ordered { .. } | What::Blocked { .. } => {
                *self = Self { since: record.number, ..Self::default() };
            }
            What::Told { node, tale } => self.tell(*node, tale),
            What::Process { .. } | What::Silent { .. } | What::Shows(_) | What::Missed { .. } => {}
        }
    }

    fn tell(&mut self, node: NodeId, tale: &Tale) {
        match tale {
            Tale::Sent { message, .. } => *self.counts.entry(message.clone()).or_default() += 1,
            Tale::Noted { note: Note::Holds } => self.initiator = self.initiator.or(Some(node)),
            Tale::Noted { .. } | Tale::Received { .. } | Tale::Refused { .. } => {}
        }
    }

    pub(super) fn show(&self, election: &str, cards: &[Card]) -> ShownTally {
        let up: Vec<_> = cards.iter().map(|card| card.live().is_some()).collect();
        ShownTally {
            since: self.since,
            counts: self.counts.clone(),
            total: self.counts.values().sum(),
            initiator: self.initiator,
            formula: self.initiator.and_then(|initiator| formula(election, initiator.index(), &up)),
        }
    }
}

/// What an election takes that `initiator` begins alone, among nodes of which these are up.
fn formula(election: &str, initiator: usize, up: &[bool]) -> Option<Formula> {
    let nodes = up.len();
    let up_of = |part: &[bool]| part.iter().filter(|up| **up).count();
    let (lower, higher) = (up.get(..initiator)?, up.get(initiator + 1..)?);
    match election {
        "exam" | "bully" => {
            // Whoever is up above the initiator asks all above itself, and answers all below that ask.
            let asking = (initiator..nodes).filter(|node| *node == initiator || up[*node]);
            let asked: usize = asking.map(|node| nodes - 1 - node).sum();
            let asking = 1 + up_of(higher);
            let total = asked + asking * (asking - 1) / 2 + nodes - 1;
            let text =
                "ELECTION to each one above, OK to each one below that asks, COORDINATOR to all others";
            Some(Formula { text, total })
        }
        "garcia-molina" if up_of(higher) == 0 => {
            let total = 6 * up_of(lower) + higher.len();
            Some(Formula {
                text: "6u + a, for u nodes below that are up and a nodes above that are not",
                total,
            })
        }
        "asynchronous-bully" if up_of(lower) == 0 => {
            let total = 3 * up_of(higher) + (higher.len() - up_of(higher));
            Some(Formula {
                text: "Halt, Ack and Ldr for each weaker node that is up, Halt for each other",
                total,
            })
        }
        "ring" => {
            Some(Formula { text: "2u: two laps of u nodes, without acknowledgements", total: 2 * up_of(up) })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exam_takes_sixteen_messages() {
        let up = [true, true, true, true, true, true, true, false];
        for (initiator, total) in [56, 43, 32, 23, 16, 11, 8].into_iter().enumerate() {
            assert_eq!(formula("exam", initiator, &up).unwrap().total, total);
        }
        assert_eq!(formula("garcia-molina", 6, &up).unwrap().total, 37);
        assert_eq!(formula("asynchronous-bully", 0, &[true; 4]).unwrap().total, 9);
        assert_eq!(formula("ring", 0, &[true; 4]).unwrap().total, 8);
        assert_eq!(formula("invitation", 0, &up), None);
    }
}
