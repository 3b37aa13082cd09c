//! What must hold in every world, one file an election.
//!
//! A law watches what is sent and received and looks into every node after each of its steps. What a
//! paper promises only under its assumptions, it demands only where they hold.

mod async_bully;
mod bully;
mod invitation;
mod ring;

use std::fmt;

use crate::elections::{Election, Envelope, Input, Stable};

/// An election with a law.
pub trait Lawful: Election + Sized {
    /// The law.
    type Law: Law<Self>;
}

/// What must hold.
pub trait Law<E: Election>: Sized + fmt::Debug {
    /// For a world of so many nodes.
    fn new(nodes: u16, rules: &E::Rules) -> Self;
    /// The network never fails, and whoever is up answers in time.
    fn assume_synchrony(&mut self) {}
    /// Something is about to happen to `node`.
    fn told(&mut self, node: &E, input: &Input<E::Message>) -> Verdict;
    /// `node`, which keeps `kept`, says something.
    fn sent(&mut self, node: &E, kept: Stable, envelope: &Envelope<E::Message>) -> Verdict;
    /// `node` has taken a step; these are all that are up.
    fn stepped(&mut self, node: &E, up: &[&E]) -> Verdict;
    /// It has been quiet for long; these are all that are up.
    fn agreed(up: &[&E], rules: &E::Rules) -> Verdict;
}

/// What was broken, if anything.
pub type Verdict = Result<(), String>;

/// A violation, unless `holds`.
pub(super) fn require(holds: bool, otherwise: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(otherwise()) }
}
