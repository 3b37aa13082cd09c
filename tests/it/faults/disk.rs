//! Disks that are full, and store files that somebody does something to.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::thread::sleep;

use rustix::process::{Resource, Signal, getuid};

use super::resources::limit;
use super::scene::{BRISK, STEADY, Scene};
use crate::failover::{Place, play};
use crate::fleet::{now, share};

/// Has a program learn of a file that may not grow by an error, not by a signal.
const HEEDLESS: [&str; 4] = ["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"];

fn fill(scene: &Scene, process: &str) {
    limit(scene.fleet.node(process), Resource::Fsize, Some(4096));
}

fn begin(words: &[&str], instances: usize) -> (Scene, String, u64) {
    let mut scene = Scene::new(&Place::Sqlite, BRISK, 2);
    for number in 0..instances {
        scene.start_by(words, &format!("node-{number}"), &[]);
        scene.lead();
    }
    let (leader, term) = scene.begun(instances);
    (scene, leader, term)
}

#[test]
fn a_leader_whose_disk_is_full_gives_way_until_there_is_space() {
    let _share = share();
    let (scene, leader, term) = begin(&HEEDLESS, 2);
    let full = now();
    fill(&scene, &leader);
    let why = scene.said(&leader, "store.unreachable", full);
    assert!(why.text("message").contains("tenure.db"), "{why:?}");
    scene.said(&leader, "instance.lapsed", full);
    scene.next_leader(term);
    scene.go_on();
    let freed = now();
    limit(scene.fleet.node(&leader), Resource::Fsize, None);
    scene.said(&leader, "instance.registered", freed);
    scene.go_on();
    scene.judge();
}

#[test]
fn a_leader_that_a_full_disk_kills_is_replaced() {
    let _share = share();
    let (mut scene, leader, term) = begin(&["env"], 2);
    fill(&scene, &leader);
    assert!(!scene.bury(&leader).success());
    scene.next_leader(term);
    scene.go_on();
    scene.judge();
}

#[test]
fn on_a_full_disk_nothing_is_launched_until_there_is_space() {
    let _share = share();
    let (scene, _, term) = begin(&HEEDLESS, 3);
    scene.fleet.nodes.iter().for_each(|node| fill(&scene, &node.name));
    scene.outlast_leases();
    let lapsed = now();
    sleep(BRISK);
    assert_eq!(scene.launches_since(lapsed).len(), 0, "nobody leads");
    scene.fleet.nodes.iter().for_each(|node| limit(node, Resource::Fsize, None));
    scene.next_leader(term);
    scene.go_on();
    scene.judge();
}

/// Its rows are another store's, or nobody's: whoever led by the old one stops, says why, and must be
/// started again.
#[test]
fn a_store_file_that_is_deleted_or_replaced_under_its_users_stops_them() {
    let _share = share();
    play(&["deleted", "replaced"], |what| {
        let (mut scene, leader, _) = begin(&["env"], 2);
        let (file, copy) = (scene.fleet.store(), scene.fleet.path("copy.db"));
        let raw = rusqlite::Connection::open(&file).unwrap();
        raw.execute("VACUUM INTO ?", [copy.to_str().unwrap()]).unwrap();
        drop(raw);
        let done = now();
        match *what {
            "replaced" => fs::rename(&copy, &file).unwrap(),
            _ => fs::remove_file(&file).unwrap(),
        }
        let why = scene.said(&leader, "store.unreachable", done);
        assert!(why.text("message").contains("tenure.db"), "{why:?}");
        scene.outlast_leases();
        let lapsed = now();
        sleep(BRISK);
        assert_eq!(scene.launches_since(lapsed).len(), 0, "nobody leads");
        for node in &scene.fleet.nodes {
            node.signal(Signal::TERM);
        }
        while let Some(process) = scene.fleet.nodes.first().map(|node| node.name.clone()) {
            scene.bury(&process);
        }
        for suffix in ["-wal", "-shm"] {
            fs::remove_file(scene.fleet.path(&format!("tenure.db{suffix}"))).unwrap_or_default();
        }
        scene.start();
        scene.start();
        scene.go_on();
    });
}

/// Permissions are asked for when a file is opened.
#[test]
fn a_store_that_becomes_read_only_stops_nobody_and_lets_nobody_begin() {
    let _share = share();
    let mut scene = Scene::new(&Place::Sqlite, STEADY, 2);
    let before = scene.begin(2);
    let file = scene.fleet.store();
    fs::set_permissions(&file, Permissions::from_mode(0o444)).unwrap();
    scene.go_on();
    // In a user namespace of its own, root has the rights of an ordinary user.
    let words: &[&str] = if getuid().is_root() { &["unshare", "--user"] } else { &[] };
    let newcomer = scene.fleet.start_by(words, "newcomer", &[]);
    let status = scene.bury(&newcomer);
    assert_eq!(status.code(), Some(77), "it says that it may not write");
    scene.go_on();
    assert_eq!(scene.leader(), before);
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    scene.start();
    scene.judge();
}
