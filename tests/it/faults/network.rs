//! Networks that misbehave, as our own proxy in front of each instance imitates them: no privilege is
//! needed. What it cannot do, `cables.rs` does.

use std::net::TcpListener;
use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;

use super::everywhere;
use super::scene::{BRISK, SHORT, STEADY, Scene, count};
use crate::failover::{Place, emulators, play};
use crate::fleet::{now, share};
use crate::proxy::{Mood, Proxy, Temper};

const BAD_MOODS: [Mood; 4] = [Mood::Silent, Mood::Mute, Mood::Cut, Mood::Reset];

/// Instances, each behind a network of its own. The first one leads.
pub(super) struct Networked {
    pub(super) scene: Scene,
    pub(super) proxies: Vec<Proxy>,
}

impl Networked {
    pub(super) fn begin(store: &str, failover: Duration, instances: usize) -> Self {
        Self::of(Scene::new(&Place::Emulator(store.to_owned()), failover, 2), store, instances)
    }

    pub(super) fn of(scene: Scene, store: &str, instances: usize) -> Self {
        let mut networked = Self { scene, proxies: Vec::new() };
        (0..instances).for_each(|_| networked.join(store));
        networked.scene.begun(instances);
        networked
    }

    /// Adds an instance.
    pub(super) fn join(&mut self, store: &str) {
        let proxy = Proxy::new(store);
        let env = [("DATASTORE_EMULATOR_HOST", proxy.address.as_str())];
        self.scene.start_by(&[], &format!("node-{}", self.proxies.len()), &env);
        self.proxies.push(proxy);
        self.scene.lead();
    }

    pub(super) fn turn_all(&self, mood: Mood) {
        self.proxies.iter().for_each(|proxy| proxy.turn(mood));
    }

    /// The network of the instance that leads the first job.
    pub(super) fn of_leader(&self) -> &Proxy {
        let (leader, _) = self.scene.leader();
        let index = self.scene.fleet.nodes.iter().position(|node| node.name == leader);
        &self.proxies[index.unwrap()]
    }
}

/// Plays a scenario in each of these moods, on one emulator after the other.
pub(super) fn in_moods(moods: &[Mood], scenario: impl Fn(&str, Mood) + Sync) {
    let _share = share();
    let stores = emulators();
    let ways: Vec<_> = stores.iter().cycle().zip(moods).collect();
    play(&ways, |(place, mood)| match place {
        Place::Emulator(store) => scenario(store, **mood),
        Place::Sqlite => unreachable!("it has no network"),
    });
}

#[test]
fn a_leader_that_is_cut_off_is_replaced_and_comes_back_as_follower() {
    in_moods(&BAD_MOODS, |store, mood| {
        let networked = Networked::begin(store, BRISK, 3);
        let (scene, (leader, term)) = (&networked.scene, networked.scene.leader());
        let (network, cut) = (networked.of_leader(), now());
        network.turn(mood);
        let next = scene.next_leader(term);
        assert_ne!(next.0, leader);
        scene.said(&leader, "instance.lapsed", cut);
        scene.said(&leader, "store.unreachable", cut);
        let healed = now();
        network.turn(Mood::Fair);
        scene.said(&leader, "instance.registered", healed);
        scene.go_on();
        networked.scene.judge();
    });
}

#[test]
fn a_leader_whose_network_heals_before_its_horizon_goes_on_as_leader() {
    in_moods(&BAD_MOODS, |store, mood| {
        let networked = Networked::begin(store, STEADY, 2);
        let before = networked.scene.leader();
        for _ in 0..2 {
            networked.of_leader().turn(mood);
            sleep(SHORT);
            networked.of_leader().turn(Mood::Fair);
            sleep(SHORT * 2);
        }
        networked.scene.go_on();
        assert_eq!(networked.scene.leader(), before);
        networked.scene.judge();
    });
}

