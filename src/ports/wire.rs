//! The machine's requests in the words of a store, and a store's answers in the machine's.

use crate::lease::{Ask, Found, RowWrite, View, Wanted, Write};
use crate::rows::{self, Run, decode, encode};
use crate::stores::{Change, Key, Kind, Query, Row, Snapshot};

/// The only row of its kind.
pub const CLUSTER: &str = "cluster";

/// What to send for an ask.
#[derive(Debug)]
pub(super) enum Request {
    Read(Query),
    Commit(Vec<Change>),
}

pub(super) fn request(ask: Ask) -> Request {
    match ask {
        Ask::Read(wanted) => Request::Read(query(&wanted)),
        Ask::Write(writes) => Request::Commit(writes.into_iter().map(change).collect()),
    }
}

fn query(wanted: &Wanted) -> Query {
    let mut query = Query::default();
    if wanted.cluster {
        query.keys.push(cluster_key());
    }
    if wanted.members {
        query.kinds.push(Kind::Member);
    }
    query.keys.extend(wanted.leases.iter().map(|job| Key::new(Kind::Lease, job.as_str())));
    query
}

/// The key of the cluster's row.
pub fn cluster_key() -> Key {
    Key::new(Kind::Cluster, CLUSTER)
}

fn change(write: Write) -> Change {
    let (key, fields) = match write.row {
        RowWrite::Cluster(row) => (cluster_key(), Some(encode(&row))),
        RowWrite::Member(id, row) => (Key::new(Kind::Member, id.to_string()), row.map(|row| encode(&*row))),
        RowWrite::Lease(job, row) => (Key::new(Kind::Lease, job.as_str()), Some(encode(&*row))),
        RowWrite::Run(job, row) => (Key::new(Kind::Run, Run::id(&job, row.entry.due)), Some(encode(&*row))),
    };
    Change { key, base: write.base, fields }
}

/// What a read found. A row whose very key makes no sense is nobody's, and left out.
pub fn view(rows: Snapshot) -> View {
    let mut view = View::default();
    for row in rows.rows {
        match row.key.kind {
            Kind::Cluster => view.cluster = Some(found(row)),
            Kind::Member => {
                if let Ok(id) = row.key.id.parse() {
                    view.members.push((id, found(row)));
                }
            }
            Kind::Lease => {
                if let Some(job) = rows::job_of(&row.key.id) {
                    view.leases.push((job, found(row)));
                }
            }
            Kind::Run | Kind::Probe => {}
        }
    }
    view
}

fn found<T: serde::de::DeserializeOwned>(row: Row) -> Found<T> {
    Found { version: row.version, age: row.age, row: decode(row.fields) }
}
