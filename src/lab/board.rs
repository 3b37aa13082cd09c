//! What the records come to: the last word of each node, which links are broken, which promises hold.
//!
//! It is a fold over the records and nothing else, so that a story that is replayed looks as it did.

use std::collections::BTreeSet;

use serde::Serialize;

use super::crew::State;
use super::promises::{Promises, ShownPromise};
use super::record::{Record, Seat, Sight, Way, What};
use super::tally::{ShownTally, Tally};
use crate::elections::NodeId;

/// What is known of all nodes.
#[derive(Clone, Debug, Default)]
pub(super) struct Board {
    election: String,
    cards: Vec<Card>,
    blocked: BTreeSet<Way>,
    promises: Promises,
    tally: Tally,
    last: u64,
    at_us: i64,
}

/// What is known of one node.
#[derive(Clone, Debug)]
pub(super) struct Card {
    pub(super) seat: Seat,
    pub(super) state: State,
    /// It has reported of late.
    pub(super) heard: bool,
    /// What it showed last.
    pub(super) sight: Option<Sight>,
    /// When it was heard last.
    at_us: Option<i64>,
}

/// Everything that the page shows but the records.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    election: String,
    /// The last record of it, and when that was.
    at: u64,
    at_us: i64,
    nodes: Vec<ShownNode>,
    blocked: BTreeSet<Way>,
    promises: Vec<ShownPromise>,
    tally: ShownTally,
}

#[derive(Debug, Serialize)]
struct ShownNode {
    id: NodeId,
    name: String,
    addr: String,
    value: u64,
    state: State,
    heard: bool,
    coordinator: Option<String>,
    groupid: Option<String>,
    status: Option<String>,
    /// When it was heard last, in microseconds since 1970.
    date: Option<i64>,
    leads: bool,
    deputy: bool,
}

impl Card {
    fn new(seat: Seat) -> Self {
        Self { seat, state: State::Elsewhere, heard: false, sight: None, at_us: None }
    }

    /// What it shows, if it is up as far as anybody knows.
    pub(super) fn live(&self) -> Option<&Sight> {
        let up = self.heard && matches!(self.state, State::Running | State::Elsewhere);
        self.sight.as_ref().filter(|_| up)
    }
}

impl Board {
    /// One more thing has happened.
    pub(super) fn take(&mut self, record: &Record) {
        self.promises.wait(record.at_us);
        match &record.what {
            What::Began { election, seats } => {
                let cards = seats.iter().cloned().map(Card::new).collect();
                let promises = Promises::of(election);
                *self = Self { election: election.clone(), cards, promises, ..Self::default() };
            }
            What::Process { node, state } => self.change(*node, |card| {
                card.state = *state;
                card.heard &= *state != State::Gone;
            }),
            What::Silent { node } => self.change(*node, |card| card.heard = false),
            What::Shows(sight) => self.change(sight.node, |card| {
                card.heard = true;
                card.sight = Some(sight.clone());
                card.at_us = Some(record.at_us);
            }),
            What::Blocked { ways } => self.blocked.clone_from(ways),
            What::Told { .. } | What::Missed { .. } | What::Ordered { .. } => {}
        }
        self.tally.take(record);
        self.promises.take(record, &self.cards);
        (self.last, self.at_us) = (record.number, record.at_us);
    }

    fn change(&mut self, node: NodeId, change: impl FnOnce(&mut Card)) {
        if let Some(card) = self.cards.get_mut(node.index()) {
            change(card);
        }
    }

    /// A node was heard and shows what it showed before, which is not worth a record.
    pub(super) fn hear(&mut self, node: NodeId, at_us: i64) {
        self.change(node, |card| card.at_us = Some(at_us));
    }

    pub(super) fn card(&self, node: NodeId) -> Option<&Card> {
        self.cards.get(node.index())
    }

    pub(super) fn blocked(&self) -> &BTreeSet<Way> {
        &self.blocked
    }

    /// Those who lead by their own last word.
    pub(super) fn leaders(&self) -> Vec<NodeId> {
        let live = self.cards.iter().filter_map(Card::live);
        live.filter(|sight| sight.leads).map(|sight| sight.node).collect()
    }

    /// What there is to see at a moment.
    pub(super) fn show(&self, at_us: i64) -> Shown {
        let leaders = self.leaders();
        let addr = |node: NodeId| self.card(node).map(|card| card.seat.addr.to_string());
        let node = |(id, card): (NodeId, &Card)| {
            let Card { seat, state, heard, sight, at_us } = card;
            let sight = sight.as_ref();
            ShownNode {
                id,
                name: seat.name.clone(),
                addr: seat.addr.to_string(),
                value: seat.value,
                state: *state,
                heard: *heard,
                coordinator: sight.and_then(|sight| sight.coordinator).and_then(addr),
                groupid: sight.map(|sight| sight.group.clone()),
                status: sight.map(|sight| sight.status.clone()),
                date: *at_us,
                leads: leaders.contains(&id),
                deputy: card.live().is_some_and(|sight| sight.deputy == Some(id)),
            }
        };
        let mut promises = self.promises.clone();
        promises.wait(at_us);
        Shown {
            election: self.election.clone(),
            at: self.last,
            at_us,
            nodes: (0..).map(NodeId).zip(&self.cards).map(node).collect(),
            blocked: self.blocked.clone(),
            promises: promises.show(),
            tally: self.tally.show(&self.election, &self.cards),
        }
    }
}
