//! Real processes of the program, on loopback, with ports of their own and everything they log.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tenure::time::{Clock, Instant, SystemClock};

use crate::folder::Folder;

/// No wait for a line takes longer, on however busy a machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(3);

static MACHINE: RwLock<()> = RwLock::new(());

/// Held by a test that needs much of the machine.
pub(crate) fn machine() -> impl Sized {
    MACHINE.write().unwrap_or_else(PoisonError::into_inner)
}

/// Held by a test that leaves room for others which hold it too, and for none that needs much.
pub(crate) fn share() -> impl Sized {
    MACHINE.read().unwrap_or_else(PoisonError::into_inner)
}

/// Several instances of one cluster.
pub(crate) struct Fleet {
    folder: Folder,
    config: PathBuf,
    env: Vec<(String, String)>,
    lines: Arc<Mutex<Vec<Line>>>,
    born: usize,
    pub(crate) nodes: Vec<Node>,
}

/// One process.
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) child: Child,
}

/// One line that a process logged, with the moment it reached us.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) at: Instant,
    pub(crate) process: String,
    pub(crate) json: Value,
}

impl Line {
    pub(crate) fn text(&self, key: &str) -> &str {
        self.json[key].as_str().unwrap_or_default()
    }

    pub(crate) fn is(&self, event: &str) -> bool {
        self.text("event") == event
    }

    pub(crate) fn term(&self) -> u64 {
        self.json["term"].as_u64().unwrap_or_default()
    }
}

impl Fleet {
    /// A fleet with `jobs` jobs, each due `every` so often, on an SQLite file of its own.
    pub(crate) fn new(failover: &str, jobs: usize, every: &str) -> Self {
        let mut text = String::new();
        for job in 0..jobs {
            let preacher = "{ message = \"amen\", times = 1 }";
            writeln!(text, "[[job]]\nname = \"job-{job}\"\nevery = \"{every}\"\npreacher = {preacher}")
                .unwrap();
        }
        Self::of(failover, &text)
    }

    /// A fleet with these jobs, as the file lists them. `$PWD` is where it is.
    pub(crate) fn of(failover: &str, jobs: &str) -> Self {
        let folder = Folder::new();
        let config = folder.0.join("tenure.toml");
        std::fs::write(&config, text_of(&folder, failover, jobs)).unwrap();
        let env = vec![
            ("TENURE_STORE".to_owned(), "sqlite".to_owned()),
            ("TENURE_PATH".to_owned(), folder.0.join("tenure.db").display().to_string()),
        ];
        Self { folder, config, env, lines: Arc::default(), born: 0, nodes: Vec::new() }
    }

    /// Other jobs from now on, for whoever reads the file again.
    pub(crate) fn rewrite(&self, failover: &str, jobs: &str) {
        std::fs::write(&self.config, text_of(&self.folder, failover, jobs)).unwrap();
    }

    /// Whoever starts from now on, and every command, reads a file of its own. Who runs keeps the one he has.
    pub(crate) fn part_ways(&mut self, failover: &str, jobs: &str) {
        self.config = self.folder.0.join("newer.toml");
        self.rewrite(failover, jobs);
    }

    /// The same on a Datastore emulator, in a cluster of its own.
    pub(crate) fn on_emulator(mut self, address: &str) -> Self {
        let cluster = format!("fleet-{:016x}", fastrand::u64(..));
        let variables = [
            ("TENURE_STORE", "datastore"),
            ("DATASTORE_PROJECT_ID", "tenure"),
            ("DATASTORE_EMULATOR_HOST", address),
            ("TENURE_CLUSTER", &cluster),
        ];
        self.env = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        self
    }

    /// Starts one more instance.
    pub(crate) fn start(&mut self) -> String {
        self.born += 1;
        self.start_with(&format!("node-{}", self.born), &[])
    }

    /// Starts one more instance under a name, with more of an environment.
    pub(crate) fn start_with(&mut self, name: &str, env: &[(&str, &str)]) -> String {
        self.start_by(&[], name, env)
    }

