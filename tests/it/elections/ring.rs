//! The ring: the seven messages of the classic mode, and how a deputy takes over.

use super::*;
use tenure::elections::Ticket;
use tenure::elections::ring::{Crew, Elect, Message, Mode, Ring, Rules, Token, ViewId};

const WAY: Duration = Duration::from_millis(2);
/// The nodes of the trace, as this file calls them.
const A: NodeId = NodeId(0);
const B: NodeId = NodeId(1);
const C: NodeId = NodeId(2);
const D: NodeId = NodeId(3);

fn rules(mode: Mode) -> Rules {
    Rules { mode, values: [90, 100, 110, 120].into() }
}

/// Four nodes, of which A begins.
fn four(mode: Mode) -> World<Ring> {
    let mut world = World::<Ring>::new(1, 4, TIMING, rules(mode), steady(WAY), true);
    world.nodes().for_each(|node| world.start(node).unwrap());
    world.begin(A).unwrap();
    world.run_for(20 * WAY).unwrap();
    world
}

fn heads(world: &World<Ring>) -> Vec<(NodeId, Option<NodeId>)> {
    let mut heads: Vec<_> =
        world.views().iter().map(|view| (view.coordinator.unwrap(), view.deputy)).collect();
    heads.dedup();
    heads
}

/// Seed 000: A90 B100 C110 D120, and A begins.
#[test]
fn the_classic_ring_takes_seven_messages() {
    let world = four(Mode::Classic);
    assert_golden("ring_classic.txt", &trace(&world, Duration::ZERO));
    assert_eq!(counts(&world, Duration::ZERO)["ELECT"], 7);
    assert!(world.machine(D).unwrap().view().leads());
}

/// Chang and Roberts 1979: as many messages as it is from where it begins to the greatest, and round.
#[test]
fn a_classic_election_is_shorter_the_nearer_it_begins_to_the_greatest() {
    for (begins, messages) in [A, B, C, D].into_iter().zip([7, 6, 5, 4]) {
        let mut world = World::<Ring>::new(1, 4, TIMING, rules(Mode::Classic), steady(WAY), true);
        world.nodes().for_each(|node| world.start(node).unwrap());
        world.begin(begins).unwrap();
        world.run_for(20 * WAY).unwrap();
        assert_eq!(counts(&world, Duration::ZERO)["ELECT"], messages);
    }
}

/// Seed 000: D is killed, then C. Each time the deputy takes over, and no neighbour's death stops a lap.
#[test]
fn the_deputy_takes_over_and_finds_a_deputy_of_its_own() {
    let mut world = four(Mode::Deputy);
    assert_golden("ring_deputy.txt", &trace(&world, Duration::ZERO));
    assert_eq!(counts(&world, Duration::ZERO), BTreeMap::from([("ELECT", 4), ("VIEW", 4)]));
    assert_eq!(heads(&world), [(D, Some(C))]);
    for (killed, leader, deputy) in [(D, C, B), (C, B, A)] {
        world.crash(killed);
        let since = world.elapsed();
        world.run_for(2 * TIMING.suspicion()).unwrap();
        assert!(world.views().iter().all(|view| view.coordinator == Some(leader)), "{:?}", world.views());
        world.run_until_agreed().unwrap();
        assert_eq!(heads(&world), [(leader, Some(deputy))]);
        assert!(counts(&world, since)["PROBE"] > 0);
    }
}

/// Seed 000: "the probable leader will take charge". That nobody listens is evidence, silence is none.
#[test]
fn a_deputy_whose_leader_refuses_its_calls_leads_at_once() {
    let mut world = four(Mode::Deputy);
    world.crash(D);
    let since = world.elapsed();
    world.refuse(C, D).unwrap();
    world.run_for(2 * TIMING.heartbeat()).unwrap();
    assert!([A, B, C].iter().all(|node| world.views()[node.index()].coordinator == Some(C)));
    assert!(!counts(&world, since).contains_key("PROBE"));
    world.refuse(A, C).unwrap();
    world.run_until_agreed().unwrap();
    assert_eq!(heads(&world), [(C, Some(B))], "a follower who is refused waits for the deputy");
}

/// Seed 000: any number of dead neighbours is skipped.
#[test]
fn leader_and_deputy_may_die_together() {
    let mut world = four(Mode::Deputy);
    world.crash(D);
    world.crash(C);
    world.run_until_agreed().unwrap();
    assert_eq!(heads(&world), [(B, Some(A))]);
}

/// L3: the leader goes on when only its deputy dies.
#[test]
fn a_dead_deputy_is_replaced_and_the_leader_stays() {
    let mut world = four(Mode::Deputy);
    world.crash(C);
    world.run_until_agreed().unwrap();
    assert_eq!(heads(&world), [(D, Some(B))]);
}

#[test]
fn whoever_comes_back_is_elected_again() {
    let mut world = four(Mode::Deputy);
    world.crash(D);
    world.run_until_agreed().unwrap();
    world.start(D).unwrap();
    world.run_until_agreed().unwrap();
    assert_eq!(heads(&world), [(D, Some(C))]);
}

/// Section 5.4, 10: one broken link is no reason for anything.
#[test]
fn a_broken_link_is_gone_round() {
    let mut world = four(Mode::Deputy);
    let before = world.views()[0].number;
    world.cut(C, D, LONG);
    world.cut(D, C, LONG);
    world.run_for(Duration::from_secs(3)).unwrap();
    assert_eq!(heads(&world), [(D, Some(C))]);
    assert!(world.views()[0].number <= before + 3, "{:?}", world.views()[0]);
}

/// Seed 002, for the ring.
#[test]
fn a_partition_has_two_views_and_a_healed_one_has_one() {
    let mut world = four(Mode::Deputy);
    divide(&mut world);
    world.run_for(Duration::from_secs(1)).unwrap();
    assert_eq!(heads(&world), [(B, Some(A)), (D, Some(C))]);
    world.heal();
    world.run_until_agreed().unwrap();
    assert_eq!(heads(&world), [(D, Some(C))]);
}

#[test]
fn an_election_that_was_overtaken_is_not_sent_again() {
    const OLD: u64 = 5;
    let again = |overtaken: bool| {
        let (mut node, _) = Bench::<Ring>::new(B.0, 4, rules(Mode::Deputy));
        let token = Token::Elect(Elect { num: OLD, origin: A, visited: vec![(A, 1)] });
        node.hear(A.0, Message::Hop { ticket: Ticket::default(), token });
        if overtaken {
            let id = ViewId { num: OLD + 1, closer: D, incarnation: 1 };
            let crew = Crew { id, leader: D, deputy: Some(C), members: vec![A, B, C, D] };
            node.hear(D.0, Message::Stale { crew });
        }
        let said = sends(&node.wait(TIMING.reply() * 2));
        said.iter().any(
            |(_, said)| matches!(said, Message::Hop { token: Token::Elect(elect), .. } if elect.num == OLD),
        )
    };
    assert_eq!([again(false), again(true)], [true, false]);
}
