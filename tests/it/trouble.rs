//! What happens around a process that is not its fault: a store that does not answer, or takes no
//! writes, a log that nobody reads, too few files, a clock that was wrong.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tenure::stores::memory::Memory;
use tenure::stores::{Change, Outcome, Pending, Query, Snapshot, Store, StoreError};

use crate::fleet::{Fleet, Line, get};
use crate::folder::Folder;
use crate::http::{FAILOVER, Server};
use crate::instance::eventually;

/// No instance of these tests is replaced sooner.
const SECOND: Duration = Duration::from_secs(1);

fn count(lines: &[Line], event: &str) -> usize {
    lines.iter().filter(|line| line.is(event)).count()
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A process that is killed when it is dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().unwrap_or_default();
        drop(self.0.wait());
    }
}

fn start(folder: &Path, port: u16, config: &str, env: &[(&str, &str)]) -> Process {
    std::fs::write(folder.join("tenure.toml"), config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenure"));
    command.args(["run", "--port", &port.to_string()]).current_dir(folder).envs(env.iter().copied());
    Process(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

/// Waits until the process listens.
fn reach(port: u16) -> String {
    let address = format!("127.0.0.1:{port}");
    while std::net::TcpStream::connect(&address).is_err() {
        sleep(SECOND / 100);
    }
    address
}

#[test]
#[cfg(feature = "datastore")]
fn a_store_that_does_not_answer_at_the_start_is_waited_for_and_http_says_so() {
    let (folder, port, nobody) = (Folder::new(), free_port(), format!("127.0.0.1:{}", free_port()));
    let env = [("DATASTORE_PROJECT_ID", "tenure"), ("DATASTORE_EMULATOR_HOST", nobody.as_str())];
    let mut process = start(&folder.0, port, "failover = \"3s\"", &env);
    let address = reach(port);
    let ready = get(&address, "/.well-known/ready");
    assert!(ready.starts_with("HTTP/1.1 503 ") && ready.contains("the store "), "{ready}");
    assert!(get(&address, "/.well-known/live").starts_with("HTTP/1.1 200 "));
    assert!(get(&address, "/").contains("the store "));
    assert_eq!(process.0.wait().unwrap().code(), Some(69));
    let events: Vec<Value> = BufReader::new(process.0.stdout.take().unwrap())
        .lines()
        .map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap()["event"].clone())
        .collect();
    assert_eq!(events, ["store.unreachable"]);
    let said = std::io::read_to_string(process.0.stderr.take().unwrap()).unwrap();
    assert!(said.contains(&nobody) && said.contains("Connection refused"), "{said}");
}

#[test]
#[cfg(feature = "sqlite")]
fn a_store_that_takes_no_writes_but_answers_reads_is_told_of_once() {
    let mut fleet = Fleet::new("1s", 2, "1s");
    let node = fleet.start();
    fleet.next_leader("job-0", 0);
    let raw = rusqlite::Connection::open(fleet.store()).unwrap();
    raw.execute_batch("BEGIN IMMEDIATE").unwrap();
    fleet.wait("it lapses", |lines| lines.iter().find(|line| line.is("instance.lapsed")).map(|_| ()));
    sleep(SECOND);
    let ready = get(&fleet.address(&node), "/.well-known/ready");
    assert!(ready.starts_with("HTTP/1.1 503 ") && ready.contains("does not answer"), "{ready}");
    let lines = fleet.lines();
    assert_eq!((count(&lines, "store.unreachable"), count(&lines, "store.recovered")), (1, 0));
    raw.execute_batch("ROLLBACK").unwrap();
    fleet.wait("it leads again", |lines| (count(lines, "lease.acquired") == 4).then_some(()));
    let lines = fleet.lines();
    assert_eq!((count(&lines, "store.unreachable"), count(&lines, "store.recovered")), (1, 1));
}

/// A store whose disk is full, or whose user may only look.
#[derive(Debug)]
struct Full(Memory, AtomicBool);

impl Store for Full {
    fn read(&self, query: Query) -> Pending<'_, Result<Snapshot, StoreError>> {
        self.0.read(query)
    }

    fn commit(&self, changes: Vec<Change>) -> Pending<'_, Result<Vec<Outcome>, StoreError>> {
        if self.1.load(Relaxed) {
            Box::pin(async { Err(StoreError::Denied("the disk is full".to_owned())) })
        } else {
            self.0.commit(changes)
        }
    }

    fn describe(&self) -> String {
        "a full disk".to_owned()
    }
}

