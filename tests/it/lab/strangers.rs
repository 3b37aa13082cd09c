//! What comes from nobody who should call is refused, told once, and does no harm.

use std::io::{Read, Write};
use std::net::TcpStream;

use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::json;

use super::{Laboratory, PATIENCE, ask, view};

const UPGRADE: &str =
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";

/// Calls a node as a peer would, sends it a frame if it listens, and returns the status.
fn call(address: &str, path: &str, frame: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\n{UPGRADE}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    if status.ends_with(b"101") {
        // It hangs up on whoever makes no sense, in whichever way.
        stream.write_all(frame).unwrap_or_default();
        drop(stream.read_to_end(&mut Vec::new()));
    }
    String::from_utf8(status[9..].to_vec()).unwrap()
}

/// A text frame, masked with zeros.
fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap().to_be_bytes();
    [&[0x81, 0xfe, length[0], length[1], 0, 0, 0, 0], text.as_bytes()].concat()
}

#[test]
fn garbage_and_strangers_are_refused_once_told_and_do_no_harm() {
    let mut lab = Laboratory::new(&[0; 2], "300ms", &[]);
    (0..2).for_each(|node| lab.start("bully", node));
    lab.wait_for(1, &[0, 1]);
    let node = lab.address(0);
    let forged = |from: u16, to: u16| {
        let envelope = json!({"from": from, "incarnation": 9, "to": to, "message": "Coordinator"});
        text(&json!({"id": "x", "cause": null, "envelope": envelope}).to_string())
    };
    for _ in 0..3 {
        let endless = [0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0].to_vec();
        let no_text = vec![0x82, 0x80, 0, 0, 0, 0];
        let nonsense = [text("{"), text("[]"), text(&"x".repeat(60_000)), vec![0xff; 64], no_text, endless];
        for frame in nonsense.into_iter().chain([forged(0, 0), forged(1, 7)]) {
            assert_eq!(call(&node, "/peer/bully/2/1", &frame), "101");
        }
        for path in
            ["/peer/bully/2/0", "/peer/bully/2/2", "/peer/bully/3/1", "/peer/ring/2/1", "/peer/bully/2/x"]
        {
            assert_eq!(call(&node, path, &[]), "403", "{path}");
        }
        let browser = ask(&node, "POST /api/v1/begin", "Origin: http://example.com\r\n", "{}");
        assert!(browser.starts_with("HTTP/1.1 403"), "{browser}");
    }
    lab.wait_for(1, &[0, 1]);
    let refused =
        lab.lines().into_iter().filter(|line| line["event"] == "node.refused" && line["node"] == "P0");
    let mut told: Vec<_> = refused.map(|line| line["message"].as_str().unwrap().to_owned()).collect();
    let count = told.len();
    told.sort_unstable();
    told.dedup();
    assert!(count == told.len() && count == 4, "each kind is told once: {told:?}");
    assert_eq!(view(&node)["incarnation"], 1, "it was not harmed");
}

#[test]
fn no_word_of_a_peer_kills_a_node() {
    let mut lab = Laboratory::new(&[0; 2], "300ms", &[]);
    lab.start("ring", 0);
    lab.wait_for(0, &[0]);
    let (node, id) = (lab.address(0), json!({"num": 9, "closer": 1, "incarnation": 5}));
    let ticket = json!({"incarnation": 1, "number": 1});
    let crew = json!({"id": id, "leader": 9999, "deputy": 0, "members": [0, 8888, 9999]});
    let elect = json!({"num": u64::MAX, "origin": 1, "visited": [[1, 5]]});
    for message in
        [json!({"Stale": {"crew": crew}}), json!({"Hop": {"ticket": ticket, "token": {"Elect": elect}}})]
    {
        let envelope = json!({"from": 1, "incarnation": 5, "to": 0, "message": message});
        let frame = text(&json!({"id": "x", "cause": null, "envelope": envelope}).to_string());
        // The garbage after it makes the node hang up.
        assert_eq!(call(&node, "/peer/ring/2/1", &[frame, text("{")].concat()), "101");
        lab.wait_for(0, &[0]);
    }
    assert_eq!(view(&node)["incarnation"], 1);
}

/// What P1 begins a call with.
fn call_of_p1(node: &str) -> String {
    format!("GET /peer/bully/2/1 HTTP/1.1\r\nHost: {node}\r\nConnection: Upgrade\r\n{UPGRADE}\r\n")
}

#[test]
fn a_node_takes_no_more_calls_than_it_has_room_for() {
    let mut lab = Laboratory::new(&[0; 2], "300ms", &[]);
    (0..2).for_each(|node| lab.start("bully", node));
    lab.wait_for(1, &[0, 1]);
    let node = lab.address(0);
    let head = call_of_p1(&node);
    let held = (0..20).map(|_| {
        let mut stream = TcpStream::connect(&node).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        (stream, status)
    });
    let held: Vec<_> = held.collect();
    let refused = held.iter().filter(|(_, status)| status.ends_with(b"403")).count();
    assert!((12..20).contains(&refused), "room for eight, of which its peer has one or so: {refused}");
    drop(held);
    lab.wait_for(1, &[0, 1]);
}

/// As many as nobody needs, all at once.
#[test]
fn a_thousand_calls_leave_a_node_unharmed() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    let mut lab = Laboratory::new(&[0; 2], "300ms", &[]);
    (0..2).for_each(|node| lab.start("bully", node));
    lab.wait_for(1, &[0, 1]);
    let node = lab.address(0);
    let head = call_of_p1(&node);
    let calls = (0..1000).map(|number| {
        let mut stream = TcpStream::connect(&node).unwrap();
        // Every second one says nothing at all.
        let words = if number % 2 == 0 { head.as_bytes() } else { &[] };
        stream.write_all(words).unwrap();
        stream
    });
    let calls: Vec<_> = calls.collect();
    lab.kill("P1");
    lab.start("bully", 1);
    lab.wait_for(1, &[0, 1]);
    drop(calls);
    let lines = lab.lines();
    let told = lines.iter().filter(|line| line["event"] == "node.refused" && line["node"] == "P0").count();
    assert_eq!(told, 1, "too many calls are told once");
    assert_eq!(view(&node)["incarnation"], 1, "it was not harmed");
}
