//! One instance as this process shows it: the order in which things start, and in which they end.
//!
//! Start: the port, because a taken port is the commonest mistake and the cheapest to find; the store,
//! which must prove its compare-and-set, while HTTP says what is waited for; the instance; HTTP. End: no
//! new runs, running ones end or are cut off after the grace, leases are handed over, the member row
//! goes, then HTTP.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::commands::hand::offer;
use crate::config::Config;
use crate::failure::Failure;
use crate::handle::Handle;
use crate::http::{self, App, Listed};
use crate::instance::{Instance, Reviser, seed};
use crate::lease::{About, Input};
use crate::log;
use crate::reload::{self, Load, Reload};
use crate::signals::Signals;
use crate::stores::{self, Store, StoreError};
use crate::time::{Clock, SystemClock};

/// Least time for a store to answer at the start, where the failover is shorter: it may be starting too.
const SHORTEST_PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait before asking a store again that does not answer at the start.
const RETRY: Duration = Duration::from_millis(250);
/// How long HTTP may take to end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// An instance that runs, and what shows it.
#[derive(Debug)]
pub(crate) struct Service {
    /// The way to it.
    pub(crate) handle: Handle,
    /// Where its rows are.
    pub(crate) store: Arc<dyn Store>,
    reviser: Reviser,
    list: watch::Sender<Listed>,
    name: String,
    /// How long it may take to hand its jobs over.
    patience: Duration,
    tasks: JoinSet<()>,
    helpers: JoinSet<()>,
    close: watch::Sender<bool>,
}

impl Service {
    /// Starts what is configured.
    pub(crate) async fn start(config: &Config) -> Result<Self, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let began = clock.now();
        let listener = listen(config.listen).await?;
        let address =
            listener.local_addr().map_err(|error| Failure::Other(format!("cannot listen: {error}")))?;
        let store = open(config, &*clock, &listener).await?;

        let url = config.advertise.clone().unwrap_or_else(|| advertise(address));
        let about = About { name: config.name.clone(), url, version: env!("CARGO_PKG_VERSION").to_owned() };
        let (list, listed) = watch::channel(reload::listed(config));
        let place = store.describe();
        let mut tasks = JoinSet::new();
        let instance = Instance {
            about: about.clone(),
            jobs: config.jobs.clone(),
            roles: Vec::new(),
            timing: config.timing,
            output: config.job_output,
            balance: config.balance,
            seed: seed(),
        };
        let (handle, reviser) = instance.start_revisable(Arc::clone(&store), Arc::clone(&clock), &mut tasks);
        let app = App {
            handle: handle.clone(),
            about,
            stage: config.stage.clone(),
            cluster: config.cluster.clone(),
            store: place.clone(),
            listed,
            clock: Arc::clone(&clock),
        };
        let (close, closed) = watch::channel(false);
        let mut helpers = JoinSet::new();
        helpers.spawn(http::serve(listener, app, until(closed)));
        helpers.spawn(log::own_up());
        started(config, address, &place, clock.now().since(began));
        let (name, patience) = (config.name.clone(), config.timing.ttl);
        Ok(Self { handle, store, reviser, list, name, patience, tasks, helpers, close })
    }

    /// Keeps it to a configuration that changes.
    pub(crate) fn follow(&mut self, config: &Config, load: Load, hangup: Signals) {
        let reload =
            Reload::new(load, config, Arc::new(SystemClock), self.reviser.clone(), hangup, self.list.clone());
        self.helpers.spawn(reload.run());
    }

    /// Waits for what never happens: that the instance ends by itself. Says so.
    pub(crate) async fn broken(&mut self) -> Failure {
        let ended = self.tasks.join_next().await;
        let why = ended.and_then(Result::err).map_or_else(String::new, |error| format!(": {error}"));
        Failure::Other(format!("the instance ended by itself{why}; this is a bug, please report it"))
    }

    /// Gives everything away, and offers to everybody what it had nobody to give to.
    pub(crate) async fn drain(&self) -> Result<(), Failure> {
        let node = self.name.as_str();
        tracing::info!(event = "instance.stopping", node, "Node {node} hands its jobs over and stops");
        let seats = self.handle.snapshot().await.map(|known| known.seats.clone()).unwrap_or_default();
        let led: Vec<_> =
            seats.into_iter().filter(|seat| seat.until.is_some()).map(|seat| seat.job).collect();
        self.handle.tell(Input::Drain).await;
        timeout(self.patience, self.handle.stopped()).await.map_err(|_| {
            Failure::Other(format!(
                "not everything could be handed over within {:?}; what is left is free for others when it lapses",
                self.patience
            ))
        })?;
        offer(&*self.store, &led).await;
        Ok(())
    }

    /// Ends what shows it.
    pub(crate) async fn close(mut self) {
        self.close.send_replace(true);
        drop(timeout(LAST_WORDS, self.helpers.join_next()).await);
        let node = self.name.as_str();
        tracing::info!(event = "instance.stopped", node, "Node {node} stopped");
    }
}

