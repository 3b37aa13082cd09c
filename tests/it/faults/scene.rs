//! Instances that lead jobs, seen from outside while something is done to them.

use std::fmt::Write as _;
use std::process::ExitStatus;
use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;
use tenure::time::Instant;

use super::recorder::{Launch, Recorder};
use super::verdict::{Evidence, Ledger};
use crate::failover::{FAILOVER, Place};
use crate::fleet::{Fleet, Line, PATIENCE, now};

/// From one due time of a job to the next.
pub(super) const EVERY: Duration = Duration::from_millis(300);
/// More accounts than any scene makes, and the most that are kept.
const ALL: &str = "10000";

/// A fleet whose jobs call a recorder. A job stays where it is until something is done to its leader.
pub(super) struct Scene {
    pub(super) fleet: Fleet,
    recorder: Recorder,
    failover: Duration,
    jobs: Vec<String>,
    born: usize,
}

impl Scene {
    /// Nobody is there yet.
    pub(super) fn new(place: &Place, failover: Duration, jobs: usize) -> Self {
        Self::watched(place, failover, jobs, Recorder::new(), "")
    }

    /// The same with another recorder, and more jobs, of which it knows nothing.
    pub(super) fn watched(
        place: &Place,
        failover: Duration,
        jobs: usize,
        recorder: Recorder,
        more: &str,
    ) -> Self {
        let jobs: Vec<_> = (0..jobs).map(|job| format!("job-{job}")).collect();
        let (mut text, every) = ("balance = \"sticky\"\n".to_owned(), EVERY.as_millis());
        for job in &jobs {
            let url = format!("http://{}/", recorder.address);
            let job = format!("name = \"{job}\"\nevery = \"{every}ms\"\nhistory = {ALL}\nhttp = \"{url}\"");
            writeln!(text, "[[job]]\n{job}").unwrap();
        }
        let fleet = Fleet::of(&format!("{}ms", failover.as_millis()), &format!("{text}{more}"));
        Self { fleet: place.hold(fleet), recorder, failover, jobs, born: 0 }
    }

    /// Starts so many instances, the first of which leads everything. Returns who that is, and the term.
    pub(super) fn begin(&mut self, instances: usize) -> (String, u64) {
        for _ in 0..instances {
            self.start();
            self.lead();
        }
        self.begun(instances)
    }

    /// Starts one more instance.
    pub(super) fn start(&mut self) -> String {
        self.born += 1;
        self.start_by(&[], &format!("node-{}", self.born), &[])
    }

    /// Starts one more by way of another program, with more of an environment. As a supervisor would,
    /// starts it again where the machine is too busy for a store to be opened in time.
    pub(super) fn start_by(&mut self, words: &[&str], name: &str, env: &[(&str, &str)]) -> String {
        loop {
            let process = self.fleet.start_by(words, name, env);
            if self.registers(&process) {
                return process;
            }
            self.fleet.remove(&process);
        }
    }

    /// Waits until an instance competes, and tells whether it does not end before.
    fn registers(&mut self, process: &str) -> bool {
        let end = now() + PATIENCE;
        loop {
            let known = |line: &Line| line.is("instance.registered") && line.process == process;
            if self.fleet.lines().iter().any(known) {
                return true;
            }
            let mut nodes = self.fleet.nodes.iter_mut();
            let node = nodes.find(|node| node.name == process).unwrap();
            if node.child.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(now() < end, "{process} does not register: {:#?}", self.last_words());
            sleep(EVERY / 30);
        }
    }

    /// Waits until somebody leads each job.
    pub(super) fn lead(&self) {
        self.jobs.iter().for_each(|job| drop(self.fleet.next_leader(job, 0)));
    }

    /// Waits until so many instances compete and every job runs. Returns who leads.
    pub(super) fn begun(&self, instances: usize) -> (String, u64) {
        self.fleet
            .wait("all are known", |lines| (count(lines, "instance.registered") >= instances).then_some(()));
        self.go_on();
        self.leader()
    }

