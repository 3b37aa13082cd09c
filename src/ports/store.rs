//! The lease machine's world: a store, the schedulers, and whoever asks.
//!
//! Each request is a task of its own with its own deadline, so that one that hangs holds up nothing.
//! Whatever goes wrong with a request, the machine gets exactly one answer to it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::task::{self, JoinError, JoinSet};
use tokio::time::timeout;

use super::narrate::Narrator;
use super::wake::wake;
use super::wire::{self, Request};
use crate::drive::Port;
use crate::handle::{Audience, Desk, News, Signal, Snapshot};
use crate::lease::{Answer, Ask, Input, Lease, Note, Output, RequestId};
use crate::machine::Incarnation;
use crate::stores::{Outcome, Store, StoreError};
use crate::time::{Clock, Instant};

/// A wall clock that is off by less has not jumped.
const SMALL_JUMP_NS: i64 = 500_000_000;
/// Wake-ups under way at the same time; a lost one costs a heartbeat, so more are dropped.
const MOST_WAKES: usize = 64;

/// Connects a lease machine to its world.
#[derive(Debug)]
pub struct StorePort {
    store: Arc<dyn Store>,
    patience: Duration,
    clock: Arc<dyn Clock>,
    narrator: Narrator,
    desk: Desk,
    audience: Audience,
    requests: JoinSet<Result<Answer, StoreError>>,
    asked: HashMap<task::Id, (RequestId, Operation)>,
    wakes: JoinSet<()>,
    questions: VecDeque<tokio::sync::oneshot::Sender<Snapshot>>,
    incarnation: Option<Incarnation>,
    /// The machine has stopped; what is left are wake-ups.
    done: bool,
    /// How far the wall clock was ahead of the boot clock when the machine was told.
    wall_offset: Option<i64>,
}

/// What was asked of the store.
#[derive(Clone, Copy, Debug)]
enum Operation {
    Read,
    Commit,
}

impl StorePort {
    /// A port to `store`, whose requests get an answer within `patience`.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        patience: Duration,
        clock: Arc<dyn Clock>,
        node: String,
        desk: Desk,
        audience: Audience,
    ) -> Self {
        Self {
            store,
            patience,
            clock,
            narrator: Narrator { node },
            desk,
            audience,
            requests: JoinSet::new(),
            asked: HashMap::new(),
            wakes: JoinSet::new(),
            questions: VecDeque::new(),
            incarnation: None,
            done: false,
            wall_offset: None,
        }
    }

    fn send(&mut self, id: RequestId, ask: Ask) {
        let (store, patience) = (Arc::clone(&self.store), self.patience);
        let request = wire::request(ask);
        let operation = match &request {
            Request::Read(_) => Operation::Read,
            Request::Commit(_) => Operation::Commit,
        };
        count(match operation {
            Operation::Read => &self.desk.counters.reads,
            Operation::Commit => &self.desk.counters.commits,
        });
        let task = self.requests.spawn(async move {
            let late = |_| Err(StoreError::Unreachable(format!("no answer within {patience:?}")));
            timeout(patience, answer(&*store, request)).await.unwrap_or_else(late)
        });
        self.asked.insert(task.id(), (id, operation));
    }

    fn answered(&mut self, done: Result<(task::Id, Result<Answer, StoreError>), JoinError>) -> Option<Input> {
        let (task, answer) = done.unwrap_or_else(|error| {
            (error.id(), Err(StoreError::Unreachable(format!("the request came to grief: {error}"))))
        });
        let (id, operation) = self.asked.remove(&task)?;
        let counters = &self.desk.counters;
        if let Ok(Answer::Written(outcomes)) = &answer {
            outcomes
                .iter()
                .filter(|outcome| **outcome == Outcome::Conflict)
                .for_each(|_| count(&counters.conflicts));
        }
        self.desk.health.send_if_modified(|health| {
            let (before, error) = (health.clone(), answer.as_ref().err().cloned());
            health.met |= error.is_none();
            match operation {
                Operation::Read => health.reads = error,
                Operation::Commit => health.commits = error,
            }
            self.narrator.health(before.trouble(), health.trouble());
            *health != before
        });
        let answer = answer.unwrap_or_else(|_| {
            count(&counters.failures);
            Answer::Silence
        });
        Some(Input::Answer { id, answer })
    }

    /// The wall clock, if it has moved otherwise than the boot clock.
    fn jumped(&mut self) -> Option<Input> {
        let wall = self.clock.wall();
        let offset = wall.as_nanos().saturating_sub(self.clock.now().as_nanos());
        if self.wall_offset.is_some_and(|known| (offset - known).abs() < SMALL_JUMP_NS) {
            return None;
        }
        if let Some(known) = self.wall_offset {
            let by = offset - known;
            tracing::warn!(
                event = "clock.jumped",
                node = self.narrator.node,
                by_ns = by,
                "The wall clock jumped"
            );
        }
        self.wall_offset = Some(offset);
        Some(Input::Clock(wall))
    }
}

