//! One instance: a lease machine, its driver, and the schedulers of the jobs that it leads.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::drive::drive;
use crate::handle::{Handle, connect};
use crate::history::Pruner;
use crate::lease::{About, Balance, Lease, Timing};
use crate::log::JobOutput;
use crate::ports::store::StorePort;
use crate::schedulers::Job;
use crate::schedulers::runner::{Duties, Runner};
use crate::stores::Store;
use crate::time::Clock;

/// What an instance is made of.
#[derive(Debug)]
pub struct Instance {
    /// What it tells the others.
    pub about: About,
    /// The jobs that it competes for, no name twice.
    pub jobs: Vec<Job>,
    /// How long things take.
    pub timing: Timing,
    /// How what jobs say is written.
    pub output: JobOutput,
    /// Where jobs go.
    pub balance: Balance,
    /// Seed of everything that is drawn at random. It must differ from instance to instance.
    pub seed: u64,
}

impl Instance {
    /// Starts it on a store that has proved its compare-and-set. Its tasks go into `tasks`; ending
    /// them is like a crash, [`crate::lease::Input::Drain`] is the polite way.
    pub fn start(self, store: Arc<dyn Store>, clock: Arc<dyn Clock>, tasks: &mut JoinSet<()>) -> Handle {
        let mut names = HashSet::new();
        let jobs: Vec<_> = self.jobs.into_iter().filter(|job| names.insert(job.name.clone())).collect();
        let (handle, desk) = connect();
        let (to_runner, signals) = mpsc::unbounded_channel();
        let node = self.about.name.clone();
        let mut random = fastrand::Rng::with_seed(self.seed);
        let keep = jobs.iter().map(|job| (job.name.clone(), job.policy.keep));
        let (pruner, history) =
            Pruner::new(Arc::clone(&store), Arc::clone(&clock), node.clone(), keep, random.fork());
        let duties = Duties {
            jobs: jobs.clone(),
            timing: self.timing,
            node: node.clone(),
            output: self.output,
            history,
            random: random.fork(),
        };
        let runner = Runner::new(duties, handle.clone(), signals, Arc::clone(&clock));
        let names = jobs.into_iter().map(|job| job.name).collect();
        let mut machine = Lease::new(self.timing, self.about, self.balance, store.traits(), names, random);
        let mut port = StorePort::new(store, self.timing.request, Arc::clone(&clock), node, desk, to_runner);
        tasks.spawn(async move { drive(&mut machine, &mut port, &*clock).await });
        tasks.spawn(runner.run());
        tasks.spawn(pruner.run());
        handle
    }
}