    /// Who leads the first job, by the last word on it.
    pub(super) fn leader(&self) -> (String, u64) {
        self.fleet.leader("job-0").unwrap()
    }

    /// Waits until somebody else leads the first job.
    pub(super) fn next_leader(&self, term: u64) -> (String, u64) {
        self.fleet.next_leader("job-0", term)
    }

    /// Waits until a process has logged an event after a moment.
    pub(super) fn said(&self, process: &str, event: &str, since: Instant) -> Line {
        self.fleet.wait(&format!("{process} says {event}"), |lines| {
            let is = |line: &&Line| line.is(event) && line.process == process && line.at > since;
            lines.iter().find(is).cloned()
        })
    }

    /// Waits until every job has been launched again, twice, from now on.
    #[track_caller]
    pub(super) fn go_on(&self) {
        let began = now();
        let launched = |job: &String| {
            let launches = self.recorder.launches().into_iter();
            launches.filter(|launch| launch.at > began && launch.job == *job).count() >= 2
        };
        while !self.jobs.iter().all(launched) {
            assert!(now() < began + PATIENCE, "somebody leads, and each job runs: {:#?}", self.last_words());
            sleep(EVERY / 10);
        }
    }

    fn last_words(&self) -> Vec<String> {
        let lines = self.fleet.lines();
        let story = lines.iter().filter(|line| !line.text("event").starts_with("occurrence."));
        story.rev().take(20).map(|line| format!("{} {}", line.process, line.json["message"])).collect()
    }

    /// What was launched after a moment.
    pub(super) fn launches_since(&self, moment: Instant) -> Vec<Launch> {
        self.recorder.launches().into_iter().filter(|launch| launch.at > moment).collect()
    }

    /// Longer than any lease lasts that is not renewed.
    pub(super) fn outlast_leases(&self) {
        sleep(self.failover * 2);
    }

    /// Ends an instance that was told to, or is dying. Returns how it ended.
    pub(super) fn bury(&mut self, process: &str) -> ExitStatus {
        let (mut node, end) = (self.fleet.remove(process), now() + PATIENCE);
        loop {
            if let Some(status) = node.child.try_wait().unwrap() {
                return status;
            }
            assert!(now() < end, "{process} does not end");
            sleep(Duration::from_millis(1));
        }
    }

    /// Kills an instance.
    pub(super) fn kill(&mut self, process: &str) {
        self.fleet.node(process).signal(Signal::KILL);
        self.bury(process);
    }

    /// Ends the scene, and holds everything that was seen of it against the law.
    pub(super) fn judge(mut self) {
        let lines = self.fleet.end();
        let ledgers: Vec<_> = self.jobs.iter().map(|job| self.ledger(job)).collect();
        Evidence { lines: &lines, launches: &self.recorder.launches() }.judge(&ledgers);
    }

    /// The same where the store has forgotten what became of the due times.
    pub(super) fn judge_without_ledger(mut self) {
        let lines = self.fleet.end();
        Evidence { lines: &lines, launches: &self.recorder.launches() }.judge(&[]);
    }

    /// What the store says that became of the due times of a job.
    pub(super) fn ledger(&self, job: &str) -> Ledger {
        let text = self.fleet.ask(&["jobs", "history", job, "--most", ALL, "--output", "json"]);
        let json = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        Ledger::read(&json)
    }
}

/// How often an event was logged.
pub(super) fn count(lines: &[Line], event: &str) -> usize {
    lines.iter().filter(|line| line.is(event)).count()
}

/// The usual failover of a scene.
pub(super) const BRISK: Duration = FAILOVER;
/// One that no busy machine reaches, where a leader must stay.
pub(super) const STEADY: Duration = Duration::from_secs(15);
/// What a steady leader outlasts, wherever between two heartbeats it begins.
pub(super) const SHORT: Duration = Duration::from_secs(2);
