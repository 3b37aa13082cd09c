//! `tenure exec` and `tenure check`, in real processes: to whoever starts it the process is the command,
//! and no two commands of one job run at once.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::command_jobs::started_in;
use crate::fleet::{freeze, machine, now, send};
use crate::folder::Folder;

/// No wait takes longer, on however busy a machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// Much sooner than a lease of [`LONG`] ends, or anybody looks for one.
const SOON: Duration = Duration::from_secs(20);
const LONG: &str = "2m";
pub(crate) const SHORT: &str = "2s";
pub(crate) const FAILOVER: Duration = Duration::from_secs(2);

/// Says that it is there, and stays. A shell takes a signal when what it runs has ended.
const STAYS: &str = "echo ready > ready; while :; do sleep 0.01; done";
/// The same, and says all the time under which term and when, by the clock that leases go by.
pub(crate) const SAYS: &str = "trap '' TERM; echo ready > ready; \
    while :; do echo $TENURE_TERM $(cut -d' ' -f1 /proc/uptime) >> said; sleep 0.01; done";

/// Where processes share a store.
pub(crate) struct Place(Folder);

impl Place {
    pub(crate) fn new() -> Self {
        Self(Folder::new())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.0.join(name)
    }

    fn store(&self) -> PathBuf {
        self.path("tenure.db")
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The program. What the tests were started to ignore it does not.
    fn tenure(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("env");
        command.arg("--default-signal").arg(env!("CARGO_BIN_EXE_tenure")).args(arguments);
        command.current_dir(&self.0.0).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.env("TENURE_PATH", self.store()).stdin(Stdio::null());
        command
    }

    pub(crate) fn exec(&self, failover: &str, options: &[&str], command: &[&str]) -> Command {
        self.tenure(&[&["exec", "job", "--failover", failover], options, &["--"], command].concat())
    }

    /// A shell's script that runs until it is ended.
    fn start(&self, failover: &str, options: &[&str], script: &str) -> Running {
        Running::start(self.exec(failover, options, &["sh", "-c", script]))
    }

    fn output(&self, options: &[&str], command: &[&str]) -> Output {
        self.exec(LONG, options, command).output().unwrap()
    }

    fn check(&self, term: &str) -> Output {
        self.tenure(&["check", "--job", "job", "--term", term]).output().unwrap()
    }

    /// Waits until something is true of what a file says.
    pub(crate) fn wait<T>(&self, what: &str, name: &str, check: impl Fn(&str) -> Option<T>) -> T {
        let end = now() + PATIENCE;
        loop {
            let text = self.read(name);
            if let Some(found) = check(&text) {
                return found;
            }
            assert!(now() < end, "did not come about: {what}; {name} says {text}");
            sleep(Duration::from_millis(2));
        }
    }

    /// Waits until the command runs.
    fn ready(&self) {
        self.wait("it runs", "ready", |text| (!text.is_empty()).then_some(()));
    }

    /// The term that said something last.
    pub(crate) fn last_term(text: &str) -> Option<u64> {
        text.lines().last()?.split(' ').next()?.parse().ok()
    }

    /// Waits until nothing that was started here is left, soon.
    #[track_caller]
    pub(crate) fn assert_empties_soon(&self) {
        let (folder, end) = (fs::canonicalize(&self.0.0).unwrap(), now() + SOON);
        while !started_in(&folder).is_empty() {
            assert!(now() < end, "still there: {:?}", started_in(&folder));
            sleep(Duration::from_millis(2));
        }
    }

    /// Every moment at which a term said something lies after all of those of the terms before it.
    #[track_caller]
    pub(crate) fn assert_one_after_the_other(&self) {
        let mut terms = BTreeMap::<u64, (f64, f64)>::new();
        for line in self.read("said").lines() {
            // A clock that was killed told nothing.
            let Some((term, at)) = line.split_once(' ') else { continue };
            let (term, at): (u64, f64) = (term.parse().unwrap(), at.parse().unwrap());
            let between = terms.entry(term).or_insert((at, at));
            between.1 = between.1.max(at);
        }
        assert!(terms.len() > 1, "{terms:?}");
        for (one, other) in terms.values().zip(terms.values().skip(1)) {
            assert!(one.1 <= other.0, "two at once: {terms:?}");
        }
        // Whoever wrote wrote in this order.
        let said = self.read("said");
        let order: Vec<u64> =
            said.lines().map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect();
        assert!(order.is_sorted(), "{said}");
    }
}

/// A process that is killed with its test.
pub(crate) struct Running(Option<Child>);

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        Self(Some(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()))
    }

    fn child(&self) -> &Child {
        self.0.as_ref().unwrap()
    }

    fn send(&self, signal: Signal) {
        send(self.child(), signal);
    }

    /// Waits until it ends.
    fn end(mut self) -> Output {
        let end = now() + PATIENCE;
        while self.0.as_mut().unwrap().try_wait().unwrap().is_none() {
            assert!(now() < end, "it does not end");
            sleep(Duration::from_millis(2));
        }
        self.0.take().unwrap().wait_with_output().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            child.kill().unwrap_or_default();
            drop(child.wait());
        }
    }
}

