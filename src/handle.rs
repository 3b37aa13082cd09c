//! The way to a running instance, for everything that is not its driver: schedulers, HTTP, commands.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot, watch};

use crate::leadership::{Asker, LeadError, Leadership};
use crate::lease::{Input, Life, Refusal, SeatView};
use crate::machine::{Incarnation, JobName, RunId, Term};
use crate::rows::{Lease, Member, Orders, RowError};
use crate::stores::StoreError;
use crate::time::Instant;

/// Questions and news that may wait for the machine at the same time.
const INBOX: usize = 1024;

/// What a scheduler is told. There is at most one of each kind a job under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// This instance leads the job from now on.
    Lead {
        /// Which job.
        job: JobName,
        /// The fencing token.
        term: Term,
        /// What its row says of what happened before.
        row: Box<Lease>,
    },
    /// People have ordered something else of it.
    Orders {
        /// Which job.
        job: JobName,
        /// All that is left to do.
        orders: Orders,
    },
    /// It does no longer: end what runs at once.
    Leave(JobName),
    /// It is about to leave: ask what runs to end.
    Wind(JobName),
    /// The occurrence is recorded: start it.
    Grant {
        /// Of which job.
        job: JobName,
        /// Which run.
        run: RunId,
        /// Under which term.
        term: Term,
    },
    /// The occurrence must not start.
    Refuse {
        /// Of which job.
        job: JobName,
        /// Which run.
        run: RunId,
        /// Why not.
        why: Refusal,
    },
    /// The clock that the cluster goes by is this many nanoseconds ahead of the boot clock.
    Clock(i64),
}

impl Signal {
    /// Which job it is about, if it is about one.
    fn job(&self) -> Option<&JobName> {
        match self {
            Self::Lead { job, .. }
            | Self::Orders { job, .. }
            | Self::Leave(job)
            | Self::Wind(job)
            | Self::Grant { job, .. }
            | Self::Refuse { job, .. } => Some(job),
            Self::Clock(_) => None,
        }
    }
}

/// Who is told what happens. The channels are bounded by their use: a few signals a job.
#[derive(Debug)]
pub(crate) struct Audience {
    /// Whoever leads jobs by their schedules.
    pub(crate) runner: mpsc::UnboundedSender<Signal>,
    /// Whoever leads each role.
    pub(crate) stewards: BTreeMap<JobName, mpsc::UnboundedSender<Signal>>,
}

impl Audience {
    pub(crate) fn tell(&self, signal: Signal) {
        let steward = signal.job().and_then(|job| self.stewards.get(job));
        // An error means that nobody listens any more, as at the end of a shutdown.
        drop(steward.unwrap_or(&self.runner).send(signal));
    }
}

/// What an instance knows, at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When.
    pub at: Instant,
    /// The life that may lead, if any.
    pub incarnation: Option<Incarnation>,
    /// The human name of this instance.
    pub name: String,
    /// Where its HTTP listens.
    pub url: String,
    /// Until when it may lead what names it.
    pub horizon: Option<Instant>,
    /// All jobs.
    pub seats: Vec<SeatView>,
    /// The other members.
    pub members: Vec<(Incarnation, Member)>,
    /// Rows that cannot be understood and are left alone, and why.
    pub problems: Vec<String>,
}

/// How the store does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// It has answered at least once.
    pub met: bool,
    /// Why the last read failed, if it did.
    pub reads: Option<StoreError>,
    /// Why the last commit failed, if it did. A store may well refuse the one and not the other.
    pub commits: Option<StoreError>,
    /// Why the cluster's row cannot be understood, if so: nothing is taken meanwhile.
    pub puzzled: Option<RowError>,
    /// People have drained this instance.
    pub drained: bool,
    /// The store shows less than it did before: this instance leads nothing more.
    pub regressed: Option<String>,
}

impl Health {
    /// Why the store does not do what it should, if so.
    pub fn trouble(&self) -> Option<&StoreError> {
        self.commits.as_ref().or(self.reads.as_ref())
    }
}

/// What happened, counted since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Reads sent to the store.
    pub reads: AtomicU64,
    /// Commits sent to the store.
    pub commits: AtomicU64,
    /// Requests that brought no proper answer.
    pub failures: AtomicU64,
    /// Writes that met another version.
    pub conflicts: AtomicU64,
    /// Leaderships that began.
    pub acquired: AtomicU64,
    /// Leaderships that ended.
    pub left: AtomicU64,
    /// Lives that lapsed.
    pub lapses: AtomicU64,
}