#[test]
fn a_follower_that_is_cut_off_disturbs_nobody() {
    in_moods(&[Mood::Silent, Mood::Reset], |store, mood| {
        let networked = Networked::begin(store, STEADY, 2);
        let scene = &networked.scene;
        let (before, cut) = (scene.leader(), now());
        let follower = scene.fleet.nodes[1].name.clone();
        networked.proxies[1].turn(mood);
        scene.said(&follower, "instance.lapsed", cut);
        scene.go_on();
        let healed = now();
        networked.proxies[1].turn(Mood::Fair);
        scene.said(&follower, "store.recovered", healed);
        scene.said(&follower, "instance.registered", healed);
        assert_eq!(scene.leader(), before);
        networked.scene.judge();
    });
}

#[test]
fn instances_that_are_all_cut_off_launch_nothing_until_the_network_heals() {
    in_moods(&BAD_MOODS, |store, mood| {
        let networked = Networked::begin(store, BRISK, 3);
        let scene = &networked.scene;
        let (_, term) = scene.leader();
        networked.turn_all(mood);
        scene.outlast_leases();
        let lapsed = now();
        sleep(BRISK);
        assert_eq!(scene.launches_since(lapsed).len(), 0, "nobody leads");
        networked.turn_all(Mood::Fair);
        scene.next_leader(term);
        scene.go_on();
        networked.scene.judge();
    });
}

#[test]
fn a_short_cut_of_everybody_moves_nothing() {
    in_moods(&[Mood::Silent, Mood::Reset], |store, mood| {
        let networked = Networked::begin(store, STEADY, 3);
        let before = networked.scene.leader();
        networked.turn_all(mood);
        sleep(SHORT);
        networked.turn_all(Mood::Fair);
        networked.scene.go_on();
        sleep(STEADY / 2);
        assert_eq!(networked.scene.leader(), before);
        networked.scene.judge();
    });
}

#[test]
fn on_a_slow_network_jobs_go_on() {
    in_moods(&[Mood::Slow], |store, mood| {
        let networked = Networked::begin(store, STEADY, 3);
        networked.turn_all(mood);
        sleep(STEADY / 2);
        networked.scene.go_on();
        networked.scene.judge();
    });
}

#[test]
fn a_network_that_misbehaves_in_every_way_by_turns_breaks_no_law() {
    in_moods(&[Mood::Fair], |store, _| {
        let mut networked = Networked::begin(store, BRISK, 3);
        let temper = Temper { calm: 4 << 10, longest: BRISK };
        for (seed, proxy) in (1..).zip(&networked.proxies) {
            proxy.infuriate(seed, temper);
            // Only connections to come have a temper.
            proxy.turn(Mood::Reset);
            proxy.turn(Mood::Fair);
        }
        sleep(BRISK * 5);
        let moods: u64 = networked.proxies.drain(..).map(|proxy| proxy.soothe().values().sum::<u64>()).sum();
        assert!(moods > 0, "nothing went wrong");
        networked.scene.go_on();
        networked.scene.judge();
    });
}

/// Whoever is not woken finds out at its next heartbeat.
#[test]
fn jobs_are_handed_over_where_no_wake_up_arrives() {
    everywhere(|place| {
        let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
        let refuses = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        for address in [deaf.local_addr().unwrap(), refuses] {
            let mut scene = Scene::new(place, STEADY, 2);
            let url = format!("http://{address}");
            for name in ["one", "two"] {
                scene.start_by(&[], name, &[("TENURE_ADVERTISE", &url)]);
                scene.lead();
            }
            scene.begun(2);
            // By then the leader has heard of the other one.
            sleep(STEADY / 2);
            let (leader, term) = scene.leader();
            scene.fleet.node(&leader).signal(Signal::TERM);
            assert!(scene.bury(&leader).success());
            scene.next_leader(term);
            scene.go_on();
            assert!(count(&scene.fleet.lines(), "lease.handed_over") > 0);
            assert_eq!(count(&scene.fleet.lines(), "instance.lapsed"), 0);
            scene.judge();
        }
    });
}
