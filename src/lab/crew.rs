//! The nodes of this machine, as children of the controller, and what a person does to them.

use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::LabError;
use super::members::{Member, Members};
use crate::elections::NodeId;

/// How long a child may take to be gone after it was killed.
const LONGEST_DEATH: Duration = Duration::from_secs(5);

/// What is known of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// It is none of this machine.
    Elsewhere,
    /// It was killed, or ended by itself.
    Gone,
    /// It runs.
    Running,
    /// It is stopped in its tracks.
    Paused,
}

/// The children.
#[derive(Debug)]
pub(super) struct Crew {
    seats: Vec<Seat>,
    command: Vec<String>,
}

#[derive(Debug)]
struct Seat {
    here: bool,
    paused: bool,
    child: Option<Child>,
}

impl Crew {
    /// Nobody yet. `command` starts a node if `--id` and its id are added.
    pub(super) fn new(members: &Members, command: Vec<String>) -> Self {
        let seat =
            |(_, member): (NodeId, &Member)| Seat { here: is_here(member), paused: false, child: None };
        Self { seats: members.iter().map(seat).collect(), command }
    }

    /// The nodes of this machine.
    pub(super) fn here(&self) -> Vec<NodeId> {
        (0..).map(NodeId).zip(&self.seats).filter(|(_, seat)| seat.here).map(|(id, _)| id).collect()
    }

    pub(super) fn states(&mut self) -> Vec<State> {
        self.seats.iter_mut().map(Seat::state).collect()
    }

    /// Starts a node that does not run.
    pub(super) fn start(&mut self, node: NodeId) -> Result<(), LabError> {
        let seat = seat(&mut self.seats, node)?;
        if matches!(seat.state(), State::Running | State::Paused) {
            return Ok(());
        }
        let problem = |why: String| LabError::Start(format!("{node}: {why}"));
        let [program, arguments @ ..] = self.command.as_slice() else {
            return Err(problem("there is no program".to_owned()));
        };
        let child = Command::new(program)
            .args(arguments)
            .args(["--id", &node.0.to_string()])
            .stdin(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| problem(error.to_string()))?;
        (seat.child, seat.paused) = (Some(child), false);
        Ok(())
    }

    /// Ends a node as a crash does.
    pub(super) async fn kill(&mut self, node: NodeId) -> Result<(), LabError> {
        let seat = seat(&mut self.seats, node)?;
        if let Some(mut child) = seat.child.take() {
            // An error means that it is gone already.
            drop(timeout(LONGEST_DEATH, child.kill()).await);
        }
        Ok(())
    }

    pub(super) fn pause(&mut self, node: NodeId) -> Result<(), LabError> {
        seat(&mut self.seats, node)?.signal(node, Signal::STOP, true)
    }

    pub(super) fn resume(&mut self, node: NodeId) -> Result<(), LabError> {
        seat(&mut self.seats, node)?.signal(node, Signal::CONT, false)
    }
}

impl Seat {
    fn state(&mut self) -> State {
        match &mut self.child {
            _ if !self.here => State::Elsewhere,
            None => State::Gone,
            Some(child) => match child.try_wait() {
                Ok(Some(_)) => State::Gone,
                Ok(None) | Err(_) if self.paused => State::Paused,
                Ok(None) | Err(_) => State::Running,
            },
        }
    }

    fn signal(&mut self, node: NodeId, signal: Signal, paused: bool) -> Result<(), LabError> {
        // A child that has ended and was waited for has no id any more.
        let id = self.child.as_ref().and_then(Child::id).and_then(|id| i32::try_from(id).ok());
        let Some(pid) = id.and_then(Pid::from_raw) else {
            return Err(LabError::Unknown(format!("runs as {node} now")));
        };
        kill_process(pid, signal).map_err(|error| LabError::Unknown(format!("takes a signal: {error}")))?;
        self.paused = paused;
        Ok(())
    }
}

fn seat(seats: &mut [Seat], node: NodeId) -> Result<&mut Seat, LabError> {
    match seats.get_mut(node.index()) {
        Some(seat) if seat.here => Ok(seat),
        Some(_) => Err(LabError::Unknown(format!("called {node} is on this machine"))),
        None => Err(LabError::Unknown(format!("is called {node}"))),
    }
}

/// Whether an address is this machine's: it can be listened at.
fn is_here(member: &Member) -> bool {
    TcpListener::bind((member.address.ip(), 0)).is_ok()
}