impl Port<Lease> for StorePort {
    fn act(&mut self, _now: Instant, output: Output) {
        self.narrator.tell(self.incarnation, &output);
        match output {
            Output::Ask { id, ask } => self.send(id, ask),
            Output::Wake { url, jobs } => {
                if self.wakes.len() < MOST_WAKES {
                    self.wakes.spawn(wake(url, jobs));
                }
            }
            Output::Lead { job, term, row } => {
                count(&self.desk.counters.acquired);
                self.desk.led.begin(job.clone(), term);
                self.audience.tell(Signal::Lead { job, term, row });
            }
            Output::Orders { job, orders } => self.audience.tell(Signal::Orders { job, orders }),
            Output::Leave { job, .. } => {
                count(&self.desk.counters.left);
                self.desk.led.end(&job);
                self.audience.tell(Signal::Leave(job));
            }
            Output::Wind { job } => self.audience.tell(Signal::Wind(job)),
            Output::Grant { job, run, term } => self.audience.tell(Signal::Grant { job, run, term }),
            Output::Refuse { job, run, why } => self.audience.tell(Signal::Refuse { job, run, why }),
            Output::Clock(ahead) => self.audience.tell(Signal::Clock(ahead)),
            Output::Note(Note::Lapsed(_)) => count(&self.desk.counters.lapses),
            Output::Note(Note::Regressed { what, rebuilding: false }) => {
                self.desk.health.send_modify(|health| health.regressed = Some(what));
            }
            Output::Note(_) => {}
            Output::Stopped => self.done = true,
        }
    }

    async fn next(&mut self) -> Option<Input> {
        if let Some(jump) = self.jumped() {
            return Some(jump);
        }
        loop {
            if self.done && self.wakes.is_empty() {
                self.desk.stopped.send_replace(true);
            }
            tokio::select! {
                Some(done) = self.requests.join_next_with_id() => {
                    if let Some(input) = self.answered(done) {
                        return Some(input);
                    }
                }
                Some(_) = self.wakes.join_next() => {}
                news = self.desk.inbox.recv() => match news? {
                    News::Input(input) => return Some(*input),
                    News::Question(question) => {
                        self.questions.push_back(question);
                        // Any input makes the driver publish; the time of day harms nobody.
                        return Some(Input::Clock(self.clock.wall()));
                    }
                },
            }
        }
    }

    fn publish(&mut self, now: Instant, machine: &Lease) {
        let life = machine.life();
        self.incarnation = life.map(|life| life.incarnation);
        self.desk.health.send_if_modified(|health| {
            let drained = machine.stands_aside();
            let news = health.puzzled.as_ref() != machine.puzzled() || health.drained != drained;
            health.puzzled = machine.puzzled().cloned();
            health.drained = drained;
            news
        });
        self.desk.life.send_if_modified(|known| std::mem::replace(known, life) != life);
        for question in self.questions.drain(..) {
            let members = machine.members().map(|(id, row)| (id, row.clone())).collect();
            // An error means that nobody waits for the answer any more.
            drop(question.send(Snapshot {
                at: now,
                incarnation: self.incarnation,
                name: machine.about().name.clone(),
                url: machine.about().url.clone(),
                horizon: machine.horizon(),
                seats: machine.seats(now).collect(),
                members,
                problems: machine.illegible().map(|(row, why)| format!("{row}: {why}")).collect(),
            }));
        }
    }
}

async fn answer(store: &dyn Store, request: Request) -> Result<Answer, StoreError> {
    match request {
        Request::Read(query) => store.read(query).await.map(|rows| Answer::Read(wire::view(rows))),
        Request::Commit(changes) => store.commit(changes).await.map(Answer::Written),
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}
