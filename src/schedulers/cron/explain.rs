//! Which due times a change of the clocks moves, leaves out or doubles, and why: the same search as for the
//! due times themselves, which also tells of what it passes over.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, Offset};
use serde::{Serialize, Serializer};

use super::{Cron, From, Gap, Overlap, Stretch};
use crate::time::Wall;

/// Civil times that a gap swallows are counted up to here.
const MOST_SWALLOWED: u64 = 10_000;

/// A due time, or what is none because of the clocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// When it is due, if it is.
    #[serde(serialize_with = "maybe_text")]
    pub due: Option<Wall>,
    /// What the clocks of the zone show then, or never do.
    pub civil: String,
    /// What a change of the clocks does with it, if anything.
    pub change: Option<Change>,
    /// Why.
    pub reason: String,
}

/// What a change of the clocks does with a due time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It does not exist, and is due when the clocks have jumped.
    Moved,
    /// It does not exist, and is not due.
    Skipped,
    /// It exists twice, and this is the first time.
    First,
    /// It exists twice, and is due a second time.
    Doubled,
    /// It exists twice, and is not due the second time.
    Single,
}

impl Change {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Moved => "moved",
            Self::Skipped => "skipped",
            Self::First => "first",
            Self::Doubled => "doubled",
            Self::Single => "single",
        }
    }
}

impl Cron {
    /// The due times after `start`, at most so many, and between them what is none because of the clocks.
    pub(super) fn told(&self, start: Timestamp, most: usize) -> Vec<Told> {
        let (mut told, mut dues) = (Vec::new(), 0);
        let mut stretch = self.stretch(start);
        let mut from = From::After(stretch.offset.to_datetime(start));
        while dues < most
            && let Some(found) = self.pattern.find(from)
        {
            let next = stretch.next.filter(|(end, _)| found >= stretch.offset.to_datetime(*end));
            let one = if let Some((end, after)) = next {
                let begin = after.to_datetime(end);
                let swallowed = found < begin;
                let moved = swallowed && self.gap == Gap::RunAfter;
                from = if moved { From::After(begin) } else { From::At(begin) };
                let gap = swallowed.then(|| self.swallowed(found, stretch.offset, end, after));
                stretch = self.stretch(end);
                gap
            } else {
                from = From::After(found);
                self.shown(found, stretch)
            };
            dues += usize::from(one.as_ref().is_some_and(|one| one.due.is_some()));
            told.extend(one);
        }
        told
    }

    /// What becomes of the first civil time that a gap swallows, and of the others in it.
    fn swallowed(&self, first: DateTime, before: Offset, end: Timestamp, after: Offset) -> Told {
        let (from, to) = (before.to_datetime(end), after.to_datetime(end));
        let (mut count, mut last) = (1, first);
        while let Some(next) = self.pattern.find(From::After(last)).filter(|next| *next < to)
            && count < MOST_SWALLOWED
        {
            (count, last) = (count + 1, next);
        }
        let day = from.date();
        let others = match count {
            1 => String::new(),
            count => format!(" and {} more up to {}", count - 1, clock(last, day)),
        };
        let [missing, from, to] = [first, from, to].map(|civil| clock(civil, day));
        let gone = format!("clocks are set from {from} to {to}, so {missing}{others} never comes");
        match self.gap {
            Gap::RunAfter => Told {
                due: wall(end),
                civil: self.civil(after.to_datetime(end), Some(after)),
                change: Some(Change::Moved),
                reason: format!("{gone}: it is due when they are set"),
            },
            Gap::Skip => Told {
                due: None,
                civil: self.civil(first, None),
                change: Some(Change::Skipped),
                reason: format!("{gone}: it is left out"),
            },
        }
    }

    /// What becomes of a civil time that the clocks show.
    fn shown(&self, civil: DateTime, stretch: Stretch) -> Option<Told> {
        let offset = stretch.offset;
        let text = clock(civil, civil.date());
        let (change, reason) = match (self.zone.to_ambiguous_timestamp(civil).offset(), self.overlap) {
            (AmbiguousOffset::Fold { after, .. }, Overlap::First) if after == offset => {
                (Some(Change::Single), format!("clocks show {text} again: it was due the first time"))
            }
            (AmbiguousOffset::Fold { after, .. }, Overlap::Both) if after == offset => {
                (Some(Change::Doubled), format!("clocks show {text} again: it is due both times"))
            }
            (AmbiguousOffset::Fold { .. }, _) => {
                (Some(Change::First), format!("clocks will show {text} again: this is the first time"))
            }
            (AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Gap { .. }, _) => (None, String::new()),
        };
        let at = offset.to_timestamp(civil).ok()?;
        let due = wall(at).filter(|_| change != Some(Change::Single));
        Some(Told { due, civil: self.civil(civil, Some(offset)), change, reason })
    }

    /// A civil time of the zone, with its offset from UTC if it has one.
    fn civil(&self, civil: DateTime, offset: Option<Offset>) -> String {
        let zone = self.zone.iana_name().unwrap_or("UTC");
        let at = offset.and_then(|offset| offset.to_timestamp(civil).ok().zip(Some(offset)));
        let offset = at.map(|(at, offset)| at.to_zoned(offset.to_time_zone()).strftime("%:z").to_string());
        format!("{}{}[{zone}]", civil.strftime("%Y-%m-%dT%H:%M:%S"), offset.unwrap_or_default())
    }
}

/// A civil time, without its date on that day.
fn clock(civil: DateTime, day: Date) -> String {
    let time = if civil.second() == 0 { "%H:%M" } else { "%H:%M:%S" };
    let date = if civil.date() == day { "" } else { "%Y-%m-%d " };
    civil.strftime(&format!("{date}{time}")).to_string()
}

fn wall(at: Timestamp) -> Option<Wall> {
    i64::try_from(at.as_nanosecond()).ok().map(Wall::from_nanos)
}

#[expect(clippy::ref_option, reason = "serde hands fields out by reference")]
fn maybe_text<S: Serializer>(value: &Option<Wall>, serializer: S) -> Result<S::Ok, S::Error> {
    value.as_ref().map(ToString::to_string).serialize(serializer)
}
