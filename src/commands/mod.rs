//! Commands that do one thing and end, without an instance of their own. One file a command.

pub mod status;
pub mod step_down;
