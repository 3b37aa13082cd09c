//! What starts, and what does not.

use super::*;
use crate::handle::connect;
use crate::jobs::preacher::Preacher;
use crate::lease::Life;
use crate::machine::Incarnation;
use crate::schedulers::Every;
use crate::time::SystemClock;

/// How many runs go on, and whether the machine is told that none does, after one was granted to a life
/// that has so much left.
async fn started(left: Duration) -> (usize, bool) {
    let (handle, mut desk) = connect();
    let (_tell, signals) = mpsc::unbounded_channel();
    let (_revise, revisions) = mpsc::channel(1);
    let (history, _news) = mpsc::channel(1);
    let job = Job {
        name: JobName::new("job").unwrap(),
        schedule: Arc::new(Every::new(Duration::from_mins(1)).unwrap()),
        action: Arc::new(Preacher { message: String::new(), times: 1, pause: Duration::ZERO }),
        policy: Policy::default(),
    };
    let name = job.name.clone();
    let duties = Duties {
        jobs: vec![job],
        timing: Timing::from_failover(Duration::from_secs(10)),
        node: "node".to_owned(),
        output: JobOutput::Json,
        history,
        random: fastrand::Rng::with_seed(7),
    };
    let clock = Arc::new(SystemClock);
    desk.life.send_replace(Some(Life { incarnation: Incarnation(1), horizon: clock.now() + left }));
    let mut runner = Runner::new(duties, handle, signals, revisions, clock);
    runner.lead(&name, Term(1), &Lease::unborn());
    let launch = runner.agenda.fall_due(runner.now()).remove(0);
    runner.granted(name, launch.cursor.run, Term(1));
    let running = runner.running.len();
    runner.runs.join_next().await.unwrap().unwrap().unwrap();
    (running, desk.inbox.try_recv().is_ok())
}

#[tokio::test]
async fn a_run_that_was_recorded_in_time_starts_in_time_or_not_at_all() {
    assert_eq!(started(Duration::from_mins(1)).await, (1, false));
    assert_eq!(started(Duration::ZERO).await, (0, true));
}
