//! What people have done to nodes, and what is on record of it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{Laboratory, ask, body, order, shown, view};
use crate::fleet::{self, get};

#[test]
fn what_a_person_does_to_a_node_is_done_and_shown() {
    let mut lab = Laboratory::new(&[0; 3], "300ms", &[]);
    let controller = lab.start_all("bully");
    let is = |node: usize, key: &str, value: Value| {
        lab.wait(&format!("{key} of P{node} is {value}"), |_| {
            (shown(&controller)[node][key] == value).then_some(())
        });
    };
    is(2, "leads", json!(true));
    // Whoever was up first may have led before.
    (0..2).for_each(|node| is(node, "leads", json!(false)));
    order(&controller, "/api/v1/leader/kill", &json!({}));
    is(2, "state", json!("gone"));
    is(1, "leads", json!(true));
    order(&controller, "/api/v1/nodes/P2/restart", &json!({}));
    is(2, "leads", json!(true));
    order(&controller, "/api/v1/nodes/P2/pause", &json!({}));
    is(2, "state", json!("paused"));
    is(1, "leads", json!(true));
    order(&controller, "/api/v1/nodes/P2/resume", &json!({}));
    is(2, "leads", json!(true));

    let url = format!("http://{controller}");
    let run = |arguments: &[&str]| {
        let command = Command::new(env!("CARGO_BIN_EXE_tenure")).arg("lab").args(arguments).output().unwrap();
        assert!(command.status.success(), "{arguments:?}: {command:?}");
    };
    run(&["kill", "P0", "--controller", &url]);
    is(0, "state", json!("gone"));
    run(&["restart", "0", "--controller", &url]);
    is(0, "coordinator", json!(lab.address(2)));
    run(&["stop", "--controller", &url]);
    assert!(lab.children.get_mut("controller").unwrap().wait().unwrap().success());
    assert!((0..3).all(|node| view(&lab.address(node)).is_null()), "its nodes ended with it");
}

/// What the program prints for `tenure lab` with such arguments.
fn print(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tenure")).arg("lab").args(arguments).output().unwrap()
}

#[test]
fn what_has_happened_is_exported_and_told_again() {
    let mut lab = Laboratory::new(&[0; 2], "300ms", &[]);
    let controller = lab.start_all("bully");
    lab.wait("P1 leads, as far as is told", |_| (shown(&controller)[1]["leads"] == true).then_some(()));
    order(&controller, "/api/v1/nodes/P1/kill", &json!({}));
    lab.wait("P0 leads", |_| (shown(&controller)[0]["leads"] == true).then_some(()));
    let live = body(&get(&controller, "/api/v1/lab/after/0"));
    fleet::send(&lab.children["controller"], Signal::TERM);
    assert!(lab.children.remove("controller").unwrap().wait().unwrap().success());

    let story = lab.export();
    let records: Vec<Value> = story.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let shown_live = live["records"].as_array().unwrap();
    assert_eq!(records[..shown_live.len()], shown_live[..], "what was shown is what is kept");
    assert_eq!(records[0]["kind"], "began");
    let killed = records.iter().position(|record| record["order"] == "kill").unwrap();

    let replay = lab.replay();
    let until = |number: usize| body(&get(&replay, &format!("/api/v1/lab/after/0/until/{number}")));
    let [before, end] = [until(killed), until(records.len())].map(|told| told["board"]["nodes"].clone());
    assert_eq!([&before[1]["leads"], &before[1]["state"]], [&json!(true), &json!("running")]);
    assert_eq!([&end[1]["leads"], &end[1]["state"]], [&json!(false), &json!("gone")]);
    assert!(get(&replay, "/").contains("Election laboratory"));

    let file = lab.folder.0.join("garbage.jsonl");
    std::fs::write(&file, "{}\n").unwrap();
    let garbage = String::from_utf8(print(&["replay", file.to_str().unwrap()]).stderr).unwrap();
    assert!(garbage.contains("garbage.jsonl: line 1: missing field"), "{garbage}");
    let nothing = String::from_utf8(print(&["export", "--members", "nowhere"]).stderr).unwrap();
    assert!(nothing.contains("no laboratory was kept here"), "{nothing}");
}

#[test]
fn nodes_end_when_their_controller_is_killed() {
    let mut lab = Laboratory::new(&[0; 2], "300ms", &[]);
    lab.start_all("bully");
    lab.wait_for(1, &[0, 1]);
    lab.kill("controller");
    lab.wait("they are gone", |_| (0..2).all(|node| view(&lab.address(node)).is_null()).then_some(()));
}

#[test]
fn a_page_of_another_site_cannot_give_orders() {
    let mut lab = Laboratory::new(&[0], "300ms", &[]);
    let controller = lab.start_all("bully");
    let across = ask(&controller, "POST /api/v1/stop", "Sec-Fetch-Site: cross-site\r\n", "{}");
    assert!(across.starts_with("HTTP/1.1 403"), "{across}");
    let mut stream = TcpStream::connect(&controller).unwrap();
    let named =
        "POST /api/v1/stop HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    stream.write_all(named.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    let page = get(&controller, "/");
    assert!(page.contains("content-security-policy: default-src 'none'; script-src 'self'"), "{page}");
    assert!(!page.contains("http://") && !page.contains("https://"), "nothing comes from elsewhere");
    fleet::send(&lab.children["controller"], Signal::TERM);
    assert!(lab.children.get_mut("controller").unwrap().wait().unwrap().success());
}
