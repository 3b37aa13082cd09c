//! What an instance shows over HTTP, to friends and to others.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use serde_json::{Value, json};
use tenure::handle::Handle;
use tenure::http::{self, App, Listed};
use tenure::instance::Instance;
use tenure::jobs::preacher::Preacher;
use tenure::lease::{About, Balance, Timing};
use tenure::log::JobOutput;
use tenure::machine::JobName;
use tenure::schedulers::{Every, Job, Policy, Schedule};
use tenure::stores::Store;
use tenure::stores::flaky::{Flaky, Weather};
use tenure::stores::memory::Memory;
use tenure::time::{Clock, SystemClock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::instance::eventually;

/// How fast the instances of these tests replace each other.
pub(crate) const FAILOVER: Duration = Duration::from_millis(900);
/// No test waits longer for a socket.
const PATIENCE: Duration = Duration::from_secs(20);

/// An instance with its HTTP.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) handle: Handle,
    close: Option<oneshot::Sender<()>>,
    http: JoinSet<()>,
    /// Ends the instance like a crash when dropped.
    _tasks: JoinSet<()>,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

impl Server {
    /// Starts an instance that competes for `jobs`, which are never due twice during a test.
    pub(crate) async fn start(name: &str, seed: u64, jobs: &[&str], store: Arc<dyn Store>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let clock = Arc::new(SystemClock);
        let about = About { name: name.into(), url: format!("http://{address}"), version: "1.2.3".into() };
        let schedule: Arc<dyn Schedule> = Arc::new(Every::new(Duration::from_hours(1)).unwrap());
        let action = Arc::new(Preacher { message: "amen".into(), times: 1, pause: Duration::ZERO });
        let names: Vec<_> = jobs.iter().map(|job| JobName::new(job).unwrap()).collect();
        let job = |name: &JobName| Job {
            name: name.clone(),
            schedule: Arc::clone(&schedule),
            action: action.clone(),
            policy: Policy::default(),
        };
        let instance = Instance {
            about: about.clone(),
            jobs: names.iter().map(job).collect(),
            roles: Vec::new(),
            timing: Timing::from_failover(FAILOVER),
            output: JobOutput::Json,
            balance: Balance::Sticky,
            seed,
        };
        let mut tasks = JoinSet::new();
        let place = store.describe();
        let handle = instance.start(store, clock.clone(), &mut tasks);
        let app = App {
            handle: handle.clone(),
            about,
            stage: "test".into(),
            cluster: "tests".into(),
            store: place,
            listed: watch::channel(Listed {
                jobs: names.into_iter().map(|name| (name, Arc::clone(&schedule))).collect(),
                fingerprint: "0123".into(),
            })
            .1,
            clock,
        };
        let (close, closed) = oneshot::channel::<()>();
        let mut http = JoinSet::new();
        http.spawn(http::serve(listener, app, async { drop(closed.await) }));
        Self { address, handle, close: Some(close), http, _tasks: tasks }
    }

    /// Starts one alone, and waits until it leads everything.
    async fn leading(jobs: &[&str]) -> Self {
        let server = Self::start("calm-fox", 1, jobs, Arc::new(Memory::new())).await;
        eventually("it leads", async || server.leads().await == jobs.len()).await;
        server
    }

    pub(crate) async fn leads(&self) -> usize {
        self.handle.snapshot().await.unwrap().seats.iter().filter(|seat| seat.until.is_some()).count()
    }

    /// Sends bytes as they are and reads to the end.
    async fn raw(&self, request: &[u8]) -> Answer {
        let exchange = async {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            let (mut reader, mut writer) = stream.split();
            let mut answer = Vec::new();
            // A server that has seen enough may hang up on who is still talking.
            let (_, _) = tokio::join!(writer.write_all(request), reader.read_to_end(&mut answer));
            String::from_utf8(answer).unwrap()
        };
        let answer = timeout(PATIENCE, exchange).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Answer { status, head: head.into(), body: body.into() }
    }

    async fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
        );
        self.raw(request.as_bytes()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", "").await
    }

    async fn wake(&self, body: &str) -> Answer {
        self.send("POST", "/api/v1/wake", "content-type: application/json\r\n", body).await
    }
}

/// Every byte of a name that could mean something else, as `%XX`.
pub(crate) fn encoded(name: &str) -> String {
    name.bytes().fold(String::new(), |path, byte| format!("{path}%{byte:02X}"))
}

