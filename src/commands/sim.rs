//! `tenure sim`: many simulated worlds, on all cores. Worlds have nothing in common, so the report is the
//! same however many threads there are.

use std::ops::Range;
use std::panic;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::sim::{self, Profile, Report};
use crate::time::Clock;

/// How many worlds a soak runs between two looks at the clock.
const BATCH: u64 = 200;
/// How often a soak says how far it is.
const MINUTE: Duration = Duration::from_mins(1);

/// Runs the worlds of `seeds`, on so many threads.
pub fn simulate(profile: &'static Profile, seeds: Range<u64>, threads: usize) -> Report {
    let next = AtomicU64::new(seeds.start);
    let work = || {
        let mut report = Report::new(profile);
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return report;
            }
            report.add(sim::run_seed(profile, seed));
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        let reports = workers.into_iter().map(|worker| match worker.join() {
            Ok(report) => report,
            Err(panicked) => panic::resume_unwind(panicked),
        });
        reports.fold(Report::new(profile), |mut sum, report| {
            sum += report;
            sum
        })
    })
}

/// Runs worlds from seed `first` on until `time` is over or one breaks the law. Says every minute what
/// they have come to so far.
pub fn soak(
    profile: &'static Profile,
    first: u64,
    time: Duration,
    threads: usize,
    clock: &dyn Clock,
    mut progress: impl FnMut(&Report),
) -> Report {
    let (until, mut said, mut report) = (clock.now() + time, clock.now(), Report::new(profile));
    while clock.now() < until && report.violations == 0 {
        let done = first + report.figures.seeds;
        report += simulate(profile, done..done + BATCH, threads);
        if clock.now().since(said) >= MINUTE {
            said = clock.now();
            progress(&report);
        }
    }
    report
}

/// How many worlds can run at once here.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}
