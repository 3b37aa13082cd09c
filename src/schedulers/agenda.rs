//! What one instance has to start, and when: all the jobs that it leads, in order of their due times.
//!
//! An occurrence is launched in three steps: it falls due, the machine records it in the lease row, and
//! only then it starts. The agenda is where it waits in between, and where it is decided what becomes
//! of due times for which nothing starts. It is pure: no clock, no I/O.

mod led;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use self::led::{Led, Past, Step};
use super::continuous;
use super::policy::{Orphan, Policy};
use super::reckoning::{Next, Passed, Watch};
use super::{Job, Schedule};
use crate::lease::{End, Launch, Refusal};
use crate::machine::{JobName, RunId, Term};
use crate::rows::{Cursor, Entry, Fate, Lease, Orders, RunState, Since};
use crate::time::Wall;

/// How long an occurrence waits that was refused for a reason that may pass.
const REFUSED: Duration = Duration::from_millis(100);
/// A last occurrence that lies further in the future was recorded by a wrong clock.
const FUTURE: Duration = Duration::from_mins(1);
/// How often a run is started whose leaders vanish one after the other: it may be what kills them.
const MOST_RERUNS: u32 = 3;

const VANISHED: &str = "its leader vanished during it";
const SKIPPED: &str = "a person skipped it";
const ASKED_FOR: &str = "a person asked for it";
const OVERTAKEN: &str = "the next due time came before another attempt";

/// The jobs that this instance leads, and when they are due.
#[derive(Debug)]
pub struct Agenda {
    node: String,
    jobs: Rules,
    led: BTreeMap<JobName, Led>,
    queue: BTreeSet<(Wall, JobName)>,
    random: fastrand::Rng,
}

/// When a job is due, and what becomes of due times that do not go as planned.
type Rules = BTreeMap<JobName, (Arc<dyn Schedule>, Policy)>;

/// What to launch, and when.
struct Plan {
    at: Wall,
    due: Wall,
    attempt: u32,
    runs: bool,
    entries: Vec<Entry>,
    extra: Option<Since>,
    obeyed: Orders,
}

/// How a run ended, as far as the job can say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ran {
    /// Well.
    Well,
    /// Badly, for this reason.
    Badly(String),
    /// It was cut off, because the job had to leave.
    Cut,
}

impl Ran {
    /// What was bad about it.
    pub fn reason(&self) -> &str {
        match self {
            Self::Well => "",
            Self::Badly(why) => why,
            Self::Cut => "the job had to leave",
        }
    }
}

impl Agenda {
    /// An agenda for `jobs` on the instance of this name.
    pub fn new(node: String, jobs: &[Job], random: fastrand::Rng) -> Self {
        Self { node, jobs: rules(jobs), led: BTreeMap::new(), queue: BTreeSet::new(), random }
    }

    /// This instance leads `job` from now on, whose row tells what happened before. Returns when the
    /// job is due next if its last occurrence lies in the future: nothing starts before.
    pub fn lead(&mut self, job: &JobName, term: Term, row: &Lease, now: Wall) -> Option<Wall> {
        let schedule = Arc::clone(&self.jobs.get(job)?.0);
        let past = match &row.cursor {
            Some(cursor) if cursor.is_open() => Past::Unsettled(Box::new(cursor.clone())),
            _ => Past::Settled(schedule.since(row)),
        };
        self.leave(job);
        let watch = Watch { began: now, ended: None, held: None, pause: row.orders.pause };
        let last = row.cursor.as_ref().map(|cursor| cursor.due);
        let (rest, orders, step) = (Duration::ZERO, row.orders, Step::Rests);
        let born = row.born;
        self.led.insert(job.clone(), Led { term, born, watch, rest, orders, last, past, step });
        self.wait(job, now);
        let cursor = row.cursor.as_ref().filter(|cursor| cursor.due > now + FUTURE)?;
        schedule.next(cursor.due)
    }