#[track_caller]
fn assert_code(output: &Output, code: i32, what: &str) {
    assert_eq!(output.status.code(), Some(code), "{what}: {output:?}");
}

#[test]
fn the_exit_code_is_that_of_the_command() {
    let place = Place::new();
    fs::write(place.path("plain"), "no program").unwrap();
    fs::write(place.path("orphan"), "#!/no/such/interpreter\n").unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(place.path("orphan"), executable).unwrap();
    let cases: [(&[&str], i32); 14] = [
        (&["true"], 0),
        (&["false"], 1),
        (&["sh", "-c", "exit 42"], 42),
        (&["sh", "-c", "exit 75"], 75),
        (&["sh", "-c", "exit 125"], 125),
        (&["sh", "-c", "exit 255"], 255),
        (&["sh", "-c", "kill -TERM $$"], 143),
        (&["sh", "-c", "kill -KILL $$"], 137),
        (&["sh", "-c", "kill -USR1 $$"], 138),
        (&["no-such-program"], 127),
        (&["./missing"], 127),
        (&["./orphan"], 127),
        (&["./plain"], 126),
        (&["/"], 126),
    ];
    for (command, code) in cases {
        let output = place.output(&[], command);
        assert_code(&output, code, &format!("{command:?}"));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said.is_empty(), ![126, 127].contains(&code), "{command:?}: {said}");
    }
}

#[test]
fn its_own_failures_have_a_code_that_is_no_commands() {
    let place = Place::new();
    let cases: [(&[&str], &str); 4] = [
        (&["--no-such-flag"], "unexpected argument"),
        (&["--cluster", ""], "--cluster"),
        (&["--path", "no/such/folder/tenure.db"], "no/such/folder"),
        (&["--config", "missing.toml"], "missing.toml"),
    ];
    for (options, said) in cases {
        let output = place.output(options, &["touch", "ran"]);
        assert_code(&output, 125, said);
        assert!(String::from_utf8(output.stderr).unwrap().contains(said), "{said}");
    }
    assert_code(&place.tenure(&["exec", "job"]).output().unwrap(), 125, "no command");
    assert_code(&place.tenure(&["exec", "--help"]).output().unwrap(), 0, "help");
    assert!(!place.path("ran").exists());
}

#[test]
fn every_signal_reaches_the_command() {
    for (signal, trap, code) in [
        (Signal::TERM, "", 143),
        (Signal::HUP, "", 129),
        (Signal::USR2, "", 140),
        (Signal::INT, "trap 'exit 7' INT;", 7),
        (Signal::QUIT, "trap 'exit 3' QUIT;", 3),
        (Signal::USR1, "trap 'exit 10' USR1;", 10),
        (Signal::ALARM, "trap 'exit 14' ALRM;", 14),
        (Signal::WINCH, "trap 'exit 28' WINCH;", 28),
        (Signal::CONT, "trap 'exit 18' CONT;", 18),
        (Signal::TERM, "trap 'exit 0' TERM;", 0),
    ] {
        let place = Place::new();
        let running = place.start(LONG, &[], &format!("{trap} {STAYS}"));
        place.ready();
        running.send(signal);
        assert_code(&running.end(), code, &format!("{signal:?} {trap}"));
    }
}

#[test]
fn a_signal_that_is_ignored_stays_ignored() {
    let place = Place::new();
    let script = format!("trap '' HUP; exec {} exec job -- sh -c '{STAYS}'", env!("CARGO_BIN_EXE_tenure"));
    let mut command = Command::new("sh");
    command.args(["-c", &script]).current_dir(&place.0.0).env("TENURE_PATH", place.store());
    let running = Running(Some(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()));
    place.ready();
    running.send(Signal::HUP);
    running.send(Signal::TERM);
    assert_code(&running.end(), 143, "HUP, then TERM");
}

#[test]
fn a_signal_ends_the_wait() {
    let place = Place::new();
    let leader = place.start(LONG, &[], STAYS);
    place.ready();
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::USR1, 138)] {
        let waiting = place.start(LONG, &["--name", "waits"], "touch ran");
        let is_member = |text: &str| text.contains("waits").then_some(());
        let end = now() + PATIENCE;
        while is_member(&String::from_utf8(place.tenure(&["nodes"]).output().unwrap().stdout).unwrap())
            .is_none()
        {
            assert!(now() < end, "it does not wait");
        }
        waiting.send(Signal::WINCH);
        waiting.send(signal);
        assert_code(&waiting.end(), code, &format!("{signal:?}"));
    }
    leader.send(Signal::TERM);
    assert_code(&leader.end(), 143, "the leader");
    assert!(!place.path("ran").exists());
}

