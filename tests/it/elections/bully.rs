//! The bully: the exam's figure, the paper's counts, and mistakes of other programs.

use super::*;
use tenure::elections::Ticket;
use tenure::elections::bully::{Bully, Message, Profile};

const EVERY_PROFILE: [Profile; 3] = [Profile::Exam, Profile::Textbook, Profile::GarciaMolina];
/// How long a message takes in the figure.
const WAY: Duration = Duration::from_millis(2);

/// Eight processes; the last one was coordinator and has just crashed, and one notices.
fn eight(profile: Profile, notices: u16, way: Duration) -> (World<Bully>, Duration) {
    let mut world = agreed(8, profile, way);
    world.crash(NodeId(7));
    world.run_for(2 * way).unwrap();
    let since = world.elapsed();
    world.refuse(NodeId(notices), NodeId(7)).unwrap();
    (world, since)
}

#[test]
fn the_figure_of_the_exam() {
    let (mut world, since) = eight(Profile::Exam, 4, WAY);
    world.run_for(30 * WAY / 2).unwrap();
    assert_golden("exam.txt", &trace(&world, since));
    let sent = |name: &str| {
        let said = world.sent().iter().filter(|sent| sent.at >= since && sent.name == name);
        let mut pairs: Vec<_> = said.map(|sent| (sent.from.0, sent.to.0)).collect();
        pairs.sort_unstable();
        pairs
    };
    assert_eq!(sent("ELECTION"), [(4, 5), (4, 6), (4, 7), (5, 6), (5, 7), (6, 7)]);
    assert_eq!(sent("OK"), [(5, 4), (6, 4), (6, 5)]);
    assert_eq!(sent("COORDINATOR"), [(6, 0), (6, 1), (6, 2), (6, 3), (6, 4), (6, 5), (6, 7)]);
    assert!(world.views().iter().all(|view| view.settled && view.coordinator == Some(NodeId(6))));
}

#[test]
fn the_order_of_the_figure_holds_whatever_each_message_takes() {
    for seed in 0..200 {
        let mut world = World::<Bully>::new(seed, 8, TIMING, Profile::Exam, steady(WAY), true);
        world.nodes().for_each(|node| world.start(node).unwrap());
        world.run_until_agreed().unwrap();
        world.set_network(Network { shortest: WAY / 8, longest: 2 * WAY, ..Network::default() });
        world.crash(NodeId(7));
        world.run_for(2 * WAY).unwrap();
        let since = world.elapsed();
        world.refuse(NodeId(4), NodeId(7)).unwrap();
        world.run_for(Duration::from_millis(24)).unwrap();
        let said: Vec<_> =
            world.sent().iter().filter(|sent| sent.at >= since && !sent.routine).cloned().collect();
        let find = |name: &str, from, to| {
            let mut found = said
                .iter()
                .filter(|sent| (sent.name, sent.from, sent.to) == (name, NodeId(from), NodeId(to)));
            let (first, second) = (found.next(), found.next());
            assert!(second.is_none(), "seed {seed}: {name} {from} > {to} twice");
            first.unwrap_or_else(|| panic!("seed {seed}: no {name} {from} > {to}"))
        };
        for (low, high) in [(4, 5), (4, 6), (5, 6)] {
            let asked = find("ELECTION", low, high).arrived.unwrap();
            assert!(find("OK", high, low).at >= asked, "seed {seed}");
        }
        for high in [5, 6].map(NodeId) {
            let first = said.iter().find(|sent| sent.from == high).unwrap();
            assert_eq!(first.name, "OK", "seed {seed}: {high} answers before it holds an election");
        }
        let expired = find("ELECTION", 6, 7).at + TIMING.reply();
        assert!((0..6).all(|to| find("COORDINATOR", 6, to).at >= expired), "seed {seed}");
        assert!(said.iter().all(|sent| sent.from >= NodeId(4)), "seed {seed}: P0 to P3 say nothing");
    }
}