    /// People have ordered something else of it. What it was before.
    pub fn order(&mut self, job: &JobName, orders: Orders, now: Wall) -> Option<Orders> {
        let led = self.led.get_mut(job)?;
        let before = std::mem::replace(&mut led.orders, orders);
        led.watch.pause = orders.pause;
        self.wait_anew(job, now);
        Some(before)
    }

    /// These are the jobs from now on. What runs goes on, and one that is led and is not among them stays
    /// until it leaves. A schedule that is another one counts from now on.
    pub fn revise(&mut self, jobs: &[Job], now: Wall) {
        let mut before = std::mem::replace(&mut self.jobs, rules(jobs));
        let jobs: Vec<_> = self.led.keys().cloned().collect();
        for job in jobs {
            let Some(old) = before.remove(&job) else { continue };
            let (new, _) = self.jobs.entry(job.clone()).or_insert_with(|| old.clone());
            if new.fingerprint() != old.0.fingerprint()
                && let Some(led) = self.led.get_mut(&job)
            {
                led.past.change();
            }
            self.wait_anew(&job, now);
        }
    }

    /// It does no longer.
    pub fn leave(&mut self, job: &JobName) {
        if let Some(Led { step: Step::Waits(at), .. }) = self.led.remove(job) {
            self.queue.remove(&(at, job.clone()));
        }
    }

    /// When it was first led, if this instance leads it.
    pub fn born(&self, job: &JobName) -> Option<Wall> {
        self.led.get(job).map(|led| led.born)
    }

    /// Whether this instance leads it.
    pub fn leads(&self, job: &JobName) -> bool {
        self.led.contains_key(job)
    }

    /// The run of a leader that vanished, if the job waits for a person because of it.
    pub fn held(&self, job: &JobName) -> Option<&Cursor> {
        let (Some((_, policy)), Some(led)) = (self.jobs.get(job), self.led.get(job)) else { return None };
        match &led.past {
            Past::Unsettled(cursor) if cursor.state == RunState::Started && cursor.term < led.term => {
                (led.fate_of(cursor, policy) == Orphan::Hold).then_some(&**cursor)
            }
            Past::Unsettled(_) | Past::Settled(_) => None,
        }
    }

    /// When the next occurrence falls due.
    pub fn next_due(&self) -> Option<Wall> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// What has fallen due by `now`: to be recorded, then started.
    pub fn fall_due(&mut self, now: Wall) -> Vec<Launch> {
        let mut launches = Vec::new();
        while let Some((at, _)) = self.queue.first()
            && *at <= now
            && let Some((_, job)) = self.queue.pop_first()
        {
            // The clock may have been wrong when it was put into the queue.
            let Some(plan) = self.plan(&job, now).filter(|plan| plan.at <= now) else {
                self.wait(&job, now);
                continue;
            };
            let run = RunId(self.random.u128(1..));
            let (Some((schedule, _)), Some(led)) = (self.jobs.get(&job), self.led.get_mut(&job)) else {
                continue;
            };
            let cursor = Cursor {
                due: plan.due,
                attempt: plan.attempt,
                run,
                term: led.term,
                node: self.node.clone(),
                at: now,
                state: if plan.runs { RunState::Started } else { RunState::Passed },
                again: None,
                schedule: led.attempted(plan.attempt).unwrap_or_else(|| schedule.fingerprint()),
                extra: plan.extra,
            };
            let launch = Launch { job, cursor, entries: plan.entries, obeyed: plan.obeyed };
            led.step = Step::Recording(Box::new(launch.clone()));
            launches.push(launch);
        }
        launches
    }

    /// It is recorded. What that was, if it is the one that waits for it; its run starts now, if it says
    /// so.
    pub fn grant(&mut self, job: &JobName, run: RunId, now: Wall) -> Option<Launch> {
        let ((schedule, _), led) = (self.jobs.get(job)?, self.led.get_mut(job)?);
        let launch = match &led.step {
            Step::Recording(launch) if launch.cursor.run == run => Launch::clone(launch),
            Step::Recording(_) | Step::Waits(_) | Step::Runs(_) | Step::Rests => return None,
        };
        led.step = Step::Rests;
        led.last = Some(launch.cursor.due);
        led.orders = led.orders.without(launch.obeyed);
        led.watch.pause = led.orders.pause;
        if launch.obeyed.verdict.is_some() {
            led.watch.held = Some(now);
        }
        if launch.cursor.state == RunState::Started {
            led.past = Past::Unsettled(Box::new(launch.cursor.clone()));
            led.step = Step::Runs(run);
        } else {
            led.past = Past::Settled(schedule.since_cursor(&launch.cursor));
            self.wait(job, now);
        }
        Some(launch)
    }

