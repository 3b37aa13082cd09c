//! Jobs that send a request: what the server is told, which answers are good, and that nothing of it
//! goes on, or is shown, that should not be.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::fleet::{Fleet, get};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server that answers every request in the same way.
struct Server {
    address: String,
    requests: Receiver<Request>,
}

#[derive(Debug)]
struct Request {
    line: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Server {
    fn start(answer: impl Fn(TcpStream) + Send + Clone + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (tell, requests) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (tell, answer) = (tell.clone(), answer.clone());
                thread::spawn(move || {
                    if tell.send(Request::read(&stream)).is_ok() {
                        answer(stream);
                    }
                });
            }
        });
        Self { address, requests }
    }

    /// One that always says the same.
    fn saying(answer: &str) -> Self {
        let answer = answer.to_owned();
        Self::start(move |mut stream| stream.write_all(answer.as_bytes()).unwrap())
    }

    fn request(&self) -> Request {
        self.requests.recv_timeout(PATIENCE).unwrap()
    }
}

impl Request {
    fn read(stream: &TcpStream) -> Self {
        let mut lines = BufReader::new(stream);
        let mut next = || {
            let mut line = String::new();
            lines.read_line(&mut line).unwrap();
            line.trim_end().to_owned()
        };
        let (line, mut headers) = (next(), Vec::new());
        while let Some((name, value)) = next().split_once(": ") {
            headers.push((name.to_owned(), value.to_owned()));
        }
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().unwrap())];
        lines.read_exact(&mut body).unwrap();
        Self { line, headers, body: String::from_utf8(body).unwrap() }
    }

    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        &found.unwrap_or_else(|| panic!("no {name} in {self:?}")).1
    }
}

/// A job that is due once in a test.
fn job(name: &str, http: &str) -> String {
    format!("[[job]]\nname = \"{name}\"\nevery = \"1h\"\nhttp = {http}\n")
}

#[track_caller]
fn assert_fails(fleet: &Fleet, job: &str, why: &str) {
    let end = fleet.ended(job);
    assert!(end.is("occurrence.failed") && end.text("reason").contains(why), "{end:?}");
}

#[test]
fn a_request_tells_of_its_run() {
    let server = Server::saying("HTTP/1.1 202 Accepted\r\ncontent-length: 12\r\n\r\ndone\nand so\n");
    let (short, long) = (Server::saying("HTTP/1.1 204 No Content\r\n\r\n"), &server.address);
    let http = format!(
        "{{ url = \"http://{long}/bills?month=1\", method = \"PUT\", body = \"pay\", headers = {{ X-One = \"1\" }} }}"
    );
    let jobs = [job("billing", &http), job("a b", &format!("\"http://{}\"", short.address))];
    let mut fleet = Fleet::of("1m", &jobs.concat());
    fleet.start_with("one", &[]);
    let (request, end) = (server.request(), fleet.ended("billing"));
    assert!(end.is("occurrence.finished"), "{end:?}");
    assert_eq!(request.line, "PUT /bills?month=1 HTTP/1.1");
    assert_eq!(
        (request.body.as_str(), request.header("host"), request.header("x-one")),
        ("pay", &**long, "1")
    );
    let term = end.term().to_string();
    for (header, value) in [
        ("tenure-job", "billing"),
        ("tenure-term", &term),
        ("tenure-due", end.text("due")),
        ("tenure-run", end.text("run")),
        ("tenure-node", "one"),
        ("tenure-attempt", "1"),
    ] {
        assert_eq!(request.header(header), value, "{header}");
    }
    assert!(request.header("tenure-deadline").starts_with("20"));
    assert_eq!(fleet.output("billing"), ["202 Accepted: done"]);
    let request = short.request();
    assert_eq!((request.line.as_str(), request.header("tenure-job")), ("POST / HTTP/1.1", "a%20b"));
    assert!(fleet.ended("a b").is("occurrence.finished"));
}

