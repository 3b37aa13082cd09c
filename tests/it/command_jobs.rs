//! Jobs that run a command, in real processes: what it is told, what becomes of what it writes, and
//! that nothing of it goes on when its instance leads no more, whatever happened to that.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tenure::instance::Instance;
use tenure::jobs::command::{Command as CommandJob, LONGEST_LINE};
use tenure::lease::{About, Balance, Input, Timing};
use tenure::log::JobOutput;
use tenure::schedulers::{Every, Job, Policy};
use tenure::stores::memory::Memory;
use tenure::time::SystemClock;
use tokio::task::JoinSet;

use crate::failover::FAILOVER;
use crate::fleet::{Fleet, Line, get, machine, now};
use crate::folder::Folder;
use crate::instance::eventually;

/// Much sooner than the lease ends in tests where something must not wait for that.
const SOON: Duration = Duration::from_secs(20);
const LONG_FAILOVER: &str = "2m";

/// Does not end, whoever asks: nor do its children, one of which left its process group, and one its
/// parents too. It says so when a process of an earlier run is still there.
const TREE: &str = r#"
for pid in $(cat pids 2>/dev/null); do
  grep -q '^State:.[^ZX]' /proc/$pid/status 2>/dev/null && echo "beside $pid"
done
trap '' TERM HUP INT
stay='trap "" TERM HUP INT; echo $$ >> pids; while :; do sleep 0.1; done'
echo $$ >> pids
sh -c "$stay" &
setsid sh -c "$stay" &
(setsid setsid sh -c "$stay" &)
while [ "$(wc -l < pids)" -lt 4 ]; do sleep 0.01; done
echo grown
while :; do sleep 0.1; done
"#;

/// A job that is due often and runs a script.
fn job(name: &str, script: &str) -> String {
    let script = serde_json::json!(["sh", "-c", script]);
    format!("[[job]]\nname = \"{name}\"\nevery = \"100ms\"\ncommand = {script}\n")
}

/// A job that is due once in a test and runs a script.
fn once(name: &str, script: &str) -> String {
    job(name, script).replace("every = \"100ms\"", "every = \"1h\"")
}

/// What the instance in a folder has started and is still there: a warden, a command, its children.
pub(crate) fn started_in(folder: &Path) -> Vec<(Pid, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().map_while(Result::ok) {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
        // A process that has ended has no folder.
        if fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == folder) {
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            found.extend(Pid::from_raw(pid).map(|pid| (pid, name.trim().to_owned())));
        }
    }
    found.retain(|(_, name)| name != "tenure");
    found
}

pub(crate) fn started(fleet: &Fleet) -> Vec<(Pid, String)> {
    started_in(&fs::canonicalize(fleet.path(".")).unwrap())
}

/// Waits until nothing is left of any command, soon.
#[track_caller]
pub(crate) fn assert_all_end_soon(fleet: &Fleet) {
    let end = now() + SOON;
    while !started(fleet).is_empty() {
        assert!(now() < end, "still there: {:?}", started(fleet));
        sleep(Duration::from_millis(5));
    }
}

/// Waits until the command of a job has said something at a term above `term`, and returns the line.
fn said(fleet: &Fleet, job: &str, what: &str, term: u64) -> Line {
    fleet.wait(what, |lines| {
        let is = |line: &&Line| {
            line.is("job.output")
                && line.text("job") == job
                && line.text("message") == what
                && line.term() > term
        };
        lines.iter().find(is).cloned()
    })
}

#[track_caller]
fn assert_never_beside_another(fleet: &Fleet) {
    let beside: Vec<_> = fleet.output("tree").into_iter().filter(|line| line.contains("beside")).collect();
    assert_eq!(beside, [""; 0], "a run began before an earlier one was over");
}

#[test]
fn a_command_is_told_of_its_run() {
    let facts = ["JOB", "TERM", "DUE", "RUN", "NODE", "ATTEMPT"];
    let script = facts.map(|fact| format!("echo {fact} $TENURE_{fact}")).join("; ");
    let mut fleet = Fleet::of(
        LONG_FAILOVER,
        &once("told", &format!("{script}; echo TO $TENURE_DEADLINE; echo MINE $MINE")),
    );
    fleet.start_with("one", &[("MINE", "of the instance")]);
    let end = fleet.ended("told");
    assert!(end.is("occurrence.finished"), "{end:?}");
    let term = end.term().to_string();
    let known = ["told", &term, end.text("due"), end.text("run"), "one", "1"];
    let mut expected: Vec<_> =
        facts.iter().zip(known).map(|(fact, value)| format!("{fact} {value}")).collect();
    expected.push("MINE of the instance".to_owned());
    let mut output = fleet.output("told");
    let deadline = output.remove(facts.len());
    assert_eq!(output, expected);
    assert!(deadline.starts_with("TO 20") && deadline.ends_with('Z'), "{deadline}");
}

