//! What one instance has to start, and when: all the jobs that it leads, in order of their due times.
//!
//! An occurrence is launched in three steps: it falls due, it is recorded in the lease row by the
//! machine, and only then it starts. The agenda is where it waits in between. It is pure: no clock,
//! no I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::{Occurrence, Schedule, Since};
use crate::lease::{Launch, Refusal};
use crate::machine::{JobName, RunId, Term};
use crate::rows::Lease;
use crate::time::Wall;

/// How long an occurrence waits that was refused for a reason that may pass.
const REFUSED: Duration = Duration::from_millis(100);

/// A last occurrence that lies further in the future was recorded by a wrong clock.
const FUTURE: Duration = Duration::from_mins(1);

/// The jobs that this instance leads, and when they are due.
#[derive(Debug)]
pub struct Agenda {
    schedules: BTreeMap<JobName, Arc<dyn Schedule>>,
    led: BTreeMap<JobName, Led>,
    queue: BTreeSet<(Wall, JobName)>,
    random: fastrand::Rng,
}

/// A job that this instance leads.
#[derive(Debug)]
struct Led {
    term: Term,
    since: Since,
    step: Step,
}

/// Where its next occurrence stands.
#[derive(Debug)]
enum Step {
    /// In the queue, under this time.
    Waits(Wall),
    /// Being recorded.
    Recording(RunId, Occurrence),
    /// Started.
    Runs(RunId),
    /// There is none.
    Done,
}

/// An occurrence that starts now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// When it was due.
    pub due: Wall,
    /// How many due times before it were given up.
    pub missed: u64,
}

impl Agenda {
    /// An agenda for jobs with these schedules.
    pub fn new(schedules: BTreeMap<JobName, Arc<dyn Schedule>>, random: fastrand::Rng) -> Self {
        Self { schedules, led: BTreeMap::new(), queue: BTreeSet::new(), random }
    }

    /// This instance leads `job` from now on, whose row tells what happened before. Returns when the
    /// job is due next if its last occurrence lies in the future: nothing starts before.
    pub fn lead(&mut self, job: &JobName, term: Term, row: &Lease, now: Wall) -> Option<Wall> {
        let schedule = Arc::clone(self.schedules.get(job)?);
        let since = schedule.since(row);
        self.leave(job);
        self.led.insert(job.clone(), Led { term, since, step: Step::Done });
        self.wait(job, now);
        let last = row.due().filter(|last| *last > now + FUTURE)?;
        schedule.next(last)
    }

    /// It does no longer.
    pub fn leave(&mut self, job: &JobName) {
        if let Some(Led { step: Step::Waits(at), .. }) = self.led.remove(job) {
            self.queue.remove(&(at, job.clone()));
        }
    }

    /// When the next occurrence falls due.
    pub fn next_due(&self) -> Option<Wall> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// The occurrences that have fallen due by `now`: to be recorded, then started.
    pub fn fall_due(&mut self, now: Wall) -> Vec<Launch> {
        let mut launches = Vec::new();
        while let Some((at, _)) = self.queue.first()
            && *at <= now
            && let Some((_, job)) = self.queue.pop_first()
        {
            let (Some(schedule), Some(led)) = (self.schedules.get(&job), self.led.get_mut(&job)) else {
                continue;
            };
            let Some(occurrence) = schedule.upcoming(led.since, now).filter(|next| next.due <= now) else {
                // The clock was wrong when it was put into the queue.
                self.wait(&job, now);
                continue;
            };
            let run = RunId(self.random.u128(1..));
            led.step = Step::Recording(run, occurrence);
            let Occurrence { due, missed } = occurrence;
            let (term, schedule) = (led.term, schedule.fingerprint());
            launches.push(Launch { job, term, due, run, schedule, missed });
        }
        launches
    }

    /// The occurrence is recorded. What starts now, if it is the one that waits for that.
    pub fn grant(&mut self, job: &JobName, run: RunId) -> Option<Start> {
        let led = self.led.get_mut(job)?;
        let Step::Recording(waiting, Occurrence { due, missed }) = led.step else { return None };
        if waiting != run {
            return None;
        }
        led.since = Since::Due(due);
        led.step = Step::Runs(run);
        Some(Start { due, missed })
    }

    /// The occurrence must not start, for a reason that may pass.
    pub fn refuse(&mut self, job: &JobName, run: RunId, why: Refusal, now: Wall) {
        let Some(led) = self.led.get_mut(job) else { return };
        match led.step {
            Step::Recording(waiting, occurrence) if waiting == run => {
                if why == Refusal::Past {
                    led.since = Since::Due(occurrence.due);
                }
                self.put(job, now + REFUSED);
            }
            Step::Recording(..) | Step::Runs(_) | Step::Waits(_) | Step::Done => {}
        }
    }

