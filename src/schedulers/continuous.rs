//! All the time: a job runs as long as its instance leads, and again when it ends.
//!
//! No due time passes while it does not run, so it has none but the moments at which it starts. When it
//! ends it rests: twice as long each time, until a run lasts longer than the rest before it.

use std::time::Duration;

use super::Schedule;
use crate::time::Wall;

/// A schedule without due times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Continuous;

impl Continuous {
    /// No rest is longer, unless the first one is.
    pub const LONGEST_REST: Duration = Duration::from_mins(5);
}

impl Schedule for Continuous {
    fn first(&self, _born: Wall) -> Option<Wall> {
        None
    }

    fn next(&self, _due: Wall) -> Option<Wall> {
        None
    }

    fn fingerprint(&self) -> String {
        "while leading".to_owned()
    }

    fn in_words(&self) -> String {
        "whenever it does not run, as long as somebody leads it".to_owned()
    }

    fn is_continuous(&self) -> bool {
        true
    }
}

/// How long a job rests after a run that took that long, if it rested that long before it.
pub(super) fn rest(first: Duration, before: Duration, took: Duration) -> Duration {
    if took > before { first } else { (before * 2).min(Continuous::LONGEST_REST).max(first) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::agenda::{Agenda, Ran};
    use super::super::{Job, Policy};
    use super::*;
    use crate::jobs::preacher::Preacher;
    use crate::lease::{End, Launch};
    use crate::machine::{JobName, RunId, Term};
    use crate::rows::{Cursor, Entry, Fate, Lease, Orders, Pause, RunState};

    fn at(seconds: i64) -> Wall {
        Wall::from_nanos(seconds * 1_000_000_000)
    }

    fn job() -> JobName {
        JobName::new("job").unwrap()
    }

    fn agenda() -> Agenda {
        let action = Arc::new(Preacher { message: String::new(), times: 0, pause: Duration::ZERO });
        let job = Job { name: job(), schedule: Arc::new(Continuous), action, policy: Policy::default() };
        Agenda::new("node".to_owned(), &[job], fastrand::Rng::with_seed(7))
    }

    /// Starts what is due, which something must be.
    fn start(agenda: &mut Agenda, now: i64) -> Launch {
        let launch = agenda.fall_due(at(now)).remove(0);
        agenda.grant(&job(), launch.cursor.run, at(now)).unwrap();
        launch
    }

    fn run(agenda: &mut Agenda, from: i64, to: i64, ran: Ran) -> (Launch, End) {
        let launch = start(agenda, from);
        let end = agenda.ended(&job(), &launch.cursor, ran, at(to));
        (launch, end)
    }

    fn row(due: i64, state: RunState) -> Lease {
        let cursor = Cursor {
            due: at(due),
            attempt: 1,
            run: RunId(1),
            term: Term(1),
            node: "before".to_owned(),
            at: at(due),
            state,
            again: None,
            schedule: Continuous.fingerprint(),
            extra: None,
        };
        Lease { cursor: Some(cursor), ..Lease::unborn() }
    }

    #[test]
    fn it_starts_when_its_instance_leads_and_again_when_it_has_rested() {
        let mut agenda = agenda();
        agenda.lead(&job(), Term(1), &Lease::unborn(), at(100));
        let (first, end) = run(&mut agenda, 100, 200, Ran::Well);
        assert_eq!((first.cursor.due, first.entries, end.state), (at(100), vec![], RunState::Finished));
        assert_eq!(end.entry.map(|entry| (entry.due, entry.fate)), Some((at(100), Fate::Ran)));
        assert_eq!(agenda.next_due(), Some(at(201)));
        let (second, end) = run(&mut agenda, 205, 300, Ran::Badly("it broke".to_owned()));
        assert_eq!((second.cursor.due, second.entries, end.state), (at(201), vec![], RunState::Failed));
        assert_eq!(agenda.next_due(), Some(at(301)));
    }

    #[test]
    fn what_ends_soon_rests_longer_each_time() {
        let (first, mut before) = (Duration::from_secs(1), Duration::ZERO);
        let rests = [0, 0, 1, 2, 200, 2000].map(|took| {
            before = rest(first, before, Duration::from_secs(took) + Duration::from_millis(1));
            before.as_secs()
        });
        assert_eq!(rests, [1, 2, 4, 8, 1, 1]);
        let ages = Duration::from_hours(9);
        assert_eq!(rest(first, Continuous::LONGEST_REST, Duration::ZERO), Continuous::LONGEST_REST);
        assert_eq!(rest(ages, ages, Duration::ZERO), ages);
    }

    #[test]
    fn a_run_that_had_to_leave_has_not_failed() {
        let mut agenda = agenda();
        agenda.lead(&job(), Term(1), &Lease::unborn(), at(100));
        let (_, end) = run(&mut agenda, 100, 200, Ran::Cut);
        let entry = end.entry.unwrap();
        assert_eq!((entry.fate, entry.reason.as_str()), (Fate::Ran, "the job had to leave"));
    }

    #[test]
    fn the_run_of_a_leader_that_vanished_gets_its_account_and_the_next_one_starts() {
        let mut agenda = agenda();
        agenda.lead(&job(), Term(2), &row(50, RunState::Started), at(100));
        let entries = start(&mut agenda, 100).entries;
        let fates: Vec<_> = entries.iter().map(|Entry { due, fate, .. }| (*due, *fate)).collect();
        assert_eq!(fates, [(at(50), Fate::Unknown)]);
        assert_eq!(start(&mut agenda, 100).cursor.due, at(100));
    }

    #[test]
    fn a_clock_that_was_ahead_does_not_keep_it_from_starting() {
        let mut agenda = agenda();
        agenda.lead(&job(), Term(2), &row(5000, RunState::Finished), at(100));
        assert_eq!(start(&mut agenda, 100).cursor.due, at(5000) + Duration::from_nanos(1));
    }

    #[test]
    fn orders_are_obeyed() {
        let mut agenda = agenda();
        let pause = |to| Orders { pause: Some(Pause { from: at(90), to }), ..Orders::default() };
        agenda.lead(&job(), Term(1), &Lease { orders: pause(None), ..Lease::unborn() }, at(100));
        assert_eq!(agenda.fall_due(at(110)), []);
        agenda.order(&job(), pause(Some(at(120))), at(120));
        assert_eq!(run(&mut agenda, 120, 220, Ran::Well).0.obeyed, pause(Some(at(120))));
        // It would rest until 221.
        let extra = Orders { extra: Some(at(220)), ..Orders::default() };
        agenda.order(&job(), extra, at(220));
        let (extra, end) = run(&mut agenda, 220, 230, Ran::Well);
        assert_eq!(
            (extra.cursor.due, end.entry.unwrap().reason.as_str()),
            (at(220), "a person asked for it")
        );
        agenda.order(&job(), Orders { skip: true, ..Orders::default() }, at(230));
        let skipped = start(&mut agenda, 231);
        assert_eq!((skipped.entries[0].fate, skipped.cursor.state), (Fate::Skipped, RunState::Passed));
        assert_eq!(start(&mut agenda, 231).cursor.state, RunState::Started);
    }
}