/// Opens the store, while HTTP says what is waited for.
async fn open(config: &Config, clock: &dyn Clock, listener: &TcpListener) -> Result<Arc<dyn Store>, Failure> {
    let (waiting, why) = watch::channel("the store has not answered yet".to_owned());
    tokio::select! {
        store = open_in_time(config, clock, &waiting) => store,
        never = http::stand_in(listener, why) => match never {},
    }
}

/// Opens the store and has it prove itself. One that does not answer gets as long as a failover, or
/// more.
async fn open_in_time(
    config: &Config,
    clock: &dyn Clock,
    waiting: &watch::Sender<String>,
) -> Result<Arc<dyn Store>, Failure> {
    let (node, patience) = (config.name.as_str(), config.timing.ttl.max(SHORTEST_PATIENCE));
    let deadline = clock.now() + patience;
    let mut told = false;
    loop {
        match open_once(config).await {
            Err(StoreError::Unreachable(why)) if clock.now() < deadline => {
                if !told {
                    told = true;
                    tracing::warn!(
                        event = "store.unreachable",
                        node,
                        "The store does not answer yet; trying for {patience:?}: {why}"
                    );
                }
                waiting.send_replace(format!("the store does not answer: {why}"));
                sleep(RETRY).await;
            }
            result => {
                if told && result.is_ok() {
                    tracing::info!(event = "store.recovered", node, "The store answers node {node} now");
                }
                return Ok(result?);
            }
        }
    }
}

async fn open_once(config: &Config) -> Result<Arc<dyn Store>, StoreError> {
    let store = stores::open(&config.store, &config.cluster, config.timing.request).await?;
    stores::prove(&*store, u128::from(seed()) << 64 | u128::from(seed())).await?;
    Ok(store)
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let kind = error.kind();
        let advice = if kind == ErrorKind::AddrInUse {
            "another program listens there: choose another port with APP_PORT or --port"
        } else if kind == ErrorKind::PermissionDenied {
            "this user may not: choose a port above 1023 with APP_PORT or --port"
        } else if kind == ErrorKind::AddrNotAvailable {
            "this machine has no such address: choose another with --listen"
        } else {
            "choose another with APP_PORT, --port or --listen"
        };
        Failure::Other(format!("cannot listen on {address}: {advice} ({error})"))
    })
}

/// Where others reach us, as far as one can tell from here.
fn advertise(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        format!("http://{host}:{}", address.port())
    } else {
        format!("http://{address}")
    }
}

fn started(config: &Config, address: SocketAddr, store: &str, took: Duration) {
    tracing::info!(
        event = "instance.started",
        node = config.name,
        address = %address,
        store,
        cluster = config.cluster,
        config = config.fingerprint,
        jobs = config.jobs.len(),
        failover_ms = u64::try_from(config.timing.ttl.as_millis()).unwrap_or(u64::MAX),
        "Started server in {}ms. Listening to requests on port {}.",
        took.as_millis(),
        address.port()
    );
}

async fn until(mut closed: watch::Receiver<bool>) {
    // An error means that whoever could close is gone.
    drop(closed.wait_for(|closed| *closed).await);
}
