//! What happens to jobs when clocks lie: real processes, into which a library is preloaded that
//! changes what one of their clocks shows while they run.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;

use rustix::time::{ClockId, clock_gettime};

use crate::failover::{CALM, FAILOVER, assert_none_missing, everywhere, settled_leader, spread};
use crate::fleet::{Fleet, Line, assert_exclusive, now};
use crate::folder::Folder;

const HOUR: i64 = 3600 * SECOND;
const SECOND: i64 = 1_000_000_000;
/// How many clocks the library knows, and the numbers that it keeps of each.
const CLOCKS: usize = 16;
const NUMBERS: usize = 3;

/// A clock of the kernel, with its number in the kernel's interface.
type Kernel = (usize, ClockId);
const REALTIME: Kernel = (0, ClockId::Realtime);
const MONOTONIC: Kernel = (1, ClockId::Monotonic);
const BOOTTIME: Kernel = (7, ClockId::Boottime);

/// The clocks of one process.
struct Clocks {
    folder: Folder,
    file: std::fs::File,
}

impl Clocks {
    fn new() -> Self {
        let folder = Folder::new();
        let file = std::fs::File::create(folder.0.join("faults")).unwrap();
        file.set_len(u64::try_from(CLOCKS * NUMBERS * size_of::<i64>()).unwrap()).unwrap();
        Self { folder, file }
    }

    /// Starts one more instance, which reads them.
    fn start(&self, fleet: &mut Fleet, name: &str) -> String {
        let (library, faults) = (library(&self.folder.0), self.folder.0.join("faults"));
        let env = [("LD_PRELOAD", library.as_path()), ("CLOCK_FAULTS", &faults)];
        fleet.start_with(name, &env.map(|(key, path)| (key, path.to_str().unwrap())))
    }

    /// Puts a clock ahead by so many nanoseconds.
    fn put_ahead(&self, clock: Kernel, nanos: i64) {
        self.write(clock, 0, nanos);
    }

    /// Makes a clock run faster from now on, by so many millionths.
    fn quicken(&self, clock: Kernel, ppm: i64) {
        let time = clock_gettime(clock.1);
        self.write(clock, 2, time.tv_sec * SECOND + time.tv_nsec);
        self.write(clock, 1, ppm);
    }

    fn write(&self, clock: Kernel, number: usize, value: i64) {
        let index = clock.0 * NUMBERS + number;
        let offset = u64::try_from(index * size_of::<i64>()).unwrap();
        self.file.write_all_at(&value.to_ne_bytes(), offset).unwrap();
    }
}

/// Builds the library.
fn library(folder: &Path) -> PathBuf {
    let library = folder.join("shim.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/clocks/shim.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source);
    assert!(compiler.status().expect("a C compiler, which the build needs too").success());
    library
}

fn launched<'a>(lines: &'a [Line], process: &'a str) -> impl Iterator<Item = &'a Line> {
    lines.iter().filter(move |line| line.is("occurrence.started") && line.process == process)
}

/// An hour is more than any duration of the protocol: whoever compared times of day would now lead
/// for ever, or never.
#[test]
fn a_wall_clock_that_is_wrong_or_jumps_makes_no_difference() {
    everywhere(|place| {
        let mut fleet = place.fleet_with(CALM, 4, "500ms");
        let clocks = Clocks::new();
        let eldest = fleet.start();
        fleet.wait("the eldest is known", |lines| {
            lines.iter().any(|line| line.is("instance.registered")).then_some(())
        });
        clocks.put_ahead(REALTIME, HOUR);
        let wrong = clocks.start(&mut fleet, "wrong");
        fleet.start();
        spread(&fleet, 4, 3);
        sleep(CALM);
        for ahead in [-2 * HOUR, 30 * 24 * HOUR, 0] {
            clocks.put_ahead(REALTIME, ahead);
            sleep(CALM / 2);
        }
        let lines = fleet.lines();
        assert!(!lines.iter().any(|line| line.is("instance.lapsed") && line.process == wrong));
        assert!(launched(&lines, &wrong).count() > 5 && launched(&lines, &eldest).count() > 5);
        assert_exclusive(&lines);
        assert_none_missing(&lines, 4);
    });
}

/// While a machine is suspended its boot clock goes on and all others stand still.
#[test]
fn a_leader_that_slept_through_its_lease_wakes_as_none() {
    everywhere(|place| {
        let mut fleet = place.fleet(1, "200ms");
        let clocks = Clocks::new();
        let sleeper = clocks.start(&mut fleet, "sleeper");
        let (leader, term) = settled_leader(&fleet, "job-0");
        assert_eq!(leader, sleeper);
        fleet.start();
        let woke = now();
        clocks.put_ahead(BOOTTIME, 10 * i64::try_from(FAILOVER.as_nanos()).unwrap());
        fleet.wait("it says that it lapsed", |lines| {
            lines.iter().any(|line| line.is("instance.lapsed") && line.process == sleeper).then_some(())
        });
        let (_, next) = fleet.next_leader("job-0", term);
        sleep(FAILOVER);
        let lines = fleet.lines();
        // What it logged just before may reach us just after.
        let late = |line: &&Line| line.at > woke + FAILOVER / 4 && line.term() <= term;
        assert_eq!(lines.iter().filter(|line| line.is("occurrence.started")).filter(late).count(), 0);
        assert!(next > term);
        assert_exclusive(&lines);
    });
}

/// Two clocks that differ by 8 %, when a tenth is what the margin allows.
#[test]
fn clocks_that_run_at_different_rates_elect_one_leader() {
    everywhere(|place| {
        let mut fleet = place.fleet_with(CALM, 4, "200ms");
        let (slow, fast) = (Clocks::new(), Clocks::new());
        for clock in [BOOTTIME, MONOTONIC] {
            slow.quicken(clock, -40_000);
            fast.quicken(clock, 40_000);
        }
        slow.start(&mut fleet, "slow");
        fast.start(&mut fleet, "fast");
        fleet.start();
        spread(&fleet, 4, 3);
        sleep(CALM * 4);
        let lines = fleet.lines();
        assert_eq!(lines.iter().filter(|line| line.is("instance.lapsed")).count(), 0);
        assert_exclusive(&lines);
        assert_none_missing(&lines, 4);
    });
}

/// The runtime's timers go by another clock than leadership does.
#[test]
fn timers_that_fire_early_renew_early_and_end_nothing() {
    everywhere(|place| {
        let mut fleet = place.fleet_with(CALM, 2, "200ms");
        let clocks = Clocks::new();
        let hasty = clocks.start(&mut fleet, "hasty");
        fleet.start();
        spread(&fleet, 2, 2);
        for seconds in 1..4 {
            clocks.put_ahead(MONOTONIC, seconds * 12 * SECOND);
            sleep(CALM);
        }
        let lines = fleet.lines();
        assert!(!lines.iter().any(|line| line.is("instance.lapsed") && line.process == hasty));
        assert_exclusive(&lines);
        assert_none_missing(&lines, 2);
    });
}
