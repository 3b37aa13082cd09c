//! Rows that a hand has damaged, on every store: they are left alone, it is said which and why, the
//! rest goes on, and so do they once they are repaired. And names that nobody expects.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tenure::commands::status::status;
use tenure::lease::Input;
use tenure::machine::Incarnation;
use tenure::rows::{Member, SCHEMA, encode};
use tenure::stores::memory::Memory;
use tenure::stores::{Change, Fields, Key, Kind, Outcome, Query, Store, Version};
use tenure::time::{SystemClock, Wall};

use crate::folder::Folder;
use crate::http::{FAILOVER, Server, encoded};
use crate::instance::eventually;

/// A store, and the folder that it may need for as long as it is used.
struct Place {
    store: Arc<dyn Store>,
    _folder: Folder,
}

impl Place {
    async fn all() -> Vec<Self> {
        let folder = Folder::new();
        let sqlite: Arc<dyn Store> = sqlite(&folder).await;
        let memory: Arc<dyn Store> = Arc::new(Memory::new());
        let mut all =
            vec![Self { store: memory, _folder: Folder::new() }, Self { store: sqlite, _folder: folder }];
        all.extend(emulated().map(|store| Self { store, _folder: Folder::new() }));
        all
    }

    async fn row(&self, key: &Key) -> (Version, Fields) {
        let query = Query { keys: vec![key.clone()], ..Query::default() };
        let row = self.store.read(query).await.unwrap().rows.pop();
        row.map_or((Version::ABSENT, Fields::new()), |row| (row.version, row.fields))
    }

    /// Writes a row as a hand would, whatever was there. Returns what was.
    async fn put(&self, key: &Key, fields: Fields) -> Fields {
        loop {
            let (base, before) = self.row(key).await;
            let change = Change { key: key.clone(), base, fields: Some(fields.clone()) };
            if let Ok([Outcome::Done(_)]) = self.store.commit(vec![change]).await.as_deref() {
                return before;
            }
        }
    }

    /// Starts an instance with these jobs, and waits until it leads them and each has run.
    async fn leading(&self, jobs: &[&str]) -> Server {
        let server = Server::start("calm-fox", fastrand::u64(..), jobs, Arc::clone(&self.store)).await;
        let rested = async || {
            let jobs = server.get("/api/v1/jobs").await.json();
            let mut jobs = jobs.as_array().unwrap().iter();
            jobs.all(|job| job["last"]["state"] == "finished" && !job["horizon_ms"].is_null())
        };
        eventually("every job is led and has run", rested).await;
        server
    }
}

#[cfg(feature = "sqlite")]
async fn sqlite(folder: &Folder) -> Arc<dyn Store> {
    let path = folder.0.join("tenure.db");
    Arc::new(tenure::stores::sqlite::Sqlite::open(&path, "damage", FAILOVER).await.unwrap())
}

#[cfg(not(feature = "sqlite"))]
async fn sqlite(_folder: &Folder) -> Arc<dyn Store> {
    Arc::new(Memory::new())
}

#[cfg(feature = "datastore")]
fn emulated() -> impl Iterator<Item = Arc<dyn Store>> {
    use crate::emulator::{Flavour, shared};
    use tenure::stores::datastore::{Datastore, Options};
    [Flavour::Datastore, Flavour::FirestoreMode].into_iter().filter_map(shared).map(|address| {
        let store = Datastore::open(Options {
            project: "tenure".to_owned(),
            database: String::new(),
            namespace: "damage".to_owned(),
            emulator: Some(address),
            cluster: format!("{:016x}", fastrand::u64(..)),
            deadline: FAILOVER,
        });
        let shared: Arc<dyn Store> = Arc::new(store.unwrap());
        shared
    })
}

#[cfg(not(feature = "datastore"))]
fn emulated() -> impl Iterator<Item = Arc<dyn Store>> {
    std::iter::empty()
}

fn lease(job: &str) -> Key {
    Key::new(Kind::Lease, job)
}

fn edited(fields: &Fields, name: &str, value: Value) -> Fields {
    let mut fields = fields.clone();
    fields.insert(name.to_owned(), value);
    fields
}

async fn problems(server: &Server) -> String {
    server.get("/api/v1/status").await.json()["problems"].to_string()
}

