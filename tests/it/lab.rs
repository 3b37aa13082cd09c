//! The election laboratory: real processes on real sockets.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::fleet::{self, get, now};
use crate::folder::Folder;

/// No wait takes longer, on however busy a machine.
const PATIENCE: Duration = Duration::from_mins(3);

/// Nodes that a test starts one by one, or a controller with its nodes.
struct Laboratory {
    folder: Folder,
    ports: Vec<u16>,
    flags: Vec<String>,
    lines: Arc<Mutex<Vec<Value>>>,
    children: BTreeMap<String, Child>,
}

impl Laboratory {
    /// Some nodes of an election, none of which runs yet, with such attribute values.
    fn new(values: &[u64], delay: &str, flags: &[&str]) -> Self {
        let folder = Folder::new();
        let held: Vec<_> = values.iter().map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let ports: Vec<_> = held.iter().map(|held| held.local_addr().unwrap().port()).collect();
        let table = |(port, value): (&u16, &u64)| {
            format!("[[node]]\naddress = \"127.0.0.1:{port}\"\nvalue = {value}\n")
        };
        let members: String = ports.iter().zip(values).map(table).collect();
        let file = folder.0.join("members.toml");
        std::fs::write(&file, members).unwrap();
        let mut flags: Vec<_> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        flags.extend([
            "--members".to_owned(),
            file.display().to_string(),
            "--delay".to_owned(),
            delay.to_owned(),
        ]);
        Self { folder, ports, flags, lines: Arc::default(), children: BTreeMap::new() }
    }

    fn run(&mut self, name: &str, arguments: &[&str]) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tenure"))
            .args(arguments)
            .args(&self.flags)
            .current_dir(&self.folder.0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdout, lines) = (child.stdout.take().unwrap(), Arc::clone(&self.lines));
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                lines.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        self.children.insert(name.to_owned(), child);
    }

    /// Starts one node.
    fn start(&mut self, election: &str, node: usize) {
        self.run(&format!("P{node}"), &["node", "--election", election, "--id", &node.to_string()]);
    }

    /// Starts a controller with all nodes, and returns its address.
    fn start_all(&mut self, election: &str) -> String {
        self.run("controller", &["lab", "start", election, "--listen", "127.0.0.1:0"]);
        self.wait("the controller listens", |lines| {
            let started = lines.iter().find(|line| line["event"] == "lab.started")?;
            Some(started["address"].as_str().unwrap().to_owned())
        })
    }

    fn kill(&mut self, name: &str) {
        let mut child = self.children.remove(name).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn address(&self, node: usize) -> String {
        format!("127.0.0.1:{}", self.ports[node])
    }

    fn lines(&self) -> Vec<Value> {
        self.lines.lock().unwrap().clone()
    }

    #[track_caller]
    fn wait<T>(&self, what: &str, mut check: impl FnMut(&[Value]) -> Option<T>) -> T {
        let end = now() + PATIENCE;
        while now() < end {
            if let Some(found) = check(&self.lines()) {
                return found;
            }
            thread::sleep(Duration::from_millis(20));
        }
        for line in self.lines().iter().rev().take(60).rev() {
            eprintln!("{line}");
        }
        panic!("did not come about within {PATIENCE:?}: {what}");
    }

    /// Waits until nobody has logged anything for a second, so that nothing is under way.
    fn wait_for_silence(&self) {
        let mut heard = 0;
        self.wait("silence", |lines| {
            let before = std::mem::replace(&mut heard, lines.len());
            thread::sleep(Duration::from_secs(1));
            (before == heard).then_some(())
        });
    }

    /// Waits until all of these settle on that coordinator.
    #[track_caller]
    fn wait_for(&self, coordinator: u16, nodes: &[usize]) {
        self.wait(&format!("{nodes:?} settle on P{coordinator}"), |_| {
            let settled = |node: &usize| {
                let view = view(&self.address(*node));
                view["settled"] == true && view["coordinator"] == coordinator
            };
            nodes.iter().all(settled).then_some(())
        });
    }
}

impl Drop for Laboratory {
    fn drop(&mut self) {
        for child in self.children.values_mut() {
            child.kill().unwrap_or_default();
            drop(child.wait());
        }
    }
}

/// What a node shows; null as long as it does not answer.
fn view(address: &str) -> Value {
    let fetch = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET /api/v1/view HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    body(&fetch().unwrap_or_default())
}

fn body(answer: &str) -> Value {
    let text = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    serde_json::from_str(text).unwrap_or(Value::Null)
}