    /// It must not be recorded, for a reason that may pass.
    pub fn refuse(&mut self, job: &JobName, run: RunId, why: Refusal, now: Wall) {
        let (Some((schedule, _)), Some(led)) = (self.jobs.get(job), self.led.get_mut(job)) else { return };
        match &led.step {
            Step::Recording(launch) if launch.cursor.run == run => {
                if why == Refusal::Past {
                    led.past = Past::Settled(schedule.since_cursor(&launch.cursor));
                }
                self.put(job, now + REFUSED);
            }
            Step::Recording(_) | Step::Runs(_) | Step::Waits(_) | Step::Rests => {}
        }
    }

    /// A run has ended. Returns what is to be recorded of it.
    pub fn ended(&mut self, job: &JobName, cursor: &Cursor, ran: Ran, now: Wall) -> End {
        let end = self.end(job, cursor, ran, now);
        if let (Some((schedule, policy)), Some(led)) = (self.jobs.get(job), self.led.get_mut(job))
            && matches!(led.step, Step::Runs(current) if current == cursor.run)
        {
            led.watch.ended = Some(now);
            led.rest = continuous::rest(policy.backoff, led.rest, now.since(cursor.at));
            let cursor = Cursor { state: end.state, again: end.again, ..cursor.clone() };
            let settled = Past::Settled(schedule.since_cursor(&cursor));
            led.past = if cursor.is_open() { Past::Unsettled(Box::new(cursor)) } else { settled };
            self.wait(job, now);
        }
        end
    }

    fn end(&self, job: &JobName, cursor: &Cursor, ran: Ran, now: Wall) -> End {
        let policy = self.jobs.get(job).map(|(_, policy)| policy);
        let wait = policy.and_then(|policy| {
            let reruns = policy.on_orphan == Orphan::Rerun && cursor.attempt <= MOST_RERUNS;
            if ran == Ran::Cut && reruns { Some(Duration::ZERO) } else { policy.wait_after(cursor.attempt) }
        });
        match (ran, wait) {
            (Ran::Well, _) => {
                let reason = if cursor.extra.is_some() { ASKED_FOR } else { "" };
                let entry = cursor.entry(Fate::Ran, reason, Some(now));
                End { state: RunState::Finished, again: None, entry: Some(entry) }
            }
            // It ran for as long as it could.
            (Ran::Cut, None) if self.jobs.get(job).is_some_and(|(schedule, _)| schedule.is_continuous()) => {
                let entry = cursor.entry(Fate::Ran, Ran::Cut.reason(), Some(now));
                End { state: RunState::Finished, again: None, entry: Some(entry) }
            }
            (Ran::Badly(_) | Ran::Cut, Some(wait)) => {
                End { state: RunState::Waiting, again: Some(now + wait), entry: None }
            }
            (ran @ (Ran::Badly(_) | Ran::Cut), None) => {
                let entry = cursor.entry(Fate::Failed, ran.reason(), Some(now));
                End { state: RunState::Failed, again: None, entry: Some(entry) }
            }
        }
    }

