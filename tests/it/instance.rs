//! Whole instances in one process, on one store.

use std::sync::Arc;
use std::time::Duration;

use tenure::handle::Handle;
use tenure::instance::Instance;
use tenure::jobs::preacher::Preacher;
use tenure::lease::{About, Balance, Input, Timing};
use tenure::log::JobOutput;
use tenure::machine::JobName;
use tenure::schedulers::{Every, Job, Policy};
use tenure::stores::memory::Memory;
use tenure::time::SystemClock;
use tokio::task::JoinSet;

fn instance(name: &str, seed: u64, jobs: usize) -> Instance {
    let timing = Timing::from_failover(Duration::from_millis(500));
    let job = |index| Job {
        name: JobName::new(&format!("job-{index}")).unwrap(),
        schedule: Arc::new(Every::new(Duration::from_millis(200)).unwrap()),
        action: Arc::new(Preacher { message: "amen".into(), times: 1, pause: Duration::ZERO }),
        policy: Policy::default(),
    };
    Instance {
        about: About { name: name.into(), url: String::new(), version: "test".into() },
        jobs: (0..jobs).map(job).collect(),
        roles: Vec::new(),
        timing,
        output: JobOutput::Json,
        balance: Balance::Spread,
        seed,
    }
}

async fn led(handle: &Handle) -> usize {
    handle.snapshot().await.unwrap().seats.iter().filter(|seat| seat.until.is_some()).count()
}

pub(crate) async fn eventually(what: &str, mut check: impl AsyncFnMut() -> bool) {
    for _ in 0..1000 {
        if check().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("did not come about within ten seconds: {what}");
}

#[tokio::test]
async fn two_instances_with_two_jobs_end_up_leading_one_each() {
    let (store, clock) = (Arc::new(Memory::new()), Arc::new(SystemClock));
    let (mut one, mut two) = (JoinSet::new(), JoinSet::new());
    let first = instance("one", 1, 2).start(store.clone(), clock.clone(), &mut one);
    eventually("the first leads both", async || led(&first).await == 2).await;
    let second = instance("two", 2, 2).start(store.clone(), clock.clone(), &mut two);
    eventually("each leads one", async || led(&first).await == 1 && led(&second).await == 1).await;
    one.shutdown().await;
    eventually("the second leads both", async || led(&second).await == 2).await;
    second.tell(Input::Drain).await;
    second.stopped().await;
}

#[tokio::test]
async fn who_does_not_know_a_job_never_leads_it() {
    let (store, clock) = (Arc::new(Memory::new()), Arc::new(SystemClock));
    let (mut one, mut two) = (JoinSet::new(), JoinSet::new());
    let (first, reviser) = instance("one", 1, 2).start_revisable(store.clone(), clock.clone(), &mut one);
    eventually("the first leads both", async || led(&first).await == 2).await;
    let second = instance("two", 2, 1).start(store.clone(), clock.clone(), &mut two);
    eventually("they know each other", async || !second.snapshot().await.unwrap().members.is_empty()).await;
    // The first knows one job that the second does not, then the other way round, then both.
    reviser.revise(instance("one", 1, 0).jobs).await;
    eventually("the second leads what it knows", async || led(&second).await == 1).await;
    assert_eq!(led(&first).await, 0);
    let snapshot = first.snapshot().await.unwrap();
    assert!(snapshot.seats.is_empty(), "{snapshot:?}");
    reviser.revise(instance("one", 1, 2).jobs).await;
    eventually("the first leads what only it knows", async || led(&first).await == 1).await;
    first.tell(Input::Drain).await;
    first.stopped().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(led(&second).await, 1);
}
