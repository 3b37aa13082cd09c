//! The integration tests, one binary, one file a surface.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::clone_on_ref_ptr,
    clippy::print_stderr,
    reason = "tests"
)]

mod calendar;
mod cli;
mod clocks;
mod commands;
mod compose;
mod config;
mod damage;
#[cfg(feature = "datastore")]
mod datastore;
#[cfg(feature = "datastore")]
mod emulator;
mod failover;
mod fire;
mod fleet;
mod folder;
mod fuzz;
mod history;
mod http;
mod instance;
mod log;
mod mutants;
mod prove;
#[cfg(feature = "datastore")]
mod proxy;
mod scale;
mod sim;
mod sqlite;
mod stores;
mod tidy;
mod trouble;