#[tokio::test]
async fn a_store_that_refuses_writes_at_once_is_not_asked_without_end() {
    let store = Arc::new(Full(Memory::new(), AtomicBool::new(false)));
    let server = Server::start("calm-fox", 1, &["one", "two"], store.clone()).await;
    eventually("it leads", async || server.leads().await == 2).await;
    let counters = server.handle.counters();
    let asked = || counters.reads.load(Relaxed) + counters.commits.load(Relaxed);
    store.1.store(true, Relaxed);
    let before = asked();
    tokio::time::sleep(FAILOVER * 3).await;
    assert!(asked() - before < 300, "{} requests", asked() - before);
    assert_eq!(server.leads().await, 0, "leadership ended with its horizon");
    assert!(server.get("/.well-known/ready").await.body.contains("the disk is full"));
    store.1.store(false, Relaxed);
    eventually("it leads again", async || server.leads().await == 2).await;
}

#[test]
fn a_log_that_nobody_reads_holds_nobody_up_and_says_later_what_was_lost() {
    let (folder, port) = (Folder::new(), free_port());
    let line = "amen ".repeat(1000);
    let job =
        format!("every = \"100ms\"\npreacher = {{ message = \"{line}\", times = 100, pause = \"0s\" }}");
    let config = format!("failover = \"1s\"\n[[job]]\nname = \"loud\"\n{job}");
    let mut process = start(&folder.0, port, &config, &[("TENURE_STORE", "memory")]);
    let address = reach(port);
    let lost = || {
        let metrics = get(&address, "/metrics");
        metrics.contains("tenure_log_lines_lost_total")
            && !metrics.contains("tenure_log_lines_lost_total 0\n")
    };
    while !lost() {
        sleep(SECOND / 10);
    }
    sleep(SECOND * 2);
    let metrics = get(&address, "/metrics");
    for line in ["leader_election_master_status{name=\"loud\"} 1", "tenure_lapses_total 0"] {
        assert!(metrics.contains(line), "{metrics}");
    }
    let mut lines = BufReader::new(process.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let told = lines.find(|line| line.contains("\"event\":\"log.lost\"")).unwrap();
    assert!(serde_json::from_str::<Value>(&told).unwrap()["count"].as_u64() > Some(0), "{told}");
    let pid = rustix::process::Pid::from_child(&process.0);
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    assert!(lines.any(|line| line.contains("\"event\":\"instance.stopped\"")));
    assert!(process.0.wait().unwrap().success());
}

#[test]
fn too_few_files_are_told_of_once_and_end_no_leadership() {
    let mut fleet = Fleet::new("5s", 1, "1s");
    let node = fleet.start();
    fleet.next_leader("job-0", 0);
    let address = fleet.address(&node);
    let few = rustix::process::Rlimit { current: Some(24), maximum: Some(24) };
    let pid = rustix::process::Pid::from_child(&fleet.node(&node).child);
    rustix::process::prlimit(Some(pid), rustix::process::Resource::Nofile, few).unwrap();
    let crowd: Vec<_> = (0..40).map(|_| std::net::TcpStream::connect(&address).unwrap()).collect();
    fleet.wait("it says so", |lines| (count(lines, "http.refused") > 0).then_some(()));
    sleep(SECOND);
    drop(crowd);
    assert!(get(&address, "/.well-known/leader/job-0").starts_with("HTTP/1.1 200 "));
    let lines = fleet.lines();
    assert!(count(&lines, "http.refused") <= 2, "{}", count(&lines, "http.refused"));
    assert_eq!(count(&lines, "instance.lapsed"), 0);
}

#[test]
fn too_few_files_at_the_start_are_refused_whatever_would_have_failed_first() {
    for most in [5, 7, 10, 14, 31] {
        let folder = Folder::new();
        let mut command = Command::new("sh");
        let program = env!("CARGO_BIN_EXE_tenure");
        let line = format!("ulimit -n {most}; exec timeout 60 {program} run --port 0 --path tenure.db");
        let output = command.args(["-c", &line]).current_dir(&folder.0).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{most}: {told}");
        assert!(told.contains(&format!("may open {most} files and needs 32: raise the limit")), "{told}");
    }
}
