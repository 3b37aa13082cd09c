//! The commands that need no instance of their own.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tenure::commands::check::{CheckError, check};
use tenure::commands::lookup::NodeError;
use tenure::commands::status::status;
use tenure::commands::step_down::{Moved, StepDownError, step_down};
use tenure::machine::{Incarnation, JobName, Term};
use tenure::rows::{Lease, Member, SCHEMA, Wish, decode, encode};
use tenure::stores::memory::Memory;
use tenure::stores::{Change, Fields, Key, Kind, Query, Store, Version};
use tenure::time::{SystemClock, Wall};

use crate::http::{FAILOVER, Server};
use crate::instance::eventually;

const JOB: &str = "preach";

fn job(name: &str) -> JobName {
    JobName::new(name).unwrap()
}

/// Rows that somebody left behind.
struct Scene(Memory);

impl Scene {
    /// A job that the first of these members leads.
    async fn new(members: &[&str]) -> Self {
        let scene = Self(Memory::new());
        for (number, name) in (1..).zip(members) {
            scene.member(number, name, false, "same").await;
        }
        let lease = Lease {
            holder: Some(Incarnation(1)),
            leader: members.first().map(|name| (*name).to_owned()),
            term: Term(7),
            ..Lease::unborn()
        };
        scene.put(Key::new(Kind::Lease, JOB), encode(&lease)).await;
        scene
    }

    async fn member(&self, number: u128, name: &str, draining: bool, placement: &str) {
        let row = Member {
            schema: SCHEMA,
            name: name.to_owned(),
            beat: 1,
            ttl: FAILOVER,
            url: String::new(),
            draining,
            moved: 0,
            placement: placement.to_owned(),
            version: "1.2.3".to_owned(),
            order: 1,
            clock: Wall::default(),
        };
        self.put(Key::new(Kind::Member, Incarnation(number).to_string()), encode(&row)).await;
    }

    async fn put(&self, key: Key, fields: Fields) {
        let change = Change { key, base: Version::ABSENT, fields: Some(fields) };
        self.0.commit(vec![change]).await.unwrap();
    }

    async fn step_down(&self, name: &str, to: Option<&str>) -> Result<Moved, StepDownError> {
        step_down(&self.0, Duration::from_millis(100), &job(name), to).await
    }

    async fn fails(&self, to: Option<&str>) -> StepDownError {
        self.step_down(JOB, to).await.unwrap_err()
    }

    async fn lease(&self) -> (Version, Lease) {
        let query = Query { keys: vec![Key::new(Kind::Lease, JOB)], ..Query::default() };
        let row = self.0.read(query).await.unwrap().rows.remove(0);
        (row.version, decode(row.fields).unwrap())
    }
}

#[tokio::test]
async fn the_table_shows_who_leads_and_for_how_long() {
    let store = Arc::new(Memory::new());
    let server = Server::start("calm-fox", 1, &[JOB, "sing"], store.clone()).await;
    eventually("it leads", async || server.leads().await == 2).await;
    let found = status(&*store, "tests", &SystemClock).await.unwrap();
    let table = found.to_string();
    let lines: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["JOB", "LEADER", "TERM", "SINCE", "HORIZON", "LAST", "NEXT"]);
    assert_eq!(lines[1][..3], [JOB, "calm-fox", "1"], "{table}");
    assert_eq!(lines[2][..3], ["sing", "calm-fox", "1"], "{table}");
    assert_eq!(lines.len(), 3, "{table}");
    let known = json!(found);
    assert!(known["jobs"][0]["horizon_ms"].as_u64().unwrap() < 900, "{known}");
    assert_eq!(known["members"][0]["name"], "calm-fox");
    assert_eq!(known["problems"], json!([]));
    let by_http: serde_json::Value = server.get("/api/v1/status").await.json();
    assert_eq!(known["cluster"], by_http["cluster"]);
}

#[tokio::test]
async fn a_leader_without_a_heartbeat_is_nobody() {
    let scene = Scene::new(&["calm-fox"]).await;
    let key = Key::new(Kind::Member, Incarnation(1).to_string());
    scene.0.commit(vec![Change { key, base: Version(1), fields: None }]).await.unwrap();
    let found = status(&scene.0, "tests", &SystemClock).await.unwrap();
    assert!(found.to_string().contains("nobody (calm-fox vanished)"), "{found}");
    assert!(json!(found)["jobs"][0]["vanished"].as_bool().unwrap());
}

#[tokio::test]
async fn a_term_leads_only_as_long_as_its_leader_is_there() {
    let scene = Scene::new(&["calm-fox"]).await;
    check(&scene.0, &job(JOB), Term(7)).await.unwrap();
    let over = async |term| {
        let error = check(&scene.0, &job(JOB), Term(term)).await.unwrap_err();
        assert!(matches!(error, CheckError::Over { .. }), "{error:?}");
        error.to_string()
    };
    assert_eq!(over(6).await, "term 6 does not lead preach: calm-fox leads it at term 7");
    assert_eq!(over(8).await, "term 8 does not lead preach: calm-fox leads it at term 7");
    let key = Key::new(Kind::Member, Incarnation(1).to_string());
    scene.0.commit(vec![Change { key, base: Version(1), fields: None }]).await.unwrap();
    assert_eq!(over(7).await, "term 7 does not lead preach: its leader calm-fox vanished");
    let unknown = check(&scene.0, &job("preech"), Term(7)).await.unwrap_err();
    assert!(unknown.to_string().ends_with("did you mean preach?"), "{unknown}");
}

