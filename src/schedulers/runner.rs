//! Starts what the agenda says is due, and stops it before anybody else can start it.
//!
//! A run ends in one of four ways: by itself; a grace after it was asked to, because the job is to
//! be handed over or the horizon comes near; a margin before the horizon, asked or not; or at once,
//! when the row turns out to have changed hands.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{self, AbortHandle, JoinError, JoinSet};
use tracing::Instrument;

use super::agenda::{Agenda, Ran};
use super::watchdog::Watchdog;
use super::{Policy, Schedule};
use crate::handle::{Handle, Signal};
use crate::history::News;
use crate::jobs::{Action, JobError, Lifeline, Run};
use crate::lease::{End, Input, Launch, Timing};
use crate::log::JobOutput;
use crate::machine::{JobName, RunId, Term};
use crate::rows::{Cursor, Entry, Fate, Lease, Orders, RunState};
use crate::time::{Clock, Wall, sleep_until};

/// No wait for a due time is longer: the wall clock may jump.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// A job as it is configured.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its name.
    pub name: JobName,
    /// When it is due.
    pub schedule: Arc<dyn Schedule>,
    /// What it does.
    pub action: Arc<dyn Action>,
    /// What it wants to happen when things go otherwise than planned.
    pub policy: Policy,
}

/// What a runner has to do.
#[derive(Debug)]
pub(crate) struct Duties {
    pub(crate) jobs: Vec<Job>,
    pub(crate) timing: Timing,
    /// The human name of this instance.
    pub(crate) node: String,
    /// How what jobs say is written.
    pub(crate) output: JobOutput,
    /// Who wants to know that something happened that a history tells of.
    pub(crate) history: mpsc::Sender<News>,
    pub(crate) random: fastrand::Rng,
}

/// Other jobs, from now on.
#[derive(Debug)]
pub(crate) struct Revision {
    pub(crate) jobs: Vec<Job>,
    /// They are known.
    pub(crate) taken: oneshot::Sender<()>,
}

/// A run that goes on.
#[derive(Debug)]
struct Running {
    run: Run,
    cursor: Cursor,
    /// Set when it has taken too long.
    overdue: Arc<OnceLock<Duration>>,
}

/// Runs the jobs of one instance.
#[derive(Debug)]
pub struct Runner {
    agenda: Agenda,
    /// What each job does, and how.
    actions: BTreeMap<JobName, (Arc<dyn Action>, Policy)>,
    handle: Handle,
    signals: mpsc::UnboundedReceiver<Signal>,
    revisions: mpsc::Receiver<Revision>,
    clock: Arc<dyn Clock>,
    timing: Timing,
    node: String,
    output: JobOutput,
    history: mpsc::Sender<News>,
    /// How many nanoseconds the clock that the cluster goes by is ahead of the boot clock.
    ahead: i64,
    runs: JoinSet<Result<(), JobError>>,
    running: HashMap<task::Id, (Running, AbortHandle)>,
}

impl Runner {
    pub(crate) fn new(
        duties: Duties,
        handle: Handle,
        signals: mpsc::UnboundedReceiver<Signal>,
        revisions: mpsc::Receiver<Revision>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let Duties { jobs, timing, node, output, history, random } = duties;
        let agenda = Agenda::new(node.clone(), &jobs, random);
        let actions = jobs.into_iter().map(|job| (job.name, (job.action, job.policy))).collect();
        Self {
            agenda,
            actions,
            handle,
            signals,
            revisions,
            clock,
            timing,
            node,
            output,
            history,
            ahead: 0,
            runs: JoinSet::new(),
            running: HashMap::new(),
        }
    }

    /// Runs until the machine is gone.
    pub async fn run(mut self) {
        loop {
            for launch in self.agenda.fall_due(self.now()) {
                self.handle.tell(Input::Launch(launch)).await;
            }
            let wait =
                self.agenda.next_due().map_or(LONGEST_WAIT, |due| due.since(self.now()).min(LONGEST_WAIT));
            let deadline = self.clock.now() + wait;
            tokio::select! {
                biased;
                signal = self.signals.recv() => match signal {
                    Some(signal) => self.take(signal),
                    None => return,
                },
                Some(revision) = self.revisions.recv() => self.revise(revision),
                Some(done) = self.runs.join_next_with_id() => self.ended(done).await,
                () = sleep_until(&*self.clock, deadline) => {}
            }
        }
    }

    /// What the clock that the cluster goes by shows.
    fn now(&self) -> Wall {
        Wall::from_nanos(self.clock.now().as_nanos()).shifted(self.ahead)
    }

