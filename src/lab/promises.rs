//! What each election promises, watched while it runs.
//!
//! Nodes report one after the other, so two of them may seem to differ for a moment though they never
//! did. What is promised of several nodes at one time counts as broken when it has not held for [`GRACE`].

use std::collections::BTreeMap;

use serde::Serialize;

use super::board::Card;
use super::record::{Record, Sight, What};
use crate::elections::NodeId;

/// How long nodes may seem to differ: as long as a report may be under way.
const GRACE_US: i64 = 1_000_000;

/// The promises of one election.
#[derive(Clone, Debug, Default)]
pub(super) struct Promises {
    articles: Vec<Article>,
    /// The leader and deputy of each group, as they were first seen.
    groups: BTreeMap<String, (Option<NodeId>, Option<NodeId>)>,
    /// The last life of each node.
    lives: BTreeMap<NodeId, u64>,
}

/// One promise, and whether it holds.
#[derive(Clone, Debug)]
struct Article {
    promise: Promise,
    /// Since when it does not hold, if it does not: perhaps only as far as reports tell.
    doubt: Option<Breach>,
    /// When it was broken first.
    broken: Option<Breach>,
}

/// By which record, when, and how.
#[derive(Clone, Debug)]
struct Breach {
    at: u64,
    at_us: i64,
    why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Promise {
    Lives,
    OneLeader,
    Assertion1,
    OneCoordinatorAGroup,
    OneViewANumber,
    Upwards,
    LeadsItsElection,
    Agreement,
}

/// A promise, as the page shows it.
#[derive(Debug, Serialize)]
pub(super) struct ShownPromise {
    name: &'static str,
    assumes: &'static str,
    holds: bool,
    /// The record that broke it first, how, and whether it was broken rather than is in doubt.
    broken: bool,
    at: Option<u64>,
    why: Option<String>,
}

impl Promises {
    /// Those of the election of that name.
    pub(super) fn of(election: &str) -> Self {
        let own: &[Promise] = match election {
            "garcia-molina" => &[Promise::Assertion1, Promise::Upwards],
            "invitation" => &[Promise::OneCoordinatorAGroup],
            "asynchronous-bully" => &[Promise::OneCoordinatorAGroup, Promise::LeadsItsElection],
            "ring" => &[Promise::OneViewANumber],
            _ => &[Promise::Upwards],
        };
        let promises = [Promise::Lives].iter().chain(own).chain(&[Promise::OneLeader, Promise::Agreement]);
        let article = |promise: &Promise| Article { promise: *promise, doubt: None, broken: None };
        Self { articles: promises.map(article).collect(), ..Self::default() }
    }

    /// Time has passed, and nothing has happened.
    pub(super) fn wait(&mut self, at_us: i64) {
        for article in &mut self.articles {
            let late =
                article.doubt.as_ref().filter(|doubt| at_us - doubt.at_us >= article.promise.grace_us());
            if article.broken.is_none() {
                article.broken = late.cloned();
            }
        }
    }

    /// Something has happened, and this is what is known since.
    pub(super) fn take(&mut self, record: &Record, cards: &[Card]) {
        let shows = match &record.what {
            What::Shows(sight) => Some(sight),
            What::Process { .. } | What::Silent { .. } => None,
            What::Began { .. }
            | What::Told { .. }
            | What::Missed { .. }
            | What::Ordered { .. }
            | What::Blocked { .. } => return,
        };
        let mut articles = std::mem::take(&mut self.articles);
        for article in &mut articles {
            match self.check(article.promise, shows, cards) {
                None => article.doubt = None,
                Some(_) if article.doubt.is_some() => {}
                Some(why) => article.doubt = Some(Breach { at: record.number, at_us: record.at_us, why }),
            }
        }
        self.articles = articles;
        self.wait(record.at_us);
        if let Some(sight) = shows {
            self.lives.insert(sight.node, sight.incarnation);
        }
    }

