//! The scenes that the classic programs played, each over real sockets.

use std::thread;

use serde_json::{Value, json};
use tenure::sim::elections::Algorithm;

use super::{Laboratory, body, order, shown, view};
use crate::fleet::get;

/// Eight processes; P7 was coordinator and is dead, and P4 is the first to notice.
fn play_the_exam(delay: &str) {
    let mut lab = Laboratory::new(&[0; 8], delay, &["--patient"]);
    (0..8).rev().for_each(|node| lab.start("exam", node));
    lab.wait_for(7, &[0, 1, 2, 3, 4, 5, 6, 7]);
    lab.wait_for_silence();
    lab.kill("P7");
    let before = lab.lines().len();
    order(&lab.address(4), "/api/v1/begin", &json!({}));
    lab.wait_for(6, &[0, 1, 2, 3, 4, 5, 6]);
    lab.wait_for_silence();
    let lines = lab.lines().split_off(before);
    assert_messages(&lines);
    assert_order(&lines);
}

/// The messages of the figure and no others.
fn assert_messages(lines: &[Value]) {
    let number = |text: &Value| text.as_str().unwrap()[1..].parse::<u64>().unwrap();
    let sent = lines.iter().filter(|line| line["event"] == "node.sent");
    let mut said: Vec<_> = sent
        .map(|line| (line["message_name"].as_str().unwrap(), number(&line["node"]), number(&line["to"])))
        .collect();
    said.sort_unstable();
    let mut figure = vec![("OK", 5, 4), ("OK", 6, 4), ("OK", 6, 5)];
    figure.extend([(4, 5), (4, 6), (4, 7), (5, 6), (5, 7), (6, 7)].map(|(from, to)| ("ELECTION", from, to)));
    figure.extend([0, 1, 2, 3, 4, 5, 7].map(|to| ("COORDINATOR", 6, to)));
    figure.sort_unstable();
    assert_eq!(said, figure);
}

/// The order of the figure, which is not that of all messages.
fn assert_order(lines: &[Value]) {
    // The lines of one process stand in their order.
    let place = |node: &str, event: &str, name: &str, peer: &str| {
        let is = |line: &Value| {
            let with = if event == "node.sent" { "to" } else { "from" };
            [&line["node"], &line["event"], &line["message_name"], &line[with]] == [node, event, name, peer]
        };
        lines.iter().position(is).unwrap_or_else(|| panic!("no {event} {name} of {node} with {peer}"))
    };
    for (low, high) in [("P4", "P5"), ("P4", "P6"), ("P5", "P6")] {
        let asked = place(high, "node.received", "ELECTION", low);
        let answered = place(high, "node.sent", "OK", low);
        assert!(asked < answered && lines[answered]["cause"] == lines[asked]["id"], "{high} answers {low}");
    }
    // P5 may overtake P4 on its way to P6.
    for node in ["P5", "P6"] {
        let first = lines.iter().find(|line| line["node"] == node && line["event"] == "node.sent").unwrap();
        assert_eq!(first["message_name"], "OK", "{node} answers before it asks");
    }
    for node in ["P4", "P5", "P6"] {
        let held = lines.iter().filter(|line| line["node"] == node && line["event"] == "node.holds");
        assert_eq!(held.count(), 1, "{node} holds one election");
    }
    let won = place("P6", "node.sent", "COORDINATOR", "P0");
    assert!(lines[won]["cause"].is_null(), "P6 wins because time has passed and nobody answered");
    assert!(place("P6", "node.sent", "ELECTION", "P7") < won);
}

#[test]
fn the_exam_over_sockets_says_exactly_what_the_figure_shows() {
    thread::scope(|scope| (0..3).for_each(|_| drop(scope.spawn(|| play_the_exam("2s")))));
}

/// `cargo test --test it -- --ignored fifty_exams`
#[test]
#[ignore = "takes minutes"]
fn fifty_exams_over_sockets_say_exactly_what_the_figure_shows() {
    for round in 1..=10 {
        thread::scope(|scope| (0..5).for_each(|_| drop(scope.spawn(|| play_the_exam("1s")))));
        eprintln!("{} of 50", round * 5);
    }
}

/// A to D have 90 to 120, and A begins, on a ring that never breaks.
#[test]
fn the_classic_ring_over_sockets_says_seven_messages() {
    let mut lab = Laboratory::new(&[90, 100, 110, 120], "300ms", &["--classic"]);
    (0..4).for_each(|node| lab.start("ring", node));
    lab.wait("all are up", |_| (0..4).all(|node| !view(&lab.address(node)).is_null()).then_some(()));
    order(&lab.address(0), "/api/v1/begin", &json!({}));
    lab.wait_for(3, &[3]);
    let lines = lab.lines();
    let sent: Vec<_> = lines.iter().filter(|line| line["event"] == "node.sent").collect();
    assert_eq!(sent.len(), 7);
    let mut said = sent.iter().find(|line| line["cause"].is_null()).copied().unwrap();
    for (from, to) in [(0, 1), (1, 2), (2, 3), (3, 0), (0, 1), (1, 2), (2, 3)] {
        let (is, must) = ([&said["node"], &said["to"]], [json!(format!("P{from}")), json!(format!("P{to}"))]);
        assert_eq!(is, [&must[0], &must[1]]);
        said = sent.iter().find(|line| line["cause"] == said["id"]).copied().unwrap_or(&Value::Null);
    }
}

