//! The invitation: its traces, partitions, and mistakes of other programs.

use super::*;
use tenure::elections::Ticket;
use tenure::elections::invitation::{Group, Invitation, Message};

const WAY: Duration = Duration::from_millis(2);

fn group(coordinator: u16, counter: u64) -> Group {
    Group { coordinator: NodeId(coordinator), counter }
}

fn groups(world: &World<Invitation>) -> Vec<String> {
    world.views().into_iter().map(|view| view.group).collect()
}

/// Section 4: the coordinator with the highest priority merges first.
#[test]
fn three_that_start_cold_become_one_group() {
    let world = agreed::<Invitation>(3, (), WAY);
    assert_golden("invitation.txt", &trace(&world, Duration::ZERO));
    assert_eq!(groups(&world), ["P2:2", "P2:2", "P2:2"]);
    assert_eq!(world.views()[2].members, [NodeId(0), NodeId(1)]);
}

/// Seed 002: four nodes, two cannot reach the other two, then they can.
#[test]
fn a_partition_has_two_groups_and_a_healed_one_has_one() {
    let mut world = agreed::<Invitation>(4, (), WAY);
    divide(&mut world);
    world.run_for(Duration::from_secs(1)).unwrap();
    let coordinators: Vec<_> = world.views().iter().map(|view| view.coordinator.unwrap().0).collect();
    assert_eq!(coordinators, [1, 1, 3, 3]);
    world.heal();
    world.run_until_agreed().unwrap();
}

/// Seed 002 asked only in Normal, so that a member whose coordinator died before Ready waited for ever.
#[test]
fn a_member_that_reorganizes_does_not_wait_for_the_dead() {
    let (mut node, _) = Bench::<Invitation>::new(0, 3, ());
    node.hear(2, Message::Invitation { group: group(2, 7) });
    assert_eq!(node.node.view().status, "Reorganization");
    node.wait(2 * TIMING.suspicion());
    assert_eq!(node.node.view().coordinator, Some(NodeId(0)));
}

/// Seed 002 answered whoever had passed the invitation on.
#[test]
fn whoever_invites_is_answered_and_not_who_passes_it_on() {
    let (mut node, _) = Bench::<Invitation>::new(0, 3, ());
    let said = sends(&node.hear(1, Message::Invitation { group: group(2, 7) }));
    assert!(matches!(said[..], [(NodeId(2), Message::Accept { .. })]), "{said:?}");
}

/// Seed 002 logged that a Ready was not for this group, and was ready.
#[test]
fn ready_counts_only_for_the_group_that_was_accepted() {
    let (mut node, _) = Bench::<Invitation>::new(0, 3, ());
    node.hear(2, Message::Invitation { group: group(2, 7) });
    let ready =
        |counter| Message::Ready { ticket: Ticket::default(), group: group(2, counter), task: vec![] };
    node.hear(2, ready(6));
    assert_eq!(node.node.view().status, "Reorganization");
    node.hear(2, ready(7));
    assert_eq!(node.node.view().status, "Normal");
}

#[test]
fn an_accept_that_comes_too_late_is_not_counted() {
    let (mut node, _) = Bench::<Invitation>::new(2, 3, ());
    let accept = Message::Accept { ticket: Ticket::default(), group: group(2, 1) };
    node.hear(0, accept);
    assert!(node.node.view().members.is_empty());
}

#[test]
fn a_group_number_is_kept_before_anybody_hears_of_it_and_never_used_again() {
    let (_, said) = Bench::<Invitation>::new(0, 2, ());
    let mut kept = said.iter().filter_map(|output| match output {
        Output::Persist(stable) => Some(stable.counter),
        Output::Send(_) | Output::Note(_) => None,
    });
    assert_eq!(kept.next_back(), Some(1));
    let mut world = agreed::<Invitation>(2, (), WAY);
    world.crash(NodeId(0));
    world.start(NodeId(0)).unwrap();
    let counter = world.machine(NodeId(0)).unwrap().view().number;
    assert!(counter > 1, "{counter}");
}