#[test]
fn who_does_not_want_to_wait_does_not() {
    let place = Place::new();
    let leader = place.start(LONG, &["--name", "fox"], STAYS);
    place.ready();
    for (options, code, why) in [
        (&["--no-wait"][..], 75, "fox leads job\n"),
        (&["--no-wait", "--lost-exit-code", "3"], 3, "fox leads job\n"),
        (&["--wait", "200ms"], 75, "this instance did not lead job within 200ms\n"),
    ] {
        let output = place.output(options, &["touch", "ran"]);
        assert_code(&output, code, &format!("{options:?}"));
        assert_eq!(String::from_utf8(output.stderr).unwrap(), why);
    }
    assert!(!place.path("ran").exists());
    drop(leader);
    place.assert_empties_soon();
}

#[test]
fn the_streams_are_those_of_the_command() {
    let place = Place::new();
    let script = "cat; printf 'no end' >&2; [ -t 0 ] || exit 5";
    // A port of the environment is the command's.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = place.exec(LONG, &[], &["sh", "-c", script]);
    command.env("PORT", taken.local_addr().unwrap().port().to_string());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let (mut stdin, sent) = (child.stdin.take().unwrap(), bytes.clone());
    let writer = std::thread::spawn(move || stdin.write_all(&sent).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(5), &b"no end"[..]));
    assert!(output.stdout == bytes, "{} bytes of {}", output.stdout.len(), bytes.len());
}

#[test]
fn its_log_goes_beside_the_streams_of_the_command() {
    let place = Place::new();
    let mut command =
        place.exec(LONG, &[], &["sh", "-c", "echo out; echo $TENURE_JOB $TENURE_TERM $TENURE_NODE"]);
    let output = command.env("TENURE_LOG", "info").env("TENURE_NAME", "fox").output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "out\njob 1 fox\n");
    let lines = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for event in ["lease.acquired", "occurrence.started", "occurrence.finished", "lease.released"] {
        assert!(lines.iter().any(|line| line["event"] == event), "{event}: {lines:?}");
    }
}

#[test]
fn the_next_one_starts_as_soon_as_the_command_has_ended() {
    let place = Place::new();
    let uptime = "cut -d' ' -f1 /proc/uptime";
    let first = place.start(
        LONG,
        &[],
        &format!("echo ready > ready; while [ ! -e go ]; do sleep 0.01; done; {uptime} > ended"),
    );
    place.ready();
    let second = place.start(LONG, &["--name", "second"], &format!("{uptime} > began; echo $TENURE_TERM"));
    let end = now() + PATIENCE;
    while !String::from_utf8(place.tenure(&["nodes"]).output().unwrap().stdout).unwrap().contains("second") {
        assert!(now() < end, "the second does not wait");
    }
    fs::write(place.path("go"), "").unwrap();
    assert_code(&first.end(), 0, "the first");
    let output = second.end();
    assert_code(&output, 0, "the second");
    assert_eq!(output.stdout, b"2\n");
    let at = |name| place.read(name).trim().parse::<f64>().unwrap();
    let gap = at("began") - at("ended");
    assert!((0.0..SOON.as_secs_f64()).contains(&gap), "{gap} s");
}

#[test]
fn the_command_of_a_leader_that_stands_still_ends_before_another_begins() {
    let _machine = machine();
    let place = Place::new();
    let first = place.start(SHORT, &[], SAYS);
    let term = place.wait("the first leads", "said", Place::last_term);
    let second = place.start(SHORT, &["--lost-exit-code", "9"], SAYS);
    freeze(first.child(), &place.store());
    let stopped = now();
    let next =
        place.wait("the second leads", "said", |text| Place::last_term(text).filter(|now| *now > term));
    while now().since(stopped) < 3 * FAILOVER {
        sleep(Duration::from_millis(10));
    }
    first.send(Signal::CONT);
    let output = first.end();
    assert_code(&output, 75, "the first");
    let why = "this instance had to give job up, so its command was ended\n";
    assert!(String::from_utf8(output.stderr).unwrap().ends_with(why));
    place.wait("the second still leads", "said", |text| Place::last_term(text).filter(|now| *now == next));
    drop(second);
    place.assert_empties_soon();
    place.assert_one_after_the_other();
}

