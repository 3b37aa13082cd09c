//! Once, at a moment that is written down.

use super::Schedule;
use crate::time::Wall;

/// A schedule with one due time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At(pub Wall);

impl Schedule for At {
    /// Also when it has passed: then it was missed, and whoever leads decides what becomes of it.
    fn first(&self, _born: Wall) -> Option<Wall> {
        Some(self.0)
    }

    fn next(&self, due: Wall) -> Option<Wall> {
        (due < self.0).then_some(self.0)
    }

    fn fingerprint(&self) -> String {
        format!("at {}", self.0)
    }

    fn in_words(&self) -> String {
        format!("once, at {}", self.0)
    }
}
