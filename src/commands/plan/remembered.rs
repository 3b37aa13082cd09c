//! The schedule that a lease row names, read back from its fingerprint: what another configuration wanted
//! can be told without that configuration.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::config::{duration, moment};
use crate::machine::JobName;
use crate::schedulers::cron::{Gap, Overlap};
use crate::schedulers::{At, Cron, Every, Jitter, Schedule};

/// The schedule of that fingerprint, if this version can read it.
pub(super) fn remembered(fingerprint: &str, job: &JobName) -> Option<Arc<dyn Schedule>> {
    if let Some((schedule, by)) = fingerprint.rsplit_once(" + ") {
        let by = if by == "0ns" { Duration::ZERO } else { duration(by).ok()? };
        return Some(Arc::new(Jitter::by(remembered(schedule, job)?, by)));
    }
    match fingerprint.split_once(' ')? {
        ("every", interval) => Some(Arc::new(Every::new(duration(interval).ok()?)?)),
        ("at", when) => Some(Arc::new(At(moment(when).ok()?))),
        ("cron", rest) => Some(Arc::new(cron(rest, job)?)),
        _ => None,
    }
}

/// Six fields, the zone, and what becomes of due times where clocks are set.
fn cron(text: &str, job: &JobName) -> Option<Cron> {
    let words: Vec<_> = text.split(' ').collect();
    let [fields @ .., zone, gap, overlap] = words.as_slice() else { return None };
    let gap = [Gap::RunAfter, Gap::Skip].into_iter().find(|known| format!("{known:?}") == *gap)?;
    let overlap =
        [Overlap::First, Overlap::Both].into_iter().find(|known| format!("{known:?}") == *overlap)?;
    let cron = Cron::new(&fields.join(" "), job, TimeZone::get(zone).ok()?).ok()?;
    Some(cron.with_gap(gap).with_overlap(overlap))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Wall;

    #[test]
    fn a_schedule_is_read_back_from_what_a_row_says_of_it() {
        let job = JobName::new("job").unwrap();
        let cron = |text: &str, zone: &str| -> Arc<dyn Schedule> {
            Arc::new(Cron::new(text, &job, TimeZone::get(zone).unwrap()).unwrap())
        };
        let every =
            |millis| -> Arc<dyn Schedule> { Arc::new(Every::new(Duration::from_millis(millis)).unwrap()) };
        let jittered = |millis| -> Arc<dyn Schedule> {
            Arc::new(Jitter::new(every(60_000), &job, Duration::from_millis(millis)))
        };
        let once = Arc::new(At(Wall::from_nanos(1_700_000_000_000_000_000)));
        for schedule in [
            every(100),
            every(90_500),
            every(86_400_000),
            jittered(0),
            jittered(20_000),
            once,
            cron("H H(0-5) * * MON-FRI", "Europe/Athens"),
            cron("*/20 0,30 3 L * *", "UTC"),
            cron("@monthly", "America/New_York"),
        ] {
            let fingerprint = schedule.fingerprint();
            let back = remembered(&fingerprint, &job).unwrap_or_else(|| panic!("{fingerprint}"));
            assert_eq!(back.fingerprint(), fingerprint);
        }
        assert!(remembered("tidal high Europe/Athens", &job).is_none());
    }
}
