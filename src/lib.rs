//! One leader per job, on the datastore you already have.

pub mod drive;
pub mod handle;
pub mod instance;
pub mod jobs;
pub mod lease;
pub mod machine;
pub mod ports;
pub mod prove;
pub mod rows;
pub mod schedulers;
pub mod stores;
pub mod time;
