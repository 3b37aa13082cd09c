//! Cables that are cut: packets that get lost one way or both, are turned away, or have no way.

use std::fmt::Write as _;
use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;

use super::lab::{INSTANCES, Lab, STORE};
use super::scene::{BRISK, SHORT, STEADY, Scene};
use crate::failover::{Place, emulators, play};
use crate::fleet::{now, share};

/// What is done to the packets between an instance and the store.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cut {
    Requests,
    Replies,
    Both,
    /// The instance is told at once that there is nobody.
    Rejected,
    NoRoute,
    /// A fifth of all packets is lost, both ways.
    Lossy,
    /// The store is reached, the other instances are not.
    Others,
}

impl Cut {
    pub(super) fn make(self, lab: &Lab, instance: usize) {
        let (there, back) = (format!("out ip daddr {STORE}"), format!("in ip saddr {STORE}"));
        let rules = match self {
            Self::Requests => vec![format!("{there} drop")],
            Self::Replies => vec![format!("{back} drop")],
            Self::Both => vec![format!("{there} drop"), format!("{back} drop")],
            Self::Rejected => vec![format!("{there} ip protocol tcp reject with tcp reset")],
            Self::NoRoute => return lab.run(instance, &["ip", "route", "add", "blackhole", STORE]),
            Self::Lossy => [there, back].map(|way| format!("{way} numgen random mod 100 < 20 drop")).into(),
            Self::Others => vec!["out ip daddr 10.77.0.11-10.77.0.13 drop".to_owned()],
        };
        let mut text = "add table inet cut;
            add chain inet cut out { type filter hook output priority 0; };
            add chain inet cut in { type filter hook input priority 0; };"
            .to_owned();
        for rule in rules {
            write!(text, "\nadd rule inet cut {rule};").unwrap();
        }
        lab.run(instance, &["nft", &text]);
    }

    pub(super) fn mend(self, lab: &Lab, instance: usize) {
        if self == Self::NoRoute {
            lab.run(instance, &["ip", "route", "del", "blackhole", STORE]);
        } else {
            lab.run(instance, &["nft", "flush ruleset"]);
        }
    }
}

/// Plays a scenario with each cut in a network of its own, on the emulator that is most like Google's.
fn with(cuts: &[Cut], failover: Duration, scenario: impl Fn(Cut, &Lab, Scene) + Sync) {
    let _share = share();
    let Some(Place::Emulator(store)) = emulators().pop() else { return };
    play(cuts, |cut| {
        let Some(lab) = Lab::new() else { return };
        scenario(*cut, &lab, lab.scene(&store, failover));
    });
}

/// The number of the instance that leads the first job.
fn leading(scene: &Scene) -> usize {
    let (leader, _) = scene.leader();
    1 + scene.fleet.nodes.iter().position(|node| node.name == leader).unwrap()
}

#[test]
fn a_leader_whose_cable_is_cut_is_replaced_and_comes_back_as_follower() {
    let cuts = [Cut::Requests, Cut::Replies, Cut::Both, Cut::Rejected, Cut::NoRoute];
    with(&cuts, BRISK, |cut, lab, scene| {
        let ((leader, term), instance, began) = (scene.leader(), leading(&scene), now());
        cut.make(lab, instance);
        assert_ne!(scene.next_leader(term).0, leader);
        scene.said(&leader, "instance.lapsed", began);
        let mended = now();
        cut.mend(lab, instance);
        scene.said(&leader, "instance.registered", mended);
        scene.go_on();
        scene.judge();
    });
}

#[test]
fn a_leader_whose_cable_is_mended_before_its_horizon_goes_on_as_leader() {
    with(&[Cut::Requests, Cut::Replies, Cut::Rejected, Cut::NoRoute], STEADY, |cut, lab, scene| {
        let (before, instance) = (scene.leader(), leading(&scene));
        cut.make(lab, instance);
        sleep(SHORT);
        cut.mend(lab, instance);
        sleep(STEADY / 2);
        scene.go_on();
        assert_eq!(scene.leader(), before);
        scene.judge();
    });
}

#[test]
fn instances_whose_cables_are_all_cut_launch_nothing_until_they_are_mended() {
    with(&[Cut::Requests, Cut::Replies, Cut::NoRoute], BRISK, |cut, lab, scene| {
        let (_, term) = scene.leader();
        (1..=INSTANCES).for_each(|instance| cut.make(lab, instance));
        scene.outlast_leases();
        let lapsed = now();
        sleep(BRISK);
        assert_eq!(scene.launches_since(lapsed).len(), 0, "nobody leads");
        (1..=INSTANCES).for_each(|instance| cut.mend(lab, instance));
        scene.next_leader(term);
        scene.go_on();
        scene.judge();
    });
}

#[test]
fn a_network_that_loses_a_fifth_of_all_packets_breaks_no_law() {
    with(&[Cut::Lossy], STEADY, |cut, lab, scene| {
        (1..=INSTANCES).for_each(|instance| cut.make(lab, instance));
        sleep(STEADY);
        (1..=INSTANCES).for_each(|instance| cut.mend(lab, instance));
        scene.go_on();
        scene.judge();
    });
}

#[test]
fn instances_that_reach_the_store_but_not_each_other_hand_over_all_the_same() {
    with(&[Cut::Others], STEADY, |cut, lab, mut scene| {
        (1..=INSTANCES).for_each(|instance| cut.make(lab, instance));
        // By then the leader has heard of the others.
        sleep(STEADY / 2);
        let (leader, term) = scene.leader();
        scene.fleet.node(&leader).signal(Signal::TERM);
        assert!(scene.bury(&leader).success());
        scene.next_leader(term);
        scene.go_on();
        scene.judge();
    });
}
