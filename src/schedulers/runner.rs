//! Starts what the agenda says is due, and stops it before anybody else can start it.
//!
//! A run ends in one of four ways: by itself; a grace after it was asked to, because the job is to
//! be handed over or the horizon comes near; a margin before the horizon, asked or not; or at once,
//! when the row turns out to have changed hands.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{self, AbortHandle, JoinError, JoinSet};
use tracing::Instrument;

use super::Schedule;
use super::agenda::{Agenda, Start};
use crate::handle::{Handle, Signal};
use crate::jobs::{Action, JobError, Run};
use crate::lease::{Input, Life, Timing};
use crate::log::JobOutput;
use crate::machine::{Incarnation, JobName, RunId, Term};
use crate::rows::RunState;
use crate::time::{Clock, Instant, Wall, sleep_until};

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
    pub(crate) random: fastrand::Rng,
}

/// Runs the jobs of one instance.
#[derive(Debug)]
pub struct Runner {
    agenda: Agenda,
    actions: BTreeMap<JobName, Arc<dyn Action>>,
    handle: Handle,
    signals: mpsc::UnboundedReceiver<Signal>,
    clock: Arc<dyn Clock>,
    timing: Timing,
    node: String,
    output: JobOutput,
    /// How many nanoseconds the clock that the cluster goes by is ahead of the boot clock.
    ahead: i64,
    runs: JoinSet<Result<(), JobError>>,
    running: HashMap<task::Id, (Run, AbortHandle)>,
}

impl Runner {
    pub(crate) fn new(
        duties: Duties,
        handle: Handle,
        signals: mpsc::UnboundedReceiver<Signal>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let Duties { jobs, timing, node, output, random } = duties;
        let schedules = jobs.iter().map(|job| (job.name.clone(), Arc::clone(&job.schedule))).collect();
        let actions = jobs.into_iter().map(|job| (job.name, job.action)).collect();
        let agenda = Agenda::new(schedules, random);
        let (runs, running) = (JoinSet::new(), HashMap::new());
        Self { agenda, actions, handle, signals, clock, timing, node, output, ahead: 0, runs, running }
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
            Signal::Lead { job, term, row } => {
                if let Some(next) = self.agenda.lead(&job, term, &row, self.now()) {
                    tracing::warn!(
                        event = "occurrence.ahead", %job, node = self.node, term = term.0, next = %next,
                        reason = "its last run was due in the future",
                        "Job {job} is not due before {next}: its last run was recorded by a clock that was ahead, or                          the clock of node {} is behind", self.node
                    );
                }
            }
            Signal::Leave(job) => {
                self.agenda.leave(&job);
                self.runs_of(&job).for_each(|(_, task)| task.abort());
            }
            Signal::Wind(job) => self.runs_of(&job).for_each(|(run, _)| run.ask_to_end()),
            Signal::Grant { job, run, term } => self.start(job, run, term),
            Signal::Refuse { job, run, why } => {
                tracing::debug!(event = "occurrence.refused", %job, node = self.node, run = %run, "Refused: {why:?}");
                self.agenda.refuse(&job, run, why, self.now());
            }
            Signal::Clock(ahead) => self.ahead = ahead,
        }
    }

    fn runs_of(&self, job: &JobName) -> impl Iterator<Item = &(Run, AbortHandle)> {
        self.running.values().filter(move |(run, _)| run.job == *job)
    }

    fn start(&mut self, job: JobName, id: RunId, term: Term) {
        let granted = self.agenda.grant(&job, id);
        let (Some(Start { due, missed }), Some(action)) = (granted, self.actions.get(&job)) else {
            // The job left while it was being recorded. The machine must not wait for this run.
            let (handle, state) = (self.handle.clone(), RunState::Cancelled);
            self.runs.spawn(async move {
                handle.tell(Input::Ended { job, run: id, state }).await;
                Ok(())
            });
            return;
        };
        let node = self.node.as_str();
        tell_missed(node, &job, term, missed, due);
        tracing::info!(
            event = "occurrence.started", %job, node, term = term.0, due = %due, run = %id,
            "Started {job} due {due} on node {node}"
        );
        let run = Run { job, term, due, id, output: self.output, asked: Arc::default() };
        let watchdog = Watchdog {
            clock: Arc::clone(&self.clock),
            timing: self.timing,
            life: self.handle.life(),
            born: self.handle.life().borrow().map(|life| life.incarnation),
            run: run.clone(),
        };
        let (action, work) = (Arc::clone(action), run.clone());
        // Whatever the job logs says which run it belongs to.
        let span = tracing::info_span!("run", job = %run.job, node, term = term.0, due = %due, run = %id);
        let life = async move {
            tokio::select! {
                biased;
                () = watchdog.bite() => Err(JobError::Interrupted),
                result = action.run(&work) => result,
            }
        };
        let task = self.runs.spawn(life.instrument(span));
        self.running.insert(task.id(), (run, task));
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
        let Some((run, _)) = self.running.remove(&task) else { return };
        let (job, node, term, due, id) = (&run.job, self.node.as_str(), run.term.0, run.due, run.id);
        let state = match result {
            Ok(()) => {
                tracing::info!(
                    event = "occurrence.finished", %job, node, term, due = %due, run = %id,
                    "Finished {job} due {due} on node {node}"
                );
                RunState::Finished
            }
            Err(JobError::Interrupted) => {
                tracing::warn!(
                    event = "occurrence.failed", %job, node, term, due = %due, run = %id, reason = "cancelled",
                    "Stopped {job} due {due} on node {node} before it had ended: the job had to leave"
                );
                RunState::Cancelled
            }
            Err(JobError::Failed(why)) => {
                tracing::error!(
                    event = "occurrence.failed", %job, node, term, due = %due, run = %id, reason = why,
                    "Failed {job} due {due} on node {node}: {why}"
                );
                RunState::Failed
            }
        };
        self.agenda.ended(&run.job, run.id, self.now());
        self.handle.tell(Input::Ended { job: run.job, run: run.id, state }).await;
    }
}

/// Says how many due times of a job were given up for the one that was recorded next.
pub(crate) fn tell_missed(node: &str, job: &JobName, term: Term, missed: u64, before: Wall) {
    if missed > 0 {
        tracing::warn!(
            event = "occurrence.missed", %job, node, term = term.0, count = missed, %before,
            reason = "superseded by the latest",
            "{missed} occurrences of {job} before {before} were missed and are not made up for"
        );
    }
}

/// Ends a run in time.
struct Watchdog {
    clock: Arc<dyn Clock>,
    timing: Timing,
    /// The life that may lead, as it changes, and the one that started the run.
    life: watch::Receiver<Option<Life>>,
    born: Option<Incarnation>,
    run: Run,
}

impl Watchdog {
    /// Returns when the run must not go on.
    async fn bite(mut self) {
        let mut end = Instant::NEVER;
        loop {
            let now = self.clock.now();
            let life = self.life.borrow_and_update().filter(|life| Some(life.incarnation) == self.born);
            let Some(life) = life else { return };
            let asked = self.run.asked.initialized();
            if asked {
                end = end.min(now + self.timing.grace);
            }
            let cut = end.min(life.horizon.back(self.timing.kill));
            if now >= cut {
                return;
            }
            let warn = cut.back(self.timing.grace);
            if now >= warn {
                self.run.ask_to_end();
            }
            let wake = if now < warn { warn } else { cut };
            tokio::select! {
                () = sleep_until(&*self.clock, wake) => {}
                changed = self.life.changed() => if changed.is_err() { return },
                () = self.run.asked_to_end(), if !asked => {}
            }
        }
    }
}