/// What the process that listens at `address` answers to a request with such headers and a body.
fn ask(address: &str, head: &str, headers: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    let text = format!(
        "{head} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn order(address: &str, path: &str, body: &Value) {
    let answer = ask(address, &format!("POST {path}"), "", &body.to_string());
    assert!(answer.starts_with("HTTP/1.1 2"), "{path}: {answer}");
}

/// Seed 001: P7 was coordinator and is dead, P4 is the first to notice.
#[test]
fn the_exam_over_sockets_says_exactly_what_the_figure_shows() {
    let mut lab = Laboratory::new(&[0; 8], "2s", &["--patient"]);
    (0..8).rev().for_each(|node| lab.start("exam", node));
    lab.wait_for(7, &[0, 1, 2, 3, 4, 5, 6, 7]);
    lab.wait_for_silence();
    lab.kill("P7");
    let before = lab.lines().len();
    order(&lab.address(4), "/api/v1/begin", &json!({}));
    lab.wait_for(6, &[0, 1, 2, 3, 4, 5, 6]);
    lab.wait_for_silence();

    let lines = lab.lines().split_off(before);
    let number = |text: &Value| text.as_str().unwrap()[1..].parse::<u64>().unwrap();
    let mut said = Vec::new();
    for line in lines.iter().filter(|line| line["event"] == "node.sent") {
        said.push((line["message_name"].as_str().unwrap(), number(&line["node"]), number(&line["to"])));
    }
    said.sort_unstable();
    let mut figure = vec![("OK", 5, 4), ("OK", 6, 4), ("OK", 6, 5)];
    figure.extend([(4, 5), (4, 6), (4, 7), (5, 6), (5, 7), (6, 7)].map(|(from, to)| ("ELECTION", from, to)));
    figure.extend([0, 1, 2, 3, 4, 5, 7].map(|to| ("COORDINATOR", 6, to)));
    figure.sort_unstable();
    assert_eq!(said, figure);

    let find = |event: &str, name: &str, node: &str| {
        let is =
            |line: &&Value| line["event"] == event && line["message_name"] == name && line["node"] == node;
        lines.iter().find(is).unwrap().clone()
    };
    let (asked, answered) = (find("node.received", "ELECTION", "P5"), find("node.sent", "OK", "P5"));
    assert_eq!(answered["cause"], asked["id"], "an OK names the ELECTION that it answers");
}

/// Seed 000: A to D have 90 to 120; D leads, is killed, and its deputy C leads.
#[test]
fn a_ring_over_sockets_goes_on_under_its_deputy() {
    let mut lab = Laboratory::new(&[90, 100, 110, 120], "300ms", &[]);
    (0..4).for_each(|node| lab.start("ring", node));
    lab.wait("D leads and C is its deputy", |_| {
        let agrees = |node| {
            let view = view(&lab.address(node));
            view["coordinator"] == 3 && view["deputy"] == 2
        };
        (0..4).all(agrees).then_some(())
    });
    lab.kill("P3");
    lab.wait_for(2, &[0, 1, 2]);
    lab.start("ring", 3);
    lab.wait("D is back in a second life", |_| {
        let view = view(&lab.address(3));
        (view["settled"] == true && view["incarnation"] == 2).then_some(())
    });
}

/// Seed 002: four nodes, two of which cannot talk to the other two, until they can.
#[test]
fn blocked_connections_make_two_groups_and_a_reset_makes_one() {
    let mut lab = Laboratory::new(&[0; 4], "300ms", &[]);
    let controller = lab.start_all("invitation");
    lab.wait("one group", |_| one_group(&shown(&controller)));
    let pairs = [(0, 2), (0, 3), (1, 2), (1, 3)];
    let both = pairs.iter().flat_map(|(a, b)| [json!({"from": a, "to": b}), json!({"from": b, "to": a})]);
    order(&controller, "/api/v1/blocks", &json!({ "blocked": both.collect::<Vec<_>>() }));
    lab.wait("two groups", |_| {
        let nodes = shown(&controller);
        let of = |node: usize| nodes[node]["groupid"].clone();
        let normal = nodes.iter().all(|node| node["status"] == "Normal");
        let two = of(0) == of(1) && of(2) == of(3) && of(0) != of(2);
        let leaders = nodes.iter().filter(|node| node["leads"] == true).count();
        (normal && two && leaders == 2).then_some(())
    });
    order(&controller, "/api/v1/blocks", &json!({ "blocked": [] }));
    lab.wait("one group again", |_| one_group(&shown(&controller)));
}

fn shown(controller: &str) -> Vec<Value> {
    body(&get(controller, "/api/v1/lab"))["nodes"].as_array().unwrap().clone()
}

fn one_group(nodes: &[Value]) -> Option<()> {
    let same = nodes.iter().all(|node| node["groupid"] == nodes[0]["groupid"] && node["status"] == "Normal");
    (same && nodes.iter().filter(|node| node["leads"] == true).count() == 1).then_some(())
}

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

#[test]
fn nodes_end_when_their_controller_is_killed() {
    let mut lab = Laboratory::new(&[0; 2], "300ms", &[]);
    lab.start_all("bully");
    lab.wait_for(1, &[0, 1]);
    lab.kill("controller");
    lab.wait("they are gone", |_| (0..2).all(|node| view(&lab.address(node)).is_null()).then_some(()));
}

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

#[test]
fn a_node_takes_no_more_calls_than_it_has_room_for() {
    let mut lab = Laboratory::new(&[0; 2], "300ms", &[]);
    (0..2).for_each(|node| lab.start("bully", node));
    lab.wait_for(1, &[0, 1]);
    let node = lab.address(0);
    let head =
        format!("GET /peer/bully/2/1 HTTP/1.1\r\nHost: {node}\r\nConnection: Upgrade\r\n{UPGRADE}\r\n");
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
