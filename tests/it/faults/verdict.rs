//! The law, which holds whatever was done to whom: judged by what arrived outside, by the kernel's
//! stamps on what the instances logged, and by the accounts in the store.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::recorder::Launch;
use super::scene::EVERY;
use crate::fleet::{Line, assert_exclusive};

/// What was seen of a scene.
pub(super) struct Evidence<'a> {
    pub(super) lines: &'a [Line],
    pub(super) launches: &'a [Launch],
}

/// What a store says that became of the due times of a job.
pub(super) struct Ledger {
    job: String,
    /// In the order in which they were due.
    accounts: Vec<Account>,
    /// The run that has no account yet.
    open: Option<String>,
}

struct Account {
    first: i128,
    last: i128,
    count: i128,
    fate: String,
    run: String,
}

impl Ledger {
    pub(super) fn read(json: &Value) -> Self {
        assert_eq!(json["problems"], Value::Array(Vec::new()));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let nanos = |value: &Value| text(value).parse::<jiff::Timestamp>().unwrap().as_nanosecond();
        let account = |json: &Value| Account {
            first: nanos(&json["due"]),
            last: nanos(&json["last"]),
            count: json["count"].as_i64().unwrap().into(),
            fate: text(&json["fate"]),
            run: text(&json["run"]),
        };
        let accounts = json["accounts"].as_array().unwrap().iter().rev().map(account).collect();
        let open = json["open"].is_object().then(|| text(&json["open"]["run"]));
        Self { job: text(&json["job"]), accounts, open }
    }

    /// How many due times met this fate.
    pub(super) fn count(&self, fate: &str) -> i128 {
        self.accounts.iter().filter(|account| account.fate == fate).map(|account| account.count).sum()
    }

    /// Every due time from the first to the last has one account.
    fn assert_complete(&self) {
        let every = i128::try_from(EVERY.as_nanos()).unwrap();
        assert!(self.accounts.len() > 1, "{} has hardly any account", self.job);
        for Account { first, last, count, fate, .. } in &self.accounts {
            assert_eq!(last - first, every * (count - 1), "{}: {count} due times are {fate}", self.job);
        }
        for (one, next) in self.accounts.iter().zip(self.accounts.iter().skip(1)) {
            let gap = next.first - one.last;
            assert_eq!(gap, every, "{}: between {} and {}", self.job, one.fate, next.fate);
        }
    }

    /// What ran was launched, and what was launched has an account.
    fn assert_agrees(&self, launches: &[Launch]) {
        let launched: BTreeSet<_> =
            launches.iter().filter(|launch| launch.job == self.job).map(|launch| &launch.run).collect();
        let known: BTreeSet<_> =
            self.accounts.iter().map(|account| &account.run).chain(self.open.as_ref()).collect();
        let unknown: Vec<_> = launched.difference(&known).collect();
        assert!(unknown.is_empty(), "{}: launched, and without an account: {unknown:?}", self.job);
        let ran = self.accounts.iter().filter(|account| account.fate == "ran").map(|account| &account.run);
        let made_up: Vec<_> = ran.filter(|run| !launched.contains(run)).collect();
        assert!(made_up.is_empty(), "{}: said to have run, and never launched: {made_up:?}", self.job);
    }
}

impl Evidence<'_> {
    pub(super) fn judge(&self, ledgers: &[Ledger]) {
        assert_exclusive(self.lines);
        self.assert_nothing_launched_twice();
        let began = self.assert_terms_rise();
        self.assert_no_late_launch(&began);
        for ledger in ledgers {
            ledger.assert_complete();
            ledger.assert_agrees(self.launches);
        }
    }

    fn assert_nothing_launched_twice(&self) {
        let mut runs = BTreeSet::new();
        for launch in self.launches {
            assert!(runs.insert(&launch.run), "launched twice: {launch:?}");
        }
    }

    /// No run begins under a term when another instance had the job under a later one already. Returns
    /// when each run began.
    fn assert_terms_rise(&self) -> BTreeMap<&str, u64> {
        let tells = |line: &&Line| line.is("lease.acquired") || line.is("occurrence.started");
        let mut told: Vec<_> = self.lines.iter().filter(tells).map(|line| (stamp(line), line)).collect();
        told.sort_by_key(|(at, _)| *at);
        let (mut newest, mut began) = (BTreeMap::<_, &Line>::new(), BTreeMap::new());
        for (at, line) in told {
            if line.is("occurrence.started") {
                began.insert(line.text("run"), at);
                let newer = newest.get(line.text("job")).filter(|newer| newer.term() > line.term());
                assert!(newer.is_none(), "began after a later term did: {line:?} after {newer:?}");
            }
            let known = newest.entry(line.text("job")).or_insert(line);
            if line.term() > known.term() {
                *known = line;
            }
        }
        began
    }

    /// No launch arrives from an old term after one of a later term did, unless its run had begun before
    /// that one: whoever is stopped between the two cannot be kept from it, and has a term to be told by.
    fn assert_no_late_launch(&self, began: &BTreeMap<&str, u64>) {
        let mut newest = BTreeMap::<_, &Launch>::new();
        for launch in self.launches {
            let known = newest.entry(&launch.job).or_insert(launch);
            if launch.term >= known.term {
                *known = launch;
                continue;
            }
            let [old, new] = [launch, *known].map(|launch| began.get(launch.run.as_str()));
            assert!(old.is_some() && old < new, "a late launch: {launch:?} after {known:?}");
        }
    }
}