    /// How a promise is broken now, if it is.
    fn check(&mut self, promise: Promise, shows: Option<&Sight>, cards: &[Card]) -> Option<String> {
        let live = || cards.iter().filter_map(Card::live);
        match promise {
            Promise::Lives => {
                let (sight, last) = (shows?, *self.lives.get(&shows?.node)?);
                let why =
                    || format!("{} is in life {} after {last}", name(cards, sight.node), sight.incarnation);
                (sight.incarnation < last).then(why)
            }
            Promise::OneLeader => differ(cards, live().filter(|sight| sight.leads)),
            Promise::Assertion1 => {
                let bound = |sight: &&Sight| matches!(&*sight.status, "Reorganization" | "Normal");
                differ(cards, live().filter(bound))
            }
            Promise::Agreement => {
                let unsettled = live().find(|sight| !sight.settled);
                let doubts = |sight: &Sight| format!("{} is in doubt", name(cards, sight.node));
                let gone = |sight: &&Sight| !live().any(|other| sight.coordinator == Some(other.node));
                let lags = |sight: &Sight| format!("{} does not know yet", name(cards, sight.node));
                let lagging = || live().find(gone).map(lags);
                unsettled.map(doubts).or_else(|| differ(cards, live())).or_else(lagging)
            }
            Promise::OneCoordinatorAGroup | Promise::OneViewANumber => self.group(cards, shows?),
            Promise::Upwards => {
                let below = |sight: &Sight| sight.settled && sight.coordinator < Some(sight.node);
                let why = |sight: &Sight| {
                    format!("{} obeys {}", name(cards, sight.node), word(cards, sight.coordinator))
                };
                live().find(|sight| below(sight)).map(why)
            }
            Promise::LeadsItsElection => {
                let strange = |sight: &Sight| {
                    let holder = sight.coordinator.map(|node| format!("{node},")).unwrap_or_default();
                    sight.settled && !sight.group.starts_with(&holder)
                };
                let why = |sight: &Sight| {
                    let [who, whom] = [Some(sight.node), sight.coordinator].map(|node| word(cards, node));
                    format!("{who} obeys {whom} in {}", sight.group)
                };
                live().find(|sight| strange(sight)).map(why)
            }
        }
    }

    /// How a node contradicts what was seen of its group, if it does.
    fn group(&mut self, cards: &[Card], sight: &Sight) -> Option<String> {
        if !sight.settled {
            return None;
        }
        let seen = (sight.coordinator, sight.deputy);
        let first = self.groups.entry(sight.group.clone()).or_insert(seen);
        let why = || {
            let [was, is] = [first.0, seen.0].map(|node| word(cards, node));
            let who = name(cards, sight.node);
            format!("{} is led by {is} according to {who}, and was by {was}", sight.group)
        };
        (*first != seen).then(why)
    }

    pub(super) fn show(&self) -> Vec<ShownPromise> {
        let show = |Article { promise, doubt, broken }: &Article| {
            let (name, assumes) = promise.text();
            let fact = broken.as_ref().or(doubt.as_ref());
            ShownPromise {
                name,
                assumes,
                holds: doubt.is_none(),
                broken: broken.is_some(),
                at: fact.map(|fact| fact.at),
                why: fact.map(|fact| fact.why.clone()),
            }
        };
        self.articles.iter().map(show).collect()
    }
}

impl Promise {
    /// How long it may seem broken.
    fn grace_us(self) -> i64 {
        match self {
            Self::OneLeader | Self::Assertion1 => GRACE_US,
            // While they elect, they cannot agree.
            Self::Agreement => i64::MAX,
            Self::Lives
            | Self::OneCoordinatorAGroup
            | Self::OneViewANumber
            | Self::Upwards
            | Self::LeadsItsElection => 0,
        }
    }

    /// What is promised, and under which assumptions.
    fn text(self) -> (&'static str, &'static str) {
        match self {
            Self::Lives => ("The lives of a node are numbered upwards", "always"),
            Self::OneLeader => ("Nobody leads beside another", "no partition, no message too slow"),
            Self::Assertion1 => (
                "Assertion 1: nodes in Reorganization or Normal have one coordinator",
                "no partition, no message too slow",
            ),
            Self::OneCoordinatorAGroup => ("A group has one coordinator, for ever", "always"),
            Self::OneViewANumber => ("A view has one leader and one deputy, for ever", "always"),
            Self::Upwards => ("Nobody obeys a lower one", "always"),
            Self::LeadsItsElection => ("Who leads has held the election", "always"),
            Self::Agreement => ("All that are up agree now", "nothing has happened for a while"),
        }
    }
}

/// How nodes name different coordinators, if they do.
fn differ<'a>(cards: &[Card], mut sights: impl Iterator<Item = &'a Sight>) -> Option<String> {
    let first = sights.next()?;
    let other = sights.find(|sight| sight.coordinator != first.coordinator)?;
    let names =
        |sight: &Sight| format!("{} names {}", name(cards, sight.node), word(cards, sight.coordinator));
    Some(format!("{}, {}", names(first), names(other)))
}

fn word(cards: &[Card], node: Option<NodeId>) -> String {
    node.map_or_else(|| "nobody".to_owned(), |node| name(cards, node))
}

fn name(cards: &[Card], node: NodeId) -> String {
    cards.get(node.index()).map_or_else(|| node.to_string(), |card| card.seat.name.clone())
}
