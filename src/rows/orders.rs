//! What people have ordered for a job, until its leader has done it.

use serde::{Deserialize, Serialize};

use crate::machine::RunId;
use crate::time::Wall;

/// The orders for a job. They stand in its lease row: whoever leads finds them, and a pause holds from
/// the moment in which it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orders {
    /// Nothing runs by the schedule.
    pub pause: Option<Pause>,
    /// The next due time is left out.
    pub skip: bool,
    /// It runs once though it is not due; asked for then.
    pub extra: Option<Wall>,
    /// What shall become of a run whose leader vanished.
    pub verdict: Option<Verdict>,
}

/// A time in which a job does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// When it began.
    pub from: Wall,
    /// When it ended, if it has.
    pub to: Option<Wall>,
}

/// What shall become of a run whose leader vanished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Which run.
    pub run: RunId,
    /// It runs again; else it is left as it is.
    pub rerun: bool,
}

impl Orders {
    /// Whether nothing runs by the schedule now.
    pub fn is_paused(&self) -> bool {
        self.pause.is_some_and(|pause| pause.to.is_none())
    }

    /// What people have ordered since those of `before`, in words.
    pub fn news(self, before: Self) -> impl Iterator<Item = &'static str> {
        let resumed = before.is_paused() && !self.is_paused();
        let verdict = self.verdict.filter(|verdict| before.verdict != Some(*verdict));
        let news = [
            (self.is_paused() && !before.is_paused(), "pauses"),
            (resumed, "goes on"),
            (self.skip && !before.skip, "skips its next due time"),
            (self.extra.is_some() && self.extra != before.extra, "runs once more"),
            (verdict.is_some_and(|verdict| verdict.rerun), "runs again what its leader left"),
            (verdict.is_some_and(|verdict| !verdict.rerun), "leaves what its leader left"),
        ];
        news.into_iter().filter_map(|(is_new, what)| is_new.then_some(what))
    }

    /// What is left to do after some have been obeyed. Those that were given since stay.
    #[must_use]
    pub fn without(self, obeyed: Self) -> Self {
        Self {
            pause: self.pause.filter(|pause| obeyed.pause != Some(*pause)),
            skip: self.skip && !obeyed.skip,
            extra: self.extra.filter(|extra| obeyed.extra != Some(*extra)),
            verdict: self.verdict.filter(|verdict| obeyed.verdict != Some(*verdict)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_that_is_given_again_is_not_forgotten() {
        let given =
            |second| Orders { extra: Some(Wall::from_nanos(second)), skip: true, ..Orders::default() };
        assert_eq!(given(1).without(given(1)), Orders::default());
        assert_eq!(given(2).without(given(1)).extra, Some(Wall::from_nanos(2)));
        assert_eq!(given(2).without(Orders::default()), given(2));
    }
}
