//! The scheduler of the simulated world: one desk a job, which launches what is due at a fixed
//! interval, and now and then asks for what must be refused.

use std::time::Duration;

use super::court::{Article, Verdict};
use super::fence::Effect;
use super::instance::Instance;
use super::weather::part;
use super::world::{Event, World};
use crate::lease::{End, Ending, Input, Launch};
use crate::machine::{JobName, RunId, Term};
use crate::rows::{Cursor, Entry, Fate, Lease, Orders, RunState};
use crate::time::{Instant, Wall};

/// What a scheduler knows of one job.
#[derive(Clone, Debug, Default)]
pub(super) struct Desk {
    /// The leadership it was told of.
    pub(super) led: Option<Term>,
    /// How far its due times are known to be accounted for.
    cursor: Option<Cursor>,
    orders: Orders,
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
    pub(super) fn lead(&mut self, who: usize, job: usize, term: Term, row: Lease) -> Verdict {
        let name = &self.jobs[job];
        let knows = self.crew[who].process.as_ref().is_some_and(|process| process.listed.contains(name));
        self.court.require(Article::Manners, knows, || {
            format!("told to lead job {job}, which is not on its list")
        })?;
        let desk = desk_of(&mut self.crew, who, job);
        self.court.require(Article::Manners, desk.led.is_none() && desk.launch.is_none(), || {
            format!("told twice to lead job {job}")
        })?;
        self.court.require(Article::Manners, desk.work.is_none(), || {
            format!("told to lead job {job} while its last run goes on")
        })?;
        let position = |cursor: &Option<Cursor>| cursor.as_ref().map(Cursor::position);
        self.court.require(Article::InOrder, position(&row.cursor) >= position(&desk.cursor), || {
            format!("told to lead job {job} from {:?}, not from {:?}", row.cursor, desk.cursor)
        })?;
        (desk.led, desk.cursor, desk.orders, desk.winding) = (Some(term), row.cursor, row.orders, false);
        self.figures.leaderships += 1;
        let soon = part(&mut self.random, self.weather.timing.heartbeat);
        self.schedule(soon, Event::Due { who: self.whom(who), job, term });
        let way = self.latency(who);
        self.schedule(way, Event::Land(Effect { who: self.whom(who), job, term }));
        self.beset(who);
        Ok(())
    }

    /// The machine says that people have ordered something else.
    pub(super) fn order(&mut self, who: usize, job: usize, orders: Orders) {
        desk_of(&mut self.crew, who, job).orders = orders;
    }

