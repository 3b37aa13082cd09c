//! What comes in: reports of nodes, orders of people, and what becomes of processes. What is new becomes a record.

use std::collections::BTreeSet;
use std::time::Duration;

use super::board::Shown;
use super::chronicle::Chronicle;
use super::crew::State;
use super::members::Members;
use super::port::Blocked;
use super::record::{Order, Way, What, micros, seats};
use super::report::{INTERVAL, Report};
use crate::elections::NodeId;
use crate::time::{Instant, Wall};

/// A node that has not reported for so long is silent.
const SILENCE: Duration = INTERVAL.saturating_mul(3);

#[derive(Debug)]
pub(super) struct Intake {
    pub(super) chronicle: Chronicle,
    election: &'static str,
    lines: Vec<Line>,
}

/// The line to one node.
#[derive(Debug, Default)]
struct Line {
    state: Option<State>,
    heard: Option<Instant>,
    /// The life of the last report, and the last thing that it told.
    life: u64,
    told: u64,
}

impl Intake {
    pub(super) fn new(
        mut chronicle: Chronicle,
        election: &'static str,
        members: &Members,
        wall: Wall,
    ) -> Self {
        let lines = members.iter().map(|_| Line::default()).collect();
        chronicle.add(micros(wall), What::Began { election: election.to_owned(), seats: seats(members) });
        Self { chronicle, election, lines }
    }

    /// A node has reported. What it must not do; none if it is none of these.
    pub(super) fn report(&mut self, report: Report, now: Instant) -> Option<Blocked> {
        let Report { election, at_us, sight, tales } = report;
        if election != self.election {
            return None;
        }
        let (node, life) = (sight.node, sight.incarnation);
        let line = self.lines.get_mut(node.index())?;
        let first = line.heard.is_none();
        line.heard = Some(now);
        if line.life != life {
            (line.life, line.told) = (life, 0);
        }
        let missed = tales.first().map_or(0, |tale| tale.number.saturating_sub(line.told.saturating_add(1)));
        if missed > 0 {
            self.chronicle.add(at_us, What::Missed { node, count: missed });
        }
        // An answer that got lost makes a node tell a thing twice.
        let before = line.told;
        line.told = tales.last().map_or(before, |told| told.number.max(before));
        for told in tales.into_iter().filter(|told| told.number > before) {
            self.chronicle.add(told.at_us, What::Told { node, tale: told.tale });
        }
        let known = self.chronicle.board().card(node)?;
        if first || !known.heard || known.sight.as_ref() != Some(&sight) {
            self.chronicle.add(at_us, What::Shows(sight));
        } else {
            self.chronicle.board_mut().hear(node, at_us);
        }
        let blocked = self.chronicle.board().blocked();
        Some(Blocked {
            to: blocked.iter().filter(|way| way.from == node).map(|way| way.to).collect(),
            from: blocked.iter().filter(|way| way.to == node).map(|way| way.from).collect(),
        })
    }

    /// Looks at the processes and at who is silent.
    pub(super) fn look(&mut self, states: &[State], now: Instant, wall: Wall) {
        let at_us = micros(wall);
        for ((node, line), state) in (0..).map(NodeId).zip(&mut self.lines).zip(states) {
            if line.state.replace(*state) != Some(*state) {
                self.chronicle.add(at_us, What::Process { node, state: *state });
                line.heard = line.heard.filter(|_| *state != State::Gone);
            }
            if line.heard.is_some_and(|heard| now.since(heard) > SILENCE) {
                line.heard = None;
                self.chronicle.add(at_us, What::Silent { node });
            }
        }
    }

    /// What there is to see now.
    pub(super) fn show(&self, wall: Wall) -> Shown {
        self.chronicle.board().show(micros(wall))
    }

    /// A person has ordered something.
    pub(super) fn order(&mut self, node: NodeId, order: Order, wall: Wall) {
        self.chronicle.add(micros(wall), What::Ordered { node, order });
    }

