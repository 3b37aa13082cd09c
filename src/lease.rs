//! The lease protocol.

pub mod timing;