/// The jobs that are led, each with its term, as the machine last said. It says so before it sends what
/// gives a job away.
#[derive(Debug, Default)]
pub(crate) struct Board(Mutex<BTreeMap<JobName, Term>>);

impl Board {
    pub(crate) fn begin(&self, job: JobName, term: Term) {
        self.jobs().insert(job, term);
    }

    pub(crate) fn end(&self, job: &JobName) {
        self.jobs().remove(job);
    }

    fn jobs(&self) -> MutexGuard<'_, BTreeMap<JobName, Term>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way to a running machine.
#[derive(Clone, Debug)]
pub struct Handle {
    inbox: mpsc::Sender<News>,
    life: watch::Receiver<Option<Life>>,
    health: watch::Receiver<Health>,
    stopped: watch::Receiver<bool>,
    counters: Arc<Counters>,
    led: Arc<Board>,
    roles: Arc<BTreeMap<JobName, mpsc::Sender<Asker>>>,
}

/// What waits in the inbox of a driver.
#[derive(Debug)]
pub(crate) enum News {
    /// Something for the machine.
    Input(Box<Input>),
    /// Somebody wants to know.
    Question(oneshot::Sender<Snapshot>),
}

/// The driver's end of a [`Handle`].
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) inbox: mpsc::Receiver<News>,
    pub(crate) life: watch::Sender<Option<Life>>,
    pub(crate) health: watch::Sender<Health>,
    pub(crate) stopped: watch::Sender<bool>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) led: Arc<Board>,
}

/// A handle, and the end that the driver serves.
pub(crate) fn connect() -> (Handle, Desk) {
    let (to_inbox, inbox) = mpsc::channel(INBOX);
    let (life, see_life) = watch::channel(None);
    let (health, see_health) = watch::channel(Health::default());
    let (stopped, see_stopped) = watch::channel(false);
    let counters = Arc::new(Counters::default());
    let led = Arc::new(Board::default());
    let handle = Handle {
        inbox: to_inbox,
        life: see_life,
        health: see_health,
        stopped: see_stopped,
        counters: Arc::clone(&counters),
        led: Arc::clone(&led),
        roles: Arc::default(),
    };
    (handle, Desk { inbox, life, health, stopped, counters, led })
}

impl Handle {
    /// Tells the machine something. Nothing happens once it has stopped.
    pub async fn tell(&self, input: Input) {
        // An error means that the machine is gone, and with it everything it could have done.
        drop(self.inbox.send(News::Input(Box::new(input))).await);
    }

    /// What the instance knows now; `None` once it has stopped.
    pub async fn snapshot(&self) -> Option<Snapshot> {
        let (question, answer) = oneshot::channel();
        self.inbox.send(News::Question(question)).await.ok()?;
        answer.await.ok()
    }

    /// The term at which this instance leads `job` at `now`, if it does. It asks nobody, so it is cheap.
    pub fn term_led(&self, job: &JobName, now: Instant) -> Option<Term> {
        let alive = self.life.borrow().is_some_and(|life| now < life.horizon);
        self.led.jobs().get(job).copied().filter(|_| alive)
    }

    /// The life that may lead and its horizon, as they change.
    pub fn life(&self) -> watch::Receiver<Option<Life>> {
        self.life.clone()
    }

    /// How the store does.
    pub fn health(&self) -> Health {
        self.health.borrow().clone()
    }

    /// What happened so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The same handle, with the ways to those who lead roles.
    pub(crate) fn with_roles(self, roles: BTreeMap<JobName, mpsc::Sender<Asker>>) -> Self {
        Self { roles: Arc::new(roles), ..self }
    }

    /// Waits until this instance leads `role`, behind whoever asked for it here before. Nobody competes
    /// for it any more when the future is dropped.
    pub async fn lead(&self, role: &str) -> Result<Leadership, LeadError> {
        let steward = self.roles.get(role).ok_or_else(|| LeadError::NoSuchRole(role.to_owned()))?;
        let (asker, leadership) = oneshot::channel();
        steward.send(asker).await.map_err(|_| LeadError::Stopped)?;
        leadership.await.map_err(|_| LeadError::Stopped)
    }

    /// Waits until the machine has given everything away and stopped.
    pub async fn stopped(&self) {
        let mut stopped = self.stopped.clone();
        // An error means that the machine is gone: stopped, too.
        drop(stopped.wait_for(|stopped| *stopped).await);
    }
}
