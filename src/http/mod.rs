//! HTTP: what an instance shows of itself, and the bell that others ring. One file a kind of answer.
//!
//! Nothing here changes state: a wake-up causes a read and nothing else. Whatever floods in, the
//! machine notices at most one look and one wake-up every few milliseconds (`gate`), and every
//! request, body, connection and wait has a limit.

mod api;
mod gate;
pub(crate) mod guard;
mod health;
mod metrics;
mod page;
mod problem;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use self::gate::Gate;
use self::problem::Problem;
use crate::handle::{Handle, Snapshot};
use crate::lease::{About, SeatView};
use crate::machine::JobName;
use crate::ports::wake;
use crate::report::{self, Instance, Member, Status};
use crate::schedulers::Schedule;
use crate::time::Clock;

/// Connections at the same time; more wait in the kernel.
const MOST_CONNECTIONS: usize = 512;
/// How long a client may take to send the head of a request, or nothing at all.
const SLOWEST_HEAD: Duration = Duration::from_secs(5);
/// Largest head of a request.
const LARGEST_HEAD: usize = 16 * 1024;
/// Most headers of a request.
const MOST_HEADERS: usize = 64;
/// Oldest a connection may become: then it is closed, also on a client that does not read. Until then
/// such clients may keep health checks waiting.
const LONGEST_CONNECTION: Duration = Duration::from_secs(15);
/// How long requests under way may go on when a connection is to be closed.
const GRACE: Duration = Duration::from_millis(750);
/// Wait after a connection could not be accepted, as when there are too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Of the refusals of one rush, only so many are worth a line.
const SAID_ONCE_IN: u32 = 100;

/// What is shown.
#[derive(Debug)]
pub struct App {
    /// The way to the machine.
    pub handle: Handle,
    /// What the instance tells the others.
    pub about: About,
    /// Development, production and so on.
    pub stage: String,
    /// What is configured.
    pub listed: watch::Receiver<Listed>,
    /// Which cluster, within its store.
    pub cluster: String,
    /// Which store.
    pub store: String,
    /// To say how long is left.
    pub clock: Arc<dyn Clock>,
}

/// What is configured at the moment.
#[derive(Debug)]
pub struct Listed {
    /// When the jobs are due.
    pub jobs: BTreeMap<JobName, Arc<dyn Schedule>>,
    /// The same for instances that are configured alike.
    pub fingerprint: String,
}

/// What every handler sees.
#[derive(Debug)]
struct Site {
    app: App,
    /// Only its own machine can reach it.
    local: bool,
    gate: Gate,
}

/// Serves `app` until `shutdown`, then ends what is under way.
pub async fn serve(listener: TcpListener, app: App, shutdown: impl Future<Output = ()>) {
    let local = listener.local_addr().is_ok_and(|address| address.ip().is_loopback());
    let site = Arc::new(Site { app, local, gate: Gate::default() });
    let mut keeper = JoinSet::new();
    let kept = Arc::clone(&site);
    keeper.spawn(async move { kept.gate.keep(&kept.app.handle).await });
    let router = router(site);
    let (ending, _) = watch::channel(false);
    let mut connections = JoinSet::new();
    tokio::select! {
        never = accept(&listener, &router, &mut connections, &ending) => match never {},
        () = shutdown => {}
    }
    drop(listener);
    ending.send_replace(true);
    while connections.join_next().await.is_some() {}
}

/// Answers, until it is dropped, that the process lives and why its instance has not begun.
pub async fn stand_in(listener: &TcpListener, why: watch::Receiver<String>) -> Infallible {
    let absent = move || async move { Problem::unavailable(why.borrow().as_str()) };
    let router = Router::new().route("/.well-known/live", get(health::live)).fallback(absent);
    listen(listener, &router).await
}

/// Serves `router` until it is dropped, with the limits of an instance. Connections that become
/// something else than HTTP are no longer counted.
pub(crate) async fn listen(listener: &TcpListener, router: &Router) -> Infallible {
    let (ending, _) = watch::channel(false);
    accept(listener, router, &mut JoinSet::new(), &ending).await
}

