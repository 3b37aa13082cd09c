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
mod command_jobs;
mod commands;
mod compose;
mod config;
mod continuous;
mod damage;
#[cfg(feature = "datastore")]
mod datastore;
mod drain;
mod elections;
#[cfg(feature = "datastore")]
mod emulator;
mod events;
mod exec;
mod failover;
mod faults;
mod fence;
mod fire;
mod fleet;
mod folder;
mod fuzz;
mod history;
mod http;
mod http_jobs;
mod instance;
mod lab;
mod layer;
mod ledger;
mod library;
mod log;
mod looks;
mod model;
mod mutants;
mod orders;
mod plan;
mod prove;
#[cfg(feature = "datastore")]
mod proxy;
mod reload;
mod scale;
mod schema;
mod sim;
mod sqlite;
mod stores;
mod tidy;
mod trouble;
