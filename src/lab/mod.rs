//! The election laboratory: the classic elections as real processes that talk over real sockets.
//!
//! ```text
//!   Controller <-- reports, once a second and at each change -- Node -- WebSockets --> Node
//!       |   '--- answers: who must not hear whom ---------------^
//!       '------- starts, stops, kills the nodes of this machine
//! ```
//!
//! * A [`node`] is one process with one port: the machine of an election from [`crate::elections`],
//!   unchanged, with peers that it dials and that dial it (`link`, `calls`). What it keeps is on the disk
//!   before anybody hears of it (`keep`).
//! * Each message has an id and names the message that caused it (`wire`).
//! * That nobody listens is evidence, and the machine is told; silence is none, and time passes.
//! * The [`controller`] shows all nodes on one page, breaks connections between them while they run, and
//!   does to its own children what a person wants done.
//! * What nodes tell and people do becomes one row of records (`intake`, `chronicle`), which is kept in a
//!   file (`archive`) and added up to what the page shows (`board`): which promises hold (`promises`), how many
//!   messages it took (`tally`). The same records, exported, show the same page again ([`replay`]).
//!
//! Nothing here asks anybody who he is: it is for a desk, a classroom or a closed network.

#[cfg(feature = "sqlite")]
mod archive;
mod board;
mod calls;
mod chronicle;
pub mod controller;
mod crew;
mod intake;
mod keep;
mod link;
pub mod members;
pub mod node;
mod orders;
mod pages;
mod port;
mod promises;
mod record;
pub mod replay;
mod report;
mod story;
mod tally;
#[cfg(not(feature = "sqlite"))]
mod unkept;
mod wire;

use std::net::SocketAddr;
use std::path::PathBuf;

#[cfg(not(feature = "sqlite"))]
use self::unkept as archive;

/// Why a laboratory does not work.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The members' file cannot be used.
    #[error("the members in {path}: {why}", path = path.display())]
    Members {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// What a node keeps can be neither read nor written.
    #[error("what the node keeps in {path}: {why}; it must not take part without it", path = path.display())]
    Keep {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The records of a laboratory can be neither read nor written.
    #[error("the records in {path}: {why}", path = path.display())]
    Archive {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The node is none of the members.
    #[error("no node of the members' file {0}")]
    Unknown(String),
    /// The port is not to be had.
    #[error("cannot listen at {address}: {why}; is it running already?")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        why: String,
    },
    /// A child cannot be started.
    #[error("cannot start node {0}")]
    Start(String),
    /// The controller does not do what it is asked for.
    #[error("the controller at {url}: {why}")]
    Controller {
        /// Where.
        url: String,
        /// Why.
        why: String,
    },
}
