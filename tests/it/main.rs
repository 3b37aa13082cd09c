//! The integration tests, one binary, one file a surface.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[cfg(feature = "sqlite")]
mod sqlite;
mod stores;
