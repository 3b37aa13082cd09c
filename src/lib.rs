//! One leader per job, on the datastore you already have.

pub mod commands;
pub mod config;
pub mod drive;
pub mod failure;
pub mod handle;
pub mod http;
pub mod instance;
pub mod jobs;
pub mod lease;
pub mod log;
pub mod machine;
pub mod ports;
pub mod prove;
pub mod report;
pub mod rows;
pub mod run;
pub mod schedulers;
pub mod sim;
pub mod stores;
pub mod time;