#[test]
fn the_command_of_a_process_that_is_killed_ends_before_another_begins() {
    let _machine = machine();
    let place = Place::new();
    let first = place.start(SHORT, &[], SAYS);
    let term = place.wait("the first leads", "said", Place::last_term);
    let _second = place.start(SHORT, &[], SAYS);
    drop(first);
    place.wait("the second leads", "said", |text| Place::last_term(text).filter(|now| *now > term));
    place.assert_one_after_the_other();
}

#[test]
fn a_command_whose_leader_steps_down_is_lost_however_it_ends() {
    let place = Place::new();
    let polite = SAYS.replace("trap '' TERM", "trap 'exit 0' TERM");
    let first = place.start("5s", &["--name", "first"], &polite);
    let term = place.wait("the first leads", "said", Place::last_term);
    let _second = place.start("5s", &["--name", "second", "--restart"], SAYS);
    let end = now() + PATIENCE;
    // Asked more than once, because it may be gone before anybody has seen it go.
    while Place::last_term(&place.read("said")).is_none_or(|now| now <= term) {
        assert!(now() < end, "nobody takes it");
        place.tenure(&["step-down", "job"]).output().unwrap();
    }
    assert_code(&first.end(), 75, "the first");
    place.assert_one_after_the_other();
}

#[test]
fn a_service_runs_again_until_it_is_asked_to_end() {
    let place = Place::new();
    let script = "echo run >> runs; if [ $(wc -l < runs) -lt 3 ]; then exit 4; fi; trap 'exit 6' TERM; echo ready > ready; \
        while :; do sleep 0.01; done";
    let running = place.start(LONG, &["--restart"], script);
    place.ready();
    running.send(Signal::TERM);
    assert_code(&running.end(), 6, "the service");
    assert_eq!(place.read("runs").lines().count(), 3);
    let output = place.tenure(&["jobs", "history", "job", "--output", "json"]).output().unwrap();
    let history: Value = serde_json::from_slice(&output.stdout).unwrap();
    let account =
        |account: &Value| (account["fate"].clone(), account["reason"].clone(), account["term"].clone());
    let accounts: Vec<_> = history["accounts"].as_array().unwrap().iter().map(account).collect();
    let failed =
        |code| (Value::from("failed"), Value::from(format!("exited with code {code}")), Value::from(1));
    assert_eq!(accounts, [failed(6), failed(4), failed(4)]);
}

#[test]
fn a_service_that_loses_its_job_stands_by() {
    let _machine = machine();
    let place = Place::new();
    let first = place.start(SHORT, &["--restart"], SAYS);
    let term = place.wait("the first leads", "said", Place::last_term);
    let second = place.start(SHORT, &["--restart"], SAYS);
    freeze(first.child(), &place.store());
    let next =
        place.wait("the second leads", "said", |text| Place::last_term(text).filter(|now| *now > term));
    first.send(Signal::CONT);
    sleep(FAILOVER);
    drop(second);
    place.wait("the first leads again", "said", |text| Place::last_term(text).filter(|now| *now > next));
    place.assert_one_after_the_other();
    drop(first);
    place.assert_empties_soon();
}

#[test]
fn a_term_is_checked_by_the_rows() {
    let place = Place::new();
    assert_code(&place.check("1"), 77, "no store");
    let check = format!("{} check; echo $?; {0} check --term 9; echo $?", env!("CARGO_BIN_EXE_tenure"));
    let output = place.output(&["--name", "fox"], &["sh", "-c", &check]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "0\n75\n");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "term 9 does not lead job: fox leads it at term 1\n");
    let over = place.check("1");
    assert_code(&over, 75, "it has ended");
    let said = String::from_utf8(over.stderr).unwrap();
    assert_eq!(said, "term 1 does not lead job: it was given up, and nobody does\n");
    let unknown = place.tenure(&["check", "--job", "jab", "--term", "1"]).output().unwrap();
    assert_code(&unknown, 1, "no such job");
    assert_code(&place.tenure(&["check"]).output().unwrap(), 1, "nothing to check");
}

#[test]
fn a_term_whose_leader_vanished_is_over() {
    let _machine = machine();
    let place = Place::new();
    let first = place.start(SHORT, &["--name", "fox"], STAYS);
    place.ready();
    assert_code(&place.check("1"), 0, "it leads");
    drop(first);
    // Whoever waits removes it, and takes the job.
    let second = place.start(SHORT, &[], "echo 2 > second; while :; do sleep 0.1; done");
    place.wait("the second leads", "second", |text| (!text.is_empty()).then_some(()));
    let over = place.check("1");
    assert_code(&over, 75, "it vanished");
    assert!(String::from_utf8(over.stderr).unwrap().contains("leads it at term 2"));
    drop(second);
}
