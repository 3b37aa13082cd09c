//! One leader per job, on the datastore you already have.

pub mod config;
pub mod failure;
pub mod lease;
pub mod log;
pub mod machine;
pub mod rows;
pub mod run;
pub mod stores;
pub mod stubs;
pub mod time;
