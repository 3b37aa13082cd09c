//! Rows in the memory of this process: for tests, for the simulator, and for an instance alone.
//!
//! Clones share their rows, so several instances in one process can compete on one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    Change, Fields, Key, Outcome, Pending, Query, Row, Snapshot, Store, StoreError, Traits, Version,
};
use crate::time::{Clock, Instant};

/// A store that lives as long as its last clone.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    table: Arc<Mutex<Table>>,
    clock: Option<Arc<dyn Clock>>,
}

#[derive(Debug, Default)]
struct Table {
    rows: BTreeMap<Key, Entry>,
    newest: u64,
    wiped: bool,
}

#[derive(Debug)]
struct Entry {
    version: Version,
    written: Option<Instant>,
    fields: Fields,
}

impl Memory {
    /// An empty store that knows no ages.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store that tells ages by `clock`.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self { clock: Some(clock), ..Self::default() }
    }

    /// Loses everything, versions included, as a server without a disk does when it restarts.
    pub fn wipe(&self) {
        *self.table() = Table { wiped: true, ..Table::default() };
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Option<Instant> {
        self.clock.as_ref().map(|clock| clock.now())
    }
}

impl Store for Memory {
    fn read(&self, query: Query) -> Pending<'_, Result<Snapshot, StoreError>> {
        let rows = self.table().read(&query, self.now());
        Box::pin(ready(Ok(Snapshot { rows })))
    }

    fn commit(&self, changes: Vec<Change>) -> Pending<'_, Result<Vec<Outcome>, StoreError>> {
        let now = self.now();
        let mut table = self.table();
        let outcomes = changes.into_iter().map(|change| table.apply(change, now)).collect();
        Box::pin(ready(Ok(outcomes)))
    }

    fn describe(&self) -> String {
        "the memory of this process".to_owned()
    }

    /// It is alone until it is wiped: before that there was no earlier store to have leaders.
    fn traits(&self) -> Traits {
        Traits { volatile: true, alone: !self.table().wiped }
    }
}

impl Table {
    fn read(&self, query: &Query, now: Option<Instant>) -> Vec<Row> {
        let of_kinds = self.rows.keys().filter(|key| query.kinds.contains(&key.kind));
        let of_ranges = query.ranges.iter().flat_map(|range| {
            let (from, to) = (Key::new(range.kind, &*range.from), Key::new(range.kind, &*range.to));
            let within = (from < to).then(|| self.rows.range(from..to));
            within.into_iter().flatten().map(|(key, _)| key).take(range.most)
        });
        let wanted: BTreeSet<&Key> = query.keys.iter().chain(of_kinds).chain(of_ranges).collect();
        wanted.into_iter().filter_map(|key| Some(self.rows.get(key)?.row(key, now))).collect()
    }

    fn apply(&mut self, change: Change, now: Option<Instant>) -> Outcome {
        let version = self.rows.get(&change.key).map_or(Version::ABSENT, |entry| entry.version);
        if version != change.base {
            return Outcome::Conflict;
        }
        self.newest += 1;
        let version = Version(self.newest);
        match change.fields {
            Some(fields) => self.rows.insert(change.key, Entry { version, written: now, fields }),
            None => self.rows.remove(&change.key),
        };
        Outcome::Done(version)
    }
}

impl Entry {
    fn row(&self, key: &Key, now: Option<Instant>) -> Row {
        Row {
            key: key.clone(),
            version: self.version,
            age: now.zip(self.written).map(|(now, written)| now.since(written)),
            fields: self.fields.clone(),
        }
    }
}