    /// The machine says that `who` leads no more.
    pub(super) fn leave(&mut self, who: usize, job: usize, term: Term, why: &Ending) -> Verdict {
        let now = self.crew[who].clock.shows(self.now);
        let desk = desk_of(&mut self.crew, who, job);
        self.court.require(Article::Manners, desk.led == Some(term), || {
            format!("told to leave job {job} at term {term}, not {:?}", desk.led)
        })?;
        desk.led = None;
        let Some(work) = desk.work else {
            self.figures.handovers += u64::from(matches!(why, Ending::HandedOver(_)));
            return Ok(());
        };
        self.court.require(Article::OneLeader, matches!(why, Ending::Lapsed | Ending::Lost), || {
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
        let desk = desk_of(&mut self.crew, who, job);
        desk.winding = true;
        if let Some(work) = desk.work {
            self.end_within(who, job, self.weather.timing.heartbeat, work.run);
        }
    }

    /// The machine lets a run start.
    pub(super) fn grant(&mut self, who: usize, job: usize, run: RunId, term: Term) -> Verdict {
        let desk = desk_of(&mut self.crew, who, job);
        let launch = desk.launch.take().filter(|(launch, _)| launch.cursor.run == run);
        let Some((launch, _)) = launch else {
            let unasked = || format!("job {job} was granted {run:?} unasked");
            return self.court.require(Article::Manners, false, unasked);
        };
        let position = launch.cursor.position();
        let starts = launch.cursor.state == RunState::Started;
        desk.cursor = Some(launch.cursor);
        desk.orders = desk.orders.without(launch.obeyed);
        if !starts {
            return Ok(());
        }
        self.court.require(Article::OneLeader, self.crew[who].leads(job, self.now) == Some(term), || {
            format!("job {job} was granted {run:?} without leading at term {term}")
        })?;
        let until = self.horizon(who, job);
        let misled = self.crew[who].may_err(until);
        let busy = (0..self.crew.len()).find(|other| self.crew[*other].works(job, self.now));
        self.court.require(Article::OneLeader, busy.is_none() || misled, || {
            format!("job {job} runs on {who} while it still runs on {busy:?}")
        })?;
        desk_of(&mut self.crew, who, job).work = Some(Work { run, term, until });
        self.law.started(&self.court, &launch.job, run, position, misled)?;
        self.figures.launches += 1;
        let later = part(&mut self.random, self.weather.run);
        self.schedule(later, Event::Intend(Effect { who: self.whom(who), job, term }));
        self.end_within(who, job, self.weather.run, run);
        Ok(())
    }

    /// The machine does not let a run start.
    pub(super) fn refuse(&mut self, who: usize, job: usize, run: RunId) -> Verdict {
        let launch = desk_of(&mut self.crew, who, job).launch.take();
        self.court.require(
            Article::Manners,
            launch.is_some_and(|(launch, _)| launch.cursor.run == run),
            || format!("{run:?} was refused unasked"),
        )
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
        let position = desk.cursor.as_ref().map(Cursor::position);
        let launch = |term, due, attempt| Launch {
            job: self.jobs[job].clone(),
            cursor: cursor(run, term, due, attempt),
            entries: Vec::new(),
            obeyed: Orders::default(),
        };
        let launch = match (position, mischief) {
            _ if desk.launch.is_some() || desk.work.is_some() => None,
            (Some((last, attempt)), 0) => Some(launch(term, last.shifted(-back), attempt)),
            (_, 1) => Some(launch(Term(term.0 - 1), due, 1)),
            _ => desk.next(&self.jobs[job], due, interval, run, term),
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
        let fate = self.random.choice([Some(Fate::Ran), Some(Fate::Failed), None]).flatten();
        let again = Wall::from_nanos(self.now.as_nanos());
        let desk = desk_of(&mut self.crew, who, job);
        desk.work.take_if(|work| work.run == run)?;
        let state = match fate {
            Some(Fate::Ran) => RunState::Finished,
            Some(_) => RunState::Failed,
            None => RunState::Waiting,
        };
        let mut entry = None;
        if let Some(cursor) = desk.cursor.as_mut().filter(|cursor| cursor.run == run) {
            cursor.state = state;
            entry = fate.map(|fate| account(cursor.due, cursor.due, fate, cursor.term));
        }
        let end = End { state, again: fate.is_none().then_some(again), entry };
        Some(Input::Ended { job: job_name, run, end })
    }
}

fn desk_of(crew: &mut [Instance], who: usize, job: usize) -> &mut Desk {
    match &mut crew[who].process {
        Some(process) => &mut process.desks[job],
        None => unreachable!("only a process that runs says anything"),
    }
}

impl Desk {
    /// The launch that brings the job to `due`, if it is not there yet: another attempt at what has not
    /// ended well, or the next occurrence, with an account of what is passed on the way.
    fn next(&self, job: &JobName, due: Wall, interval: i64, run: RunId, term: Term) -> Option<Launch> {
        let job = job.clone();
        // A pause is forgotten once it is over.
        let obeyed =
            Orders { pause: self.orders.pause.filter(|pause| pause.to.is_some()), ..Orders::default() };
        let Some(last) = &self.cursor else {
            return Some(Launch { job, cursor: cursor(run, term, due, 1), entries: Vec::new(), obeyed });
        };
        let open = matches!(last.state, RunState::Started | RunState::Waiting);
        if self.winding {
            return None;
        }
        // Whether it is tried again is a matter of policy: here, of chance.
        if open && run.0.is_multiple_of(2) {
            let cursor = cursor(run, term, last.due, last.attempt + 1);
            return Some(Launch { job, cursor, entries: Vec::new(), obeyed });
        }
        let mut entries: Vec<_> =
            open.then(|| account(last.due, last.due, Fate::Unknown, last.term)).into_iter().collect();
        if last.due >= due {
            let passed = Cursor { state: RunState::Passed, ..cursor(run, term, last.due, last.attempt + 1) };
            return open.then_some(Launch { job, cursor: passed, entries, obeyed });
        }
        let next = last.due.shifted(interval);
        if next < due {
            entries.push(account(next, due.shifted(-interval), Fate::Missed, term));
        }
        Some(Launch { job, cursor: cursor(run, term, due, 1), entries, obeyed })
    }
}

fn cursor(run: RunId, term: Term, due: Wall, attempt: u32) -> Cursor {
    let (node, schedule) = (String::new(), String::new());
    Cursor {
        due,
        attempt,
        run,
        term,
        node,
        at: due,
        state: RunState::Started,
        again: None,
        schedule,
        extra: None,
    }
}

fn account(due: Wall, last: Wall, fate: Fate, term: Term) -> Entry {
    let (reason, node) = (String::new(), String::new());
    Entry { due, last, count: 1, fate, reason, node, term, run: None }
}
