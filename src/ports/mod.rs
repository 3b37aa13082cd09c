//! The ports: what connects a machine to its world. One file a world.

mod narrate;
pub mod store;
pub mod wake;
pub mod wire;