#[tokio::test]
async fn a_leader_says_so_and_is_healthy() {
    let server = Server::leading(&["preach"]).await;
    assert_eq!(server.get("/.well-known/live").await.status, 200);
    assert_eq!(server.get("/.well-known/ready").await.status, 200);
    let leader = server.get("/.well-known/leader/preach").await;
    assert_eq!((leader.status, &leader.json()["leader"]), (200, &json!("calm-fox")));
    assert_eq!(server.get("/.well-known/leader/preech").await.status, 404);
}

#[tokio::test]
async fn a_follower_names_the_leader_and_is_healthy_too() {
    let store = Arc::new(Memory::new());
    let leader = Server::start("calm-fox", 1, &["preach"], store.clone()).await;
    eventually("it leads", async || leader.leads().await == 1).await;
    let follower = Server::start("shy-owl", 2, &["preach"], store).await;
    let knows = async || follower.get("/.well-known/leader/preach").await.body.contains("calm-fox");
    eventually("it knows its leader", knows).await;
    assert_eq!(follower.get("/.well-known/leader/preach").await.status, 503);
    assert_eq!(follower.get("/.well-known/ready").await.status, 200);
    let page = follower.get("/").await.body;
    assert!(page.contains("<td>calm-fox<td>1<td>"), "{page}");
}

#[tokio::test]
async fn an_instance_whose_store_is_away_is_alive_but_not_ready() {
    let away = Weather { lost_requests: 1.0, silence: Duration::from_millis(1), ..Weather::default() };
    let store = Arc::new(Flaky::new(Arc::new(Memory::new()), 1, away));
    let server = Server::start("calm-fox", 1, &["preach"], store.clone()).await;
    let ready = async || server.get("/.well-known/ready").await;
    eventually("the trouble shows", async || ready().await.body.contains("does not answer")).await;
    assert_eq!(ready().await.status, 503);
    assert_eq!(server.get("/.well-known/live").await.status, 200);
    assert_eq!(server.get("/").await.status, 200);
    store.turn(Weather::default());
    eventually("it is ready", async || ready().await.status == 200).await;
}

#[tokio::test]
async fn the_status_has_everything() {
    let server = Server::leading(&["preach"]).await;
    eventually("it ran", async || server.get("/api/v1/jobs/preach").await.json()["last"].is_object()).await;
    let status = server.get("/api/v1/status").await.json();
    assert_eq!(status["cluster"], "tests");
    assert_eq!(status["instance"]["name"], "calm-fox");
    assert_eq!(status["instance"]["leads"], 1);
    assert_eq!(status["instance"]["trouble"], Value::Null);
    let job = &status["jobs"][0];
    assert_eq!(
        (&job["job"], &job["leader"], &job["term"]),
        (&json!("preach"), &json!("calm-fox"), &json!(1))
    );
    assert!(job["horizon_ms"].as_u64().unwrap() < 900);
    assert!(job["next_in_ms"].as_u64().unwrap() > 3_500_000);
    assert!(job["next"].as_str().unwrap().ends_with('Z'));
    assert_eq!(server.get("/api/v1/jobs").await.json()[0]["holder"], job["holder"]);
}

