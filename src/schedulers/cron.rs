//! By the calendar of a time zone: cron expressions.
//!
//! Where clocks are set, a civil time may not exist, or exist twice. Libraries settle that in as many
//! ways as there are libraries, so it is settled here, as a policy of the job. The pattern is searched
//! in civil time only, one *stretch* of constant offset from UTC after the other:
//!
//! ```text
//!   civil   00:00 ---------- 02:00 | 03:00 -------- ... ------- 02:00 | 01:00 -------------
//!            a stretch (UTC-5)     |      a stretch (UTC-4)           |  a stretch (UTC-5)
//!                                 gap: 02:00 to 03:00             overlap: 01:00 to 02:00
//! ```
//!
//! What a gap swallows runs at its end, once, or not at all; what an overlap repeats runs the first
//! time, or both times. Unless a job says otherwise, one that names its minute and its hour never
//! misses a day nor runs twice, and one that does not follows the clock, as cron has always done.

mod explain;
mod pattern;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

pub use self::explain::{Change, Told};
use self::pattern::Pattern;
use super::Schedule;
use crate::machine::JobName;
use crate::time::Wall;

/// What becomes of a due time that the clock jumps over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// It is due when the clock has jumped; several of them are due once.
    RunAfter,
    /// It is not due that day.
    Skip,
}

/// What becomes of a due time that the clock shows twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// It is due the first time.
    First,
    /// It is due both times.
    Both,
}

/// A calendar schedule.
#[derive(Clone, Debug)]
pub struct Cron {
    pattern: Pattern,
    zone: TimeZone,
    gap: Gap,
    overlap: Overlap,
}

/// A span of time in which the clocks of a zone are never set.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    offset: Offset,
    /// Where the next one begins, and its offset.
    next: Option<(Timestamp, Offset)>,
}

impl Cron {
    /// The schedule that `text` says, for a job of this name: an `H` or a `~` in it stands for a value
    /// that its name picks.
    pub fn new(text: &str, job: &JobName, zone: TimeZone) -> Result<Self, String> {
        let pattern = Pattern::parse(text, job)?;
        let (gap, overlap) = if pattern.names_its_time() {
            (Gap::RunAfter, Overlap::First)
        } else {
            (Gap::Skip, Overlap::Both)
        };
        Ok(Self { pattern, zone, gap, overlap })
    }

    /// The same with another policy where clocks are set forward.
    #[must_use]
    pub fn with_gap(self, gap: Gap) -> Self {
        Self { gap, ..self }
    }

    /// The same with another policy where clocks are set back.
    #[must_use]
    pub fn with_overlap(self, overlap: Overlap) -> Self {
        Self { overlap, ..self }
    }

    /// The first due time after `start`.
    fn after(&self, start: Timestamp) -> Option<Timestamp> {
        let mut stretch = self.stretch(start);
        let mut from = From::After(stretch.offset.to_datetime(start));
        loop {
            match self.in_stretch(stretch, from)? {
                Search::Due(due) => return Some(due),
                Search::Beyond(begin) => {
                    stretch = self.stretch(begin);
                    from = From::At(stretch.offset.to_datetime(begin));
                }
            }
        }
    }

    /// The first due time within a stretch, or where the search goes on.
    fn in_stretch(&self, stretch: Stretch, from: From) -> Option<Search> {
        let Stretch { offset, next } = stretch;
        let mut found = self.pattern.find(from)?;
        if self.overlap == Overlap::First {
            while stretch.repeats(found, &self.zone) {
                found = self.pattern.find(From::After(found))?;
            }
        }
        match next {
            Some((end, after)) if found >= offset.to_datetime(end) => {
                let swallowed = found < after.to_datetime(end);
                let due = swallowed && self.gap == Gap::RunAfter;
                Some(if due { Search::Due(end) } else { Search::Beyond(end) })
            }
            Some(_) | None => offset.to_timestamp(found).ok().map(Search::Due),
        }
    }

    fn stretch(&self, at: Timestamp) -> Stretch {
        let offset = self.zone.to_offset(at);
        let next = self.zone.following(at).find(|next| next.offset() != offset);
        Stretch { offset, next: next.map(|next| (next.timestamp(), next.offset())) }
    }
}

impl Stretch {
    /// Whether an earlier stretch has shown this civil time already.
    fn repeats(&self, civil: DateTime, zone: &TimeZone) -> bool {
        let offset = zone.to_ambiguous_timestamp(civil).offset();
        matches!(offset, AmbiguousOffset::Fold { after, .. } if after == self.offset)
    }
}

/// Where a search begins in civil time.
#[derive(Clone, Copy, Debug)]
enum From {
    At(DateTime),
    After(DateTime),
}

/// What a search in one stretch found.
enum Search {
    Due(Timestamp),
    /// Nothing: the next stretch begins then.
    Beyond(Timestamp),
}

impl Schedule for Cron {
    fn first(&self, born: Wall) -> Option<Wall> {
        self.next(born)
    }

    fn next(&self, due: Wall) -> Option<Wall> {
        let due = self.after(Timestamp::from_nanosecond(due.as_nanos().into()).ok()?)?;
        i64::try_from(due.as_nanosecond()).ok().map(Wall::from_nanos)
    }

    fn fingerprint(&self) -> String {
        let zone = self.zone.iana_name().unwrap_or_default();
        format!("cron {} {zone} {:?} {:?}", self.pattern, self.gap, self.overlap)
    }

    fn in_words(&self) -> String {
        let zone = self.zone.iana_name().unwrap_or("UTC");
        let gap = match self.gap {
            Gap::RunAfter => "runs when they have jumped",
            Gap::Skip => "is left out",
        };
        let overlap = match self.overlap {
            Overlap::First => "runs the first time",
            Overlap::Both => "runs both times",
        };
        let words = self.pattern.in_words();
        format!(
            "by the calendar of {zone}: {words} ({}); what clocks jump over {gap}, what they show twice {overlap}",
            self.pattern
        )
    }

    fn explain(&self, after: Wall, most: usize) -> Option<Vec<Told>> {
        let start = Timestamp::from_nanosecond(after.as_nanos().into()).ok()?;
        Some(self.told(start, most))
    }
}
