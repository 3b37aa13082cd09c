//! The integration tests, one binary, one file a surface.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod sim;