#[tokio::test]
async fn any_name_survives_the_way_there_and_back() {
    let names =
        ["a/b", "ä ö", "%2F", "?x=1#y", "<script>alert(1)</script>", "\u{202e}gnp.exe", "新\n\"聞\\", ".."];
    let server = Server::leading(&names).await;
    for name in names {
        let job = server.get(&format!("/api/v1/jobs/{}", encoded(name))).await;
        assert_eq!((job.status, &job.json()["job"]), (200, &json!(name)));
        assert_eq!(server.get(&format!("/.well-known/leader/{}", encoded(name))).await.status, 200);
    }
    assert_eq!(server.get("/api/v1/jobs/a/b").await.status, 200);
    let page = server.get("/").await;
    assert!(!page.body.contains("<script"));
    assert!(page.body.contains("<bdi>&lt;script&gt;alert(1)&lt;/script&gt;</bdi>"));
    let metrics = server.get("/metrics").await.body;
    assert!(metrics.contains(r#"leader_election_master_status{name="新\n\"聞\\"} 1"#), "{metrics}");
}

#[tokio::test]
async fn a_long_list_of_jobs_has_pages() {
    let names: Vec<_> = (0..450).map(|index| format!("job-{index:03}")).collect();
    let server = Server::leading(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let rows = |page: &str| page.matches("<bdi>").count();
    let first = server.get("/").await.body;
    assert_eq!(rows(&first), 200);
    assert!(first.contains("href=\"?page=2\"") && !first.contains("rel=\"prev\""));
    let last = server.get("/?page=3").await.body;
    assert_eq!(rows(&last), 50);
    assert!(last.contains("href=\"?page=2\"") && !last.contains("rel=\"next\""));
    for odd in ["page=0", "page=-1", "page=99999999999999999999999", "page=%00", "page", ""] {
        assert_eq!(rows(&server.get(&format!("/?{odd}")).await.body), 200, "{odd}");
    }
    assert_eq!(rows(&server.get("/?page=4").await.body), 50);
}

#[tokio::test]
async fn metrics_are_open_metrics() {
    let server = Server::leading(&["one", "two"]).await;
    let answer = server.get("/metrics").await;
    assert!(answer.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    let text = answer.body;
    assert!(text.ends_with("\n# EOF\n"));
    for line in [
        "leader_election_master_status{name=\"one\"} 1",
        "tenure_leader_term{name=\"two\"} 1",
        "tenure_jobs{state=\"led\"} 2",
        "tenure_jobs{state=\"free\"} 0",
        "tenure_leases_acquired_total 2",
        "tenure_lapses_total 0",
        "tenure_build_info{version=\"1.2.3\",node=\"calm-fox\",stage=\"test\"} 1",
    ] {
        assert!(text.lines().any(|known| known == line), "{line} is not in\n{text}");
    }
    let families: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    for sample in text.lines().filter(|line| !line.starts_with('#')) {
        let name = sample.split(['{', ' ']).next().unwrap();
        let of = |family: &&str| name.starts_with(family.split(' ').next().unwrap());
        assert!(families.iter().any(of), "{sample} has no family");
        sample.rsplit(' ').next().unwrap().parse::<f64>().unwrap();
    }
}

#[tokio::test]
async fn every_answer_is_harmless_to_browsers_and_can_be_traced() {
    let server = Server::leading(&["preach"]).await;
    for path in
        ["/", "/style.css", "/metrics", "/api/v1/status", "/.well-known/live", "/nowhere", "/api/v1/wake"]
    {
        let answer = server.get(path).await;
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("x-trace-id").unwrap().len(), 32, "{path}");
    }
    let traced = server.send("GET", "/", "x-request-id: mine-1\r\n", "").await;
    assert_eq!(traced.header("x-trace-id"), Some("mine-1"));
}

#[tokio::test]
async fn a_wrong_turn_is_explained() {
    let server = Server::leading(&["preach"]).await;
    let nowhere = server.get("/api/v2/jobs").await;
    assert_eq!(nowhere.status, 404);
    assert!(nowhere.json()["hint"].as_str().unwrap().contains("/api/v1/jobs"));
    let wrong = server.send("DELETE", "/api/v1/status", "", "").await;
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("GET,HEAD")));
    assert!(wrong.json()["error"].as_str().unwrap().contains("DELETE"));
    assert_eq!(server.get("/api/v1/wake").await.status, 405);
    assert_eq!(server.get("/api/v1/jobs/%FF%FE").await.status, 400);
    assert_eq!(server.get("/api/v1/jobs/%zz%").await.status, 404);
    assert_eq!(server.get("/api/v1/jobs/").await.status, 404);
    assert_eq!(server.get(&format!("/api/v1/jobs/{}", encoded(&"ü".repeat(600)))).await.status, 404);
}

#[tokio::test]
async fn a_wake_up_that_makes_no_sense_is_refused() {
    let server = Server::leading(&["preach"]).await;
    let woken = server.wake(r#"{"jobs": ["preach", "of somebody else", ""]}"#).await;
    assert_eq!((woken.status, woken.json()), (202, json!({ "woken": 1 })));
    for body in ["", "{", "[]", "{}", r#"{"jobs": [1]}"#, r#"{"jobs": "preach"}"#, "\0", &"[".repeat(60_000)]
    {
        let answer = server.wake(body).await;
        assert!([400, 422].contains(&answer.status), "{} for {body:.20}", answer.status);
        assert!(answer.json()["hint"].is_string());
    }
    let untyped = server.send("POST", "/api/v1/wake", "", r#"{"jobs": []}"#).await;
    assert_eq!(untyped.status, 415);
    let huge = format!(r#"{{"jobs": ["{}"]}}"#, "x".repeat(64 * 1024));
    assert_eq!(server.wake(&huge).await.status, 413);
}

#[tokio::test]
async fn another_site_cannot_make_a_browser_wake_us() {
    let server = Server::leading(&["preach"]).await;
    let from = async |site: &str| {
        let headers = format!("content-type: application/json\r\nsec-fetch-site: {site}\r\n");
        server.send("POST", "/api/v1/wake", &headers, r#"{"jobs": []}"#).await.status
    };
    assert_eq!(from("cross-site").await, 403);
    assert_eq!(from("same-site").await, 403);
    assert_eq!(from("same-origin").await, 202);
    assert_eq!(from("none").await, 202);
}

#[tokio::test]
async fn a_flood_of_wake_ups_costs_a_few_reads_and_changes_nothing() {
    let server = Arc::new(Server::leading(&["preach"]).await);
    let term = async || server.handle.snapshot().await.unwrap().seats[0].row.term;
    let (reads, before) = (server.handle.counters().reads.load(Relaxed), term().await);
    let began = SystemClock.now();
    let mut flood = JoinSet::new();
    for _ in 0..1000 {
        let server = Arc::clone(&server);
        flood.spawn(async move { server.wake(r#"{"jobs": ["preach"]}"#).await.status });
    }
    let answers = flood.join_all().await;
    assert!(answers.iter().all(|status| *status == 202));
    let caused = u128::from(server.handle.counters().reads.load(Relaxed) - reads);
    let took = SystemClock.now().since(began);
    // One every 10 ms, and as many again to be generous to what the instance reads anyway.
    assert!(caused < 20 + took.as_millis() / 5, "{caused} reads in {took:?}");
    assert_eq!(term().await, before);
}

#[tokio::test]
async fn a_crowd_that_looks_shares_its_looks() {
    let server = Arc::new(Server::leading(&["preach"]).await);
    let mut crowd = JoinSet::new();
    for _ in 0..600 {
        let server = Arc::clone(&server);
        crowd.spawn(async move { server.get("/api/v1/status").await.status });
    }
    // A look of its own for each, at most one every 20 ms, would take longer than a request may.
    assert!(crowd.join_all().await.iter().all(|status| *status == 200));
}

#[tokio::test]
async fn noise_and_slowness_are_hung_up_on() {
    let server = Server::leading(&["preach"]).await;
    let (slow, idle) = (server.raw(b"GET / HTTP/1.1\r\nhost:"), server.raw(b""));
    let (slow, idle) = tokio::join!(slow, idle);
    assert!(slow.status != 200 && idle.status != 200);
    let heads = "h: x\r\n".repeat(1000);
    assert_eq!(server.send("GET", "/", &heads, "").await.status, 431);
    assert_eq!(server.send("GET", "/", &format!("h: {}\r\n", "x".repeat(100_000)), "").await.status, 431);
    for noise in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET\0/ HTTP/1.1\r\n\r\n",
        b"\r\n\r\n\xff\xff",
    ] {
        assert_eq!(server.raw(noise).await.status, 400, "{noise:?}");
    }
    assert_eq!(server.get("/.well-known/live").await.status, 200);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_hung_up_on() {
    let server = Server::leading(&["preach"]).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let heedless = async { while stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.is_ok() {} };
    timeout(PATIENCE, heedless).await.unwrap();
}

#[tokio::test]
async fn the_end_does_not_wait_for_idle_clients() {
    let mut server = Server::leading(&["preach"]).await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(b"GET /.well-known/live HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(idle.read(&mut [0; 4096]).await.unwrap() > 0);
    server.close.take().unwrap().send(()).unwrap();
    timeout(PATIENCE, server.http.join_next()).await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn a_name_that_a_stranger_could_own_is_not_answered() {
    let server = Server::leading(&["preach"]).await;
    let status = async |host: &str| {
        let request = format!("GET /api/v1/status HTTP/1.1\r\n{host}connection: close\r\n\r\n");
        server.raw(request.as_bytes()).await.status
    };
    for host in
        ["127.0.0.1:3000", "[::1]:3000", "localhost", "localhost.:80", "a.localhost", "tenure-1", "10.1.2.3"]
    {
        assert_eq!(status(&format!("host: {host}\r\n")).await, 200, "{host}");
    }
    for host in ["evil.example", "127.0.0.1.evil.example:3000", "localhost.evil.example"] {
        assert_eq!(status(&format!("host: {host}\r\n")).await, 421, "{host}");
    }
}