    /// The same by way of another program, which becomes the instance: these words come before it.
    pub(crate) fn start_by(&mut self, words: &[&str], name: &str, env: &[(&str, &str)]) -> String {
        let process = format!("{name}#{}", self.nodes.len() + 1000 * self.born);
        let words: Vec<_> = words.iter().copied().chain([env!("CARGO_BIN_EXE_tenure")]).collect();
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .args(["run", "--port", "0", "--name", name, "--config"])
            .arg(&self.config)
            .current_dir(&self.folder.0)
            .envs(self.env.iter().map(|(key, value)| (key, value)))
            .envs(env.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdout, lines, from) = (child.stdout.take().unwrap(), Arc::clone(&self.lines), process.clone());
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let json = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
                lines.lock().unwrap().push(Line { at: now(), process: from.clone(), json });
            }
        });
        self.nodes.push(Node { name: process.clone(), child });
        process
    }

    /// The binary, with the settings of this fleet.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenure"));
        command.args(arguments).arg("--config").arg(&self.config).current_dir(&self.folder.0);
        command.envs(self.env.iter().map(|(key, value)| (key, value)));
        command
    }

    /// A file where the processes run.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.0.join(name)
    }

    /// What the program prints for another command of it.
    pub(crate) fn ask(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    }

    /// Everything logged so far.
    pub(crate) fn lines(&self) -> Vec<Line> {
        self.lines.lock().unwrap().clone()
    }

    /// What a job has said so far.
    pub(crate) fn output(&self, job: &str) -> Vec<String> {
        let lines = self.lines().into_iter().filter(|line| line.is("job.output") && line.text("job") == job);
        lines.map(|line| line.text("message").to_owned()).collect()
    }

    /// Waits until a run of a job has ended, and returns the line that says so.
    pub(crate) fn ended(&self, job: &str) -> Line {
        self.wait("it ends", |lines| {
            let is = |line: &&Line| line.is("occurrence.finished") || line.is("occurrence.failed");
            lines.iter().filter(|line| line.text("job") == job).find(is).cloned()
        })
    }

    /// Waits until something is true of what was logged. Panics when it takes unreasonably long.
    pub(crate) fn wait<T>(&self, what: &str, mut check: impl FnMut(&[Line]) -> Option<T>) -> T {
        let end = now() + PATIENCE;
        while now() < end {
            let began = now();
            if let Some(found) = check(&self.lines.lock().unwrap()) {
                return found;
            }
            // Not all the time: whoever logs waits for us meanwhile.
            thread::sleep(now().since(began) * 10 + Duration::from_millis(1));
        }
        let lines = self.lines();
        for line in lines.iter().rev().take(40).rev() {
            eprintln!("{} {}", line.process, line.json);
        }
        panic!("did not come about within {PATIENCE:?}: {what}");
    }

    /// Who leads a job now, by the last word on it, and at which term.
    pub(crate) fn leader(&self, job: &str) -> Option<(String, u64)> {
        leader(&self.lines.lock().unwrap(), job)
    }

    /// Waits until somebody leads the job at a term above `term`.
    pub(crate) fn next_leader(&self, job: &str, term: u64) -> (String, u64) {
        self.wait("a next leader", |lines| leader(lines, job).filter(|(_, now)| *now > term))
    }

    /// The `SQLite` file, if that is the store.
    pub(crate) fn store(&self) -> PathBuf {
        self.folder.0.join("tenure.db")
    }

    /// Where a process listens.
    pub(crate) fn address(&self, process: &str) -> String {
        self.wait("it listens", |lines| {
            let started = |line: &&Line| line.is("instance.started") && line.process == process;
            lines.iter().find(started).map(|line| line.text("address").to_owned())
        })
    }

    /// How many requests a process has sent to the store, by its metrics.
    pub(crate) fn requests(&self, process: &str) -> u64 {
        let text = get(&self.address(process), "/metrics");
        let counts = text.lines().filter(|line| line.starts_with("tenure_store_requests_total"));
        counts.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }

    /// See [`freeze`].
    pub(crate) fn freeze(&self, process: &str) {
        freeze(&self.node(process).child, &self.store());
    }

    /// Whether somebody is in the middle of a write to the `SQLite` file.
    pub(crate) fn is_locked(&self) -> bool {
        is_locked(&self.store())
    }

    pub(crate) fn node(&self, process: &str) -> &Node {
        self.nodes.iter().find(|node| node.name == process).unwrap()
    }

    /// Kills all of it. Returns everything that it logged.
    pub(crate) fn end(&mut self) -> Vec<Line> {
        self.nodes.clear();
        let end = now() + PATIENCE;
        // Whoever reads what a process logs does so until there is nothing left.
        while Arc::strong_count(&self.lines) > 1 {
            assert!(now() < end, "something still logs");
            thread::sleep(Duration::from_millis(1));
        }
        self.lines()
    }

    /// Takes a process out of the fleet, without touching it.
    pub(crate) fn remove(&mut self, process: &str) -> Node {
        let index = self.nodes.iter().position(|node| node.name == process).unwrap();
        self.nodes.remove(index)
    }
}