#[test]
fn what_a_command_writes_becomes_log_lines_of_its_run() {
    let long = LONGEST_LINE * 3;
    let script = format!("echo out; echo err >&2; head -c {long} /dev/zero | tr '\\0' x; printf '\\nno end'");
    let mut fleet = Fleet::of(LONG_FAILOVER, &once("talks", &script));
    fleet.start();
    let end = fleet.ended("talks");
    let lines = fleet.lines().into_iter().filter(|line| line.is("job.output"));
    for line in lines.inspect(|line| assert_eq!(line.text("run"), end.text("run"))) {
        assert_eq!((line.term(), line.text("due")), (end.term(), end.text("due")));
        assert!(line.text("message").len() < LONGEST_LINE * 2, "{line:?}");
    }
    let mut said = fleet.output("talks");
    let (parts, mut whole): (Vec<_>, Vec<_>) = said.drain(..).partition(|line| line.contains('x'));
    whole.sort();
    assert_eq!(whole, ["err", "no end", "out"]);
    assert_eq!(parts.concat().replace('\u{2026}', ""), "x".repeat(long));
}

#[test]
fn the_exit_status_decides_how_a_run_ended() {
    let dir =
        "[[job]]\nname = \"nowhere\"\nevery = \"1h\"\ncommand = { run = [\"true\"], dir = \"missing\" }\n";
    let none = "[[job]]\nname = \"none\"\nevery = \"1h\"\ncommand = [\"no-such-program\"]\n";
    let jobs = [once("well", "exit 0"), once("badly", "exit 3"), once("killed", "kill -9 $$")].concat();
    let mut fleet = Fleet::of(LONG_FAILOVER, &format!("{jobs}{dir}{none}"));
    fleet.start();
    assert!(fleet.ended("well").is("occurrence.finished"));
    for (job, why) in [
        ("badly", "exited with code 3"),
        ("killed", "killed by signal 9 (SIGKILL)"),
        ("nowhere", "missing is not a folder that it could run in"),
        ("none", "no-such-program: it was not found: install it, or write its whole path"),
    ] {
        let end = fleet.ended(job);
        assert!(end.is("occurrence.failed") && end.text("reason").starts_with(why), "{end:?}");
    }
}

#[test]
fn what_a_command_leaves_behind_ends_with_it() {
    let mut fleet =
        Fleet::of(LONG_FAILOVER, &once("leaves", "(setsid sleep 1000 &) ; sleep 1000 & echo done"));
    fleet.start();
    assert!(fleet.ended("leaves").is("occurrence.finished"));
    assert_eq!(started(&fleet), []);
}

#[test]
fn a_command_that_closes_its_pipes_goes_on_as_long_as_the_lease_is_renewed() {
    let _machine = machine();
    let script = format!("exec >&- 2>&-; sleep {}; : > here", 2 * FAILOVER.as_secs());
    let mut fleet = Fleet::of("2s", &once("quiet", &script));
    fleet.start();
    let end = fleet.ended("quiet");
    assert!(end.is("occurrence.finished"), "{end:?}");
    assert!(fleet.path("here").exists());
}

#[test]
fn a_command_that_ends_well_when_it_is_asked_has_done_its_work() {
    let script = "trap 'echo asked; exit 0' TERM; echo ready; while :; do sleep 0.01; done";
    let mut fleet = Fleet::of("10s", &job("polite", script));
    let first = fleet.start();
    said(&fleet, "polite", "ready", 0);
    fleet.node(&first).signal(Signal::TERM);
    let end = fleet.ended("polite");
    assert!(end.is("occurrence.finished"), "{end:?}");
    assert!(fleet.output("polite").contains(&"asked".to_owned()));
}

#[test]
fn a_command_that_ignores_that_it_is_asked_is_killed_before_the_job_is_handed_over() {
    let mut fleet = Fleet::of("5s", &job("tree", TREE));
    let first = fleet.start();
    let term = said(&fleet, "tree", "grown", 0).term();
    fleet.start();
    fleet.wait("the second is there", |lines| {
        (lines.iter().filter(|line| line.is("instance.registered")).count() == 2).then_some(())
    });
    fleet.node(&first).signal(Signal::TERM);
    let end = fleet.ended("tree");
    assert_eq!((end.text("event"), end.text("reason")), ("occurrence.failed", "the job had to leave"));
    said(&fleet, "tree", "grown", term);
    assert_never_beside_another(&fleet);
}

