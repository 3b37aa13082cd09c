//! Instances that are hurt while they work.
//!
//! Each lives on a thread and a runtime of its own, so that pausing the thread pauses all of it, as a
//! stopped process or a long garbage collection would.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::ledger::{Ledger, Witness};
use super::{Opener, Proof, Report};
use crate::handle::Handle;
use crate::instance::Instance;
use crate::lease::{About, Balance, Input, Timing};
use crate::log::JobOutput;
use crate::machine::{JobName, Term};
use crate::schedulers::{Every, Job, Policy};
use crate::stores::StoreError;
use crate::stores::flaky::{Flaky, Weather};
use crate::time::{Clock, SystemClock};

/// How often the jobs are due.
const INTERVAL: Duration = Duration::from_millis(250);
/// How often the instances are asked who leads.
const POLL: Duration = Duration::from_millis(5);
/// How long an instance may take to say what it knows before it counts as silent.
const SILENCE: Duration = Duration::from_millis(20);
/// How often a store that does not answer is opened again.
const OPEN_AGAIN: u32 = 5;

/// What is done to an instance.
#[derive(Clone, Copy, Debug)]
enum Order {
    /// Stop everything for so long.
    Pause(Duration),
    /// Lose the store for so long.
    CutOff(Duration),
    /// Vanish.
    Crash,
    /// Leave politely.
    Leave,
}

/// An instance on a thread of its own.
struct Subject {
    handle: Handle,
    orders: mpsc::UnboundedSender<Order>,
}

impl Subject {
    fn obey(&self, order: Order) {
        // An error means that its thread is gone, which the next question will show.
        self.orders.send(order).unwrap_or_default();
    }
}

/// Whoever hurts them.
pub(super) struct Prover {
    proof: Proof,
    open: Opener,
    ledger: Arc<Mutex<Ledger>>,
    clock: Arc<dyn Clock>,
    random: fastrand::Rng,
    subjects: Vec<Subject>,
    born: u64,
    report: Report,
}

impl Prover {
    pub(super) fn new(open: Opener, proof: Proof, report: Report) -> Self {
        Self {
            proof,
            open,
            ledger: Arc::default(),
            clock: Arc::new(SystemClock),
            random: fastrand::Rng::with_seed(proof.seed),
            subjects: Vec::new(),
            born: 0,
            report,
        }
    }

    /// Runs instances for as long as they shall, and adds to the report what came of it.
    pub(super) async fn run(mut self) -> Result<Report, StoreError> {
        let start = self.clock.now();
        for _ in 0..self.proof.instances.max(1) {
            let subject = self.bear().await?;
            self.subjects.push(subject);
        }
        let end = start + self.proof.duration;
        while self.clock.now() < end {
            sleep(self.proof.failover.mul_f64(0.5 + self.random.f64())).await;
            self.hurt().await?;
        }
        // The quiet at the end: everybody leaves, one after the other.
        while let Some(subject) = self.subjects.pop() {
            self.part(&subject, Order::Leave).await;
        }
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        self.report.elapsed = self.clock.now().since(start);
        (self.report.runs, self.report.steps, self.report.terms) = (ledger.runs, ledger.steps, ledger.terms);
        self.report.violations.append(&mut ledger.violations);
        drop(ledger);
        Ok(self.report)
    }

    /// Does something bad to one instance.
    async fn hurt(&mut self) -> Result<(), StoreError> {
        let victim = self.random.usize(..self.subjects.len());
        let span = |random: &mut fastrand::Rng, least: f64, most: f64| {
            self.proof.failover.mul_f64(least + random.f64() * (most - least))
        };
        match self.random.u8(..4) {
            0 => {
                let pause = span(&mut self.random, 0.2, 3.0);
                self.order(victim, "pauses", Order::Pause(pause));
            }
            1 => {
                let cut = span(&mut self.random, 0.2, 1.5);
                self.order(victim, "cut off from the store", Order::CutOff(cut));
            }
            kind => {
                let victim = self.leader_near(victim).await;
                let subject = self.subjects.swap_remove(victim);
                let order = if kind == 2 { Order::Crash } else { Order::Leave };
                self.part(&subject, order).await;
                let subject = self.bear().await?;
                self.subjects.push(subject);
            }
        }
        Ok(())
    }

    /// The next instance from `start` on that leads something, or that one itself.
    async fn leader_near(&self, start: usize) -> usize {
        for index in (start..self.subjects.len()).chain(0..start) {
            if !led(&self.subjects[index].handle).await.is_empty() {
                return index;
            }
        }
        start
    }

    fn order(&mut self, victim: usize, name: &'static str, order: Order) {
        *self.report.faults.entry(name).or_default() += 1;
        self.subjects[victim].obey(order);
    }

