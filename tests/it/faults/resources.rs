//! Machines that have too little of something: time, memory, files, or readers of the log.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Child, Command};
use std::thread::sleep;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use super::everywhere;
use super::scene::{BRISK, STEADY, Scene};
use crate::failover::{Place, play};
use crate::fleet::{Node, get, machine, now, share};

/// Limits what a process may have from now on, or lifts that: it may have what we may.
pub(super) fn limit(node: &Node, resource: Resource, most: Option<u64>) {
    let ours = getrlimit(resource);
    let limit = Rlimit { current: most.or(ours.current), maximum: ours.maximum };
    prlimit(Some(Pid::from_child(&node.child)), resource, limit).unwrap();
}

/// A busy loop, which ends with the test.
struct Hog(Child);

impl Hog {
    fn start(processor: &str) -> Self {
        let mut command = Command::new("taskset");
        Self(command.args(["-c", processor, "sh", "-c", "while :; do :; done"]).spawn().unwrap())
    }
}

impl Drop for Hog {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// A processor that this process may use.
fn processor() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
    allowed.trim().chars().take_while(char::is_ascii_digit).collect()
}

/// An idle process among busy ones gets a thousandth of the processor.
#[test]
fn a_leader_that_hardly_gets_the_processor_breaks_no_law() {
    let _machine = machine();
    let processor = processor();
    play(&Place::all(), |place| {
        let mut scene = Scene::new(place, BRISK, 2);
        scene.start_by(&["chrt", "--idle", "0", "taskset", "-c", &processor], "starved", &[]);
        scene.lead();
        scene.start();
        scene.start();
        scene.begun(3);
        let hog = Hog::start(&processor);
        sleep(BRISK * 4);
        scene.go_on();
        drop(hog);
        scene.go_on();
        scene.judge();
    });
}

#[test]
fn a_leader_without_memory_dies_or_goes_on_and_its_jobs_go_on() {
    everywhere(|place| {
        let mut scene = Scene::new(place, BRISK, 2);
        let (leader, term) = scene.begin(2);
        let address = scene.fleet.address(&leader);
        let node = scene.fleet.node(&leader);
        let status = std::fs::read_to_string(format!("/proc/{}/status", node.child.id())).unwrap();
        let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
        let kibibytes: u64 = size.split_whitespace().next().unwrap().parse().unwrap();
        limit(node, Resource::As, Some(kibibytes << 10));
        // So many guests need more of it.
        let guests: Vec<_> = (0..200).map_while(|_| TcpStream::connect(&address).ok()).collect();
        scene.outlast_leases();
        drop(guests);
        let index = scene.fleet.nodes.iter().position(|node| node.name == leader).unwrap();
        if scene.fleet.nodes[index].child.try_wait().unwrap().is_some() {
            scene.next_leader(term);
        } else {
            assert!(get(&address, "/.well-known/live").starts_with("HTTP/1.1 200 "));
        }
        scene.go_on();
        scene.judge();
    });
}

#[test]
fn a_leader_that_can_open_no_file_leads_on_and_its_runs_fail_with_a_reason() {
    everywhere(|place| {
        let mut scene = Scene::new(place, STEADY, 2);
        let before = scene.begin(2);
        let began = now();
        limit(scene.fleet.node(&before.0), Resource::Nofile, Some(3));
        let failed = scene.said(&before.0, "occurrence.failed", began);
        assert!(failed.text("reason").contains("Too many open files"), "{failed:?}");
        sleep(STEADY / 2);
        limit(scene.fleet.node(&before.0), Resource::Nofile, None);
        scene.go_on();
        assert_eq!(scene.leader(), before);
        scene.judge();
    });
}

/// Starts a leader whose log goes where these words of a shell send it.
fn start_with_log(scene: &mut Scene, shell: &str) {
    scene.fleet.start_by(&["sh", "-c", &format!("exec \"$@\" {shell}"), "sh"], "mute", &[]);
}

#[test]
fn a_leader_whose_log_can_take_nothing_goes_on() {
    let _share = share();
    play(&[">/dev/full", ">&-"], |shell| {
        let mut scene = Scene::new(&Place::Sqlite, STEADY, 1);
        start_with_log(&mut scene, shell);
        scene.go_on();
        scene.judge();
    });
}

#[test]
fn a_leader_whose_reader_went_away_goes_on() {
    let _share = share();
    let mut scene = Scene::new(&Place::Sqlite, STEADY, 1);
    let log = scene.fleet.path("log");
    assert!(Command::new("mkfifo").arg(&log).status().unwrap().success());
    start_with_log(&mut scene, ">log");
    let mut reader = BufReader::new(File::open(&log).unwrap()).lines();
    assert!(reader.next().unwrap().unwrap().contains("\"event\":"));
    drop(reader);
    scene.go_on();
    scene.judge();
}