    fn take(&mut self, signal: Signal) {
        match signal {
            Signal::Lead { job, term, row } => self.lead(&job, term, &row),
            Signal::Orders { job, orders } => self.order(&job, orders),
            Signal::Leave(job) => {
                self.agenda.leave(&job);
                self.runs_of(&job).for_each(|(_, task)| task.abort());
            }
            Signal::Wind(job) => self.runs_of(&job).for_each(|(running, _)| running.run.ask_to_end()),
            Signal::Grant { job, run, term } => self.granted(job, run, term),
            Signal::Refuse { job, run, why } => {
                tracing::debug!(event = "occurrence.refused", %job, node = self.node, run = %run, "Refused: {why:?}");
                self.agenda.refuse(&job, run, why, self.now());
            }
            Signal::Clock(ahead) => self.ahead = ahead,
        }
    }

    fn revise(&mut self, Revision { jobs, taken }: Revision) {
        let now = self.now();
        self.agenda.revise(&jobs, now);
        // What is led stays known until it leaves.
        self.actions.retain(|job, _| self.agenda.leads(job));
        self.actions.extend(jobs.into_iter().map(|job| (job.name, (job.action, job.policy))));
        // An error means that nobody waits for it.
        taken.send(()).unwrap_or_default();
    }

    fn lead(&mut self, job: &JobName, term: Term, row: &Lease) {
        let (node, next) = (self.node.clone(), self.agenda.lead(job, term, row, self.now()));
        if let Some(next) = next {
            tracing::warn!(
                event = "occurrence.ahead", %job, node, term = term.0, next = %next,
                reason = "its last run was due in the future",
                "Job {job} is not due before {next}: its last run was recorded by a clock that was ahead, or the clock \
                 of node {node} is behind"
            );
        }
        if let Some(held) = self.agenda.held(job) {
            tracing::error!(
                event = "occurrence.held", %job, node, term = term.0, due = %held.due, run = %held.run,
                "Job {job} waits for a person (tenure jobs ack): node {} vanished during its run due {}", held.node, held.due
            );
        }
    }

    fn order(&mut self, job: &JobName, orders: Orders) {
        let node = self.node.clone();
        let Some(before) = self.agenda.order(job, orders, self.now()) else { return };
        for what in orders.news(before) {
            tracing::info!(event = "job.ordered", %job, node, what, "A person ordered that job {job} {what}");
        }
    }

    fn runs_of(&self, job: &JobName) -> impl Iterator<Item = &(Running, AbortHandle)> {
        self.running.values().filter(move |(running, _)| running.run.job == *job)
    }

    /// The cursor of a job has moved. Its run starts, if there is one.
    fn granted(&mut self, job: JobName, id: RunId, term: Term) {
        let granted = self.agenda.grant(&job, id, self.now());
        let (Some(Launch { cursor, entries, .. }), Some((action, Policy { timeout, keep, .. }))) =
            (granted, self.actions.get(&job))
        else {
            // The job left while it was being recorded.
            return self.decline(job, id);
        };
        // A count that is lost only delays when old entries go.
        drop(self.history.try_send(News { job: job.clone(), keep: *keep, now: self.now() }));
        let node = self.node.as_str();
        for entry in &entries {
            tell(node, &job, term, entry);
        }
        if cursor.state != RunState::Started {
            return;
        }
        if self.has_lapsed() {
            // This instance stood still since it was recorded, and is about to be told that it lapsed.
            return self.decline(job, id);
        }
        let (due, attempt) = (cursor.due, cursor.attempt);
        tracing::info!(
            event = "occurrence.started", %job, node, term = term.0, due = %due, run = %id, attempt,
            "Started {job} due {due} on node {node}"
        );
        let run = self.describe(job, term, &cursor);
        let overdue = Arc::default();
        let watchdog = Watchdog {
            clock: Arc::clone(&self.clock),
            timing: self.timing,
            life: run.lifeline.life.clone(),
            born: run.lifeline.born,
            asked: Arc::clone(&run.asked),
            timeout: timeout.map(|timeout| (self.clock.now() + timeout, timeout)),
            overdue: Arc::clone(&overdue),
        };
        let (action, work) = (Arc::clone(action), run.clone());
        // Whatever the job logs says which run it belongs to.
        let span = tracing::info_span!("run", job = %run.job, node, term = term.0, due = %due, run = %id);
        let life = async move {
            let result = tokio::select! {
                biased;
                () = watchdog.bite() => Err(JobError::Interrupted),
                result = action.run(&work) => result,
            };
            work.over().await;
            result
        };
        let task = self.runs.spawn(life.instrument(span));
        self.running.insert(task.id(), (Running { run, cursor, overdue }, task));
    }