    /// Takes an instance away and measures how long its jobs are without a leader.
    async fn part(&mut self, subject: &Subject, order: Order) {
        let led = led(&subject.handle).await;
        let counters = subject.handle.counters();
        let name = if matches!(order, Order::Crash) { "crashes" } else { "departures" };
        *self.report.faults.entry(name).or_default() += 1;
        let start = self.clock.now();
        subject.obey(order);
        let patience = self.proof.failover * 4;
        if !self.subjects.is_empty()
            && !led.is_empty()
            && timeout(patience, self.until_led_again(&led)).await.is_ok()
        {
            let gap = self.clock.now().since(start);
            let gaps = if matches!(order, Order::Crash) {
                &mut self.report.failovers
            } else {
                &mut self.report.handovers
            };
            gaps.push(gap);
        } else {
            drop(timeout(patience, subject.handle.stopped()).await);
        }
        let relaxed = std::sync::atomic::Ordering::Relaxed;
        self.report.requests += counters.reads.load(relaxed) + counters.commits.load(relaxed);
    }

    /// Waits until somebody leads each of these jobs at a later term.
    async fn until_led_again(&self, jobs: &BTreeMap<JobName, Term>) {
        let mut missing = jobs.clone();
        loop {
            for subject in &self.subjects {
                for (job, term) in led(&subject.handle).await {
                    if missing.get(&job).is_some_and(|before| *before < term) {
                        missing.remove(&job);
                    }
                }
            }
            if missing.is_empty() {
                return;
            }
            sleep(POLL).await;
        }
    }

    /// Starts an instance.
    async fn bear(&mut self) -> Result<Subject, StoreError> {
        self.born += 1;
        let node = format!("witness-{}", self.born);
        let timing = Timing::from_failover(self.proof.failover);
        let action = Arc::new(Witness { ledger: Arc::clone(&self.ledger), node: node.clone() });
        let mut jobs = Vec::new();
        for index in 0..self.proof.jobs {
            let (Ok(name), Some(schedule)) = (JobName::new(&format!("prove-{index}")), Every::new(INTERVAL))
            else {
                break;
            };
            let (schedule, action) = (Arc::new(schedule), Arc::<Witness>::clone(&action));
            jobs.push(Job { name, schedule, action, policy: Policy::default() });
        }
        let instance = Instance {
            about: About { name: node, url: String::new(), version: env!("CARGO_PKG_VERSION").to_owned() },
            jobs,
            roles: Vec::new(),
            timing,
            output: JobOutput::Json,
            balance: Balance::Spread,
            seed: self.random.u64(..),
        };
        let (orders, inbox) = mpsc::unbounded_channel();
        let (ready, started) = oneshot::channel();
        let (open, clock, seed) = (Arc::clone(&self.open), Arc::clone(&self.clock), self.random.u64(..));
        thread::spawn(move || live(instance, &open, clock, seed, inbox, ready));
        let gone = |_| StoreError::Unreachable("the thread of an instance could not start".to_owned());
        let handle = started.await.map_err(gone)??;
        Ok(Subject { handle, orders })
    }
}

/// The whole life of an instance, on its own thread.
fn live(
    instance: Instance,
    open: &Opener,
    clock: Arc<dyn Clock>,
    seed: u64,
    mut orders: mpsc::UnboundedReceiver<Order>,
    ready: oneshot::Sender<Result<Handle, StoreError>>,
) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    runtime.block_on(async move {
        let request = instance.timing.request;
        let mut opened = open(request).await;
        for _ in 0..OPEN_AGAIN {
            if matches!(opened, Err(StoreError::Unreachable(_))) {
                opened = open(request).await;
            }
        }
        let store = match opened {
            Ok(store) => Flaky::new(store, seed, Weather::FAIR),
            Err(error) => return drop(ready.send(Err(error))),
        };
        let mut tasks = JoinSet::new();
        let handle = instance.start(Arc::new(store.clone()), clock, &mut tasks);
        drop(ready.send(Ok(handle.clone())));
        while let Some(order) = orders.recv().await {
            match order {
                Order::Pause(pause) => thread::sleep(pause),
                Order::CutOff(cut) => {
                    store.turn(Weather::DOWN);
                    sleep(cut).await;
                    store.turn(Weather::FAIR);
                }
                Order::Crash => return,
                Order::Leave => {
                    handle.tell(Input::Drain).await;
                    return handle.stopped().await;
                }
            }
        }
    });
}

/// The jobs that an instance leads; none if it does not answer.
async fn led(handle: &Handle) -> BTreeMap<JobName, Term> {
    let Ok(Some(snapshot)) = timeout(SILENCE, handle.snapshot()).await else { return BTreeMap::new() };
    let led = snapshot.seats.into_iter().filter(|seat| seat.until.is_some());
    led.map(|seat| (seat.job, seat.row.term)).collect()
}
