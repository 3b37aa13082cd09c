//! One leader per job, on the datastore you already have.

pub mod lease;
pub mod machine;
pub mod rows;
pub mod sim;
pub mod stores;
pub mod time;