#[test]
fn every_attempt_at_a_due_time_has_the_same_key_whoever_leads_and_the_next_due_time_another() {
    let calls = Arc::new(AtomicUsize::new(0));
    let server = Server::start(move |mut stream| match calls.fetch_add(1, Relaxed) {
        // The first one hangs, until its leader is killed.
        0 => drop(stream.read(&mut [0])),
        _ => stream.write_all(b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n").unwrap(),
    });
    let flaky = job("flaky", &format!("\"http://{}\"", server.address));
    let mut fleet =
        Fleet::of("2s", &format!("{flaky}on_orphan = \"rerun\"\nretries = 2\nbackoff = \"100ms\"\n"));
    let first = fleet.start();
    let said =
        |request: &Request| ["idempotency-key", "tenure-run"].map(|name| request.header(name).to_owned());
    let [key, run] = said(&server.request());
    fleet.node(&first).signal(Signal::KILL);
    fleet.start();
    for attempt in ["2", "3"] {
        let request = server.request();
        let [again, other] = said(&request);
        assert_eq!((request.header("tenure-attempt"), &again), (attempt, &key));
        assert_ne!(other, run);
    }
    fleet.ended("flaky");
    fleet.ask(&["jobs", "run", "flaky"]);
    assert_ne!(said(&server.request())[0], key);
}

#[test]
fn the_status_decides_how_a_run_ended() {
    let server = Server::saying("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
    let url = format!("http://{}/here", server.address);
    let success = format!("{{ url = \"{url}\", success = [\"2xx\", \"404\"] }}");
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let jobs = [
        job("plain", &format!("\"{url}?key=1234\"")),
        job("known", &success),
        job("nobody", &format!("\"http://{nobody}/\"")),
    ];
    let mut fleet = Fleet::of("1m", &jobs.concat());
    fleet.start();
    assert_fails(&fleet, "plain", &format!("POST {url} was answered 404 Not Found"));
    assert!(fleet.ended("known").is("occurrence.finished"));
    assert_fails(&fleet, "nobody", "brought no answer: Connection refused");
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let place = format!("http://{}/there", elsewhere.address);
    let server =
        Server::saying(&format!("HTTP/1.1 307 Away\r\nlocation: {place}\r\ncontent-length: 0\r\n\r\n"));
    let mut fleet = Fleet::of("1m", &job("led", &format!("\"http://{}\"", server.address)));
    fleet.start();
    assert_fails(&fleet, "led", &format!("it leads to {place}, where nobody follows"));
    assert!(elsewhere.requests.try_recv().is_err());
}

#[test]
fn a_server_that_is_slow_has_its_time_and_no_more() {
    // The end comes when the client has closed the connection.
    let wait = |mut stream: TcpStream| drop(stream.read(&mut [0]));
    let silent = Server::start(wait);
    let half = Server::start(move |mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").unwrap();
        wait(stream);
    });
    let http = |server: &Server| format!("{{ url = \"http://{}\", timeout = \"300ms\" }}", server.address);
    let mut fleet = Fleet::of("1m", &[job("silent", &http(&silent)), job("half", &http(&half))].concat());
    fleet.start();
    assert_fails(&fleet, "silent", "was not answered within 300ms");
    assert_fails(&fleet, "half", "was not answered within 300ms");
}

#[test]
fn of_an_answer_without_end_a_little_is_read_and_the_connection_is_closed() {
    let (tell, told) = channel();
    let server = Server::start(move |mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        let part = vec![b'x'; 1 << 16];
        let parts = (0..1 << 16).take_while(|_| stream.write_all(&part).is_ok()).count();
        tell.send(parts * part.len()).unwrap_or_default();
    });
    let mut fleet = Fleet::of("1m", &job("endless", &format!("\"http://{}\"", server.address)));
    fleet.start();
    assert!(fleet.ended("endless").is("occurrence.finished"));
    let sent = told.recv_timeout(PATIENCE).unwrap();
    // What is under way in the system's buffers counts too.
    assert!(sent < 32 << 20, "{sent} bytes");
    let [line] = &fleet.output("endless")[..] else { panic!("one line") };
    assert!(line.starts_with("200 OK: xxx") && line.len() < 10_000, "{}", line.len());
}

#[test]
fn a_request_ends_before_the_job_is_handed_over() {
    let (tell, told) = channel();
    let server = Server::start(move |mut stream| {
        // Nothing more comes until the client closes the connection.
        tell.send(stream.read(&mut [0]).unwrap_or_default()).unwrap_or_default();
    });
    let every = job("long", &format!("\"http://{}\"", server.address));
    let every = every.replace("every = \"1h\"", "every = \"100ms\"");
    let mut fleet = Fleet::of("5s", &every);
    let first = fleet.start();
    let term = server.request().header("tenure-term").to_owned();
    fleet.start();
    fleet.wait("the second is there", |lines| {
        (lines.iter().filter(|line| line.is("instance.registered")).count() == 2).then_some(())
    });
    fleet.node(&first).signal(Signal::TERM);
    let next = server.request();
    assert_ne!(next.header("tenure-term"), term);
    assert_eq!(told.try_recv(), Ok(0), "the request of the first leader is over");
    assert_eq!(fleet.ended("long").text("reason"), "the job had to leave");
}

#[test]
fn no_secret_of_a_request_is_shown_anywhere() {
    let (token, key) = ("hunter22-hunter22", "swordfish-1234");
    let echo = format!("you sent {token} and {key}\n");
    let answer = format!(
        "HTTP/1.1 302 Found\r\nlocation: http://x/?{token}\r\ncontent-length: {}\r\n\r\n{echo}",
        echo.len()
    );
    let server = Server::saying(&answer);
    let http = "headers = { Authorization = \"file:$PWD/token\", X-Key = \"file:$PWD/key\" }";
    let jobs = [
        job("keeper", &format!("{{ url = \"http://{}\", {http} }}", server.address)),
        job(
            "unfit",
            &format!(
                "{{ url = \"http://{}\", headers = {{ X-Key = \"file:$PWD/unfit\" }} }}",
                server.address
            ),
        ),
    ];
    let mut fleet = Fleet::of("1m", &jobs.concat());
    fs::write(fleet.path("token"), format!("Bearer {token}\n")).unwrap();
    fs::write(fleet.path("key"), key).unwrap();
    fs::write(fleet.path("unfit"), format!("{key}\n{token}\n")).unwrap();
    let node = fleet.start_with("one", &[("TENURE_LOG", "trace")]);
    let request = server.request();
    assert_eq!(
        (request.header("authorization"), request.header("x-key")),
        (&*format!("Bearer {token}"), key)
    );
    assert_fails(&fleet, "keeper", "was answered 302 Found");
    assert_fails(&fleet, "unfit", "the header X-Key cannot have that value");
    let mut shown: Vec<_> = fleet.lines().iter().map(|line| line.json.to_string()).collect();
    let address = fleet.address(&node);
    shown.extend(["/", "/metrics", "/api/v1/status", "/api/v1/jobs/keeper"].map(|path| get(&address, path)));
    for arguments in [["config", "show"], ["config", "check"], ["status", "--output=json"]] {
        shown.push(fleet.ask(&arguments));
    }
    assert!(shown.iter().any(|text| text.contains("keeper") && text.contains("[redacted]")));
    for text in shown {
        assert!(!text.contains(token) && !text.contains(key), "{text}");
    }
}