    /// A run has ended.
    pub fn ended(&mut self, job: &JobName, run: RunId, now: Wall) {
        let ours =
            self.led.get(job).is_some_and(|led| matches!(led.step, Step::Runs(current) if current == run));
        if ours {
            self.wait(job, now);
        }
    }

    fn wait(&mut self, job: &JobName, now: Wall) {
        let (Some(schedule), Some(led)) = (self.schedules.get(job), self.led.get_mut(job)) else { return };
        match schedule.upcoming(led.since, now) {
            Some(next) => self.put(job, next.due),
            None => led.step = Step::Done,
        }
    }

    fn put(&mut self, job: &JobName, at: Wall) {
        if let Some(led) = self.led.get_mut(job) {
            led.step = Step::Waits(at);
            self.queue.insert((at, job.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{Cursor, RunState};
    use crate::schedulers::Every;

    const JOB: &str = "job";

    fn at(seconds: i64) -> Wall {
        Wall::from_nanos(seconds * 1_000_000_000)
    }

    fn job() -> JobName {
        JobName::new(JOB).unwrap()
    }

    fn every(seconds: u64) -> Every {
        Every::new(Duration::from_secs(seconds)).unwrap()
    }

    fn agenda() -> Agenda {
        let schedule: Arc<dyn Schedule> = Arc::new(every(60));
        Agenda::new(BTreeMap::from([(job(), schedule)]), fastrand::Rng::with_seed(7))
    }

    /// The row of a job that has been there since second 5 and never ran.
    fn born() -> Lease {
        Lease { born: at(5), ..Lease::unborn() }
    }

    fn ran(due: Wall, schedule: Every) -> Lease {
        let (run, term) = (RunId(1), Term(1));
        let schedule = schedule.fingerprint();
        let cursor = Cursor { due, run, term, state: RunState::Finished, schedule, missed: 0 };
        Lease { cursor: Some(cursor), ..born() }
    }

    #[test]
    fn a_job_that_never_ran_is_due_at_once() {
        let mut agenda = agenda();
        agenda.lead(&job(), Term(1), &born(), at(5));
        let launches = agenda.fall_due(at(5));
        assert_eq!(launches.iter().map(|launch| launch.due).collect::<Vec<_>>(), [at(5)]);
    }

    #[test]
    fn nothing_starts_before_it_is_recorded() {
        let mut agenda = agenda();
        agenda.lead(&job(), Term(1), &born(), at(5));
        let run = agenda.fall_due(at(5))[0].run;
        assert!(agenda.fall_due(at(500)).is_empty());
        assert_eq!(agenda.grant(&job(), RunId(99)), None);
        assert_eq!(agenda.grant(&job(), run), Some(Start { due: at(5), missed: 0 }));
        assert_eq!(agenda.grant(&job(), run), None);
    }

    #[test]
    fn a_successor_goes_on_in_the_cadence_of_its_predecessor() {
        let mut agenda = agenda();
        agenda.lead(&job(), Term(2), &ran(at(5), every(60)), at(200));
        let launch = agenda.fall_due(at(200)).remove(0);
        assert_eq!(launch.due, at(185));
        assert_eq!(agenda.grant(&job(), launch.run), Some(Start { due: at(185), missed: 2 }));
        agenda.ended(&job(), launch.run, at(201));
        assert_eq!(agenda.next_due(), Some(at(245)));
    }

    #[test]
    fn an_occurrence_of_the_future_says_how_long_the_job_stands_still() {
        let mut agenda = agenda();
        let mut lead = |due| agenda.lead(&job(), Term(2), &ran(at(due), every(60)), at(1000));
        assert_eq!([lead(900), lead(1000), lead(1060)], [None; 3]);
        assert_eq!(lead(9000), Some(at(9060)));
        assert_eq!(agenda.next_due(), Some(at(9060)));
    }

    #[test]
    fn an_edited_schedule_starts_nothing_that_it_would_have_started_before() {
        let mut agenda = agenda();
        agenda.lead(&job(), Term(2), &ran(at(5), every(3600)), at(200));
        assert_eq!(agenda.next_due(), Some(at(245)));
    }

    #[test]
    fn a_refused_occurrence_is_not_forgotten() {
        let mut agenda = agenda();
        agenda.lead(&job(), Term(1), &born(), at(5));
        let run = agenda.fall_due(at(5))[0].run;
        agenda.refuse(&job(), run, Refusal::Leaving, at(6));
        assert!(agenda.fall_due(at(6)).is_empty());
        assert_eq!(agenda.fall_due(at(7)).len(), 1);
    }

    #[test]
    fn a_job_that_left_is_due_no_more() {
        let mut agenda = agenda();
        agenda.lead(&job(), Term(1), &born(), at(5));
        agenda.leave(&job());
        assert!(agenda.fall_due(at(500)).is_empty());
        assert_eq!(agenda.next_due(), None);
    }
}