#[test]
fn a_job_is_not_handed_over_before_its_warden_has_ended_the_command() {
    let mut fleet = Fleet::of("10s", &job("tree", TREE));
    let first = fleet.start();
    let term = said(&fleet, "tree", "grown", 0).term();
    fleet.start();
    fleet.wait("the second is there", |lines| {
        (lines.iter().filter(|line| line.is("instance.registered")).count() == 2).then_some(())
    });
    let (warden, _) = started(&fleet).into_iter().find(|(_, name)| name == "tenure-warden").unwrap();
    kill_process(warden, Signal::STOP).unwrap();
    fleet.node(&first).signal(Signal::TERM);
    fleet.wait("the first is told to stop", |lines| {
        lines.iter().any(|line| line.is("instance.stopping")).then_some(())
    });
    sleep(2 * FAILOVER);
    assert!(!fleet.lines().iter().any(|line| line.is("lease.acquired") && line.term() > term));
    kill_process(warden, Signal::CONT).unwrap();
    said(&fleet, "tree", "grown", term);
    assert_never_beside_another(&fleet);
}

#[test]
fn the_commands_of_an_instance_that_is_killed_end_at_once() {
    let mut fleet = Fleet::of(LONG_FAILOVER, &job("tree", TREE));
    let first = fleet.start();
    said(&fleet, "tree", "grown", 0);
    assert!(started(&fleet).len() > 4);
    fleet.node(&first).signal(Signal::KILL);
    assert_all_end_soon(&fleet);
}

#[test]
fn the_commands_of_an_instance_that_is_stopped_end_before_another_starts_them() {
    let _machine = machine();
    let mut fleet = Fleet::of("2s", &job("tree", TREE));
    let first = fleet.start();
    let term = said(&fleet, "tree", "grown", 0).term();
    let second = fleet.start();
    fleet.freeze(&first);
    let next = said(&fleet, "tree", "grown", term);
    assert_eq!(next.process, second);
    assert_never_beside_another(&fleet);
    fleet.node(&first).signal(Signal::CONT);
    let end = fleet.wait("the first notices", |lines| {
        let is = |line: &&Line| line.is("occurrence.failed") && line.process == first;
        lines.iter().find(is).cloned()
    });
    assert_eq!(end.term(), term);
}

#[test]
fn a_command_whose_warden_is_killed_ends_and_has_failed() {
    let mut fleet =
        Fleet::of(LONG_FAILOVER, &once("guarded", "sleep 0.5; echo ready; while :; do sleep 0.1; done"));
    fleet.start();
    said(&fleet, "guarded", "ready", 0);
    let (warden, _) = started(&fleet).into_iter().find(|(_, name)| name == "tenure-warden").unwrap();
    kill_process(warden, Signal::KILL).unwrap();
    let end = fleet.ended("guarded");
    assert!(end.text("reason").starts_with("its warden ended with signal: 9"), "{end:?}");
    assert_all_end_soon(&fleet);
}

#[test]
fn a_command_that_writes_without_end_is_cut_short_and_keeps_nobody_waiting() {
    let _machine = machine();
    let limit = 64 << 10;
    let flood = "[[job]]\nname = \"flood\"\nevery = \"1h\"\ncommand = { run = [\"sh\", \"-c\", \"yes & yes & yes\"], output = \"64KiB\" }\n";
    let mut fleet = Fleet::of("10s", &format!("{flood}{}", job("other", "echo amen")));
    let node = fleet.start();
    let first = said(&fleet, "flood", "y", 0).at;
    let amens = fleet.wait("others go on", |lines| {
        let amens: Vec<_> = lines.iter().filter(|line| line.text("message") == "amen").collect();
        amens.last().is_some_and(|last| last.at > first + 2 * FAILOVER).then_some(amens.len())
    });
    assert!(amens >= 5, "{amens} runs beside a flood");
    assert!(!fleet.lines().iter().any(|line| line.is("instance.lapsed") || line.is("log.lost")));
    let bytes: usize = fleet.output("flood").iter().map(String::len).sum();
    assert!((100..=limit).contains(&bytes), "{bytes} bytes");
    let memory = fleet.node(&node).memory();
    assert!(memory < 100, "{memory} MiB");
    fleet.node(&node).signal(Signal::TERM);
    fleet.ended("flood");
    let note = |line: &&String| line.contains(" bytes are left out, beyond 65536 bytes a minute");
    assert_eq!(fleet.output("flood").iter().filter(note).count(), 1);
}

