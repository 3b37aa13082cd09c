//! The store of the model: rows that change by compare-and-set, unless it has a hole.

use std::collections::BTreeMap;

use tenure::lease::{Answer, Ask, Found, RowWrite, View, Wanted, Write};
use tenure::machine::{Incarnation, JobName};
use tenure::rows::{Cluster, Lease, Member};
use tenure::stores::{Outcome, Version};

use super::Hole;

/// Rows, with versions from one counter.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    version: u64,
    cluster: Table<(), Cluster>,
    members: Table<Incarnation, Member>,
    leases: Table<JobName, Lease>,
    /// The term of a job fell, or went to another holder without rising.
    pub(super) fallen: bool,
    /// Leaderships that began.
    pub(super) taken: usize,
}

type Table<K, T> = BTreeMap<K, (Version, T)>;

impl Rows {
    /// Carries out a request.
    pub(super) fn answer(&mut self, ask: Ask, hole: Hole) -> Answer {
        match ask {
            Ask::Read(wanted) => Answer::Read(self.read(&wanted)),
            Ask::Write(writes) => {
                Answer::Written(writes.into_iter().map(|write| self.write(write, hole)).collect())
            }
        }
    }

    /// Who leads a job, by its row.
    pub(super) fn lease(&self, job: &JobName) -> Option<&Lease> {
        self.leases.get(job).map(|(_, row)| row)
    }

    fn read(&self, wanted: &Wanted) -> View {
        let leases = self.leases.iter().filter(|(job, _)| wanted.leases.contains(*job));
        View {
            cluster: self.cluster.get(&()).filter(|_| wanted.cluster).map(found),
            members: self
                .members
                .iter()
                .filter(|_| wanted.members)
                .map(|(id, row)| (*id, found(row)))
                .collect(),
            leases: leases.map(|(job, row)| (job.clone(), found(row))).collect(),
        }
    }

    fn write(&mut self, write: Write, hole: Hole) -> Outcome {
        let next = Version(self.version + 1);
        let base = if hole == Hole::Overwrites { None } else { Some(write.base) };
        let applied = if let RowWrite::Cluster(row) = write.row {
            put(&mut self.cluster, (), base, Some(row), next)
        } else if let RowWrite::Member(id, row) = write.row {
            put(&mut self.members, id, base, row.map(|row| *row), next)
        } else if let RowWrite::Lease(job, row) = write.row {
            let (holder, term) = self.lease(&job).map(|row| (row.holder, row.term)).unwrap_or_default();
            let begins = row.holder.is_some() && row.holder != holder;
            let falls = row.term < term || begins && row.term == term;
            let applied = put(&mut self.leases, job, base, Some(*row), next);
            self.fallen |= applied && falls;
            self.taken += usize::from(applied && begins);
            applied
        } else {
            // Whatever else is written says nothing about who leads.
            true
        };
        if applied {
            self.version = next.0;
        }
        if applied { Outcome::Done(next) } else { Outcome::Conflict }
    }
}

fn put<K: Ord, T>(
    rows: &mut Table<K, T>,
    key: K,
    base: Option<Version>,
    row: Option<T>,
    next: Version,
) -> bool {
    let current = rows.get(&key).map_or(Version::ABSENT, |(version, _)| *version);
    if base.is_some_and(|base| base != current) {
        return false;
    }
    match row {
        Some(row) => drop(rows.insert(key, (next, row))),
        None => drop(rows.remove(&key)),
    }
    true
}

fn found<T: Clone>((version, row): &(Version, T)) -> Found<T> {
    Found { version: *version, age: None, row: Ok(row.clone()) }
}
