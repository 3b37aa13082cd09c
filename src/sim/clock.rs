//! A boot clock of the simulated world: it never steps, but it runs at a rate of its own.

use crate::time::Instant;

/// Parts of a million.
const MILLION: i64 = 1_000_000;

/// What one machine's boot clock shows, from what the time truly is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BootClock {
    /// What it shows at the true time zero.
    pub(super) offset: i64,
    /// How much too fast it runs, in parts per million.
    pub(super) drift: i64,
}

impl BootClock {
    /// What it shows at the true time `at`.
    pub(super) fn shows(self, at: Instant) -> Instant {
        let at = at.as_nanos();
        Instant::from_nanos(
            self.offset + at + (at / MILLION * self.drift) + (at % MILLION * self.drift).div_euclid(MILLION),
        )
    }

    /// The first true time at which it shows `shown`.
    pub(super) fn reaches(self, shown: Instant) -> Instant {
        if shown >= Instant::NEVER {
            return Instant::NEVER;
        }
        let (elapsed, pace) = (shown.as_nanos() - self.offset, MILLION + self.drift);
        let mut at = elapsed / pace * MILLION + elapsed % pace * MILLION / pace - 2;
        while self.shows(Instant::from_nanos(at)) < shown {
            at += 1;
        }
        Instant::from_nanos(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_reaches_a_moment_exactly_when_it_first_shows_it() {
        for drift in [-52_631, -200, 0, 1, 52_631] {
            let clock = BootClock { offset: 7_000_000_123, drift };
            for shown in [7_000_000_123, 7_000_000_124, 7_123_456_789, 7_000_000_000_000, 7_654_321_987_654] {
                let shown = Instant::from_nanos(shown);
                let at = clock.reaches(shown);
                assert!(clock.shows(at) >= shown);
                assert!(clock.shows(Instant::from_nanos(at.as_nanos() - 1)) < shown);
            }
        }
    }
}