fn text_of(folder: &Folder, failover: &str, jobs: &str) -> String {
    let jobs = jobs.replace("$PWD", folder.0.to_str().unwrap());
    format!("failover = \"{failover}\"\ncluster = \"fleet\"\n{jobs}")
}

/// Stops a process in its tracks, though not in the middle of a write to an `SQLite` file: it would keep
/// the file locked, for everybody, until it goes on.
pub(crate) fn freeze(child: &Child, store: &Path) {
    send(child, Signal::STOP);
    while is_locked(store) {
        send(child, Signal::CONT);
        thread::sleep(Duration::from_millis(1));
        send(child, Signal::STOP);
    }
}

pub(crate) fn send(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

#[cfg(feature = "sqlite")]
fn is_locked(file: &Path) -> bool {
    if !file.exists() {
        return false;
    }
    let raw = rusqlite::Connection::open(file).unwrap();
    raw.busy_timeout(Duration::from_millis(500)).unwrap();
    raw.execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_err()
}

#[cfg(not(feature = "sqlite"))]
fn is_locked(_file: &Path) -> bool {
    false
}

/// What the process that listens at `address` answers, head and all.
pub(crate) fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: tenure\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

pub(crate) fn leader(lines: &[Line], job: &str) -> Option<(String, u64)> {
    let of_job = lines.iter().filter(|line| line.is("lease.acquired") && line.text("job") == job);
    of_job.max_by_key(|line| line.term()).map(|line| (line.process.clone(), line.term()))
}

impl Node {
    pub(crate) fn signal(&self, signal: Signal) {
        send(&self.child, signal);
    }

    /// Resident memory in MiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        // The code of a program that is not optimized takes more than its data.
        let kind = if cfg!(debug_assertions) { "RssAnon:" } else { "VmRSS:" };
        let line = status.lines().find(|line| line.starts_with(kind)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        drop(self.child.wait());
    }
}

pub(crate) fn now() -> Instant {
    SystemClock.now()
}

/// What must be true of every log: no occurrence twice, no term of two leaders, no term that falls.
pub(crate) fn assert_exclusive(lines: &[Line]) {
    let mut runs = std::collections::BTreeMap::new();
    let mut terms = std::collections::BTreeMap::new();
    for line in lines {
        if line.is("occurrence.started") {
            let before = runs.insert((line.text("job"), line.text("due")), line);
            assert!(before.is_none(), "an occurrence started twice: {before:?} and {line:?}");
        }
        if line.is("lease.acquired") {
            let before = terms.insert((line.text("job"), line.term()), line);
            let same = before.is_none_or(|before| before.process == line.process);
            assert!(same, "one term, two leaders: {before:?} and {line:?}");
        }
    }
}
