//! The controller: one page with all nodes, and the nodes of this machine as its children.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::Method;
use tokio::net::TcpListener;
use tokio::sync::{Mutex as Turn, Notify};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::LabError;
use super::board::Board;
use super::crew::Crew;
use super::members::Members;
use super::node::name;
use super::orders::{Office, router};
use crate::client::ask;
use crate::http;
use crate::log;
use crate::signals::{STOPPING, Signals};
use crate::sim::elections::Algorithm;

/// How long the controller may take to do what it is asked for.
const PATIENCE: Duration = Duration::from_secs(10);

/// A laboratory.
#[derive(Clone, Debug)]
pub struct Controller {
    /// Which election.
    pub election: Algorithm,
    /// Among whom.
    pub members: Members,
    /// Where the page is.
    pub listen: SocketAddr,
    /// The program, and the arguments that make it a node but for `--id` and `--controller`.
    pub program: PathBuf,
    /// See there.
    pub arguments: Vec<String>,
}

impl Controller {
    /// Starts the nodes of this machine and shows all, until somebody stops it. The nodes end with it.
    pub async fn run(self) -> Result<(), LabError> {
        let refused =
            |error: std::io::Error| LabError::Listen { address: self.listen, why: error.to_string() };
        let mut signals = Signals::listen(&STOPPING).map_err(refused)?;
        let listener = TcpListener::bind(self.listen).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;

        let url = format!("http://{address}");
        let mut command = vec![self.program.display().to_string()];
        command.extend(self.arguments);
        command.extend(["--controller".to_owned(), url.clone()]);
        let mut crew = Crew::new(&self.members, command);
        for node in crew.here() {
            crew.start(node)?;
        }
        let office = Arc::new(Office {
            board: Mutex::new(Board::new(name(self.election), self.members.clone())),
            members: self.members,
            crew: Turn::new(crew),
            stop: Notify::new(),
        });
        tracing::info!(event = "lab.started", address = %address, "The laboratory is at {url}");
        let mut helpers = JoinSet::new();
        helpers.spawn(log::own_up());
        let router = router(Arc::clone(&office));
        tokio::select! {
            never = http::listen(&listener, &router) => match never {},
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
