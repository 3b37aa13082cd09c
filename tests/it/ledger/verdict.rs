//! What must stand in the ledger, and in the log, when all is over.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::thread::scope;

use serde_json::Value;
use tenure::config::moment;
use tenure::time::Wall;

use super::chaos::look;
use super::{Cadence, Job};
use crate::fleet::{Fleet, Line};

/// Histories that are read at the same time.
const READERS: usize = 4;
/// The exit code of a command that found another run of its job.
const NOT_ALONE: &str = "exited with code 99";

/// What stands in the ledger, in numbers.
#[derive(Debug, Default)]
pub(super) struct Figures {
    jobs: usize,
    due: u64,
    fates: BTreeMap<String, u64>,
    runs: usize,
    leaderships: usize,
}

/// What became of due times.
struct Account {
    due: Wall,
    last: Wall,
    count: u64,
    fate: String,
}

/// The accounts of a job, the oldest first, and the due time that has none yet.
struct Ledger {
    accounts: Vec<Account>,
    open: Option<Wall>,
}

/// Holds everything that is left against everything that was promised.
pub(super) fn judge(fleet: &Fleet, jobs: &[Job], calm: Wall) -> Figures {
    let lines = fleet.lines();
    let mut figures = Figures { jobs: jobs.len(), ..Figures::default() };
    let by_job = by_job(&lines);
    for (job, ledger) in jobs.iter().zip(ledgers(fleet, jobs)) {
        let of_job = by_job.get(&*job.name).map(Vec::as_slice).unwrap_or_default();
        assert_complete(job, &ledger, calm);
        assert_recorded(job, &ledger, of_job);
        figures.leaderships += assert_terms_rise(job, of_job);
        figures.runs += assert_alone(job, of_job);
        for account in &ledger.accounts {
            figures.due += account.count;
            *figures.fates.entry(account.fate.clone()).or_default() += account.count;
        }
    }
    figures
}

/// The lines of each job, by the time that they say.
fn by_job(lines: &[Line]) -> BTreeMap<&str, Vec<&Line>> {
    let mut by_job: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for line in lines {
        by_job.entry(line.text("job")).or_default().push(line);
    }
    for lines in by_job.values_mut() {
        lines.sort_by_key(|line| line.text("time"));
    }
    by_job
}

fn ledgers(fleet: &Fleet, jobs: &[Job]) -> Vec<Ledger> {
    let share = jobs.len().div_ceil(READERS);
    scope(|threads| {
        let read = |jobs: &[Job]| jobs.iter().map(|job| ledger(fleet, job)).collect::<Vec<_>>();
        let readers: Vec<_> = jobs.chunks(share).map(|jobs| threads.spawn(move || read(jobs))).collect();
        readers.into_iter().flat_map(|reader| reader.join().unwrap()).collect()
    })
}

fn ledger(fleet: &Fleet, job: &Job) -> Ledger {
    let history = look(fleet, &["jobs", "history", &job.name, "-n", "10000", "-o", "json"]);
    assert_eq!(history["problems"], serde_json::json!([]), "{}", job.name);
    let at = |value: &Value| moment(value.as_str().unwrap()).unwrap();
    let mut accounts = Vec::new();
    for account in history["accounts"].as_array().unwrap() {
        let name = &job.name;
        assert!(account["term"].as_u64().is_some_and(|term| term > 0), "{name}: {account}");
        assert_ne!(account["reason"], NOT_ALONE, "two runs of {name} at once: {account}");
        accounts.push(Account {
            due: at(&account["due"]),
            last: at(&account["last"]),
            count: account["count"].as_u64().unwrap(),
            fate: account["fate"].as_str().unwrap().to_owned(),
        });
    }
    accounts.sort_by_key(|account| account.due);
    Ledger { accounts, open: history["open"].get("due").map(at) }
}

/// Every due time has one account, from the first one to the calm. Only the newest may have none yet.
fn assert_complete(job: &Job, Ledger { accounts, open }: &Ledger, calm: Wall) {
    let name = &job.name;
    let twice = accounts.windows(2).find(|pair| pair[1].due <= pair[0].last);
    assert!(twice.is_none(), "{name} has two accounts of {}", twice.unwrap()[1].due);
    let newest = accounts.last().map(|account| account.last).max(*open).unwrap();
    assert!(open.is_none_or(|open| open == newest), "{name} has left {open:?} behind");
    match job.cadence {
        Cadence::At(once) => {
            let due: Vec<_> = accounts.iter().map(|account| (account.due, account.count)).collect();
            assert_eq!((due.as_slice(), *open), (&[(once, 1)][..], None), "{name}");
        }
        Cadence::Every(step) => {
            let mut next = accounts[0].due;
            for Account { due, last, count, .. } in accounts {
                assert_eq!(*due, next, "{name} has no account of what was due then");
                let others = u32::try_from(count - 1).unwrap();
                assert_eq!(*last, *due + step * others, "{name} counts {count} from {due} on");
                next = *last + step;
            }
            assert!(open.is_none_or(|open| open == next), "{name} has no account of {next}: {open:?}");
            assert!(newest + step > calm, "{name} has stopped at {newest}");
        }
        Cadence::Whenever => assert!(newest > calm, "{name} has stopped at {newest}"),
    }
}

/// What started has one account that says so, started under a term that its process led at, and no attempt twice.
fn assert_recorded(job: &Job, Ledger { accounts, open }: &Ledger, lines: &[&Line]) {
    let name = &job.name;
    let led = |line: &&&Line| line.is("lease.acquired");
    let led: BTreeSet<_> = lines.iter().filter(led).map(|line| (line.term(), &*line.process)).collect();
    let mut attempts = BTreeSet::new();
    for line in lines.iter().filter(|line| line.is("occurrence.started")) {
        let due = moment(line.text("due")).unwrap();
        let attempt = line.json["attempt"].as_u64();
        assert!(led.contains(&(line.term(), &*line.process)), "{name} ran without its term: {line:?}");
        assert!(attempts.insert((due, attempt)), "{name} started twice: {line:?}");
        let ran = accounts.iter().find(|account| account.due == due);
        let ran = ran.is_some_and(|ran| ["ran", "failed", "unknown"].contains(&&*ran.fate));
        assert!(ran || *open == Some(due), "{name} ran and has no account of it: {line:?}");
    }
}

/// Returns how many leaderships there were.
fn assert_terms_rise(job: &Job, lines: &[&Line]) -> usize {
    let terms = lines.iter().filter(|line| line.is("lease.acquired")).map(|line| line.term());
    let terms: Vec<_> = terms.collect();
    assert!(terms.is_sorted_by(|one, next| one < next), "the terms of {} do not rise: {terms:?}", job.name);
    terms.len()
}

/// Nothing is heard of a run when a later one has begun. Returns how many runs there were.
fn assert_alone(job: &Job, lines: &[&Line]) -> usize {
    let mut begun: Vec<&str> = Vec::new();
    for line in lines {
        let run = line.text("run");
        if line.is("occurrence.started") {
            begun.push(run);
        } else if line.is("job.output") {
            assert_eq!(begun.last(), Some(&run), "two runs of {} at once: {line:?}", job.name);
        }
    }
    begun.len()
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { jobs, due, fates, runs, leaderships } = self;
        write!(
            f,
            "{due} due times of {jobs} jobs, each with one account {fates:?}, {runs} runs, {leaderships} leaderships"
        )
    }
}
