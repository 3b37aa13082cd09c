//! The store of the simulated world: the rows that everybody competes for, and nothing of the way
//! there, which is the world's affair.

use std::collections::BTreeMap;

use super::clock::BootClock;
use crate::lease::{Found, RowWrite, View, Wanted, Write};
use crate::machine::{ClusterId, Incarnation, JobName};
use crate::rows::{Cluster, Lease, Member, Run};
use crate::stores::{Outcome, Version};
use crate::time::{Instant, Wall};

/// A store.
#[derive(Debug, Default)]
pub(super) struct Store {
    rows: Rows,
    /// What it may go back to.
    backup: Option<Rows>,
    /// It tells ages by this clock.
    pub(super) clock: Option<BootClock>,
    /// The first stale row of a batch stops it, and nobody learns what became of any row.
    brittle: bool,
}

/// Rows, with versions from one counter that no loss resets.
#[derive(Clone, Debug, Default)]
struct Rows {
    version: u64,
    cluster: Table<(), Cluster>,
    members: Table<Incarnation, Member>,
    leases: Table<JobName, Lease>,
    runs: Table<(JobName, Wall), Run>,
}

type Table<K, T> = BTreeMap<K, Stored<T>>;

#[derive(Clone, Debug)]
struct Stored<T> {
    version: Version,
    row: T,
    changed: Instant,
}

impl Store {
    pub(super) fn new(brittle: bool) -> Self {
        Self { brittle, ..Self::default() }
    }

    /// Applies what can be applied.
    pub(super) fn commit(&mut self, now: Instant, writes: &[Write]) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(writes.len());
        for write in writes {
            let outcome = self.write(now, write);
            if self.brittle && writes.len() > 1 && outcome == Outcome::Conflict {
                return vec![Outcome::Unknown; writes.len()];
            }
            outcomes.push(outcome);
        }
        outcomes
    }

    fn write(&mut self, now: Instant, write: &Write) -> Outcome {
        let version = Version(self.rows.version + 1);
        let base = write.base;
        let applied = match write.row.clone() {
            RowWrite::Cluster(row) => put(&mut self.rows.cluster, (), base, Some(row), version, now),
            RowWrite::Member(id, row) => {
                put(&mut self.rows.members, id, base, row.map(|row| *row), version, now)
            }
            RowWrite::Lease(job, row) => put(&mut self.rows.leases, job, base, Some(*row), version, now),
            RowWrite::Run(job, row) => {
                put(&mut self.rows.runs, (job, row.entry.due), base, Some(*row), version, now)
            }
        };
        if !applied {
            return Outcome::Conflict;
        }
        self.rows.version += 1;
        Outcome::Done(version)
    }

    /// Reads one of the tables that are still wanted into `view`.
    pub(super) fn read(&self, now: Instant, wanted: &mut Wanted, first: u8, view: &mut View) {
        for table in (0..3).cycle().skip(usize::from(first)).take(3) {
            match table {
                0 if wanted.cluster => {
                    wanted.cluster = false;
                    view.cluster = self.rows.cluster.get(&()).map(|stored| stored.found(now, self.clock));
                }
                1 if wanted.members => {
                    wanted.members = false;
                    let rows = self.rows.members.iter();
                    view.members = rows.map(|(id, stored)| (*id, stored.found(now, self.clock))).collect();
                }
                2 if !wanted.leases.is_empty() => {
                    let leases = std::mem::take(&mut wanted.leases);
                    let rows = self.rows.leases.iter().filter(|(job, _)| leases.contains(*job));
                    view.leases =
                        rows.map(|(job, stored)| (job.clone(), stored.found(now, self.clock))).collect();
                }
                _ => continue,
            }
            return;
        }
    }

    /// Rises with every row that is written.
    pub(super) fn version(&self) -> u64 {
        self.rows.version
    }

    /// What stands in the row of `job`.
    pub(super) fn lease(&self, job: &JobName) -> Option<&Lease> {
        self.rows.leases.get(job).map(|stored| &stored.row)
    }

    /// What the history says of a due time of `job`.
    pub(super) fn run(&self, job: &JobName, due: Wall) -> Option<&Run> {
        self.rows.runs.get(&(job.clone(), due)).map(|stored| &stored.row)
    }

    /// Whose store it says that it is.
    pub(super) fn cluster(&self) -> Option<ClusterId> {
        self.rows.cluster.get(&()).map(|stored| stored.row.id)
    }

    /// Loses everything.
    pub(super) fn wipe(&mut self) {
        self.rows.cluster.clear();
        self.rows.members.clear();
        self.rows.leases.clear();
        self.rows.runs.clear();
    }

    /// Goes back to the last backup, or makes one.
    pub(super) fn roll_back(&mut self) {
        match self.backup.take() {
            Some(backup) => self.rows = backup,
            None => self.backup = Some(self.rows.clone()),
        }
    }

    /// The lease row of `job` and the cluster's, for a person who writes a wish.
    pub(super) fn wishing(&self, job: &JobName) -> Option<((Version, Lease), (Version, Cluster))> {
        let (lease, cluster) = (self.rows.leases.get(job)?, self.rows.cluster.get(&())?);
        Some(((lease.version, lease.row.clone()), (cluster.version, cluster.row.clone())))
    }

    /// The cluster's row, for a person who changes it.
    pub(super) fn founding(&self) -> Option<(Version, Cluster)> {
        self.rows.cluster.get(&()).map(|stored| (stored.version, stored.row.clone()))
    }

    /// The lives that people have drained.
    pub(super) fn drained(&self) -> Vec<Incarnation> {
        self.rows.cluster.get(&()).map(|stored| stored.row.drained.clone()).unwrap_or_default()
    }

    pub(super) fn incarnations(&self) -> impl Iterator<Item = Incarnation> {
        self.rows.members.keys().copied()
    }
}

fn put<K: Ord, T>(
    rows: &mut Table<K, T>,
    key: K,
    base: Version,
    row: Option<T>,
    version: Version,
    changed: Instant,
) -> bool {
    let current = rows.get(&key).map_or(Version::ABSENT, |stored| stored.version);
    if current != base {
        return false;
    }
    match row {
        Some(row) => drop(rows.insert(key, Stored { version, row, changed })),
        None => drop(rows.remove(&key)),
    }
    true
}

impl<T: Clone> Stored<T> {
    fn found(&self, now: Instant, clock: Option<BootClock>) -> Found<T> {
        let age = clock.map(|clock| clock.shows(now).since(clock.shows(self.changed)));
        Found { version: self.version, age, row: Ok(self.row.clone()) }
    }
}