    /// What is next for a job.
    fn plan(&self, job: &JobName, now: Wall) -> Option<Plan> {
        let ((schedule, policy), led) = (self.jobs.get(job)?, self.led.get(job)?);
        let reckon = |since| schedule.reckon(policy, since, led.watch, now);
        let cursor = match &led.past {
            Past::Settled(Since::Change(last)) => {
                return Some(led.mark(Since::Due(schedule.latest(*last, now).0), now));
            }
            Past::Settled(since) => {
                let next = if schedule.is_continuous() { led.go_on(*since) } else { reckon(*since) };
                let extra = led.extra(*since, now);
                if let Some(due) = extra.filter(|at| next.as_ref().is_none_or(|next| next.due > *at)) {
                    return Some(led.bring_forward(due, *since));
                }
                if led.last.is_none() && next.as_ref().is_some_and(|next| next.due > now) {
                    return Some(led.mark(*since, now));
                }
                let plan = self.follow(next?, Vec::new(), led, now);
                return Some(if schedule.is_continuous() { Plan { at: led.rested(), ..plan } } else { plan });
            }
            Past::Unsettled(cursor) => cursor,
        };
        let (due, attempt) = (cursor.due, cursor.attempt + 1);
        let (entries, obeyed) = (Vec::new(), led.obeys(cursor));
        let again = Plan { at: now, due, attempt, runs: true, entries, extra: cursor.extra, obeyed };
        if cursor.state == RunState::Started {
            return match led.fate_of(cursor, policy) {
                Orphan::Hold => None,
                Orphan::Rerun if cursor.attempt <= MOST_RERUNS || obeyed.verdict.is_some() => Some(again),
                Orphan::Rerun | Orphan::Skip => {
                    let entries = vec![cursor.entry(Fate::Unknown, VANISHED, None)];
                    Some(Plan { runs: false, entries, ..again })
                }
            };
        }
        let retry = Plan { at: cursor.again.unwrap_or(now), ..again };
        let next = match schedule.since_cursor(cursor) {
            // What another schedule wanted is brought to its end before this one begins.
            Since::Change(_) => None,
            since @ (Since::Birth(_) | Since::Due(_)) => reckon(since),
        };
        match next.filter(|next| next.due <= retry.at) {
            None => (!led.orders.is_paused()).then_some(retry),
            Some(next) => {
                Some(self.follow(next, vec![cursor.entry(Fate::Failed, OVERTAKEN, None)], led, now))
            }
        }
    }

    /// The plan that does what is next, after `entries`.
    fn follow(&self, mut next: Next, mut entries: Vec<Entry>, led: &Led, now: Wall) -> Plan {
        let at = if next.runs { next.due } else { now };
        let pause = led.orders.pause.filter(|pause| pause.to.is_some());
        let obeyed = Orders { pause, skip: led.orders.skip && next.runs, ..Orders::default() };
        if obeyed.skip {
            let (due, count) = (next.due, 1);
            next.passed.push(Passed { first: due, last: due, count, fate: Fate::Skipped, reason: SKIPPED });
            next.runs = false;
        }
        let passed = |Passed { first, last, count, fate, reason }| Entry {
            due: first,
            last,
            count,
            fate,
            reason: reason.to_owned(),
            node: self.node.clone(),
            term: led.term,
            run: None,
        };
        entries.extend(next.passed.into_iter().map(passed));
        Plan { at, due: next.due, attempt: 1, runs: next.runs, entries, extra: None, obeyed }
    }

    /// What it waits for has changed, if it does.
    fn wait_anew(&mut self, job: &JobName, now: Wall) {
        match self.led.get(job).map(|led| &led.step) {
            Some(Step::Waits(at)) => {
                self.queue.remove(&(*at, job.clone()));
                self.wait(job, now);
            }
            Some(Step::Rests) => self.wait(job, now),
            Some(Step::Recording(_) | Step::Runs(_)) | None => {}
        }
    }

    fn wait(&mut self, job: &JobName, now: Wall) {
        match self.plan(job, now) {
            Some(plan) => self.put(job, plan.at),
            None => {
                if let Some(led) = self.led.get_mut(job) {
                    led.step = Step::Rests;
                }
            }
        }
    }

    fn put(&mut self, job: &JobName, at: Wall) {
        if let Some(led) = self.led.get_mut(job) {
            led.step = Step::Waits(at);
            self.queue.insert((at, job.clone()));
        }
    }
}

fn rules(jobs: &[Job]) -> Rules {
    jobs.iter().map(|job| (job.name.clone(), (Arc::clone(&job.schedule), job.policy))).collect()
}

#[cfg(test)]
mod tests;
