//! What became of due times, as the store sees it: each has one account, and none is ever lost.

use std::collections::BTreeMap;
use std::time::Duration;

use super::court::{Article, Breach, Court, Verdict};
use crate::machine::JobName;
use crate::rows::{Cursor, Entry, Lease, Orders, RunState};
use crate::time::{Instant, Wall};

/// The accounts of all jobs.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    jobs: BTreeMap<JobName, Account>,
    /// The store has lost everything: what was on its way there may arrive in the next one.
    lost: bool,
}

/// The account of one job.
#[derive(Debug, Default)]
struct Account {
    /// What stands in the history.
    history: BTreeMap<Wall, Entry>,
    /// What stands in the lease row, and since when.
    ledger: Vec<(Entry, Instant)>,
    cursor: Option<Cursor>,
    orders: Orders,
}

impl Accounts {
    /// The store has a lease row.
    pub(super) fn written(&mut self, court: &Court, job: &JobName, row: &Lease, now: Instant) -> Verdict {
        let account = self.jobs.entry(job.clone()).or_default();
        if self.lost && row.holder.is_none() && row.leader.is_none() {
            // Instances bring back what they remember, one after the other, and some remember more.
            account.ledger.clear();
            account.cursor = None;
        }
        for (entry, _) in account.ledger.iter().filter(|(entry, _)| !row.ledger.contains(entry)) {
            let filed = account.history.get(&entry.due);
            court.require(
                Article::OneAccount,
                filed == Some(entry) || (self.lost && filed.is_some()),
                || format!("what became of {job} due {} left its row and stands nowhere else", entry.due),
            )?;
        }
        let mut ledger = Vec::new();
        for entry in &row.ledger {
            let since = account.ledger.iter().find(|(known, _)| known == entry).map(|(_, since)| *since);
            let twice = ledger.iter().any(|(other, _): &(Entry, _)| other.due == entry.due)
                || (since.is_none() && account.history.contains_key(&entry.due) && !self.lost);
            court.require(Article::OneAccount, !twice, || {
                format!("{job} due {} has two accounts", entry.due)
            })?;
            ledger.push((entry.clone(), since.unwrap_or(now)));
        }
        account.ledger = ledger;
        let orders = std::mem::replace(&mut account.orders, row.orders);
        let started = row.cursor.as_ref().filter(|cursor| cursor.state == RunState::Started);
        let new = started.is_some_and(|new| account.cursor.as_ref().is_none_or(|old| old.run != new.run));
        court.require(Article::Orders, !new || !orders.is_paused() || self.lost, || {
            format!("{job} started while it was paused")
        })?;
        let before = std::mem::replace(&mut account.cursor, row.cursor.clone());
        let Some(before) = before.filter(Cursor::is_open) else { return Ok(()) };
        let still = row.cursor.as_ref().is_some_and(|cursor| cursor.due == before.due && cursor.is_open());
        court.require(Article::OneAccount, still || account.knows(before.due), || {
            format!("nobody knows what became of {job} due {}", before.due)
        })
    }

    /// The history has a row. Returns whether it is new.
    pub(super) fn filed(&mut self, court: &Court, job: &JobName, entry: &Entry) -> Result<bool, Breach> {
        let account = self.jobs.entry(job.clone()).or_default();
        if account.history.contains_key(&entry.due) {
            return Ok(false);
        }
        court.require(
            Article::OneAccount,
            self.lost || account.ledger.iter().any(|(known, _)| known == entry),
            || format!("{entry:?} of {job} was filed, and its row does not say so"),
        )?;
        account.history.insert(entry.due, entry.clone());
        Ok(true)
    }

    /// When all has been quiet for a while, everything is in the history.
    pub(super) fn settled(&self, court: &Court, now: Instant, patience: Duration) -> Verdict {
        self.jobs.iter().try_for_each(|(job, account)| {
            let late = |(entry, since): &&(Entry, Instant)| {
                now.since(*since) > patience && !account.history.contains_key(&entry.due)
            };
            let late = account.ledger.iter().find(late);
            court.require(Article::Recovery, late.is_none(), || {
                format!("what became of {job} is not filed: {late:?}")
            })
        })
    }

    /// The store has lost everything.
    pub(super) fn forget(&mut self) {
        *self = Self { lost: true, ..Self::default() };
    }
}

impl Account {
    fn knows(&self, due: Wall) -> bool {
        self.history.contains_key(&due) || self.ledger.iter().any(|(entry, _)| entry.due == due)
    }
}
