//! The election laboratory: real processes on real sockets.

mod browser;
mod deaths;
mod driver;
mod orders;
mod scenes;
mod strangers;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::fleet::{get, now};
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

    /// What the last controller has on record.
    fn export(&self) -> String {
        let members = self.folder.0.join("members.toml");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenure"));
        let exported = command.args(["lab", "export", "--members"]).arg(members).output().unwrap();
        String::from_utf8(exported.stdout).unwrap()
    }

    /// Tells it again, and returns where.
    fn replay(&mut self) -> String {
        let file = self.folder.0.join("story.jsonl");
        std::fs::write(&file, self.export()).unwrap();
        self.flags.clear();
        self.run("replay", &["lab", "replay", file.to_str().unwrap(), "--listen", "127.0.0.1:0"]);
        self.wait("the story is told", |lines| {
            let told = lines.iter().filter(|line| line["event"] == "lab.started").nth(1)?;
            Some(told["address"].as_str().unwrap().to_owned())
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

/// What the controller shows of each node.
fn shown(controller: &str) -> Vec<Value> {
    body(&get(controller, "/api/v1/lab"))["nodes"].as_array().unwrap().clone()
}
