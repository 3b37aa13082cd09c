//! One life of one instance: from meeting the store to the end of its member row.

use super::timing::Timing;
use crate::machine::Incarnation;
use crate::stores::Version;
use crate::time::Instant;

/// Where this instance stands with the store.
#[derive(Clone, Debug)]
pub(super) enum Session {
    /// It asks which store this is.
    Meeting,
    /// Its member row is being inserted, by the one request that left at `sent`.
    Registering { me: Incarnation, sent: Instant },
    /// Its member row lives.
    Live(Live),
    /// It takes no more part until a person has looked after the store.
    Barred,
    /// Its member row is being deleted, for good.
    Leaving,
    /// It does nothing more.
    Over,
}

/// A living member row.
#[derive(Clone, Debug)]
pub(super) struct Live {
    /// Which life this is.
    pub(super) me: Incarnation,
    /// Until when this life may lead: counted from *before* the last confirmed heartbeat left.
    pub(super) horizon: Instant,
    /// The row's version after the last confirmed heartbeat.
    pub(super) version: Version,
    /// When that was learned.
    learned: Instant,
    /// The number of the last heartbeat sent.
    beat: u64,
    /// Heartbeats that are under way or in doubt, each with the moment it left.
    doubts: Vec<(u64, Instant)>,
    /// When the next heartbeat leaves.
    pub(super) beat_at: Instant,
    /// A heartbeat is under way.
    pub(super) beating: bool,
    /// Since when only a read can tell what became of the heartbeats.
    pub(super) unsure: Option<Instant>,
}

/// More heartbeats than this cannot be in doubt within one time-to-live, with calls that end in
/// time; older ones are forgotten, which can only end a life early.
const MOST_DOUBTS: usize = 16;

impl Live {
    /// The life that begins with the confirmation, learned `now`, of a row sent at `sent`.
    pub(super) fn new(
        me: Incarnation,
        version: Version,
        sent: Instant,
        now: Instant,
        timing: &Timing,
    ) -> Self {
        Self {
            me,
            horizon: sent + timing.trust(),
            version,
            learned: now,
            beat: 0,
            doubts: Vec::new(),
            beat_at: sent + timing.heartbeat,
            beating: false,
            unsure: None,
        }
    }

    /// The number of the heartbeat that leaves now.
    pub(super) fn beat(&mut self, now: Instant, timing: &Timing) -> u64 {
        self.beat += 1;
        self.doubts.push((self.beat, now));
        if self.doubts.len() > MOST_DOUBTS {
            self.doubts.remove(0);
        }
        self.beating = true;
        self.beat_at = now + timing.heartbeat;
        self.beat
    }

    /// Heartbeat `beat` is in the row, at `version`. Whether we sent it.
    pub(super) fn confirm(&mut self, beat: u64, version: Version, now: Instant, timing: &Timing) -> bool {
        let Some(&(_, sent)) = self.doubts.iter().find(|(number, _)| *number == beat) else {
            return false;
        };
        self.doubts.retain(|(number, _)| *number > beat);
        self.horizon = self.horizon.max(sent + timing.trust());
        self.version = version;
        self.learned = now;
        true
    }

    /// Nobody can say what became of a heartbeat.
    pub(super) fn doubt(&mut self, now: Instant) {
        self.unsure = Some(now);
    }

    /// A read that left at `sent` shows our row with this version and beat, or no row. Whether this
    /// life goes on.
    pub(super) fn observe(
        &mut self,
        sent: Instant,
        now: Instant,
        row: Option<(Version, u64)>,
        timing: &Timing,
    ) -> bool {
        let current = sent > self.learned;
        let goes_on = match row {
            Some((version, _)) if version == self.version => true,
            Some((version, beat)) if version > self.version => self.confirm(beat, version, now, timing),
            _ => !current,
        };
        if self.unsure.is_some_and(|since| sent >= since) {
            self.unsure = None;
            if self.doubts.is_empty() {
                self.beat_at = self.beat_at.max(now);
            } else {
                self.beat_at = now + timing.retry / 4;
            }
        }
        goes_on
    }

    /// When something must be done for this life.
    pub(super) fn deadline(&self) -> Instant {
        if self.beating || self.unsure.is_some() { self.horizon } else { self.horizon.min(self.beat_at) }
    }
}

impl Session {
    /// The life that may lead.
    pub(super) fn me(&self) -> Option<Incarnation> {
        match self {
            Self::Live(live) => Some(live.me),
            Self::Meeting | Self::Registering { .. } | Self::Barred | Self::Leaving | Self::Over => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_heartbeat_that_is_found_counts_from_when_that_one_left() {
        let timing = Timing::from_failover(Duration::from_secs(10));
        let at = |seconds| Instant::default() + Duration::from_secs(seconds);
        let mut live = Live::new(Incarnation(1), Version(1), at(0), at(0), &timing);
        let first = live.beat(at(3), &timing);
        live.doubt(at(4));
        live.beat(at(5), &timing);
        assert!(live.observe(at(6), at(7), Some((Version(2), first)), &timing));
        assert_eq!(live.horizon, at(3) + timing.trust());
    }
}
