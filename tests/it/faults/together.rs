//! Two things that go wrong at the same time.

use std::thread::sleep;

use rustix::process::Signal;

use super::everywhere;
use super::network::{Networked, in_moods};
use super::scene::{BRISK, Scene};
use crate::emulator::{Emulator, Flavour};
use crate::failover::{CALM, Place};
use crate::fleet::{now, share};
use crate::proxy::{Mood, Temper};

#[test]
fn a_leader_that_stood_still_while_the_store_was_away_comes_back_as_follower() {
    in_moods(&[Mood::Silent, Mood::Reset], |store, mood| {
        let networked = Networked::begin(store, BRISK, 3);
        let (scene, (leader, term)) = (&networked.scene, networked.scene.leader());
        scene.fleet.node(&leader).signal(Signal::STOP);
        networked.turn_all(mood);
        scene.outlast_leases();
        networked.turn_all(Mood::Fair);
        assert_ne!(scene.next_leader(term).0, leader);
        let woken = now();
        scene.fleet.node(&leader).signal(Signal::CONT);
        scene.said(&leader, "instance.lapsed", woken);
        scene.go_on();
        networked.scene.judge();
    });
}

#[test]
fn a_store_that_goes_while_jobs_are_handed_over_loses_none() {
    in_moods(&[Mood::Silent, Mood::Mute, Mood::Cut], |store, mood| {
        let mut networked = Networked::begin(store, BRISK, 3);
        let (leader, term) = networked.scene.leader();
        networked.scene.fleet.node(&leader).signal(Signal::TERM);
        networked.turn_all(mood);
        networked.scene.bury(&leader);
        networked.turn_all(Mood::Fair);
        networked.scene.next_leader(term);
        networked.scene.go_on();
        networked.scene.judge();
    });
}

#[test]
fn a_store_that_is_killed_while_jobs_are_handed_over_is_rebuilt_above_all_terms() {
    let _share = share();
    let Some(mut emulator) = Emulator::start(Flavour::FirestoreMode) else { return };
    let mut scene = Scene::new(&Place::Emulator(emulator.address()), BRISK, 3);
    let (leader, _) = scene.begin(3);
    scene.fleet.node(&leader).signal(Signal::TERM);
    emulator.kill();
    scene.bury(&leader);
    let newest = scene.leader().1;
    emulator.restart();
    scene.next_leader(newest);
    scene.go_on();
    scene.judge_without_ledger();
}

#[test]
fn a_next_leader_that_is_killed_as_it_takes_over_is_replaced_too() {
    everywhere(|place| {
        let mut scene = Scene::new(place, BRISK, 2);
        let (first, term) = scene.begin(3);
        scene.fleet.freeze(&first);
        let (second, term) = scene.next_leader(term);
        scene.kill(&second);
        scene.fleet.node(&first).signal(Signal::CONT);
        scene.next_leader(term);
        scene.go_on();
        scene.judge();
    });
}

#[test]
fn a_leader_that_is_cut_off_while_its_heir_is_killed_is_replaced_by_the_third() {
    in_moods(&[Mood::Silent], |store, mood| {
        let mut networked = Networked::begin(store, BRISK, 3);
        let (leader, term) = networked.scene.leader();
        let names: Vec<_> = networked.scene.fleet.nodes.iter().map(|node| node.name.clone()).collect();
        let mut others = names.iter().filter(|name| **name != leader);
        let (killed, third) = (others.next().unwrap(), others.next().unwrap());
        networked.of_leader().turn(mood);
        networked.scene.kill(killed);
        assert_eq!(networked.scene.next_leader(term).0, *third);
        networked.proxies.iter().for_each(|proxy| proxy.turn(Mood::Fair));
        networked.scene.go_on();
        networked.scene.judge();
    });
}

#[test]
fn a_rolling_restart_on_a_network_that_misbehaves_breaks_no_law() {
    in_moods(&[Mood::Fair], |store, _| {
        let mut networked = Networked::begin(store, CALM, 3);
        let old: Vec<_> = networked.scene.fleet.nodes.iter().map(|node| node.name.clone()).collect();
        let angry = networked.proxies.len();
        for (seed, proxy) in (1..).zip(&networked.proxies) {
            proxy.infuriate(seed, Temper { calm: 20 << 10, longest: BRISK });
            // Only connections to come have a temper.
            proxy.turn(Mood::Reset);
            proxy.turn(Mood::Fair);
        }
        for process in old {
            sleep(BRISK / 2);
            networked.scene.fleet.node(&process).signal(Signal::TERM);
            networked.scene.bury(&process);
            networked.join(store);
        }
        networked.proxies.drain(..angry).for_each(|proxy| drop(proxy.soothe()));
        networked.scene.go_on();
        networked.scene.judge();
    });
}
