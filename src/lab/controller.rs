//! The controller: one page with all nodes, and the nodes of this machine as its children.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::Method;
use tokio::net::TcpListener;
use tokio::sync::{Mutex as Turn, Notify};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::LabError;
use super::archive::Archive;
use super::chronicle::Chronicle;
use super::crew::Crew;
use super::intake::Intake;
use super::members::Members;
use super::node::name;
use super::orders::{Office, router};
use super::replay;
use crate::client::ask;
use crate::http;
use crate::log;
use crate::signals::{STOPPING, Signals};
use crate::sim::elections::Algorithm;
use crate::time::{Clock, SystemClock};

/// How long the controller may take to do what it is asked for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the controller looks at its children.
const LOOK: Duration = Duration::from_millis(100);

/// A laboratory.
#[derive(Clone, Debug)]
pub struct Controller {
    /// Which election.
    pub election: Algorithm,
    /// Among whom.
    pub members: Members,
    /// Where the page is, at the first of them for the nodes.
    pub listen: Vec<SocketAddr>,
    /// The folder for what it keeps.
    pub state: PathBuf,
    /// The program, and the arguments that make it a node but for `--id` and `--controller`.
    pub program: PathBuf,
    /// See there.
    pub arguments: Vec<String>,
}

impl Controller {
    /// Starts the nodes of this machine and shows all, until somebody stops it. The nodes end with it.
    pub async fn run(self) -> Result<(), LabError> {
        let mut signals = Signals::listen(&STOPPING).map_err(|error| LabError::Start(error.to_string()))?;
        let listeners = listen(&self.listen).await?;
        let Some(address) = listeners.iter().find_map(|listener| listener.local_addr().ok()) else {
            return Err(LabError::Start("without a place to listen at".to_owned()));
        };
        let archive = Archive::open(&self.state.join(replay::FILE))?;
        let election = name(self.election);
        let intake = Intake::new(Chronicle::new(archive), election, &self.members, SystemClock.wall());

        let url = format!("http://{address}");
        let mut command = vec![self.program.display().to_string()];
        command.extend(self.arguments);
        command.extend(["--controller".to_owned(), url.clone()]);
        let mut crew = Crew::new(&self.members, command);
        for node in crew.here() {
            crew.start(node)?;
        }
        let office = Arc::new(Office {
            intake: Mutex::new(intake),
            members: self.members,
            crew: Turn::new(crew),
            stop: Notify::new(),
        });
        tracing::info!(event = "lab.started", address = %address, "The laboratory is at {url}");
        let mut helpers = JoinSet::new();
        helpers.spawn(log::own_up());
        let router = router(Arc::clone(&office));
        for listener in listeners {
            let router = router.clone();
            helpers.spawn(async move { match http::listen(&listener, &router).await {} });
        }
        tokio::select! {
            never = watch(&office) => match never {},
            () = office.stop.notified() => {}
            _ = signals.next() => {}
        }
        let mut crew = office.crew.lock().await;
        for node in crew.here() {
            crew.kill(node).await?;
        }
        tracing::info!(event = "lab.stopped", "The laboratory has stopped");
        Ok(())
    }
}

/// Looks after the children, for ever.
async fn watch(office: &Office) -> Infallible {
    loop {
        office.look().await;
        sleep(LOOK).await;
    }
}

async fn listen(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, LabError> {
    let mut listeners = Vec::new();
    for address in addresses {
        let refused = |error: std::io::Error| LabError::Listen { address: *address, why: error.to_string() };
        listeners.push(TcpListener::bind(address).await.map_err(refused)?);
    }
    Ok(listeners)
}

/// Has the controller at `url` stop, with its nodes.
pub async fn stop(url: &str) -> Result<(), LabError> {
    post(url, "/api/v1/stop").await
}

/// Has the controller at `url` do something to a node: `kill`, `restart` and so on.
pub async fn order(url: &str, node: &str, order: &str) -> Result<(), LabError> {
    post(url, &format!("/api/v1/nodes/{node}/{order}")).await
}

async fn post(url: &str, path: &str) -> Result<(), LabError> {
    let problem = |why: String| LabError::Controller { url: url.to_owned(), why };
    match timeout(PATIENCE, ask(Method::POST, url, path, "{}".to_owned())).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(problem(error.to_string())),
        Err(_) => Err(problem(format!("no answer within {PATIENCE:?}"))),
    }
}
