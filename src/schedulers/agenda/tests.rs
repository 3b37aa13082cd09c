//! What waits, what starts and what is recorded, for one job that is due every minute.

use super::*;
use crate::jobs::preacher::Preacher;
use crate::rows::Pause;
use crate::schedulers::Every;
use crate::schedulers::policy::Missed;

fn at(seconds: i64) -> Wall {
    Wall::from_nanos(seconds * 1_000_000_000)
}

fn job() -> JobName {
    JobName::new("job").unwrap()
}

fn every(seconds: u64) -> Every {
    Every::new(Duration::from_secs(seconds)).unwrap()
}

/// An agenda for a job that is due every minute.
fn agenda(policy: Policy) -> Agenda {
    let action = Arc::new(Preacher { message: String::new(), times: 0, pause: Duration::ZERO });
    let job = Job { name: job(), schedule: Arc::new(every(60)), action, policy };
    Agenda::new("node".to_owned(), &[job], fastrand::Rng::with_seed(7))
}

/// The row of a job that has been there since second 5 and never ran.
fn born() -> Lease {
    Lease { born: at(5), ..Lease::unborn() }
}

/// The row of a job whose last run was due then.
fn row(due: i64, attempt: u32, state: RunState, schedule: Every) -> Lease {
    let cursor = Cursor {
        due: at(due),
        attempt,
        run: RunId(1),
        term: Term(1),
        node: "before".to_owned(),
        at: at(due),
        state,
        again: (state == RunState::Waiting).then(|| at(due + 30)),
        schedule: schedule.fingerprint(),
        extra: None,
    };
    Lease { cursor: Some(cursor), ..born() }
}

fn launch(agenda: &mut Agenda, now: i64) -> Launch {
    let mut launches = agenda.fall_due(at(now));
    assert_eq!(launches.len(), 1, "at {now}");
    launches.remove(0)
}

/// Starts what is due, and ends it a second later.
fn run(agenda: &mut Agenda, now: i64, ran: Ran) -> (Launch, End) {
    let launch = launch(agenda, now);
    agenda.grant(&job(), launch.cursor.run, at(now)).unwrap();
    let end = agenda.ended(&job(), &launch.cursor, ran, at(now + 1));
    (launch, end)
}

fn badly() -> Ran {
    Ran::Badly("it broke".to_owned())
}

fn fates(entries: &[Entry]) -> Vec<(Wall, Fate, &str)> {
    entries.iter().map(|entry| (entry.due, entry.fate, entry.reason.as_str())).collect()
}

#[test]
fn a_job_that_never_ran_is_due_at_once() {
    let mut agenda = agenda(Policy::default());
    agenda.lead(&job(), Term(1), &born(), at(5));
    let launch = launch(&mut agenda, 5);
    assert_eq!((launch.cursor.due, launch.cursor.attempt), (at(5), 1));
    assert_eq!((launch.cursor.term, launch.cursor.node.as_str()), (Term(1), "node"));
}

#[test]
fn nothing_starts_before_it_is_recorded() {
    let mut agenda = agenda(Policy::default());
    agenda.lead(&job(), Term(1), &born(), at(5));
    let launch = launch(&mut agenda, 5);
    assert!(agenda.fall_due(at(500)).is_empty());
    assert_eq!(agenda.grant(&job(), RunId(99), at(6)), None);
    assert_eq!(agenda.grant(&job(), launch.cursor.run, at(6)), Some(launch.clone()));
    assert_eq!(agenda.grant(&job(), launch.cursor.run, at(6)), None);
}

#[test]
fn a_successor_goes_on_in_the_cadence_of_its_predecessor_and_accounts_for_what_was_missed() {
    let mut agenda = agenda(Policy::default());
    agenda.lead(&job(), Term(2), &row(5, 1, RunState::Finished, every(60)), at(200));
    let (launch, end) = run(&mut agenda, 200, Ran::Well);
    assert_eq!(launch.cursor.due, at(185));
    assert_eq!(
        (launch.entries[0].due, launch.entries[0].last, launch.entries[0].count),
        (at(65), at(125), 2)
    );
    assert_eq!(launch.entries[0].fate, Fate::Missed);
    assert_eq!(fates(end.entry.as_slice()), [(at(185), Fate::Ran, "")]);
    assert_eq!(agenda.next_due(), Some(at(245)));
}

#[test]
fn what_is_passed_is_recorded_even_if_nothing_runs() {
    let mut agenda = agenda(Policy { missed: Missed::Skip, ..Policy::default() });
    agenda.lead(&job(), Term(2), &row(5, 1, RunState::Finished, every(60)), at(200));
    let launch = launch(&mut agenda, 200);
    assert_eq!((launch.cursor.due, launch.cursor.state), (at(185), RunState::Passed));
    assert_eq!((launch.entries[0].count, launch.entries[0].fate), (3, Fate::Missed));
    agenda.grant(&job(), launch.cursor.run, at(200)).unwrap();
    assert_eq!(agenda.next_due(), Some(at(245)));
}

