//! What the controller knows: the last word of each node, and which links a person has broken.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::crew::State;
use super::members::{Member, Members};
use super::port::Blocked;
use super::report::{INTERVAL, Report};
use super::story::clock;
use crate::elections::NodeId;
use crate::time::{Instant, Wall};

/// Lines on a card.
const MOST_LINES: usize = 200;
/// Longest line on a card.
const LONGEST_LINE: usize = 200;
/// A node that has not reported for so long is silent.
const SILENCE: Duration = INTERVAL.saturating_mul(3);

/// What is known of all nodes.
#[derive(Debug)]
pub(super) struct Board {
    election: &'static str,
    members: Members,
    cards: Vec<Card>,
    blocked: BTreeSet<Way>,
}

#[derive(Debug, Default)]
struct Card {
    last: Option<(Report, Instant, Wall)>,
    lines: VecDeque<String>,
}

/// From one node to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Way {
    from: NodeId,
    to: NodeId,
}

/// Everything that the page shows.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    election: &'static str,
    nodes: Vec<ShownNode>,
    blocked: BTreeSet<Way>,
}

#[derive(Debug, Serialize)]
struct ShownNode {
    id: NodeId,
    name: String,
    addr: String,
    value: u64,
    state: State,
    /// It has reported of late.
    heard: bool,
    coordinator: Option<String>,
    groupid: Option<String>,
    status: Option<String>,
    date: Option<String>,
    leads: bool,
    deputy: bool,
    lines: Vec<String>,
}

impl Board {
    pub(super) fn new(election: &'static str, members: Members) -> Self {
        let cards = members.iter().map(|_| Card::default()).collect();
        Self { election, members, cards, blocked: BTreeSet::new() }
    }

    /// A node has reported. What it must not do; none if it is none of these.
    pub(super) fn take(&mut self, mut report: Report, now: Instant, wall: Wall) -> Option<Blocked> {
        if report.election != self.election {
            return None;
        }
        let node = report.node;
        let card = self.cards.get_mut(node.index())?;
        for mut line in report.lines.drain(..) {
            line.truncate(line.floor_char_boundary(LONGEST_LINE));
            card.lines.push_back(line);
        }
        card.lines.drain(..card.lines.len().saturating_sub(MOST_LINES));
        card.last = Some((report, now, wall));
        Some(Blocked {
            to: self.blocked.iter().filter(|way| way.from == node).map(|way| way.to).collect(),
            from: self.blocked.iter().filter(|way| way.to == node).map(|way| way.from).collect(),
        })
    }

    /// From now on these ways are blocked and no others; false if one of them does not exist.
    pub(super) fn block(&mut self, ways: BTreeSet<Way>) -> bool {
        let count = self.members.count();
        let exists = |way: &Way| way.from != way.to && way.from.0 < count && way.to.0 < count;
        let all = ways.iter().all(exists);
        if all {
            self.blocked = ways;
        }
        all
    }

    /// Something was done to a node.
    pub(super) fn tell(&mut self, node: NodeId, line: &str, wall: Wall) {
        if let Some(card) = self.cards.get_mut(node.index()) {
            card.lines.push_back(format!("{}  {line}", clock(wall)));
        }
    }

    /// Forgets the last word of a node that is gone.
    pub(super) fn forget(&mut self, node: NodeId) {
        if let Some(card) = self.cards.get_mut(node.index()) {
            card.last = None;
        }
    }

    /// Those who lead by their own last word.
    pub(super) fn leaders(&self, now: Instant) -> Vec<NodeId> {
        let leads = |node: &NodeId| self.fresh(*node, now).is_some_and(|report| report.leads);
        self.members.iter().map(|(id, _)| id).filter(leads).collect()
    }

    fn fresh(&self, node: NodeId, now: Instant) -> Option<&Report> {
        let (report, at, _) = self.cards.get(node.index())?.last.as_ref()?;
        (now.since(*at) <= SILENCE).then_some(report)
    }

    pub(super) fn show(&self, state: impl Fn(NodeId) -> State, now: Instant) -> Shown {
        let leaders = self.leaders(now);
        let deputies: Vec<_> = leaders.iter().filter_map(|leader| self.fresh(*leader, now)?.deputy).collect();
        let address = |id: NodeId| self.members.get(id).map(|member| member.address.to_string());
        let node = |(id, member): (NodeId, &Member)| {
            let card = &self.cards[id.index()];
            let last = card.last.as_ref().map(|(report, _, _)| report);
            ShownNode {
                id,
                name: member.name.clone(),
                addr: member.address.to_string(),
                value: member.value,
                state: state(id),
                heard: self.fresh(id, now).is_some(),
                coordinator: last.and_then(|report| report.coordinator).and_then(address),
                groupid: last.map(|report| report.group.clone()),
                status: last.map(|report| report.status.clone()),
                date: card.last.as_ref().map(|(_, _, wall)| clock(*wall)),
                leads: leaders.contains(&id),
                deputy: deputies.contains(&id),
                lines: card.lines.iter().cloned().collect(),
            }
        };
        Shown {
            election: self.election,
            nodes: self.members.iter().map(node).collect(),
            blocked: self.blocked.clone(),
        }
    }
}