#[tokio::test]
async fn a_damaged_lease_is_left_alone_until_it_is_repaired_and_the_other_jobs_go_on() {
    for place in Place::all().await {
        let server = place.leading(&["good", "bad"]).await;
        let term = async || server.get("/api/v1/jobs/good").await.json()["term"].clone();
        let (key, before) = (lease("bad"), term().await);
        let damages = [
            ("schema", json!(2), "it has schema 2, and this version knows schemas up to 1"),
            ("term", json!(i64::MAX), "no term can be as high as 9223372036854775807"),
            ("term", json!(-1), "invalid value: integer `-1`"),
            ("since", json!("9999-12-31"), "invalid type: string"),
            ("cursor", json!({ "due": 1.5e300 }), "invalid type"),
            ("cursor", json!(r#"{ "due": 1.5e300 }"#), "invalid type"),
            ("more", json!("y".repeat(200_000)), "rows have at most 65536"),
        ];
        for (name, value, why) in damages {
            let damaged = edited(&place.row(&key).await.1, name, value);
            let good = place.put(&key, damaged.clone()).await;
            let said = async || {
                // Nothing is due that would make the leader look.
                server.handle.tell(Input::Woken(vec!["bad".parse().unwrap()])).await;
                let problems = problems(&server).await;
                problems.contains("the row of job bad: it ") && problems.contains(why)
            };
            eventually(&format!("{why}, on {}", place.store.describe()), said).await;
            assert_eq!(server.leads().await, 1, "{why}");
            assert_eq!(server.get("/.well-known/ready").await.status, 200, "one row is no reason");
            assert!(server.get("/metrics").await.body.contains("\ntenure_illegible_rows 1\n"));
            assert!(server.get("/").await.body.contains("the row of job bad: "));
            let table = status(&*place.store, "tests", &SystemClock).await.unwrap().to_string();
            assert!(table.contains("! the row of job bad: ") && table.contains(why), "{table}");
            tokio::time::sleep(FAILOVER / 2).await;
            assert_eq!(place.row(&key).await.1, damaged, "left alone");
            place.put(&key, good).await;
            eventually("it leads both again", async || server.leads().await == 2).await;
            assert_eq!(problems(&server).await, "[]");
        }
        assert_eq!(term().await, before, "the other job never left");
    }
}

fn stranger(order: u64, clock: i64) -> Fields {
    encode(&Member {
        schema: SCHEMA,
        name: "stranger".to_owned(),
        beat: 1,
        ttl: Duration::from_secs(1000),
        url: String::new(),
        draining: false,
        moved: 0,
        placement: String::new(),
        version: String::new(),
        order,
        clock: Wall::from_nanos(clock),
    })
}

#[tokio::test]
async fn a_damaged_member_harms_nobody() {
    for place in Place::all().await {
        let server = place.leading(&["good"]).await;
        let member = |number: u128| Key::new(Kind::Member, Incarnation(number).to_string());
        let sound = stranger(1, 0);
        for (number, fields) in [
            (1, edited(&sound, "order", json!(i64::MAX))),
            (2, edited(&sound, "schema", json!(2))),
            (3, edited(&sound, "name", json!("y".repeat(200_000)))),
            (4, Fields::new()),
        ] {
            place.put(&member(number), fields).await;
        }
        eventually("all four are told of", async || {
            problems(&server).await.matches("the row of instance ").count() == 4
        })
        .await;
        // The eldest sets the clock, and these say that it is 1677, then 2262.
        for (beat, clock) in [(1, i64::MIN), (2, i64::MAX), (3, i64::MIN)] {
            place.put(&member(5), edited(&stranger(0, clock), "beat", json!(beat))).await;
            tokio::time::sleep(FAILOVER / 2).await;
        }
        assert_eq!(server.leads().await, 1);
        let second = Server::start("shy-owl", 2, &["good"], Arc::clone(&place.store)).await;
        let knows = async || second.get("/api/v1/status").await.body.contains("calm-fox");
        eventually("another one can still register", knows).await;
    }
}

#[tokio::test]
async fn a_damaged_cluster_row_stops_nobody_and_lets_nobody_begin() {
    for place in Place::all().await {
        let server = place.leading(&["good"]).await;
        let horizon = async || server.handle.snapshot().await.unwrap().horizon;
        let query = Query { kinds: vec![Kind::Cluster], ..Query::default() };
        let key = place.store.read(query).await.unwrap().rows.remove(0).key;
        let good = place.put(&key, Fields::from_iter([("schema".to_owned(), json!(2))])).await;
        let ready = async || server.get("/.well-known/ready").await;
        eventually("it says why it is not ready", async || {
            ready().await.body.contains("the row of the cluster: it has schema 2")
        })
        .await;
        let before = horizon().await;
        let second = Server::start("shy-owl", 2, &["good"], Arc::clone(&place.store)).await;
        let told = async || problems(&second).await.contains("the row of the cluster");
        eventually("a new one says so too", told).await;
        tokio::time::sleep(FAILOVER).await;
        assert_eq!(server.leads().await, 1);
        assert!(horizon().await > before, "its heart goes on");
        assert_eq!(second.handle.snapshot().await.unwrap().incarnation, None);
        let reads = second.handle.counters().reads.load(std::sync::atomic::Ordering::Relaxed);
        assert!(reads < 200, "{reads} reads");
        place.put(&key, good).await;
        eventually("it is ready", async || ready().await.status == 200).await;
        let begun = async || second.handle.snapshot().await.unwrap().incarnation.is_some();
        eventually("the new one begins", begun).await;
    }
}

#[tokio::test]
async fn a_job_of_any_name_is_led_and_found_on_every_store() {
    let long = "x".repeat(1000);
    let names = [
        "🦀🔥",
        "مهمة\u{202e}rtl",
        "e\u{301}",
        "\u{e9}",
        "new\nline",
        "a/b",
        "/",
        "//",
        ".",
        "..",
        "__x",
        "x__",
        " ",
        "  lead",
        "tab\t",
        "%2F",
        "Case",
        "case",
        "\u{200b}",
        "\u{feff}",
        "q?x=1#f",
        "\"q\"",
        "'",
        "\\",
        "\u{7f}",
        "\u{1b}[31m",
        "\u{10ffff}",
        "*",
        "-",
        "0",
        "status",
        &long,
    ];
    for place in Place::all().await {
        let server = place.leading(&names).await;
        for name in names {
            let path = format!("/api/v1/jobs/{}", encoded(name));
            assert_eq!(server.get(&path).await.json()["job"], name);
            assert_eq!(server.get(&format!("/.well-known/leader/{}", encoded(name))).await.status, 200);
        }
        let known = status(&*place.store, "tests", &SystemClock).await.unwrap();
        assert_eq!((known.jobs.len(), known.problems), (names.len(), vec![]));
    }
}
