//! Processes that are stopped, killed and started again.

use std::thread::sleep;
use std::time::Duration;

use fastrand::Rng;
use rustix::process::Signal;

use super::everywhere;
use super::scene::{BRISK, SHORT, STEADY, Scene, count};
use crate::fleet::now;

#[test]
fn a_leader_that_stands_still_for_less_than_its_horizon_goes_on_as_leader() {
    everywhere(|place| {
        let mut scene = Scene::new(place, STEADY, 2);
        let before = scene.begin(3);
        for _ in 0..5 {
            scene.fleet.freeze(&before.0);
            sleep(SHORT);
            scene.fleet.node(&before.0).signal(Signal::CONT);
            sleep(SHORT);
        }
        scene.go_on();
        assert_eq!(scene.leader(), before);
        scene.judge();
    });
}

#[test]
fn a_leader_that_stands_still_again_and_again_is_replaced_each_time() {
    everywhere(|place| {
        let mut scene = Scene::new(place, BRISK, 2);
        scene.begin(3);
        for _ in 0..3 {
            let (leader, term) = scene.leader();
            scene.fleet.freeze(&leader);
            let next = scene.next_leader(term);
            assert_ne!(next.0, leader);
            let woken = now();
            scene.fleet.node(&leader).signal(Signal::CONT);
            scene.said(&leader, "instance.lapsed", woken);
            scene.said(&leader, "instance.registered", woken);
        }
        scene.go_on();
        scene.judge();
    });
}

#[test]
fn instances_that_all_stood_still_share_the_jobs_out_anew() {
    everywhere(|place| {
        let mut scene = Scene::new(place, BRISK, 2);
        let (_, term) = scene.begin(3);
        scene.fleet.nodes.iter().for_each(|node| scene.fleet.freeze(&node.name));
        scene.outlast_leases();
        scene.fleet.nodes.iter().for_each(|node| node.signal(Signal::CONT));
        scene.next_leader(term);
        scene.go_on();
        scene.judge();
    });
}

#[test]
fn instances_that_are_killed_and_started_without_end_leave_no_due_time_without_account() {
    everywhere(|place| {
        let mut scene = Scene::new(place, BRISK, 3);
        scene.begin(3);
        let mut random = Rng::with_seed(7);
        for _ in 0..16 {
            let victim = scene.fleet.nodes[random.usize(..3)].name.clone();
            scene.kill(&victim);
            scene.fleet.start();
            sleep(BRISK.mul_f64(random.f64() / 2.0));
        }
        scene.go_on();
        scene.judge();
    });
}

#[test]
fn instances_that_are_killed_while_they_start_harm_nobody() {
    everywhere(|place| {
        let mut scene = Scene::new(place, STEADY, 2);
        let before = scene.begin(1);
        let mut random = Rng::with_seed(8);
        for _ in 0..20 {
            let newcomer = scene.fleet.start();
            sleep(Duration::from_millis(random.u64(0..100)));
            scene.kill(&newcomer);
        }
        scene.go_on();
        assert_eq!(scene.leader(), before);
        scene.judge();
    });
}

#[test]
fn instances_that_are_all_killed_at_one_moment_go_on_when_they_are_started_again() {
    everywhere(|place| {
        let mut scene = Scene::new(place, BRISK, 3);
        let (_, term) = scene.begin(3);
        for _ in 0..2 {
            scene.fleet.nodes.iter().for_each(|node| node.signal(Signal::KILL));
            scene.fleet.nodes.clear();
            (0..3).for_each(|_| drop(scene.start()));
            scene.go_on();
        }
        assert!(scene.leader().1 > term);
        scene.judge();
    });
}

#[test]
fn a_rolling_restart_under_load_cuts_no_run_off() {
    everywhere(|place| {
        let mut scene = Scene::new(place, STEADY, 4);
        scene.begin(3);
        let old: Vec<_> = scene.fleet.nodes.iter().map(|node| node.name.clone()).collect();
        for process in old {
            scene.fleet.node(&process).signal(Signal::TERM);
            let status = scene.bury(&process);
            assert!(status.success(), "{status}");
            scene.start();
            scene.go_on();
        }
        let lines = scene.fleet.lines();
        assert_eq!(count(&lines, "instance.vanished"), 0, "everybody said goodbye");
        assert_eq!(scene.ledger("job-0").count("unknown"), 0);
        scene.judge();
    });
}
