//! What a program of somebody else gets: instances that are built, started and stopped; roles that are led.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use tenure::commands::step_down::step_down;
use tenure::jobs::preacher::Preacher;
use tenure::jobs::{JobError, Run};
use tenure::machine::{JobName, NameError, Term};
use tenure::schedulers::{Every, Job, Policy};
use tenure::stores::flaky::{Flaky, Weather};
use tenure::stores::memory::Memory;
use tenure::stores::{Pending, Place, Query, Snapshot, Store, StoreError};
use tenure::time::{Clock, Instant, SystemClock, Wall};
use tenure::{BuildError, Builder, LeadError, Leadership, StopError, Tenure};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::instance::eventually;

/// Nothing here takes longer, however busy the machine is.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);
/// Long enough for a busy machine to keep its leases.
const STEADY: Duration = Duration::from_secs(10);
/// Short enough to wait for.
pub(crate) const BRIEF: Duration = Duration::from_secs(3);
/// How long nobody is to lead what nobody asks for.
const QUIET: Duration = Duration::from_millis(300);

const ROLE: &str = "indexer";

pub(crate) fn builder(name: &str, store: impl Store + 'static) -> Builder {
    Tenure::builder().on(Arc::new(store)).name(name).failover(STEADY).role(ROLE)
}

async fn start(name: &str, store: impl Store + 'static) -> Tenure {
    builder(name, store).build().unwrap().start().await.unwrap()
}

/// An instance that is to lose what it leads.
pub(crate) async fn start_brief(name: &str, store: impl Store + 'static) -> Tenure {
    builder(name, store).failover(BRIEF).build().unwrap().start().await.unwrap()
}

async fn lead(tenure: &Tenure) -> Leadership {
    timeout(LIMIT, tenure.lead(ROLE)).await.expect("nobody leads in time").unwrap()
}

pub(crate) async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(LIMIT, future).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

fn job(name: &str) -> Job {
    Job {
        name: JobName::new(name).unwrap(),
        schedule: Arc::new(Every::new(Duration::from_mins(1)).unwrap()),
        action: Arc::new(Preacher { message: "amen".into(), times: 1, pause: Duration::ZERO }),
        policy: Policy::default(),
    }
}

/// A store that must not be called.
#[derive(Debug)]
struct Untouchable;

impl Store for Untouchable {
    fn read(&self, query: Query) -> Pending<'_, Result<Snapshot, StoreError>> {
        panic!("read {query:?}")
    }

    fn commit(
        &self,
        changes: Vec<tenure::stores::Change>,
    ) -> Pending<'_, Result<Vec<tenure::stores::Outcome>, StoreError>> {
        panic!("commit {changes:?}")
    }

    fn describe(&self) -> String {
        "untouchable".to_owned()
    }
}