    /// Nothing ran, though it was recorded: whoever leads may try again.
    fn decline(&mut self, job: JobName, run: RunId) {
        let (handle, now) = (self.handle.clone(), self.now());
        let end = End { state: RunState::Waiting, again: Some(now), entry: None };
        self.runs.spawn(async move {
            handle.tell(Input::Ended { job, run, end }).await;
            Ok(())
        });
    }

    fn has_lapsed(&self) -> bool {
        let now = self.clock.now();
        self.handle.life().borrow().is_none_or(|life| life.horizon <= now)
    }

    /// What a run knows of itself that starts now.
    fn describe(&self, job: JobName, term: Term, cursor: &Cursor) -> Run {
        let life = *self.handle.life().borrow();
        let left = life.map_or(Duration::ZERO, |life| life.horizon.since(self.clock.now()));
        let born = life.map(|life| life.incarnation);
        Run {
            since: self.agenda.born(&job).unwrap_or_default(),
            job,
            term,
            due: cursor.due,
            id: cursor.run,
            attempt: cursor.attempt,
            node: self.node.as_str().into(),
            deadline: self.clock.wall() + left,
            lifeline: Lifeline { life: self.handle.life(), born, kill: self.timing.kill },
            output: self.output,
            asked: Arc::default(),
            remains: watch::Sender::default(),
        }
    }

    async fn ended(&mut self, done: Result<(task::Id, Result<(), JobError>), JoinError>) {
        let (task, result) = done.unwrap_or_else(|error| {
            let why = if error.is_cancelled() {
                JobError::Interrupted
            } else {
                JobError::Failed(format!("the job panicked: {error}"))
            };
            (error.id(), Err(why))
        });
        let Some((Running { run, cursor, overdue }, _)) = self.running.remove(&task) else { return };
        if self.running.is_empty() {
            // The room that many at once have taken.
            self.running.shrink_to_fit();
        }
        let ran = match (result, overdue.get()) {
            (Ok(()), _) => Ran::Well,
            (Err(JobError::Interrupted), Some(timeout)) => {
                Ran::Badly(format!("it took longer than {timeout:?}"))
            }
            (Err(JobError::Interrupted), None) => Ran::Cut,
            (Err(why @ (JobError::Failed(_) | JobError::Exited(_))), _) => Ran::Badly(why.to_string()),
        };
        let end = self.agenda.ended(&run.job, &cursor, ran.clone(), self.now());
        let (job, node, term, due, id) = (&run.job, self.node.as_str(), run.term.0, run.due, run.id);
        let attempt = cursor.attempt;
        let why = ran.reason();
        match (end.state, end.again) {
            (RunState::Finished, _) => tracing::info!(
                event = "occurrence.finished", %job, node, term, due = %due, run = %id, attempt,
                "Finished {job} due {due} on node {node}"
            ),
            (_, None) => tracing::error!(
                event = "occurrence.failed", %job, node, term, due = %due, run = %id, attempt, reason = why,
                "Failed {job} due {due} on node {node}: {why}"
            ),
            (_, Some(again)) => tracing::warn!(
                event = "occurrence.retried", %job, node, term, due = %due, run = %id, attempt, reason = why, again = %again,
                "Failed {job} due {due} on node {node}: {why}; it is tried again at {again}"
            ),
        }
        self.handle.tell(Input::Ended { job: run.job, run: run.id, end }).await;
    }
}

/// Says what became of due times for which nothing ran, or nobody knows.
fn tell(node: &str, job: &JobName, term: Term, entry: &Entry) {
    let Entry { due, last, count, reason, .. } = entry;
    let term = term.0;
    match entry.fate {
        Fate::Missed => tracing::warn!(
            event = "occurrence.missed", %job, node, term, due = %due, last = %last, count, reason,
            "Missed {job} {count} times from {due} on: {reason}; that is not made up for"
        ),
        Fate::Superseded => tracing::warn!(
            event = "occurrence.superseded", %job, node, term, due = %due, last = %last, count, reason,
            "Left out {job} {count} times from {due} on: {reason}"
        ),
        Fate::Skipped => tracing::info!(
            event = "occurrence.skipped", %job, node, term, due = %due, reason,
            "Skipped {job} due {due}: {reason}"
        ),
        Fate::Unknown => tracing::warn!(
            event = "occurrence.unknown", %job, node, term, due = %due, reason,
            "Nobody knows how {job} due {due} ended on node {}: {reason}; it is not run again", entry.node
        ),
        Fate::Failed => tracing::error!(
            event = "occurrence.failed", %job, node, term, due = %due, reason,
            "Gave up {job} due {due}: {reason}"
        ),
        Fate::Ran => {}
    }
}

#[cfg(test)]
mod tests;