#[test]
fn a_run_that_fails_is_tried_again_after_a_wait_that_doubles() {
    let policy = Policy { retries: 2, backoff: Duration::from_secs(10), ..Policy::default() };
    let mut agenda = agenda(policy);
    agenda.lead(&job(), Term(1), &born(), at(5));
    let (_, first) = run(&mut agenda, 5, badly());
    assert_eq!((first.state, first.again, first.entry), (RunState::Waiting, Some(at(16)), None));
    let (second, end) = run(&mut agenda, 16, badly());
    assert_eq!((second.cursor.due, second.cursor.attempt, end.again), (at(5), 2, Some(at(37))));
    let (third, end) = run(&mut agenda, 37, badly());
    assert_eq!((third.cursor.attempt, end.state, end.again), (3, RunState::Failed, None));
    assert_eq!(fates(end.entry.as_slice()), [(at(5), Fate::Failed, "it broke")]);
    assert_eq!(agenda.next_due(), Some(at(65)));
}

#[test]
fn a_successor_tries_again_what_its_predecessor_would_have() {
    let mut agenda = agenda(Policy { retries: 5, ..Policy::default() });
    agenda.lead(&job(), Term(2), &row(5, 2, RunState::Waiting, every(60)), at(20));
    assert_eq!(agenda.next_due(), Some(at(35)));
    let launch = launch(&mut agenda, 35);
    assert_eq!((launch.cursor.due, launch.cursor.attempt), (at(5), 3));
}

#[test]
fn the_next_due_time_ends_all_attempts_at_the_one_before() {
    let mut agenda = agenda(Policy { retries: 5, backoff: Duration::from_mins(5), ..Policy::default() });
    agenda.lead(&job(), Term(1), &born(), at(5));
    run(&mut agenda, 5, badly());
    let launch = launch(&mut agenda, 65);
    assert_eq!((launch.cursor.due, launch.cursor.attempt), (at(65), 1));
    assert_eq!(fates(&launch.entries), [(at(5), Fate::Failed, OVERTAKEN)]);
}

#[test]
fn a_run_whose_leader_vanished_is_not_repeated_and_nobody_knows_how_it_ended() {
    let mut agenda = agenda(Policy::default());
    agenda.lead(&job(), Term(2), &row(5, 1, RunState::Started, every(60)), at(55));
    let launch = launch(&mut agenda, 55);
    assert_eq!((launch.cursor.due, launch.cursor.state), (at(5), RunState::Passed));
    assert_eq!(fates(&launch.entries), [(at(5), Fate::Unknown, VANISHED)]);
    assert_eq!(launch.entries[0].node, "before");
    agenda.grant(&job(), launch.cursor.run, at(55)).unwrap();
    assert_eq!(agenda.next_due(), Some(at(65)));
}

#[test]
fn a_run_whose_leader_vanished_is_repeated_if_its_job_wants_that_but_not_for_ever() {
    let rerun = Policy { on_orphan: Orphan::Rerun, ..Policy::default() };
    let repeated = |attempt| {
        let mut agenda = agenda(rerun);
        agenda.lead(&job(), Term(2), &row(5, attempt, RunState::Started, every(60)), at(20));
        let launch = launch(&mut agenda, 20);
        (launch.cursor.attempt, launch.cursor.state, launch.entries.len())
    };
    assert_eq!(repeated(1), (2, RunState::Started, 0));
    assert_eq!(repeated(MOST_RERUNS), (MOST_RERUNS + 1, RunState::Started, 0));
    assert_eq!(repeated(MOST_RERUNS + 1), (MOST_RERUNS + 2, RunState::Passed, 1));
}

#[test]
fn a_run_that_its_leader_cuts_off_is_repeated_like_one_whose_leader_vanished() {
    let cut_off = |on_orphan, attempt| {
        let mut agenda = agenda(Policy { on_orphan, ..Policy::default() });
        agenda.lead(&job(), Term(2), &row(5, attempt, RunState::Waiting, every(60)), at(35));
        let (launch, end) = run(&mut agenda, 35, Ran::Cut);
        (launch.cursor.attempt, end.state, end.again)
    };
    assert_eq!(cut_off(Orphan::Rerun, 1), (2, RunState::Waiting, Some(at(36))));
    assert_eq!(cut_off(Orphan::Rerun, MOST_RERUNS), (MOST_RERUNS + 1, RunState::Failed, None));
    assert_eq!(cut_off(Orphan::Skip, 1), (2, RunState::Failed, None));
}

#[test]
fn a_job_that_is_held_waits_for_a_person() {
    let mut agenda = agenda(Policy { on_orphan: Orphan::Hold, ..Policy::default() });
    agenda.lead(&job(), Term(2), &row(5, 1, RunState::Started, every(60)), at(20));
    assert_eq!(agenda.held(&job()).map(|cursor| cursor.due), Some(at(5)));
    assert!(agenda.fall_due(at(500)).is_empty());
    agenda.lead(&job(), Term(3), &row(5, 1, RunState::Finished, every(60)), at(550));
    assert_eq!(agenda.held(&job()), None);
    assert_eq!(launch(&mut agenda, 550).cursor.due, at(545));
}