/// [S] of the notes: with m nodes above the one that notices, the dead coordinator among them.
#[test]
fn an_exam_takes_as_many_messages_as_the_formula_says() {
    for (notices, total) in (0..7).zip([56, 43, 32, 23, 16, 11, 8]) {
        let (mut world, since) = eight(Profile::Exam, notices, WAY / 2);
        world.run_until_agreed().unwrap();
        let counts = counts(&world, since);
        let above = 7 - usize::from(notices);
        assert_eq!(counts["ELECTION"], above * (above + 1) / 2);
        assert_eq!(counts.get("OK").copied().unwrap_or(0), above * (above - 1) / 2);
        assert_eq!(counts.values().sum::<usize>(), total, "{counts:?}");
    }
}

/// Garcia-Molina 1982: u lower nodes are up, a higher ones are down; 6u + a messages.
#[test]
fn an_election_of_1982_takes_as_many_messages_as_the_formula_says() {
    let (mut world, since) = eight(Profile::GarciaMolina, 6, WAY / 4);
    world.run_until_agreed().unwrap();
    let counts = counts(&world, since);
    assert_golden("garcia_molina.txt", &trace(&world, since));
    for (name, count) in [("AreYouThere", 1), ("Halt", 6), ("NewCoordinator", 6), ("Ready", 6), ("yes", 18)] {
        assert_eq!(counts[name], count, "{counts:?}");
    }
    assert_eq!(counts.values().sum::<usize>(), 6 * 6 + 1);
}

/// Section 2.6 (h), and seed 002: four nodes, two cannot reach the other two, then they can.
#[test]
fn a_partition_has_two_coordinators_and_a_healed_one_has_one() {
    for profile in EVERY_PROFILE {
        let mut world = agreed::<Bully>(4, profile, WAY);
        divide(&mut world);
        world.run_for(Duration::from_millis(400)).unwrap();
        let coordinators = |world: &World<Bully>| {
            world.views().iter().map(|view| view.coordinator.unwrap().0).collect::<Vec<_>>()
        };
        assert_eq!(coordinators(&world), [1, 1, 3, 3], "{profile:?}");
        world.heal();
        world.run_until_agreed().unwrap();
        assert_eq!(coordinators(&world), [3, 3, 3, 3], "{profile:?}");
    }
}

/// Section 2.5, 6: one link is broken, and nobody in between loses his coordinator for it.
#[test]
fn the_hint_keeps_a_broken_link_from_making_elections() {
    let held = |profile| {
        let mut world = agreed::<Bully>(5, profile, WAY);
        world.cut(NodeId(2), NodeId(4), LONG);
        world.cut(NodeId(4), NodeId(2), LONG);
        let since = world.elapsed();
        world.run_for(Duration::from_secs(3)).unwrap();
        let by =
            |sent: &&elections::Sent| sent.at >= since && sent.name == "ELECTION" && sent.from == NodeId(3);
        world.sent().iter().filter(by).count()
    };
    assert!(held(Profile::Exam) > 20);
    assert_eq!(held(Profile::Textbook), 0);
}

/// Section 2.6 (b), and 2.5, 4: programs without a time limit for COORDINATOR wait for ever.
#[test]
fn whoever_was_told_ok_does_not_wait_for_the_dead() {
    let (mut world, since) = eight(Profile::Exam, 4, WAY);
    world.run_for(3 * WAY).unwrap();
    assert!(counts(&world, since)["OK"] > 0);
    world.crash(NodeId(6));
    world.run_until_agreed().unwrap();
    assert_eq!(world.views()[0].coordinator, Some(NodeId(5)));
}

/// A rule "only if it is not lower than mine" leaves those wrong who still believe in the dead.
#[test]
fn a_coordinator_from_above_is_accepted_even_if_a_higher_one_is_believed_in() {
    let (mut node, _) = Bench::<Bully>::new(0, 8, Profile::Exam);
    for coordinator in [7, 6] {
        node.hear(coordinator, Message::Coordinator);
        assert_eq!(node.node.view().coordinator, Some(NodeId(coordinator)));
    }
}

