//! One instance: a lease machine, its driver, and the schedulers of the jobs that it leads.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::drive::drive;
use crate::handle::{Audience, Handle, connect};
use crate::history::Pruner;
use crate::leadership::{MOST_ASKERS, Steward};
use crate::lease::{About, Balance, Input, Lease, Timing};
use crate::log::JobOutput;
use crate::machine::JobName;
use crate::ports::store::StorePort;
use crate::schedulers::Job;
use crate::schedulers::runner::{Duties, Revision, Runner};
use crate::stores::Store;
use crate::time::Clock;

/// Names of instances are drawn with a number below this, as in `boring_morse5`.
const NAMESAKES: u16 = 1000;

/// What an instance is made of.
#[derive(Debug)]
pub struct Instance {
    /// What it tells the others.
    pub about: About,
    /// The jobs that it competes for, no name twice.
    pub jobs: Vec<Job>,
    /// The jobs without a schedule, which it competes for while somebody asks to lead them.
    pub roles: Vec<JobName>,
    /// How long things take.
    pub timing: Timing,
    /// How what jobs say is written.
    pub output: JobOutput,
    /// Where jobs go.
    pub balance: Balance,
    /// Seed of everything that is drawn at random. It must differ from instance to instance.
    pub seed: u64,
}

/// The way to give a running instance other jobs.
#[derive(Clone, Debug)]
pub struct Reviser {
    handle: Handle,
    to_runner: mpsc::Sender<Revision>,
    /// They stay what they are.
    roles: Vec<JobName>,
}

impl Instance {
    /// Starts it on a store that has proved its compare-and-set. Its tasks go into `tasks`; ending
    /// them is like a crash, [`Input::Drain`] is the polite way.
    pub fn start(self, store: Arc<dyn Store>, clock: Arc<dyn Clock>, tasks: &mut JoinSet<()>) -> Handle {
        self.start_revisable(store, clock, tasks).0
    }

    /// The same, for one whose jobs will change.
    pub fn start_revisable(
        self,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        tasks: &mut JoinSet<()>,
    ) -> (Handle, Reviser) {
        let mut names = HashSet::new();
        let jobs: Vec<_> = self.jobs.into_iter().filter(|job| names.insert(job.name.clone())).collect();
        let roles: Vec<_> = self.roles.into_iter().filter(|role| names.insert(role.clone())).collect();
        let (handle, desk) = connect();
        let (to_runner, revisions) = mpsc::channel(1);
        let (runner, signals) = mpsc::unbounded_channel();
        let mut audience = Audience { runner, stewards: BTreeMap::new() };
        let node = self.about.name.clone();
        let mut random = fastrand::Rng::with_seed(self.seed);
        let (pruner, history) =
            Pruner::new(Arc::clone(&store), Arc::clone(&clock), node.clone(), random.fork());
        let duties = Duties {
            jobs,
            timing: self.timing,
            node: node.clone(),
            output: self.output,
            history,
            random: random.fork(),
        };
        let runner = Runner::new(duties, handle.clone(), signals, revisions, Arc::clone(&clock));
        let mut askers = BTreeMap::new();
        for role in &roles {
            let (to_steward, signals) = mpsc::unbounded_channel();
            let (asker, asked) = mpsc::channel(MOST_ASKERS);
            audience.stewards.insert(role.clone(), to_steward);
            askers.insert(role.clone(), asker);
            let steward = Steward {
                role: role.clone(),
                handle: handle.clone(),
                signals,
                asked,
                clock: Arc::clone(&clock),
                timing: self.timing,
                random: random.fork(),
            };
            tasks.spawn(steward.run());
        }
        let mut machine = Lease::new(
            self.timing,
            self.about,
            self.balance,
            store.traits(),
            names.into_iter().collect(),
            random,
        )
        .with_roles(&roles);
        let mut port = StorePort::new(store, self.timing.request, Arc::clone(&clock), node, desk, audience);
        tasks.spawn(async move { drive(&mut machine, &mut port, &*clock).await });
        tasks.spawn(runner.run());
        tasks.spawn(pruner.run());
        let handle = handle.with_roles(askers);
        (handle.clone(), Reviser { handle, to_runner, roles })
    }
}

impl Reviser {
    /// These are the jobs from now on, no name twice. What runs goes on. What is led and is not among
    /// them is given up between two runs; a schedule that is another one counts from now on.
    pub async fn revise(&self, jobs: Vec<Job>) {
        let mut names: HashSet<_> = self.roles.iter().cloned().collect();
        let jobs: Vec<_> = jobs.into_iter().filter(|job| names.insert(job.name.clone())).collect();
        let (taken, known) = oneshot::channel();
        // Whoever starts a job must know it before it is led.
        if self.to_runner.send(Revision { jobs, taken }).await.is_ok() {
            // An error means that the instance is gone.
            drop(known.await);
        }
        self.handle.tell(Input::Jobs(names.into_iter().collect())).await;
    }
}

/// A name such as people remember: `boring_morse5`.
pub(crate) fn draw_name() -> String {
    let drawn = names::Generator::with_naming(names::Name::Plain).next().unwrap_or_default();
    format!("{}{}", drawn.replace('-', "_"), fastrand::u16(..NAMESAKES))
}

/// A seed that no other instance has.
pub(crate) fn seed() -> u64 {
    getrandom::u64().unwrap_or_else(|_| fastrand::u64(..))
}
