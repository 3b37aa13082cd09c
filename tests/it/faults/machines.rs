//! What happens to whole machines: clocks that count from elsewhere, and trees of processes that stand
//! still together.

use std::path::PathBuf;
use std::process::Command;

use super::scene::{BRISK, Scene};
use super::{everywhere, skip};
use crate::command_jobs::started;
use crate::failover::{Place, play};
use crate::fleet::{now, share};

/// Boot clocks of machines that run for ten and for a thousand days longer. Whoever compared stamps of
/// two of them would trust one lease for ever, or none.
#[test]
fn boot_clocks_that_count_from_other_boots_make_no_difference() {
    let enter = ["unshare", "--user", "--map-root-user", "--time"];
    if !Command::new(enter[0]).args(&enter[1..]).arg("true").status().unwrap().success() {
        return skip("user namespaces and time namespaces");
    }
    everywhere(|place| {
        let mut scene = Scene::new(place, BRISK, 2);
        for (name, days) in [("old", 1000), ("young", 10)] {
            let ahead = (days * 24 * 3600).to_string();
            let clocks = ["--boottime", &ahead, "--monotonic", &ahead];
            scene.start_by(&[&enter[..], &clocks].concat(), name, &[]);
            scene.lead();
        }
        scene.start();
        let (mut leader, mut term) = scene.begun(3);
        for _ in 0..2 {
            scene.kill(&leader);
            (leader, term) = scene.next_leader(term);
        }
        scene.go_on();
        scene.judge();
    });
}

/// A control group that can stop all of its processes.
struct Group(PathBuf);

impl Group {
    /// Makes one. Where that is not possible, says why the test is skipped.
    fn new(name: &str) -> Option<Self> {
        let root = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].map(PathBuf::from);
        let root = root.into_iter().find(|root| root.join("cgroup.procs").exists());
        let group = root.map(|root| Self(root.join(format!("tenure-{name}-{}", std::process::id()))));
        let made = group.filter(|group| sudo(&["mkdir", group.0.to_str().unwrap()]));
        if made.is_none() {
            skip("control groups, and the right to make one (root, or sudo without a password)");
        }
        made
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.0.join(file);
        assert!(sudo(&["sh", "-c", &format!("echo {text} > {}", path.display())]), "{}", path.display());
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        sudo(&["rmdir", self.0.to_str().unwrap()]);
    }
}

/// Does something as root, and tells whether that worked.
fn sudo(command: &[&str]) -> bool {
    let as_root: &[&str] = if rustix::process::getuid().is_root() { &["env"] } else { &["sudo", "-n"] };
    let words = [as_root, command].concat();
    Command::new(words[0]).args(&words[1..]).status().is_ok_and(|status| status.success())
}

/// The warden stands still together with its instance, so that nothing ends the command before the
/// lease does: it cannot do anything either.
#[test]
fn a_leader_that_is_frozen_with_all_that_it_started_is_replaced() {
    let _share = share();
    let places = Place::all();
    let ways: Vec<_> = (0..).zip(&places).collect();
    play(&ways, |(number, place)| {
        let Some(group) = Group::new(&number.to_string()) else { return };
        let tree = "[[job]]\nname = \"tree\"\nevery = \"1h\"\ncommand = [\"sleep\", \"1000\"]\n";
        let mut scene = Scene::watched(place, BRISK, 2, super::recorder::Recorder::new(), tree);
        let (leader, term) = scene.begin(2);
        let node = scene.fleet.node(&leader).child.id();
        let others = started(&scene.fleet).into_iter().map(|(pid, _)| pid.as_raw_nonzero().to_string());
        for pid in others.chain([node.to_string()]) {
            group.write("cgroup.procs", &pid);
        }
        loop {
            group.write("cgroup.freeze", "1");
            if !scene.fleet.is_locked() {
                break;
            }
            group.write("cgroup.freeze", "0");
        }
        scene.next_leader(term);
        let woken = now();
        group.write("cgroup.freeze", "0");
        scene.said(&leader, "instance.lapsed", woken);
        scene.go_on();
        scene.judge();
    });
}
