//! The scheduler of the simulated world: one desk a job, which launches what is due at a fixed
//! interval, and now and then asks for what must be refused.

use std::time::Duration;

use super::law::{Verdict, require};
use super::weather::part;
use super::world::{Event, World};
use crate::lease::{Ending, Input, Launch};
use crate::machine::{JobName, RunId, Term};
use crate::rows::RunState;
use crate::time::{Instant, Wall};

/// What a scheduler knows of one job.
#[derive(Debug, Default)]
pub(super) struct Desk {
    /// The leadership it was told of.
    pub(super) led: Option<Term>,
    /// The last occurrence known to have been launched.
    cursor: Option<Wall>,
    /// What waits for a word, and since when.
    pub(super) launch: Option<(Launch, Instant)>,
    pub(super) work: Option<Work>,
    winding: bool,
}

/// A run that goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    pub(super) run: RunId,
    pub(super) term: Term,
    /// It is killed when the boot clock shows this.
    pub(super) until: Instant,
}

/// One launch in this many asks for what was launched before, and one for a term of the past.
const MISCHIEF: u32 = 12;

impl World {
    /// The machine says that `who` leads.
    pub(super) fn lead(&mut self, who: usize, job: usize, term: Term, cursor: Option<Wall>) -> Verdict {
        let desk = self.desk(who, job);
        require(desk.led.is_none() && desk.launch.is_none(), || format!("told twice to lead job {job}"))?;
        require(desk.work.is_none(), || format!("told to lead job {job} while its last run goes on"))?;
        (desk.led, desk.cursor, desk.winding) = (Some(term), cursor, false);
        self.figures.leaderships += 1;
        let soon = part(&mut self.random, self.weather.timing.heartbeat);
        self.schedule(soon, Event::Due { who: self.whom(who), job, term });
        if self.weather.ambush.strikes(&mut self.random) {
            let soon = part(&mut self.random, self.weather.timing.heartbeat);
            self.schedule(soon, Event::Ambush(self.whom(who)));
        }
        Ok(())
    }

    /// The machine says that `who` leads no more.
    pub(super) fn leave(&mut self, who: usize, job: usize, term: Term, why: &Ending) -> Verdict {
        let now = self.crew[who].clock.shows(self.now);
        let desk = self.desk(who, job);
        require(desk.led == Some(term), || {
            format!("told to leave job {job} at term {term}, not {:?}", desk.led)
        })?;
        desk.led = None;
        let Some(work) = desk.work else {
            self.figures.handovers += u64::from(matches!(why, Ending::HandedOver(_)));
            return Ok(());
        };
        require(matches!(why, Ending::Lapsed | Ending::Lost), || {
            format!("job {job} was given away while {:?} goes on", work.run)
        })?;
        // What is killed at the horizon takes a while to be joined; what goes on must end before it.
        let timing = self.weather.timing;
        let left = if *why == Ending::Lapsed {
            self.weather.join
        } else {
            work.until.since(now).min(timing.heartbeat)
        };
        self.end_within(who, job, left, work.run);
        Ok(())
    }

    /// The machine wants the job's run to end.
    pub(super) fn wind(&mut self, who: usize, job: usize) {
        let desk = self.desk(who, job);
        desk.winding = true;
        if let Some(work) = desk.work {
            self.end_within(who, job, self.weather.timing.heartbeat, work.run);
        }
    }

    /// The machine lets a run start.
    pub(super) fn grant(&mut self, who: usize, job: usize, run: RunId, term: Term) -> Verdict {
        require(self.crew[who].leads(job, self.now) == Some(term), || {
            format!("job {job} was granted {run:?} without leading at term {term}")
        })?;
        let until = self.horizon(who, job);
        let misled = self.crew[who].may_err(until);
        let busy = (0..self.crew.len()).find(|other| self.crew[*other].works(job, self.now));
        require(busy.is_none() || misled, || {
            format!("job {job} runs on {who} while it still runs on {busy:?}")
        })?;
        let desk = self.desk(who, job);
        let launch = desk.launch.take().filter(|(launch, _)| launch.run == run);
        let Some((launch, _)) = launch else { return Err(format!("job {job} was granted {run:?} unasked")) };
        desk.work = Some(Work { run, term, until });
        desk.cursor = Some(launch.due);
        self.law.started(&launch.job, run, launch.due, misled)?;
        self.figures.launches += 1;
        self.end_within(who, job, self.weather.run, run);
        Ok(())
    }

    /// The machine does not let a run start.
    pub(super) fn refuse(&mut self, who: usize, job: usize, run: RunId) -> Verdict {
        let launch = self.desk(who, job).launch.take();
        require(launch.is_some_and(|(launch, _)| launch.run == run), || {
            format!("{run:?} was refused unasked")
        })
    }

    fn end_within(&mut self, who: usize, job: usize, most: Duration, run: RunId) {
        let after = part(&mut self.random, most);
        self.schedule(after, Event::Ended { who: self.whom(who), job, run });
    }

    /// Time to see what is due.
    pub(super) fn due(&mut self, who: usize, job: usize, term: Term) -> Verdict {
        let interval = i64::try_from(self.weather.interval.as_nanos()).unwrap_or(i64::MAX);
        let mischief = self.random.u32(..MISCHIEF);
        let run = RunId(self.random.u128(1..));
        let back = if self.random.bool() { 0 } else { self.random.i64(0..interval) };
        let instance = &mut self.crew[who];
        let boot = instance.clock.shows(self.now);
        let Some(process) = &mut instance.process else { return Ok(()) };
        let wall = Wall::from_nanos(boot.as_nanos()).shifted(process.ahead);
        let desk = &mut process.desks[job];
        if desk.led != Some(term) {
            return Ok(());
        }
        let due = Wall::from_nanos(wall.as_nanos().div_euclid(interval) * interval);
        let launch = |term, due| Launch {
            job: self.jobs[job].clone(),
            term,
            due,
            run,
            schedule: String::new(),
            missed: 0,
        };
        let launch = match (desk.cursor, mischief) {
            _ if desk.launch.is_some() || desk.work.is_some() => None,
            (Some(cursor), 0) => Some(launch(term, cursor.shifted(-back))),
            (_, 1) => Some(launch(Term(term.0 - 1), due)),
            (cursor, _) => (cursor < Some(due) && !desk.winding).then(|| launch(term, due)),
        };
        let again = part(&mut self.random, self.weather.interval);
        if let Some(launch) = &launch {
            desk.launch = Some((launch.clone(), self.now));
        }
        self.schedule(again, Event::Due { who: self.whom(who), job, term });
        launch.map_or(Ok(()), |launch| self.step(who, Some(Input::Launch(launch))))
    }

    /// A run has come to its end, unless it did so before.
    pub(super) fn end(&mut self, who: usize, job: usize, run: RunId) -> Option<Input> {
        let job_name: JobName = self.jobs[job].clone();
        let state = if self.random.bool() { RunState::Finished } else { RunState::Cancelled };
        let desk = self.desk(who, job);
        desk.work.take_if(|work| work.run == run)?;
        Some(Input::Ended { job: job_name, run, state })
    }

    fn desk(&mut self, who: usize, job: usize) -> &mut Desk {
        match &mut self.crew[who].process {
            Some(process) => &mut process.desks[job],
            None => unreachable!("only a process that runs says anything"),
        }
    }
}