#[test]
fn what_cannot_work_is_refused_before_anything_is_opened() {
    let plain = || Tenure::builder().on(Arc::new(Untouchable));
    let second = Duration::from_secs(1);
    let refused = |builder: Builder| builder.build().unwrap_err();
    assert_eq!(refused(Tenure::builder()), BuildError::NoStore);
    assert_eq!(refused(plain().failover(Duration::ZERO)), BuildError::Failover(Duration::ZERO));
    let late = BuildError::Grace { grace: second, failover: second, longest: Duration::from_secs_f64(0.35) };
    let BuildError::Grace { longest, .. } = refused(plain().failover(second).grace(second)) else {
        panic!("not as {late:?}")
    };
    assert!(longest < second);
    assert_eq!(refused(plain().job(job("a")).job(job("a"))), BuildError::Twice("a".to_owned()));
    assert_eq!(refused(plain().job(job("a")).role("a")), BuildError::Twice("a".to_owned()));
    assert_eq!(refused(plain().role("")), BuildError::Name { name: String::new(), why: NameError::Empty });
    let often = refused(plain().every("a", Duration::from_millis(1), async |_| Ok(())));
    assert!(matches!(often, BuildError::Interval { .. }), "{often:?}");
    let nameless = refused(plain().cluster(""));
    assert!(matches!(nameless, BuildError::Cluster { .. }), "{nameless:?}");
    plain().job(job("a")).job(job("b")).role("c").build().unwrap();
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_is_an_error_of_the_start() {
    let nowhere = Place::Sqlite { path: PathBuf::from("/nonexistent/tenure.db") };
    let ready = Tenure::builder().store(nowhere).build().unwrap();
    let error = ready.start().await.unwrap_err();
    assert!(matches!(error, StoreError::Denied(_) | StoreError::Unfit(_)), "{error}");
}

#[tokio::test]
async fn a_closure_is_a_job() {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let often = Duration::from_millis(100);
    let tenure = builder("one", Memory::new())
        .every("good", often, async |run: Run| {
            assert_eq!(run.job.as_str(), "good");
            RUNS.fetch_add(1, Relaxed);
            Ok(())
        })
        .every("bad", often, |_| async { Err(JobError::Failed("out of paper".to_owned())) })
        .build()
        .unwrap()
        .start()
        .await
        .unwrap();
    eventually("it ran twice", async || RUNS.load(Relaxed) > 1).await;
    in_time("stop", tenure.stop()).await.unwrap();
}

#[tokio::test]
async fn a_role_is_led_by_one_and_by_the_next_when_that_one_drops_it() {
    let store = Memory::new();
    let (one, two) = (start("one", store.clone()).await, start("two", store).await);
    let first = lead(&one).await;
    assert!(first.is_held());
    assert!(timeout(QUIET, two.lead(ROLE)).await.is_err(), "two lead");
    let (token, term) = (first.token(), first.term());
    drop(first);
    assert!(!token.is_held());
    let second = lead(&two).await;
    assert!(second.is_held() && second.term() > term);
}

#[tokio::test]
async fn nobody_leads_what_nobody_asks_for() {
    let store = Memory::new();
    let (one, two) = (start("one", store.clone()).await, start("two", store).await);
    let leader = async |of: &Tenure| of.snapshot().await.unwrap().seats[0].row.holder;
    sleep(QUIET).await;
    assert_eq!((leader(&one).await, leader(&two).await), (None, None));
    // It may have led for a moment, and has given that up.
    drop(timeout(Duration::ZERO, one.lead(ROLE)).await);
    let second = lead(&two).await;
    in_time("release", second.release()).await;
    eventually("it is given up", async || leader(&two).await.is_none()).await;
}

#[tokio::test]
async fn each_leadership_has_a_term_of_its_own_and_waits_for_the_end_of_the_one_before() {
    let tenure = start("one", Memory::new()).await;
    let mut last = Term::default();
    for _ in 0..3 {
        let leadership = lead(&tenure).await;
        assert!(leadership.term() > last);
        last = leadership.term();
        assert!(timeout(QUIET, tenure.lead(ROLE)).await.is_err(), "two lead in one instance");
        assert!(leadership.is_held());
        in_time("release", leadership.release()).await;
    }
}

#[tokio::test]
async fn a_leader_without_a_store_loses_before_another_leads() {
    let memory = Memory::new();
    let sky = Flaky::new(Arc::new(memory.clone()), 1, Weather::FAIR);
    let (one, two) = (start_brief("one", sky.clone()).await, start_brief("two", memory).await);
    let first = lead(&one).await;
    sky.turn(Weather::DOWN);
    let token = first.token();
    let mut watch = JoinSet::new();
    watch.spawn(async move { token.lost().await });
    let second = lead(&two).await;
    assert!(watch.try_join_next().is_some(), "another leads, and nobody was told");
    assert!(!first.is_held() && second.term() > first.term());
    // While its work may go on, the instance does not compete, even with the store back.
    sky.turn(Weather::FAIR);
    drop(second);
    assert!(timeout(QUIET, one.lead(ROLE)).await.is_err());
    drop(first);
    lead(&one).await.release().await;
}

/// The kernel's clock, set forward at will: for an instance as if it had been paused.
#[derive(Debug, Default)]
struct Ahead(AtomicI64);

impl Clock for Ahead {
    fn now(&self) -> Instant {
        Instant::from_nanos(SystemClock.now().as_nanos() + self.0.load(Relaxed))
    }

    fn wall(&self) -> Wall {
        SystemClock.wall()
    }
}

#[tokio::test]
async fn a_leader_that_was_paused_knows_before_anybody_can_tell_it() {
    let clock = Arc::new(Ahead::default());
    let ready = builder("one", Memory::new()).clock(clock.clone()).build().unwrap();
    let tenure = ready.start().await.unwrap();
    let leadership = lead(&tenure).await;
    let until = leadership.until().unwrap();
    assert!(leadership.is_held() && until > clock.now());
    clock.0.store(i64::try_from(STEADY.as_nanos()).unwrap(), Relaxed);
    // Nothing has been awaited since, so no task has run.
    assert!(!leadership.is_held());
    in_time("lost", leadership.lost()).await;
    assert_eq!(leadership.while_held(std::future::pending::<()>()).await, None);
}

#[tokio::test]
async fn who_stops_asks_its_leaders_to_end_and_hands_over_when_they_have() {
    let store = Memory::new();
    let (one, two) = (start("one", store.clone()).await, start("two", store).await);
    let first = lead(&one).await;
    let token = first.token();
    let mut work = JoinSet::new();
    work.spawn(async move {
        first.lost().await;
        assert!(first.is_held(), "there is time to wind up");
        sleep(Duration::from_millis(50)).await;
    });
    let (stopped, second) = tokio::join!(in_time("stop", one.stop()), lead(&two));
    stopped.unwrap();
    work.join_next().await.unwrap().unwrap();
    assert!(!token.is_held() && second.is_held());
}

#[tokio::test]
async fn a_role_is_not_handed_over_under_work_that_goes_on() {
    let store = Memory::new();
    let (one, two) = (start_brief("one", store.clone()).await, start_brief("two", store).await);
    let first = lead(&one).await;
    let late = in_time("stop", one.stop()).await;
    assert!(matches!(late, Err(StopError::Late(_))), "{late:?}");
    assert!(!first.is_held());
    let second = lead(&two).await;
    assert!(second.term() > first.term());
}

#[tokio::test]
async fn a_person_who_moves_a_role_has_its_leader_asked_to_end() {
    let store = Memory::new();
    let (one, two) = (start("one", store.clone()).await, start("two", store.clone()).await);
    let first = lead(&one).await;
    let (term, role) = (first.term(), JobName::new(ROLE).unwrap());
    let work = async {
        in_time("lost", first.lost()).await;
        drop(first);
    };
    let (moved, (), second) = tokio::join!(step_down(&store, LIMIT, &role, Some("two")), work, lead(&two));
    moved.unwrap();
    assert!(second.term() > term);
}

#[tokio::test]
async fn an_instance_that_is_dropped_ends_its_leaderships() {
    let tenure = start("one", Memory::new()).await;
    let (leadership, handle) = (lead(&tenure).await, tenure.clone());
    drop(tenure);
    in_time("lost", leadership.lost()).await;
    assert!(!leadership.is_held());
    in_time("release", leadership.release()).await;
    assert_eq!(in_time("answer", handle.lead(ROLE)).await.unwrap_err(), LeadError::Stopped);
}

#[tokio::test]
async fn only_roles_that_were_named_can_be_led() {
    let tenure = start("one", Memory::new()).await;
    assert_eq!(tenure.lead("other").await.unwrap_err(), LeadError::NoSuchRole("other".to_owned()));
    let handle = tenure.clone();
    tenure.stop().await.unwrap();
    assert_eq!(in_time("answer", handle.lead(ROLE)).await.unwrap_err(), LeadError::Stopped);
}