/// Section 2.5, 3: the message of an earlier life comes late.
#[test]
fn what_an_earlier_life_said_counts_no_more() {
    let (mut node, _) = Bench::<Bully>::new(0, 8, Profile::Exam);
    node.hear_life(6, 2, Message::Heartbeat);
    node.hear_life(7, 2, Message::Election { ticket: Ticket::default() });
    node.hear_life(7, 1, Message::Coordinator);
    assert_eq!(node.node.view().coordinator, Some(NodeId(6)));
}

#[test]
fn a_refused_connection_is_an_answer() {
    let (mut world, since) = eight(Profile::Exam, 6, WAY);
    world.refuse(NodeId(6), NodeId(7)).unwrap();
    assert_eq!(counts(&world, since)["COORDINATOR"], 7);
}

/// Seed 002: `AreYouNormal` gave no answer to a second coordinator, so that it was never noticed.
#[test]
fn a_second_coordinator_is_noticed() {
    let (mut node, _) = Bench::<Bully>::new(0, 3, Profile::GarciaMolina);
    follow(&mut node, 1);
    let said = node.hear(2, Message::AreYouNormal { ticket: Ticket::default() });
    assert_eq!(sends(&said), [(NodeId(2), Message::Reply { ticket: Ticket::default(), yes: false })]);
}

/// Seed 002: Ready was accepted from anybody.
#[test]
fn ready_counts_only_from_whom_was_accepted() {
    let (mut node, _) = Bench::<Bully>::new(0, 3, Profile::GarciaMolina);
    let ready = Message::Ready { ticket: Ticket::default(), task: Ticket::default() };
    node.hear(2, ready.clone());
    assert_eq!(node.node.view().status, "Down");
    node.hear(1, Message::Halt { ticket: Ticket::default() });
    node.hear(2, Message::NewCoordinator { ticket: Ticket::default() });
    assert_eq!(node.node.view().status, "Election", "it was halted by another one");
    node.hear(1, Message::NewCoordinator { ticket: Ticket::default() });
    node.hear(2, ready);
    assert_eq!(node.node.view().status, "Reorganization");
}

/// Seed 002: a node that vanished between Halt and Ready was not missed.
#[test]
fn an_unanswered_announcement_begins_the_election_again() {
    let (mut node, said) = Bench::<Bully>::new(1, 2, Profile::GarciaMolina);
    let (_, halt) = sends(&said).pop().unwrap();
    let Message::Halt { ticket } = halt else { panic!("{halt:?}") };
    let said = node.hear(0, Message::Reply { ticket, yes: true });
    assert!(matches!(sends(&said)[..], [(NodeId(0), Message::NewCoordinator { .. })]));
    let said = node.wait(TIMING.reply());
    assert!(matches!(sends(&said)[..], [(NodeId(0), Message::Halt { .. })]));
}

/// Section 2.6 (j): whoever halted this node is gone before he is its coordinator.
#[test]
fn a_halted_node_whose_halter_died_holds_an_election() {
    let (mut node, _) = Bench::<Bully>::new(0, 2, Profile::GarciaMolina);
    node.hear(1, Message::Halt { ticket: Ticket::default() });
    node.wait(2 * TIMING.suspicion());
    assert!(node.node.view().leads());
}

fn follow(node: &mut Bench<Bully>, coordinator: u16) {
    let ticket = Ticket::default();
    let steps = [
        Message::Halt { ticket },
        Message::NewCoordinator { ticket },
        Message::Ready { ticket, task: ticket },
    ];
    for message in steps {
        node.hear(coordinator, message);
    }
    assert_eq!(node.node.view().coordinator, Some(NodeId(coordinator)));
}
