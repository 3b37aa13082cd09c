//! Time, in two types that never mix, and the only file that reads a clock.
//!
//! [`Instant`] decides. It counts from boot by `CLOCK_BOOTTIME`, which goes on while the machine
//! is suspended; `std::time::Instant` and the runtime's own clock stand still then, and a leader
//! that slept through its lease would wake up believing in it.
//!
//! [`Wall`] is for people, records and calendars. It may jump at any moment, so no decision about
//! leadership ever looks at it.

use std::fmt;
use std::future::{Future, poll_fn};
use std::ops::{Add, Sub};
use std::pin::pin;
use std::task::{Poll, ready};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment on this machine's boot clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(i64);

impl Instant {
    /// Earlier than anything that will be measured.
    pub const LONG_AGO: Self = Self(i64::MIN / 4);
    /// Later than anything that will be waited for.
    pub const NEVER: Self = Self(i64::MAX / 4);

    /// The moment that lies `nanos` after boot.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since boot.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// This moment moved back, for ages that reach further than boot.
    #[must_use]
    pub fn back(self, age: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(age)))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(nanos(rhs)))
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}s", self.0 / 1_000_000_000, (self.0 / 1_000_000) % 1000)
    }
}

/// A moment as people write it: nanoseconds since 1970, in UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Wall(i64);

impl Wall {
    /// The moment that lies `nanos` after 1970.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since 1970.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// This moment as seen through a clock that is `offset` nanoseconds ahead.
    #[must_use]
    pub const fn shifted(self, offset: i64) -> Self {
        Self(self.0.saturating_add(offset))
    }
}

impl Add<Duration> for Wall {
    type Output = Self;
    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(nanos(rhs)))
    }
}

impl Sub<Duration> for Wall {
    type Output = Self;
    fn sub(self, rhs: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(rhs)))
    }
}

/// RFC 3339 with nanoseconds, as log readers sort it.
impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0.div_euclid(1_000_000_000), self.0.rem_euclid(1_000_000_000));
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z")
    }
}

/// Year, month and day of the `days`-th day after 1970-01-01, by counting in 400-year cycles that
/// begin on a first of March, so that a leap day is always the last day of a year.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let cycle = days.div_euclid(146_097);
    let day = days.rem_euclid(146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let civil_month = if month < 10 { month + 3 } else { month - 9 };
    let civil_year = cycle * 400 + year + i64::from(civil_month <= 2);
    (civil_year, civil_month, day - (153 * month + 2) / 5 + 1)
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX / 4)
}

/// A duration as a configuration has it, to the millisecond.
#[derive(Clone, Copy, Debug)]
pub struct Exact(pub Duration);

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = (self.0.as_nanos() + 500_000) / 1_000_000;
        match u64::try_from(millis).unwrap_or(u64::MAX) {
            0 => f.write_str("0s"),
            millis if millis % 86_400_000 == 0 => write!(f, "{}d", millis / 86_400_000),
            millis if millis % 3_600_000 == 0 => write!(f, "{}h", millis / 3_600_000),
            millis if millis % 60_000 == 0 => write!(f, "{}m", millis / 60_000),
            millis => write!(f, "{:?}", Duration::from_millis(millis)),
        }
    }
}

/// Where `now` comes from: the kernel in production, the simulator's world elsewhere.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The boot clock.
    fn now(&self) -> Instant;
    /// The wall clock.
    fn wall(&self) -> Wall;
}

/// The kernel's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Instant(time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec))
    }

    fn wall(&self) -> Wall {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
        let now = std::time::SystemTime::now();
        Wall(now.duration_since(std::time::UNIX_EPOCH).map_or(0, nanos))
    }
}

/// No sleep is longer: the runtime's timers stand still while the machine is suspended.
const LONGEST_NAP: Duration = Duration::from_secs(1);

/// Waits until `clock` shows `deadline`. It looks at the clock whenever it is polled, not only when
/// its timer fires: after a pause of the process, what was about to run runs before any timer.
pub async fn sleep_until(clock: &dyn Clock, deadline: Instant) {
    let left = || deadline.since(clock.now());
    let sleep = || tokio::time::sleep(left().min(LONGEST_NAP));
    let mut nap = pin!(sleep());
    poll_fn(|context| {
        while !left().is_zero() {
            ready!(nap.as_mut().poll(context));
            nap.set(sleep());
        }
        Poll::Ready(())
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
    use std::task::{Context, Waker};

    use super::*;

    /// A clock that a test sets.
    #[derive(Debug, Default)]
    struct Set(AtomicI64);

    impl Clock for Set {
        fn now(&self) -> Instant {
            Instant::from_nanos(self.0.load(Relaxed))
        }

        fn wall(&self) -> Wall {
            Wall::default()
        }
    }

    #[tokio::test]
    async fn a_sleeper_that_is_polled_after_a_pause_knows_that_its_time_has_come() {
        let clock = Set::default();
        let mut sleeper = pin!(sleep_until(&clock, Instant::from_nanos(3_600_000_000_000)));
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(sleeper.as_mut().poll(&mut context), Poll::Pending);
        clock.0.store(3_600_000_000_000, Relaxed);
        assert_eq!(sleeper.as_mut().poll(&mut context), Poll::Ready(()));
    }
}
