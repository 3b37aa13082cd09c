//! A network in which real packets get lost: a bridge in a namespace of its own, a namespace for each
//! instance, and the store and the recorder at addresses on the bridge.
//!
//! All of it belongs to a user namespace, so it needs no privilege where those are allowed, changes
//! nothing outside, and is gone with the shell that keeps it. The servers are this process: another one
//! inside opens their sockets, and we take them over.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use super::recorder::Recorder;
use super::scene::Scene;
use super::skip;
use crate::failover::Place;
use crate::proxy::Proxy;

/// How many instances there is room for.
pub(super) const INSTANCES: usize = 3;
/// Where the store and the recorder are.
pub(super) const STORE: &str = "10.77.0.1";
const RECORDER: &str = "10.77.0.2";
/// Tells this program that it opens sockets.
const SOCKETS: &str = "TENURE_TEST_SOCKETS";
const READY: &str = "ready";

/// Builds the network. The namespaces get names in a folder of this shell's own.
const BUILD: &str = "
set -e
nft --version >/dev/null
mount -t tmpfs tmpfs /run
ip link add hub type bridge
for address in 10.77.0.1 10.77.0.2; do ip address add $address/24 dev hub; done
ip link set lo up
ip link set hub up
for number in 1 2 3; do
  ip netns add n$number
  ip link add v$number type veth peer name eth0 netns n$number
  ip link set v$number master hub
  ip link set v$number up
  ip -n n$number address add 10.77.0.1$number/24 dev eth0
  ip -n n$number link set lo up
  ip -n n$number link set eth0 up
done
echo ready
read -r nothing
";

/// A shell that keeps a network, and goes when its standard input ends, as it does with us.
pub(super) struct Lab(Child);

impl Lab {
    /// Builds one. Where that is not possible, says why the test is skipped.
    pub(super) fn new() -> Option<Self> {
        let mut shell = Command::new("unshare");
        shell.args(["--user", "--map-root-user", "--net", "--mount", "sh", "-c", BUILD]);
        let mut keeper = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let lab = Self(keeper);
        if said.trim() == READY {
            return Some(lab);
        }
        skip("user namespaces, the kernel's bridges and nftables, and the packages iproute2 and nftables");
        None
    }

    /// Instances that reach a store through this network only.
    pub(super) fn scene(&self, store: &str, failover: Duration) -> Scene {
        let [upstream, recorder] = self.listen();
        let (place, inside) = (Place::Emulator(store.to_owned()), Proxy::on(upstream, store).address);
        let mut scene = Scene::watched(&place, failover, 2, Recorder::on(recorder), "");
        for instance in 1..=INSTANCES {
            let (enter, address) = (self.enter(instance), format!("10.77.0.1{instance}"));
            let words: Vec<_> = enter.iter().map(String::as_str).collect();
            let env = [("TENURE_LISTEN", address.as_str()), ("DATASTORE_EMULATOR_HOST", &inside)];
            scene.start_by(&words, &format!("node-{instance}"), &env);
            scene.lead();
        }
        scene.begun(INSTANCES);
        scene
    }

    /// The address at which a store is reached through this network.
    pub(super) fn store(&self, store: &str) -> String {
        let [upstream, _] = self.listen();
        Proxy::on(upstream, store).address
    }

    /// Listens where the store and the recorder are.
    fn listen(&self) -> [TcpListener; 2] {
        let net = format!("--net=/proc/{}/ns/net", self.0.id());
        let mut inside = Command::new("nsenter");
        inside.args([&self.user(), &net, "--preserve-credentials"]).arg(std::env::current_exe().unwrap());
        inside.args(["--exact", "faults::lab::sockets", "--ignored", "--nocapture"]).env(SOCKETS, "both");
        let mut inside = inside.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let pid = pidfd_open(Pid::from_child(&inside), PidfdFlags::empty()).unwrap();
        let mut lines = BufReader::new(inside.stdout.take().unwrap()).lines().map_while(Result::ok);
        let told = lines.find(|line| line.starts_with(READY)).unwrap();
        let take = |number: &str| pidfd_getfd(&pid, number.parse().unwrap(), PidfdGetfdFlags::empty());
        let sockets: Vec<_> =
            told.split_whitespace().skip(1).map(|number| take(number).unwrap().into()).collect();
        drop(inside.stdin.take());
        lines.for_each(drop);
        inside.wait().unwrap();
        sockets.try_into().unwrap()
    }

    fn user(&self) -> String {
        format!("--user=/proc/{}/ns/user", self.0.id())
    }

    /// The words that put a command to where an instance is.
    pub(super) fn enter(&self, instance: usize) -> [String; 4] {
        let root = format!("/proc/{}/root", self.0.id());
        let net = format!("--net={root}/run/netns/n{instance}");
        ["nsenter".to_owned(), self.user(), net, "--preserve-credentials".to_owned()]
    }

    /// Runs a command where an instance is.
    pub(super) fn run(&self, instance: usize, command: &[&str]) {
        let enter = self.enter(instance);
        let status = Command::new(&enter[0]).args(&enter[1..]).args(command).status().unwrap();
        assert!(status.success(), "{command:?}: {status}");
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        drop(self.0.wait());
    }
}

/// A process within a network, from which we take the sockets that it opens there.
#[test]
#[ignore = "runs inside a network, as a child of tests"]
fn sockets() {
    if std::env::var_os(SOCKETS).is_none() {
        return;
    }
    let open = [STORE, RECORDER].map(|address| TcpListener::bind((address, 0)).unwrap());
    let [store, recorder] = open.each_ref().map(AsRawFd::as_raw_fd);
    println!("\n{READY} {store} {recorder}");
    // It ends when we have them.
    drop(std::io::stdin().lines().next());
}
