//! One leader per job, on the datastore you already have.
//!
//! Each [`instance::Instance`] competes, per job, for a compare-and-set lease row in a [`stores::Store`],
//! and runs the [`schedulers::Job`]s that it leads, only while it leads them.
//!
//! * [`lease`] is the protocol: pure, under an essay with its rules, its proof and what it does not
//!   guarantee. [`machine`] is the trait that it implements, [`drive`](mod@drive) what runs it.
//! * [`stores`] has the alternatives, and the suite that each of them passes.
//! * [`prove`](mod@prove) tries it all on a store of yours, [`sim`] in simulated worlds.
//! * [`run`](mod@run) is the program; the README shows how to use it, and the library.

mod client;
pub mod commands;
pub mod config;
pub mod drive;
pub mod exec;
pub mod failure;
pub mod handle;
pub mod history;
pub mod http;
pub mod instance;
pub mod jobs;
pub mod lease;
pub mod log;
pub mod machine;
pub mod ports;
pub mod prove;
mod reload;
pub mod report;
pub mod rows;
pub mod run;
pub mod schedulers;
pub mod secret;
mod service;
mod signals;
pub mod sim;
pub mod stores;
pub mod time;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
