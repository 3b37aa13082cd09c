//! Commands that do one thing and end, without an instance of their own. One file a command.

pub mod check;
pub mod drain;
pub mod events;
pub(crate) mod hand;
pub mod history;
pub mod lookup;
pub mod next;
pub mod nodes;
pub mod order;
pub mod plan;
pub mod show;
pub mod sim;
pub mod status;
pub mod step_down;
mod table;
pub mod why;
