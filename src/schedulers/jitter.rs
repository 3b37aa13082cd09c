//! Another schedule, later by an amount that the job's name picks: jobs that are all due at midnight
//! begin one after the other, each of them always at the same time.

use std::sync::Arc;
use std::time::Duration;

use super::{Schedule, Told};
use crate::lease::placement::hash;
use crate::machine::JobName;
use crate::time::{Exact, Wall};

/// A schedule that is later than another.
#[derive(Clone, Debug)]
pub struct Jitter {
    schedule: Arc<dyn Schedule>,
    by: Duration,
}

impl Jitter {
    /// `schedule`, later by less than `window`.
    pub fn new(schedule: Arc<dyn Schedule>, job: &JobName, window: Duration) -> Self {
        let millis = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
        let by = hash(format!("jitter\0{job}").as_bytes()).checked_rem(millis).unwrap_or(0);
        Self::by(schedule, Duration::from_millis(by))
    }

    /// `schedule`, later by so much.
    pub fn by(schedule: Arc<dyn Schedule>, by: Duration) -> Self {
        Self { schedule, by }
    }
}

impl Schedule for Jitter {
    fn first(&self, born: Wall) -> Option<Wall> {
        self.schedule.first(born).map(|due| due + self.by)
    }

    fn next(&self, due: Wall) -> Option<Wall> {
        self.schedule.next(due - self.by).map(|next| next + self.by)
    }

    fn latest(&self, due: Wall, now: Wall) -> (Wall, u64) {
        let (latest, between) = self.schedule.latest(due - self.by, now - self.by);
        (latest + self.by, between)
    }

    fn in_words(&self) -> String {
        format!("{}; {} later, which its name picks", self.schedule.in_words(), Exact(self.by))
    }

    fn explain(&self, after: Wall, most: usize) -> Option<Vec<Told>> {
        let told = self.schedule.explain(after - self.by, most)?;
        let later = |told: Told| Told { due: told.due.map(|due| due + self.by), ..told };
        Some(told.into_iter().map(later).collect())
    }

    fn fingerprint(&self) -> String {
        format!("{} + {:?}", self.schedule.fingerprint(), self.by)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Every;
    use super::*;

    fn jittered(job: &str) -> Jitter {
        let every: Arc<dyn Schedule> = Arc::new(Every::new(Duration::from_mins(1)).unwrap());
        Jitter::new(every, &JobName::new(job).unwrap(), Duration::from_secs(20))
    }

    #[test]
    fn the_name_alone_says_how_much_later_a_job_is_due() {
        let first = |job: &str| jittered(job).first(Wall::default()).unwrap().as_nanos();
        assert_eq!(first("a"), first("a"));
        assert_ne!(first("a"), first("b"));
        assert!((0..1000).all(|job| first(&job.to_string()) < 20_000_000_000));
    }

    #[test]
    fn the_cadence_stays_what_it_was() {
        let jitter = jittered("a");
        let first = jitter.first(Wall::default()).unwrap();
        let (latest, between) = jitter.latest(first, first + Duration::from_secs(150));
        assert_eq!((latest.since(first), between), (Duration::from_mins(2), 2));
        assert_eq!(jitter.next(latest), Some(latest + Duration::from_mins(1)));
    }
}