#[tokio::test]
async fn what_cannot_be_read_says_why_and_cannot_fool_a_terminal() {
    let scene = Scene::new(&["calm\u{1b}[2J-fox"]).await;
    scene.put(Key::new(Kind::Lease, "later"), encode(&json!({ "schema": 99 }))).await;
    scene.put(Key::new(Kind::Member, Incarnation(9).to_string()), encode(&json!({ "schema": 1 }))).await;
    let table = status(&scene.0, "tests", &SystemClock).await.unwrap().to_string();
    assert!(table.contains("! the row of job later: it has schema 99"), "{table}");
    assert!(table.contains(&format!("! the row of instance {}", Incarnation(9))), "{table}");
    assert!(!table.contains('\u{1b}'), "{table}");
}

#[tokio::test]
async fn a_member_that_does_not_answer_is_named() {
    let scene = Scene::new(&[]).await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let row = json!({
        "schema": 1, "name": "calm-fox", "beat": 1, "ttl_ms": 1000, "url": url, "draining": false, "moved": 0,
        "placement": "", "version": "", "order": 1, "clock": 0
    });
    scene.put(Key::new(Kind::Member, Incarnation(1).to_string()), encode(&row)).await;
    let table = status(&scene.0, "tests", &SystemClock).await.unwrap().to_string();
    assert!(table.contains("! instance calm-fox at http://127.0.0.1:"), "{table}");
}

#[tokio::test]
async fn a_job_moves_where_it_is_asked_to() {
    let store = Arc::new(Memory::new());
    let one = Server::start("calm-fox", 1, &[JOB], store.clone()).await;
    eventually("the first leads", async || one.leads().await == 1).await;
    let two = Server::start("shy-owl", 2, &[JOB], store.clone()).await;
    let both = async || !one.handle.snapshot().await.unwrap().members.is_empty();
    eventually("they know each other", both).await;
    let moved = step_down(&*store, FAILOVER, &job(JOB), Some("shy-owl")).await.unwrap();
    assert_eq!((moved.from.as_str(), moved.leader.as_str(), moved.term), ("calm-fox", "shy-owl", Term(2)));
    eventually("the second leads", async || two.leads().await == 1).await;
    let back = step_down(&*store, FAILOVER, &job(JOB), None).await.unwrap();
    assert_eq!((back.leader.as_str(), back.term), ("calm-fox", Term(3)));
}

#[tokio::test]
async fn a_job_that_is_misspelt_is_recognised() {
    let scene = Scene::new(&["calm-fox", "shy-owl"]).await;
    let error = scene.step_down("preech", None).await.unwrap_err();
    assert!(error.to_string().ends_with("did you mean preach?"), "{error}");
    let error = scene.step_down("zzz", None).await.unwrap_err();
    assert!(!error.to_string().contains("mean"), "{error}");
}

#[tokio::test]
async fn a_job_stays_where_nobody_else_can_take_it() {
    let scene = Scene::new(&["calm-fox"]).await;
    assert_eq!(scene.fails(None).await, StepDownError::Alone(job(JOB)));
    scene.member(2, "leaver", true, "same").await;
    scene.member(3, "stranger", false, "other").await;
    assert_eq!(scene.fails(None).await, StepDownError::Alone(job(JOB)));
    assert_eq!(scene.fails(Some("leaver")).await, StepDownError::Draining("leaver".into()));
    assert_eq!(scene.fails(Some("stranger")).await, StepDownError::OtherJobs("stranger".into()));
    assert!(matches!(scene.fails(Some("calm-fox")).await, StepDownError::AlreadyLeads { .. }));
    let error = scene.fails(Some("nobody")).await;
    assert!(error.to_string().ends_with("there are calm-fox, leaver, stranger"), "{error}");
    assert_eq!(scene.lease().await.1.wish, None);
}

#[tokio::test]
async fn two_instances_of_one_name_are_told_apart_by_incarnation() {
    let scene = Scene::new(&["calm-fox", "shy-owl", "shy-owl"]).await;
    let error = scene.fails(Some("shy-owl")).await;
    let third = Incarnation(3).to_string();
    assert!(
        matches!(&error, StepDownError::Node(NodeError::Ambiguous { .. }))
            && error.to_string().contains(&third),
        "{error}"
    );
    // Nobody is there to grant the wish, so it stays in the row.
    assert!(matches!(scene.fails(Some(&third)).await, StepDownError::Late { .. }));
    assert_eq!(scene.lease().await.1.wish, Some(Wish::StepDown { to: Some(Incarnation(3)) }));
}

#[tokio::test]
async fn a_job_that_nobody_leads_cannot_step_down() {
    let scene = Scene::new(&[]).await;
    let error = scene.fails(None).await;
    assert_eq!(error, StepDownError::Leaderless(job(JOB)));
    assert!(error.is_temporary());
}

#[tokio::test]
async fn a_leader_that_declines_is_believed() {
    let scene = Scene::new(&["calm-fox", "shy-owl"]).await;
    let declining = async {
        loop {
            let (base, row) = scene.lease().await;
            if row.wish.is_some() {
                let row = encode(&Lease { wish: None, ..row });
                let change = Change { key: Key::new(Kind::Lease, JOB), base, fields: Some(row) };
                return scene.0.commit(vec![change]).await.unwrap();
            }
            tokio::task::yield_now().await;
        }
    };
    let job = job(JOB);
    let patient = step_down(&scene.0, Duration::from_secs(10), &job, None);
    let (result, _) = tokio::join!(patient, declining);
    assert!(matches!(result, Err(StepDownError::Declined { .. })), "{result:?}");
}