/// When a line was written, by the kernel's clock.
fn stamp(line: &Line) -> u64 {
    line.text("ts").parse().unwrap()
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use serde_json::json;

    use super::*;
    use crate::fleet::now;

    /// What is logged of a job: an event, at a moment, under a term, about a run that is named like its
    /// due time.
    fn line(event: &str, ts: u64, term: u64, run: &str) -> Line {
        let json = json!({
            "event": event, "ts": ts.to_string(), "job": "job", "term": term, "run": run, "due": run,
        });
        Line { at: now(), process: format!("leader of term {term}"), json }
    }

    fn launch(term: u64, run: &str) -> Launch {
        Launch { at: now(), job: "job".to_owned(), term, run: run.to_owned() }
    }

    /// Accounts of runs, the oldest first, so many intervals after the start.
    fn ledger(accounts: &[(i64, &str, &str)]) -> Ledger {
        let account = |(place, fate, run): &(i64, &str, &str)| {
            let after = EVERY * u32::try_from(*place).unwrap();
            let due = jiff::Timestamp::UNIX_EPOCH + after;
            json!({ "due": due.to_string(), "last": due.to_string(), "count": 1, "fate": fate, "run": run })
        };
        let accounts: Vec<_> = accounts.iter().rev().map(account).collect();
        Ledger::read(&json!({ "job": "job", "open": null, "problems": [], "accounts": accounts }))
    }

    fn holds(lines: &[Line], launches: &[Launch], accounts: &[(i64, &str, &str)]) -> bool {
        catch_unwind(|| Evidence { lines, launches }.judge(&[ledger(accounts)])).is_ok()
    }

    #[test]
    fn every_offence_is_found_and_the_innocent_go_free() {
        let lines = [
            line("lease.acquired", 10, 1, ""),
            line("occurrence.started", 11, 1, "a"),
            line("lease.acquired", 20, 2, ""),
            line("occurrence.started", 21, 2, "b"),
        ];
        let launches = [launch(1, "a"), launch(2, "b")];
        let accounts = [(0, "ran", "a"), (1, "ran", "b")];
        assert!(holds(&lines, &launches, &accounts));
        let [first, second] = launches.clone();
        assert!(
            holds(&lines, &[second.clone(), first.clone()], &accounts),
            "it began before, and came after"
        );

        assert!(!holds(&lines, &[first.clone(), first.clone(), second.clone()], &accounts), "twice");
        let late = [&lines[..], &[line("occurrence.started", 22, 1, "c")]].concat();
        assert!(!holds(&late, &launches, &accounts), "begun under an old term");
        let unseen = [second, launch(1, "d")];
        assert!(!holds(&lines, &unseen, &[(0, "ran", "b"), (1, "ran", "d")]), "nobody says when it began");
        let stolen = [&lines[..], &[Line { process: "another".to_owned(), ..lines[2].clone() }]].concat();
        assert!(!holds(&stolen, &launches, &accounts), "one term, two leaders");
        assert!(!holds(&lines, &launches, &[(0, "ran", "a"), (2, "ran", "b")]), "a due time without account");
        assert!(!holds(&lines, &launches, &[(0, "ran", "a"), (0, "ran", "b")]), "one with two");
        assert!(!holds(&lines, &launches, &[(0, "ran", "a"), (1, "missed", "")]), "launched, no account");
        assert!(!holds(&lines, &[first], &accounts), "an account of what never was");
    }
}