/// D leads, is killed, and its deputy C leads; C is killed, and B leads; both come back.
#[test]
fn a_ring_over_sockets_goes_on_under_its_deputy() {
    let mut lab = Laboratory::new(&[90, 100, 110, 120], "300ms", &[]);
    let heads = |lab: &Laboratory, nodes: &[usize], leader: u16, deputy: u16| {
        lab.wait(&format!("P{leader} leads and P{deputy} is its deputy"), |_| {
            let agrees = |node: &usize| {
                let view = view(&lab.address(*node));
                view["coordinator"] == leader && view["deputy"] == deputy
            };
            nodes.iter().all(agrees).then_some(())
        });
    };
    (0..4).for_each(|node| lab.start("ring", node));
    heads(&lab, &[0, 1, 2, 3], 3, 2);
    lab.kill("P3");
    heads(&lab, &[0, 1, 2], 2, 1);
    lab.kill("P2");
    heads(&lab, &[0, 1], 1, 0);
    (2..4).for_each(|node| lab.start("ring", node));
    heads(&lab, &[0, 1, 2, 3], 3, 2);
    assert_eq!(view(&lab.address(3))["incarnation"], 2, "it is back in a second life");
}

/// Where each message may take a minute, silence would say nothing for eight.
#[test]
fn a_death_is_noticed_at_once_by_those_who_have_nothing_to_say_to_the_dead() {
    let mut lab = Laboratory::new(&[0; 2], "1m", &[]);
    lab.start("bully", 1);
    lab.wait_for(1, &[1]);
    lab.start("bully", 0);
    lab.wait_for(1, &[0, 1]);
    for _ in 0..2 {
        lab.kill("P1");
        lab.wait_for(0, &[0]);
        // It takes the lead, and P0 never has a word for it.
        lab.start("bully", 1);
        lab.wait_for(1, &[0, 1]);
    }
}

/// Four nodes, two of which cannot talk to the other two, until they can.
#[test]
fn blocked_connections_make_two_groups_and_a_reset_makes_one_whatever_the_election() {
    thread::scope(|scope| {
        for (election, _) in Algorithm::ALL {
            scope.spawn(|| divide_and_merge(election));
        }
    });
}

fn divide_and_merge(election: &str) {
    let mut lab = Laboratory::new(&[0, 1, 2, 3], "300ms", &[]);
    let controller = lab.start_all(election);
    lab.wait(&format!("one group of {election}"), |_| is_divided(&shown(&controller), &[&[0, 1, 2, 3]]));
    let pairs = [(0, 2), (0, 3), (1, 2), (1, 3)];
    let both = pairs.iter().flat_map(|(a, b)| [json!({"from": a, "to": b}), json!({"from": b, "to": a})]);
    order(&controller, "/api/v1/blocks", &json!({ "blocked": both.collect::<Vec<_>>() }));
    lab.wait(&format!("two groups of {election}"), |_| is_divided(&shown(&controller), &[&[0, 1], &[2, 3]]));
    order(&controller, "/api/v1/blocks", &json!({ "blocked": [] }));
    lab.wait(&format!("one group of {election} again"), |_| {
        is_divided(&shown(&controller), &[&[0, 1, 2, 3]])
    });
    let promises = body(&get(&controller, "/api/v1/lab"))["promises"].as_array().unwrap().clone();
    let always = promises.iter().filter(|promise| promise["assumes"] == "always");
    always.for_each(|promise| assert_eq!(promise["broken"], false, "{election}: {promise}"));
}

/// Whether these are the groups, each with one leader whom all of it obey.
fn is_divided(nodes: &[Value], groups: &[&[usize]]) -> Option<()> {
    let has_leader = |group: &&[usize]| {
        let mut leaders = group.iter().map(|node| &nodes[*node]).filter(|node| node["leads"] == true);
        let (first, second) = (leaders.next(), leaders.next());
        let leader = first.filter(|_| second.is_none())?;
        let same = |key: &str, value: &Value| group.iter().all(|node| nodes[*node][key] == *value);
        (same("coordinator", &leader["addr"]) && same("groupid", &leader["groupid"])).then_some(())
    };
    groups.iter().all(|group| has_leader(group).is_some()).then_some(())
}