#[test]
fn no_secret_of_a_command_is_shown_anywhere() {
    let (token, password) = ("hunter22-hunter22", "sword=fish 1234");
    let jobs = r#"
        [[job]]
        name = "keeper"
        every = "100ms"
        command = { run = ["sh", "keeper.sh"], env_file = "secret.env", env = { TOKEN = "file:$PWD/token", PLAIN = "seen" } }
        [[job]]
        name = "unfit"
        every = "100ms"
        command = { run = ["no-such-program"], env = { TOKEN = "file:$PWD/token" } }
        [[job]]
        name = "torn"
        every = "100ms"
        command = { run = ["true"], env_file = "torn.env" }
    "#;
    let mut fleet = Fleet::of(LONG_FAILOVER, jobs);
    let script = "echo $TOKEN; echo \"$PASSWORD\" >&2; env; echo $TOKEN:$PASSWORD > got; exit 3";
    fs::write(fleet.path("keeper.sh"), script).unwrap();
    fs::write(fleet.path("token"), format!("{token}\n")).unwrap();
    fs::write(fleet.path("secret.env"), format!("# of the database\nPASSWORD='{password}'\n")).unwrap();
    fs::write(fleet.path("torn.env"), format!("PASSWORD=one\n{token}\n")).unwrap();
    let node = fleet.start_with("one", &[("TENURE_LOG", "trace")]);
    for job in ["keeper", "unfit", "torn"] {
        fleet.ended(job);
    }
    assert_eq!(fs::read_to_string(fleet.path("got")).unwrap(), format!("{token}:{password}\n"));
    let written = fleet.output("keeper");
    for line in ["[redacted]", "TOKEN=[redacted]", "PASSWORD=[redacted]", "PLAIN=seen"] {
        assert!(written.iter().any(|said| said == line), "{line} is not in {written:?}");
    }
    assert!(fleet.ended("torn").text("reason").contains("torn.env:2 is not a variable"));
    let mut shown: Vec<_> = fleet.lines().iter().map(|line| line.json.to_string()).collect();
    let address = fleet.address(&node);
    shown.extend(["/", "/metrics", "/api/v1/status", "/api/v1/jobs/keeper"].map(|path| get(&address, path)));
    for arguments in [["config", "show"], ["config", "check"], ["status", "--output=json"]] {
        shown.push(fleet.ask(&arguments));
    }
    for store in ["tenure.db", "tenure.db-wal"].iter().filter(|file| fleet.path(file).exists()) {
        shown.push(String::from_utf8_lossy(&fs::read(fleet.path(store)).unwrap()).into_owned());
    }
    let count = shown.len();
    assert!(count > 20 && shown.iter().any(|text| text.contains("keeper")), "{count} texts");
    for text in shown {
        assert!(!text.contains(token) && !text.contains(password), "{text}");
    }
}

#[test]
fn a_warden_is_nothing_for_people() {
    let alone = Command::new(env!("CARGO_BIN_EXE_tenure"))
        .args(["warden", "--", "touch", "never"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(!alone.status.success());
    let said = String::from_utf8(alone.stderr).unwrap();
    assert!(said.contains("only `tenure run` starts a warden"), "{said}");
}

#[tokio::test]
async fn without_a_warden_a_command_ends_with_its_run_too() {
    let folder = Folder::new();
    fs::write(folder.0.join("tree.sh"), TREE.replace("setsid ", "")).unwrap();
    let command = CommandJob { dir: Some(folder.0.clone()), ..CommandJob::new("sh", vec!["tree.sh".into()]) };
    let job = Job {
        name: "tree".parse().unwrap(),
        schedule: Arc::new(Every::new(Duration::from_millis(100)).unwrap()),
        action: Arc::new(command),
        policy: Policy::default(),
    };
    let instance = Instance {
        about: About { name: "one".into(), url: String::new(), version: "test".into() },
        jobs: vec![job],
        roles: Vec::new(),
        timing: Timing::from_failover(FAILOVER),
        output: JobOutput::Json,
        balance: Balance::Spread,
        seed: 1,
    };
    let mut tasks = JoinSet::new();
    let handle = instance.start(Arc::new(Memory::new()), Arc::new(SystemClock), &mut tasks);
    let place = fs::canonicalize(&folder.0).unwrap();
    eventually("it grows", async || started_in(&place).len() >= 4).await;
    handle.tell(Input::Drain).await;
    handle.stopped().await;
    // Killed is not gone yet, though it does nothing more.
    eventually("nothing is left", async || started_in(&place).is_empty()).await;
}