#[test]
fn an_occurrence_of_the_future_says_how_long_the_job_stands_still() {
    let mut agenda = agenda(Policy::default());
    let mut lead = |due| agenda.lead(&job(), Term(2), &row(due, 1, RunState::Finished, every(60)), at(1000));
    assert_eq!([lead(900), lead(1000), lead(1060)], [None; 3]);
    assert_eq!(lead(9000), Some(at(9060)));
    assert_eq!(agenda.next_due(), Some(at(9060)));
}

#[test]
fn an_edited_schedule_starts_nothing_that_it_would_have_started_before() {
    let mut agenda = agenda(Policy::default());
    agenda.lead(&job(), Term(2), &row(5, 1, RunState::Finished, every(3600)), at(200));
    assert_eq!(agenda.next_due(), Some(at(245)));
}

#[test]
fn a_refused_occurrence_is_not_forgotten() {
    let mut agenda = agenda(Policy::default());
    agenda.lead(&job(), Term(1), &born(), at(5));
    let refused = launch(&mut agenda, 5).cursor.run;
    agenda.refuse(&job(), refused, Refusal::Leaving, at(6));
    assert!(agenda.fall_due(at(6)).is_empty());
    assert_eq!(launch(&mut agenda, 7).cursor.due, at(5));
}

#[test]
fn a_job_that_left_is_due_no_more() {
    let mut agenda = agenda(Policy::default());
    agenda.lead(&job(), Term(1), &born(), at(5));
    agenda.leave(&job());
    assert!(agenda.fall_due(at(500)).is_empty());
    assert_eq!(agenda.next_due(), None);
}

#[test]
fn what_falls_due_during_a_pause_is_skipped_and_told_when_it_is_over() {
    let mut agenda = agenda(Policy::default());
    let paused = Orders { pause: Some(Pause { from: at(6), to: None }), ..Orders::default() };
    agenda.lead(&job(), Term(1), &row(5, 1, RunState::Finished, every(60)), at(6));
    agenda.order(&job(), paused, at(7));
    assert_eq!(agenda.next_due(), None);
    let over = Orders { pause: Some(Pause { from: at(6), to: Some(at(200)) }), ..Orders::default() };
    agenda.order(&job(), over, at(200));
    let launch = launch(&mut agenda, 245);
    assert_eq!((launch.cursor.due, launch.obeyed), (at(245), over));
    assert_eq!((launch.entries[0].count, launch.entries[0].fate), (3, Fate::Skipped));
}

#[test]
fn a_due_time_is_skipped_at_its_time_and_only_that_one() {
    let mut agenda = agenda(Policy::default());
    let skip = Orders { skip: true, ..Orders::default() };
    agenda.lead(&job(), Term(1), &row(5, 1, RunState::Finished, every(60)), at(6));
    agenda.order(&job(), skip, at(7));
    assert!(agenda.fall_due(at(64)).is_empty());
    let skipped = launch(&mut agenda, 65);
    assert_eq!((skipped.cursor.state, skipped.obeyed), (RunState::Passed, skip));
    assert_eq!(fates(&skipped.entries), [(at(65), Fate::Skipped, SKIPPED)]);
    agenda.grant(&job(), skipped.cursor.run, at(65)).unwrap();
    assert_eq!(launch(&mut agenda, 125).cursor.state, RunState::Started);
}

#[test]
fn a_run_that_a_person_asks_for_moves_no_due_time() {
    let mut agenda = agenda(Policy::default());
    let extra = Orders { extra: Some(at(20)), ..Orders::default() };
    agenda.lead(&job(), Term(1), &row(5, 1, RunState::Finished, every(60)), at(6));
    agenda.order(&job(), extra, at(20));
    let (launch, end) = run(&mut agenda, 20, Ran::Well);
    assert_eq!((launch.cursor.due, launch.cursor.extra), (at(20), Some(Since::Due(at(5)))));
    assert_eq!(fates(end.entry.as_slice()), [(at(20), Fate::Ran, ASKED_FOR)]);
    assert_eq!(agenda.next_due(), Some(at(65)));
    let row = Lease { cursor: Some(Cursor { state: RunState::Finished, ..launch.cursor }), ..born() };
    agenda.lead(&job(), Term(2), &row, at(30));
    assert_eq!(agenda.next_due(), Some(at(65)));
}

#[test]
fn a_job_that_is_held_does_what_a_person_says() {
    let held = |rerun| {
        let mut agenda = agenda(Policy { on_orphan: Orphan::Hold, ..Policy::default() });
        agenda.lead(&job(), Term(2), &row(5, 1, RunState::Started, every(60)), at(20));
        let verdict = Some(Verdict { run: RunId(1), rerun });
        agenda.order(&job(), Orders { verdict, ..Orders::default() }, at(21));
        let launch = launch(&mut agenda, 21);
        assert_eq!(launch.obeyed.verdict, verdict);
        (launch.cursor.due, launch.cursor.attempt, launch.cursor.state)
    };
    assert_eq!(held(true), (at(5), 2, RunState::Started));
    assert_eq!(held(false), (at(5), 2, RunState::Passed));
}