    /// From now on these ways are blocked and no others; false if one of them does not exist.
    pub(super) fn block(&mut self, ways: BTreeSet<Way>, wall: Wall) -> bool {
        let exists = |way: &Way| {
            way.from != way.to && [way.from, way.to].iter().all(|node| node.index() < self.lines.len())
        };
        let all = ways.iter().all(exists);
        if all {
            self.chronicle.add(micros(wall), What::Blocked { ways });
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::archive::Archive;
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn intake() -> Intake {
        let members = Members::parse("127.0.0.1:1\n127.0.0.1:2\n").unwrap();
        Intake::new(Chronicle::new(Archive::none()), "bully", &members, Wall::default())
    }

    /// A report of a node that takes itself for the leader.
    fn leads(node: u16, at: i64, tales: &Value) -> Report {
        let sight = json!({"node": node, "incarnation": 1, "status": "Normal", "settled": true, "leads": true,
            "coordinator": node, "deputy": null, "group": "0"});
        let report = json!({"election": "bully", "at_us": at * 1_000_000, "sight": sight, "tales": tales});
        serde_json::from_value(report).unwrap()
    }

    fn promise(intake: &Intake, name: &str, at: i64) -> Value {
        let shown = serde_json::to_value(intake.chronicle.board().show(at * 1_000_000)).unwrap();
        let promises = shown["promises"].as_array().unwrap().clone();
        promises.into_iter().find(|promise| promise["name"] == name).unwrap()
    }

    #[test]
    fn two_leaders_for_longer_than_a_report_takes_break_a_promise_for_good() {
        let (mut intake, now) = (intake(), Instant::from_nanos(0));
        let name = "Nobody leads beside another";
        intake.look(&[State::Running; 2], now, Wall::default());
        intake.report(leads(0, 1, &json!([])), now).unwrap();
        intake.report(leads(1, 1, &json!([])), now).unwrap();
        assert_eq!(promise(&intake, name, 1)["broken"], false, "one of them may be late");
        assert_eq!(promise(&intake, name, 3)["broken"], true);
        intake.look(&[State::Running, State::Gone], now, Wall::from_nanos(4 * SECOND));
        let after = promise(&intake, name, 5);
        assert_eq!([&after["broken"], &after["holds"]], [&json!(true), &json!(true)]);
        assert_eq!(after["at"], json!(5), "the record of the second leader broke it");
    }

    #[test]
    fn a_tale_is_on_record_once_and_a_gap_is_told() {
        let (mut intake, now) = (intake(), Instant::from_nanos(0));
        let tale =
            |number: u64| json!({"number": number, "at_us": 1, "tale": {"tale": "noted", "note": "holds"}});
        for tales in [json!([tale(1), tale(2)]), json!([tale(2), tale(3)]), json!([tale(7)])] {
            intake.report(leads(0, 1, &tales), now).unwrap();
        }
        let kinds = |kind: fn(&What) -> bool| {
            intake.chronicle.after(0).iter().filter(|record| kind(&record.what)).count()
        };
        assert_eq!(kinds(|what| matches!(what, What::Told { .. })), 4);
        assert_eq!(kinds(|what| matches!(what, What::Missed { count: 3, .. })), 1);
        assert_eq!(kinds(|what| matches!(what, What::Shows(_))), 1, "what is not new is no record");
    }

    #[test]
    fn a_node_that_does_not_report_is_silent_and_no_leader() {
        let mut intake = intake();
        intake.look(&[State::Running; 2], Instant::from_nanos(0), Wall::default());
        intake.report(leads(0, 1, &json!([])), Instant::from_nanos(0)).unwrap();
        assert_eq!(intake.chronicle.board().leaders(), [NodeId(0)]);
        intake.look(&[State::Running; 2], Instant::from_nanos(10 * SECOND), Wall::from_nanos(10 * SECOND));
        assert_eq!(intake.chronicle.board().leaders(), []);
        intake.report(leads(0, 1, &json!([])), Instant::from_nanos(11 * SECOND)).unwrap();
        assert_eq!(intake.chronicle.board().leaders(), [NodeId(0)], "it is heard again");
    }
}
