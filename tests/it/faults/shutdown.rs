//! Ends that do not go as planned: the store is away, or whoever asked has no more patience.

use std::fs::read_to_string;
use std::time::Duration;

use rustix::process::Signal;

use super::everywhere;
use super::network::{Networked, in_moods};
use super::recorder::Recorder;
use super::scene::{BRISK, SHORT, STEADY, Scene, count};
use crate::command_jobs::assert_all_end_soon;
use crate::failover::Place;
use crate::fleet::now;
use crate::proxy::{Mood, Proxy};

/// A job whose command does not end when it is asked to.
const STUBBORN: &str = "
[[job]]
name = \"stubborn\"
every = \"1h\"
command = [\"sh\", \"-c\", \"trap '' TERM; echo ready; while :; do sleep 0.1; done\"]
";
/// Keeps what an instance says at its end.
const NOTED: [&str; 4] = ["sh", "-c", "exec \"$@\" 2>last-words", "sh"];

fn stubborn(place: &Place, failover: Duration) -> Scene {
    Scene::watched(place, failover, 2, Recorder::new(), STUBBORN)
}

/// Waits until the stubborn command works.
fn works(scene: &Scene) {
    scene.fleet.wait("its command is there", |lines| (count(lines, "job.output") > 0).then_some(()));
}

#[test]
fn whoever_is_told_to_stop_at_work_while_the_store_is_away_ends_in_time_and_leaves_the_rest_to_expire() {
    in_moods(&[Mood::Silent, Mood::Reset], |store, mood| {
        let scene = stubborn(&Place::Emulator(store.to_owned()), BRISK);
        let mut networked = Networked::of(scene, store, 2);
        let (leader, term) = networked.scene.leader();
        works(&networked.scene);
        let told = now();
        networked.of_leader().turn(mood);
        networked.scene.fleet.node(&leader).signal(Signal::TERM);
        networked.scene.bury(&leader);
        networked.scene.said(&leader, "instance.lapsed", told);
        networked.scene.next_leader(term);
        networked.scene.go_on();
        networked.scene.judge();
    });
}

#[test]
fn a_second_signal_ends_an_instance_at_once_with_all_that_it_started() {
    everywhere(|place| {
        for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
            let mut scene = stubborn(place, STEADY);
            let leader = scene.start_by(&NOTED, "hasty", &[("TENURE_GRACE", "5s")]);
            scene.begun(1);
            works(&scene);
            let told = now();
            scene.fleet.node(&leader).signal(Signal::TERM);
            scene.said(&leader, "instance.stopping", told);
            scene.fleet.node(&leader).signal(signal);
            assert_eq!(scene.bury(&leader).code(), Some(code));
            let words = read_to_string(scene.fleet.path("last-words")).unwrap();
            assert!(words.contains("stopped at once by a second signal"), "{words}");
            assert_all_end_soon(&scene.fleet);
            scene.start();
            scene.go_on();
            scene.judge();
        }
    });
}

#[test]
fn whoever_is_told_to_stop_before_the_store_answers_goes_quietly() {
    in_moods(&[Mood::Silent, Mood::Reset], |store, mood| {
        let mut networked = Networked::begin(store, STEADY, 1);
        let proxy = Proxy::new(store);
        proxy.turn(mood);
        let env = [("DATASTORE_EMULATOR_HOST", proxy.address.as_str())];
        let newcomer = networked.scene.fleet.start_with("newcomer", &env);
        if mood == Mood::Reset {
            networked.scene.fleet.wait("it waits for the store", |lines| {
                lines
                    .iter()
                    .any(|line| line.is("store.unreachable") && line.process == newcomer)
                    .then_some(())
            });
        }
        std::thread::sleep(SHORT);
        networked.scene.fleet.node(&newcomer).signal(Signal::TERM);
        assert!(networked.scene.bury(&newcomer).success());
        networked.scene.go_on();
        networked.scene.judge();
    });
}

#[test]
fn instances_that_are_all_told_to_stop_at_one_moment_leave_nothing_half_done() {
    everywhere(|place| {
        let mut scene = Scene::new(place, STEADY, 4);
        scene.begin(3);
        scene.fleet.nodes.iter().for_each(|node| node.signal(Signal::TERM));
        let all: Vec<_> = scene.fleet.nodes.iter().map(|node| node.name.clone()).collect();
        for process in all {
            let status = scene.bury(&process);
            assert!(status.success(), "{process}: {status}");
        }
        let stopped = now();
        scene.start();
        scene.go_on();
        let since = scene.fleet.lines().into_iter().filter(|line| line.at > stopped);
        assert_eq!(count(&since.collect::<Vec<_>>(), "occurrence.unknown"), 0);
        scene.judge();
    });
}
