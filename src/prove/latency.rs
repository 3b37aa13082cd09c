//! How long a store takes, and how short a failover that allows.
//!
//! A slow store endangers no promise: whoever does not hear in time stops in time. But a leader that
//! lapses although nothing happened to it is a nuisance, and a failover can be too short to avoid it.
//! [`Timing`] derives everything from the failover, so each latency calls for a least one:
//!
//! * **The slowest commit** must be answered within the time that a request is given, a sixth of the
//!   failover. Then not one of the commits that were measured would have been given up.
//! * **Ninety-nine of a hundred** must come in time as a second try. A heartbeat that is due and gets
//!   lost is given up after that sixth and repeated. What is left then, until the jobs are asked to
//!   end because the horizon is near, is a tenth of the failover.
//!
//! The greater of the two, rounded up, is the advice: one lost heartbeat is then never noticed.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::lease::Timing;

/// How long calls of one kind took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// How many calls.
    pub count: usize,
    /// Half of them took no longer.
    #[serde(rename = "p50_ms", serialize_with = "ms")]
    pub p50: Duration,
    /// All but one in a hundred took no longer.
    #[serde(rename = "p99_ms", serialize_with = "ms")]
    pub p99: Duration,
    /// None took longer.
    #[serde(rename = "max_ms", serialize_with = "ms")]
    pub max: Duration,
}

impl Latency {
    /// Sums up how long calls took.
    pub fn of(took: impl Iterator<Item = Duration>) -> Self {
        let mut took: Vec<_> = took.collect();
        took.sort_unstable();
        let count = took.len();
        let at = |percent: usize| took.get((count * percent).div_ceil(100).saturating_sub(1));
        let [p50, p99, max] = [50, 99, 100].map(|percent| at(percent).copied().unwrap_or_default());
        Self { count, p50, p99, max }
    }

    /// The shortest failover that is wise where commits take so long; `None` if none is.
    pub fn shortest_failover(&self) -> Option<Duration> {
        let timing = Timing::from_failover(Timing::LONGEST);
        let in_time = timing.request;
        let second_try = timing.longest_grace().saturating_sub(timing.grace + timing.retry);
        let least = |took: Duration, given: Duration| took.mul_f64(timing.ttl.div_duration_f64(given));
        let least = least(self.max, in_time).max(least(self.p99, second_try)).max(Timing::SHORTEST);
        Some(round_up(least)).filter(|least| *least <= Timing::LONGEST)
    }
}

/// Two digits are enough for advice.
fn round_up(duration: Duration) -> Duration {
    let ms = duration.as_nanos().div_ceil(1_000_000);
    let mut digit = 1;
    while ms > 100 * digit {
        digit *= 10;
    }
    Duration::from_millis(u64::try_from(ms.div_ceil(digit) * digit).unwrap_or(u64::MAX))
}

/// Milliseconds with their fraction.
pub(super) fn ms<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ms: impl Iterator<Item = u64>) -> Latency {
        Latency::of(ms.map(Duration::from_millis))
    }

    #[test]
    fn percentiles_are_those_of_the_calls() {
        let latency = of((1..=200).rev());
        let [p50, p99, max] = [100, 198, 200].map(Duration::from_millis);
        assert_eq!(latency, Latency { count: 200, p50, p99, max });
        assert_eq!(of([].into_iter()), Latency::default());
        assert_eq!(of([7].into_iter()).p99, Duration::from_millis(7));
    }

    #[test]
    fn the_slowest_commit_fits_into_a_request_and_most_into_a_second_try() {
        let shortest = |p99, max| {
            let [p99, max] = [p99, max].map(Duration::from_millis);
            Latency { count: 1, p50: p99, p99, max }.shortest_failover()
        };
        assert_eq!(shortest(1, 2), Some(Timing::SHORTEST), "no network is faster than the shortest");
        assert_eq!(shortest(10, 500), Some(Duration::from_secs(3)));
        assert_eq!(shortest(400, 500), Some(Duration::from_secs(4)));
        assert_eq!(shortest(0, 101), Some(Duration::from_millis(610)));
        assert_eq!(shortest(0, 3_600_000), None);
    }
}
