//! The program as a person or a supervisor meets it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tenure::commands::step_down::StepDownError;
use tenure::config::settings::{self, Setting};
use tenure::failure::Failure;
use tenure::stores::StoreError;

/// An empty folder of its own for each test.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// The program in `folder`, in an empty environment.
fn tenure(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenure"));
    command.args(arguments).current_dir(folder).env_clear().stdin(Stdio::null());
    command
}

fn output(test: &str, arguments: &[&str]) -> Output {
    tenure(&folder(test), arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Run with `BLESS=1` to write what is said now into the file.
#[test]
fn help_says_what_it_has_been_agreed_to_say() {
    let help = stdout(&output("help", &["--help"]));
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/help.txt");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&golden, &help).unwrap();
    }
    assert_eq!(help, std::fs::read_to_string(golden).unwrap());
}

#[test]
fn help_has_every_setting() {
    let help = stdout(&output("every-setting", &["run", "--help"]));
    for Setting { flag, env, .. } in settings::ALL {
        assert!(flag.is_none_or(|flag| help.contains(&format!("--{flag} <"))), "{flag:?}: {help}");
        assert!(env.iter().all(|name| help.contains(name)), "{env:?}: {help}");
    }
}

#[test]
fn a_simulation_of_no_world_is_refused() {
    let output = output("no-world", &["sim", "--seeds", "0"]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(2), ""));
}

#[test]
fn a_world_outside_of_the_contract_tells_what_it_breaks_and_is_no_failure() {
    let told = output("clone-0", &["sim", "--profile", "clone", "--seed", "0"]);
    assert!(stdout(&told).contains("against \"one leader\""), "{}", stdout(&told));
    assert_eq!(told.status.code(), Some(0));
    let unknown = output("no-profile", &["sim", "--profile", "heaven"]);
    assert_eq!((unknown.status.code(), stdout(&unknown).as_str()), (Some(2), ""));
}

#[test]
fn nobody_knows_yet_why_a_job_will_run() {
    let output = output("future", &["why", "go_preacher", "--at", "2200-01-01T00:00:00Z"]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(1), ""));
    assert!(stderr(&output).contains("is yet to come"), "{}", stderr(&output));
}

#[test]
fn every_command_has_help() {
    for command in
        ["run", "status", "jobs", "why", "nodes", "step-down", "exec", "check", "prove", "sim", "config"]
    {
        let output = output(&format!("help-{command}"), &[command, "--help"]);
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""), "{command}");
    }
}

#[test]
fn a_mistyped_command_is_a_usage_error_with_a_tip() {
    let output = output("mistyped", &["confg"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("similar subcommand exists: 'config'"), "{}", stderr(&output));
}

#[test]
fn a_wrong_flag_is_a_usage_error_and_a_wrong_file_is_not() {
    let flag = output("wrong-flag", &["--failover", "soon"]);
    assert_eq!(flag.status.code(), Some(2));
    assert!(stderr(&flag).starts_with("--failover: \"soon\" is not a duration"), "{}", stderr(&flag));

    let folder = folder("wrong-file");
    std::fs::write(folder.join("tenure.toml"), "evry = 1\ncluster = \"\"\n").unwrap();
    for arguments in [&["config", "check"][..], &["run"], &[]] {
        let file = tenure(&folder, arguments).output().unwrap();
        assert_eq!((file.status.code(), stdout(&file).as_str()), (Some(78), ""));
        let said = stderr(&file);
        assert!(
            said.starts_with("tenure.toml:1:1: unknown key \"evry\"")
                && said.contains("\ntenure.toml:2:11: ")
        );
    }
}

#[test]
fn config_check_says_that_all_is_well() {
    let output = output("check", &["config", "check", "--failover", "1m30s"]);
    assert_eq!(
        stdout(&output),
        "The configuration is good: 2 jobs, failover 90s, store sqlite at tenure.db.\n"
    );
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
}

#[test]
fn config_show_prints_every_value_with_its_source() {
    let folder = folder("show");
    std::fs::write(folder.join("tenure.toml"), "\nbalance = \"sticky\"\n").unwrap();
    let mut command = tenure(&folder, &["config", "show", "--failover", "20s"]);
    let table = stdout(&command.env("APP_PORT", "4000").output().unwrap());
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    for row in [
        &["cluster", "default", "default"][..],
        &["balance", "sticky", "tenure.toml:2"],
        &["port", "4000", "env", "APP_PORT"],
        &["failover", "20s", "--failover"],
        &["grace", "4s", "default"],
        &["job.go_preacher.every", "1m", "default"],
    ] {
        assert!(rows.iter().any(|found| found == row), "{row:?} in\n{table}");
    }
    let mut command = tenure(&folder, &["config", "show", "-o", "json", "-c", "tenure.toml"]);
    let json: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    let entry = json.as_array().unwrap().iter().find(|entry| entry["key"] == "balance").unwrap();
    assert_eq!((&entry["value"], &entry["source"]), (&Value::from("sticky"), &Value::from("tenure.toml:2")));
}

#[test]
fn a_file_that_is_no_text_is_refused_and_not_read_to_its_end() {
    let folder = folder("no-text");
    std::fs::write(folder.join("tenure.toml"), [0xff, 0xfe]).unwrap();
    let binary = tenure(&folder, &["config", "check"]).output().unwrap();
    assert_eq!(binary.status.code(), Some(78));
    assert!(stderr(&binary).starts_with("cannot read tenure.toml: "), "{}", stderr(&binary));
    let endless = tenure(&folder, &["config", "check", "-c", "/dev/zero"]).output().unwrap();
    assert_eq!(endless.status.code(), Some(2));
    assert!(stderr(&endless).contains("it is longer than"), "{}", stderr(&endless));
}

#[test]
fn who_only_looks_leaves_no_store_behind() {
    let folder = folder("only-looks");
    for command in [&["status"][..], &["step-down", "tidy"]] {
        let output = tenure(&folder, command).output().unwrap();
        assert_eq!(output.status.code(), Some(77));
        assert!(stderr(&output).starts_with("there is no file tenure.db: "), "{}", stderr(&output));
    }
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn an_address_that_cannot_be_listened_on_is_explained() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (place, advice) in [
        (&["--port", port.as_str()][..], "another program listens there: choose another port"),
        (&["--listen", "192.0.2.1"], "this machine has no such address: choose another with --listen"),
    ] {
        let output = output("listen", &[&["run", "--store", "memory"], place].concat());
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(1), ""));
        assert!(stderr(&output).contains(advice), "{}", stderr(&output));
    }
}

#[test]
fn a_reader_that_left_is_no_reason_to_panic() {
    for arguments in [&["config", "show"][..], &["--help"]] {
        let mut child =
            tenure(&folder("left"), arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn exit_codes_tell_a_supervisor_what_to_do() {
    let store = |error: fn(String) -> StoreError| Failure::Store(error("why".to_owned()));
    let codes = [
        (Failure::Other("why".to_owned()), 1),
        (store(StoreError::Unfit), 1),
        (store(StoreError::Unreachable), 69),
        (Failure::StepDown(StepDownError::Alone("tidy".parse().unwrap())), 75),
        (store(StoreError::Denied), 77),
        (Failure::Signal(2), 130),
        (Failure::Signal(15), 143),
    ];
    for (failure, code) in codes {
        assert_eq!(failure.exit_code(), code, "{failure:?}");
    }
}
