//! Runs one instance as a process: the order in which things start, and in which they end.
//!
//! Start: the port, because a taken port is the commonest mistake and the cheapest to find; the store,
//! which must prove its compare-and-set, while HTTP says what is waited for; the instance; HTTP. End: no new runs, running ones end or are
//! cut off after the grace, leases are handed over, the member row goes, then HTTP, then the process.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::config::Config;
use crate::failure::Failure;
use crate::http::{self, App};
use crate::instance::Instance;
use crate::lease::{About, Input};
use crate::log;
pub use crate::reload::Load;
use crate::reload::{self, Reload};
use crate::stores::{self, Store, StoreError};
use crate::time::{Clock, SystemClock};

/// Least time for a store to answer at the start, where the failover is shorter: it may be starting too.
const SHORTEST_PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait before asking a store again that does not answer at the start.
const RETRY: Duration = Duration::from_millis(250);
/// How long HTTP may take to end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Runs until a signal asks to stop. The configuration is read again with `load` when it changes.
pub async fn run(mut config: Config, load: Load) -> Result<(), Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let began = clock.now();
    let (mut signals, hangup) = Signals::listen()?;
    let listener = listen(config.listen).await?;
    let address = listener.local_addr().map_err(|error| Failure::Other(format!("cannot listen: {error}")))?;
    let store = tokio::select! {
        store = open(&config, &*clock, &listener) => store?,
        () = signals.next() => return Ok(()),
    };

    let url = config.advertise.clone().unwrap_or_else(|| advertise(address));
    let about = About { name: config.name.clone(), url, version: env!("CARGO_PKG_VERSION").to_owned() };
    let (list, listed) = watch::channel(reload::listed(&config));
    let place = store.describe();
    let mut tasks = JoinSet::new();
    let instance = Instance {
        about: about.clone(),
        jobs: config.jobs.clone(),
        timing: config.timing,
        output: config.job_output,
        balance: config.balance,
        seed: seed(),
    };
    let (handle, reviser) = instance.start_revisable(store, Arc::clone(&clock), &mut tasks);
    let reload = Reload::new(load, &config, Arc::clone(&clock), reviser, hangup, list);
    // With thousands of jobs it would be the largest thing that an instance keeps, for nobody.
    config.shown = Vec::new();
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
    helpers.spawn(reload.run());
    started(&config, address, &place, clock.now().since(began));

    tokio::select! {
        () = signals.next() => {}
        ended = tasks.join_next() => {
            let why = ended.and_then(Result::err).map_or_else(String::new, |error| format!(": {error}"));
            return Err(Failure::Other(format!("the instance ended by itself{why}; this is a bug, please report it")));
        }
    }
    tracing::info!(
        event = "instance.stopping",
        node = config.name,
        "Node {} hands its jobs over and stops",
        config.name
    );
    handle.tell(Input::Drain).await;
    let result = tokio::select! {
        drained = timeout(config.timing.ttl, handle.stopped()) => match drained {
            Ok(()) => Ok(()),
            Err(_) => Err(Failure::Other(format!(
                "not everything could be handed over within {:?}; what is left is free for others when it lapses",
                config.timing.ttl
            ))),
        },
        () = signals.next() => Err(Failure::Signal(signals.last)),
    };
    close.send_replace(true);
    drop(timeout(LAST_WORDS, helpers.join_next()).await);
    tracing::info!(event = "instance.stopped", node = config.name, "Node {} stopped", config.name);
    result
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

/// A seed that no other instance has.
fn seed() -> u64 {
    getrandom::u64().unwrap_or_else(|_| fastrand::u64(..))
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

/// The signals that ask to stop.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    last: u8,
}

impl Signals {
    /// With the signal that asks to read the configuration again.
    fn listen() -> Result<(Self, Signal), Failure> {
        let open =
            |kind| signal(kind).map_err(|error| Failure::Other(format!("cannot listen to signals: {error}")));
        let signals = Self {
            interrupt: open(SignalKind::interrupt())?,
            terminate: open(SignalKind::terminate())?,
            last: 0,
        };
        Ok((signals, open(SignalKind::hangup())?))
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => self.last = 2,
            _ = self.terminate.recv() => self.last = 15,
        }
    }
}
