//! The asynchronous bully: its trace, partitions, the three repairs, and mistakes of other programs.

use super::*;
use tenure::elections::async_bully::{AsyncBully, ElectionId, Message};

const WAY: Duration = Duration::from_millis(2);

fn elid(id: u16, number: u64) -> ElectionId {
    ElectionId { id: NodeId(id), incarnation: 1, number }
}

fn leaders(world: &World<AsyncBully>) -> Vec<u16> {
    world.views().iter().map(|view| view.coordinator.unwrap().0).collect()
}

/// Section 4 of the notes: the strongest of four comes back; 3(n-1) messages.
#[test]
fn the_strongest_halts_one_after_the_other() {
    let mut world = agreed::<AsyncBully>(4, (), WAY);
    world.crash(NodeId(0));
    world.run_for(4 * TIMING.suspicion()).unwrap();
    assert_eq!(leaders(&world), [1, 1, 1]);
    let since = world.elapsed();
    world.start(NodeId(0)).unwrap();
    world.run_until_agreed().unwrap();
    assert_golden("async_bully.txt", &trace(&world, since));
    // P2 may begin an election as well, because P1 plays dead.
    let said = world.sent().iter().filter(|sent| sent.at >= since && !sent.routine);
    assert_eq!(said.filter(|sent| [sent.from, sent.to].contains(&NodeId(0))).count(), 9);
}

/// Seed 002: four nodes, two cannot reach the other two, then they can; the lowest id is the strongest.
#[test]
fn a_partition_has_two_leaders_and_a_healed_one_has_the_strongest() {
    let mut world = agreed::<AsyncBully>(4, (), WAY);
    divide(&mut world);
    world.run_for(Duration::from_secs(1)).unwrap();
    assert_eq!(leaders(&world), [0, 0, 2, 2]);
    world.heal();
    world.run_until_agreed().unwrap();
    assert_eq!(leaders(&world), [0, 0, 0, 0]);
}

/// First repair.
#[test]
fn a_halt_that_got_lost_is_sent_again() {
    let (mut node, said) = Bench::<AsyncBully>::new(0, 2, ());
    assert_eq!(sends(&said), [(NodeId(1), Message::Halt { elid: elid(0, 1) })]);
    let said = sends(&node.wait(TIMING.reply()));
    assert!(said.contains(&(NodeId(1), Message::Halt { elid: elid(0, 1) })), "{said:?}");
}

/// Second repair.
#[test]
fn a_waiter_that_was_passed_over_is_found() {
    let (mut node, _) = Bench::<AsyncBully>::new(1, 2, ());
    node.hear(0, Message::Halt { elid: elid(0, 3) });
    let said = node.hear(0, Message::AskNorm { elid: elid(0, 4) });
    assert_eq!(sends(&said), [(NodeId(0), Message::NotNorm { elid: elid(0, 4) })]);
    node.hear(0, Message::AskNorm { elid: elid(0, 3) });
    assert_eq!(node.node.view().coordinator, Some(NodeId(0)));
}

/// Third repair.
#[test]
fn a_refusal_counts_only_in_the_election_that_it_refuses() {
    let (mut node, _) = Bench::<AsyncBully>::new(0, 3, ());
    node.hear(1, Message::Rej { elid: elid(0, 9) });
    assert_eq!(node.node.view().status, "Elec2");
    let said = sends(&node.hear(1, Message::Rej { elid: elid(0, 1) }));
    assert_eq!(said, [(NodeId(2), Message::Halt { elid: elid(0, 1) })]);
}

/// Seed 002 played dead to nobody.
#[test]
fn who_was_halted_plays_dead_to_the_weaker() {
    let (mut node, _) = Bench::<AsyncBully>::new(1, 3, ());
    let there = |up| vec![(NodeId(2), Message::IAmThere { up })];
    assert_eq!(sends(&node.hear(2, Message::AreYouThere)), there(true));
    node.hear(0, Message::Halt { elid: elid(0, 1) });
    assert_eq!(sends(&node.hear(2, Message::AreYouThere)), there(false));
}

/// Seed 002 compared an election with itself, so that a waiter refused nobody.
#[test]
fn who_waits_for_a_stronger_one_refuses_a_weaker_one() {
    let (mut node, _) = Bench::<AsyncBully>::new(2, 3, ());
    node.hear(0, Message::Halt { elid: elid(0, 1) });
    let said = sends(&node.hear(1, Message::Halt { elid: elid(1, 1) }));
    assert_eq!(said, [(NodeId(1), Message::Rej { elid: elid(1, 1) })]);
}

/// Seed 002 compared with the leader it had before.
#[test]
fn who_waits_for_the_dead_holds_an_election() {
    let (mut node, _) = Bench::<AsyncBully>::new(1, 2, ());
    node.hear(0, Message::Halt { elid: elid(0, 1) });
    node.wait(2 * TIMING.suspicion());
    assert!(node.node.view().leads());
}