fn router(site: Arc<Site>) -> Router {
    Router::new()
        .route("/", get(page::page))
        .route("/style.css", get(page::style))
        .route("/.well-known/live", get(health::live))
        .route("/.well-known/ready", get(health::ready))
        .route("/.well-known/leader/{*job}", get(health::leader))
        .route("/api/v1/status", get(api::status))
        .route("/api/v1/jobs", get(api::jobs))
        .route("/api/v1/jobs/{*job}", get(api::job))
        .route(wake::PATH, post(api::wake))
        .route("/metrics", get(metrics::metrics))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(DefaultBodyLimit::max(wake::LARGEST_BODY))
        .layer(from_fn_with_state(Arc::clone(&site), guard::guard))
        .with_state(site)
}

async fn accept(
    listener: &TcpListener,
    router: &Router,
    connections: &mut JoinSet<()>,
    ending: &watch::Sender<bool>,
) -> Infallible {
    let mut refused = 0_u32;
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < MOST_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    refused = if connections.is_empty() { 0 } else { refused };
                    connections.spawn(converse(stream, router.clone(), ending.subscribe()));
                }
                Err(error) => {
                    if refused.is_multiple_of(SAID_ONCE_IN) {
                        tracing::warn!(event = "http.refused", "Cannot accept connections now: {error}");
                    }
                    refused = refused.wrapping_add(1);
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

/// Serves one connection, until it closes, becomes too old, or everything ends.
async fn converse(stream: TcpStream, router: Router, mut ending: watch::Receiver<bool>) {
    // An error means that small answers travel a little later.
    drop(stream.set_nodelay(true));
    let mut protocol = http1::Builder::new();
    protocol
        .timer(TokioTimer::new())
        .header_read_timeout(SLOWEST_HEAD)
        .max_buf_size(LARGEST_HEAD)
        .max_headers(MOST_HEADERS);
    let mut connection = pin!(
        protocol.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).with_upgrades()
    );
    let closed = tokio::select! {
        closed = connection.as_mut() => Some(closed),
        _ = ending.wait_for(|ending| *ending) => None,
        () = sleep(LONGEST_CONNECTION) => None,
    };
    let closed = if closed.is_none() {
        connection.as_mut().graceful_shutdown();
        timeout(GRACE, connection).await.ok()
    } else {
        closed
    };
    if let Some(Err(error)) = closed {
        tracing::trace!(event = "http.broken", "A connection broke: {error}");
    }
}

impl Site {
    /// What the instance knows now.
    async fn look(&self) -> Result<Arc<Snapshot>, Problem> {
        self.gate.look().await.ok_or_else(|| Problem::unavailable("this instance has stopped"))
    }

    fn status(&self, snapshot: &Snapshot) -> Status {
        Status {
            cluster: self.app.cluster.clone(),
            store: self.app.store.clone(),
            instance: self.instance(snapshot),
            members: snapshot.members.iter().map(|(id, row)| Member::new(*id, row)).collect(),
            jobs: snapshot.seats.iter().map(|seat| self.job(seat)).collect(),
            problems: snapshot.problems.clone(),
        }
    }

    fn instance(&self, snapshot: &Snapshot) -> Instance {
        let About { name, url, version } = self.app.about.clone();
        Instance {
            name,
            incarnation: snapshot.incarnation,
            url,
            stage: self.app.stage.clone(),
            version,
            config: self.app.listed.borrow().fingerprint.clone(),
            leads: snapshot.seats.iter().filter(|seat| self.left(seat).is_some()).count(),
            horizon: snapshot.horizon.map(|horizon| horizon.since(self.app.clock.now())),
            trouble: health::trouble(&self.app.handle.health()),
        }
    }

    fn job(&self, seat: &SeatView) -> report::Job {
        let job = report::Job::new(seat.job.clone(), &seat.row);
        let job = report::Job { horizon: self.left(seat), ..job };
        match self.app.listed.borrow().jobs.get(&seat.job) {
            Some(schedule) => job.due_by(&**schedule, &seat.row, self.app.clock.wall()),
            None => job,
        }
    }

    /// How long this instance may still lead a job, if it does. The snapshot may be a moment old, so
    /// the clock has the last word.
    fn left(&self, seat: &SeatView) -> Option<Duration> {
        seat.until.map(|until| until.since(self.app.clock.now())).filter(|left| !left.is_zero())
    }
}
