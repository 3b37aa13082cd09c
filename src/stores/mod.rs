//! The stores: where lease rows live. One small trait, a family of alternatives.
//!
//! A store keeps rows under keys. Each row has a version that changes whenever the row does and is
//! never lower than before. A [`Change`] names the version that it was based on and is applied only
//! if the row still has it: that compare-and-set is everything the lease protocol needs.
//!
//! What a store must promise:
//! * a change is applied if and only if the row's version is its base, [`Version::ABSENT`] for a
//!   row that is not there; rows are independent, so part of a batch may be applied;
//! * a read shows every change that was answered before the read was sent;
//! * whatever happens, silence included, the caller gets an answer before the deadline it was
//!   opened with. An error means *unknown*: the change may have been applied, or may be yet.
//!
//! [`prove`] holds a store to the first promise before anything else relies on it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde_json::{Map, Value};

#[cfg(not(all(feature = "sqlite", feature = "datastore")))]
mod absent;
pub mod conformance;
#[cfg(feature = "datastore")]
pub mod datastore;
pub mod flaky;
pub mod memory;
mod place;
#[cfg(feature = "sqlite")]
pub mod sqlite;

#[cfg(not(feature = "datastore"))]
use self::absent as datastore;
#[cfg(not(feature = "sqlite"))]
use self::absent as sqlite;
pub use self::place::{DatastorePlace, Place, open, visit};

/// What a row holds: JSON's values under names.
pub type Fields = Map<String, Value>;

/// The name under which a store says why it could not read a row, or a field of it: one damaged row
/// must not keep anybody from the others.
pub const UNREADABLE: &str = "unreadable";

/// A future that a store hands out.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A place where rows live.
pub trait Store: Send + Sync + fmt::Debug {
    /// Reads rows, strongly consistent.
    fn read(&self, query: Query) -> Pending<'_, Result<Snapshot, StoreError>>;

    /// Applies each change whose base still is the row's version. The outcomes come in the order of
    /// the changes, of which there are at most [`MOST_CHANGES`]. An error leaves all of them unknown.
    fn commit(&self, changes: Vec<Change>) -> Pending<'_, Result<Vec<Outcome>, StoreError>>;

    /// What this store is, for people: kind and place, no secret.
    fn describe(&self) -> String;

    /// What the protocol may make of this store.
    fn traits(&self) -> Traits {
        Traits::default()
    }
}

/// Most changes in one commit: Datastore's limit.
pub const MOST_CHANGES: usize = 500;

/// What sets stores apart, as far as the protocol cares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traits {
    /// It may lose everything in an ordinary day (an emulator, memory), and instances then rebuild
    /// it from what they remember; otherwise a loss is an alarm and they stop.
    pub volatile: bool,
    /// It showed, when it was opened, that no other instance can be using it, so that the first one
    /// need not wait for leaders which an earlier, lost store might have had.
    pub alone: bool,
}

/// A kind of row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The one row that says which store this is.
    Cluster,
    /// One row an instance, kept alive by its heartbeat.
    Member,
    /// One row a job, which says who leads it.
    Lease,
    /// One row a due time of a job, or several in a row: what became of it.
    Run,
    /// The row on which [`prove`] tries the store.
    Probe,
}

impl Kind {
    /// Its name in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cluster => "Cluster",
            Self::Member => "Member",
            Self::Lease => "Lease",
            Self::Run => "Run",
            Self::Probe => "Probe",
        }
    }
}

/// Where a row lives, within the cluster the store was opened for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// What kind of row.
    pub kind: Kind,
    /// Which one: any text without NUL.
    pub id: String,
}

impl Key {
    /// The key of the `kind` row called `id`.
    pub fn new(kind: Kind, id: impl Into<String>) -> Self {
        Self { kind, id: id.into() }
    }
}

/// A row's version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

impl Version {
    /// The version of a row that is not there.
    pub const ABSENT: Self = Self(0);
}

/// What to read: these rows, all rows of these kinds, and the first rows of these ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Rows by key; one that is not there is left out of the answer.
    pub keys: Vec<Key>,
    /// Whole kinds.
    pub kinds: Vec<Kind>,
    /// Parts of kinds.
    pub ranges: Vec<Range>,
}

/// The first rows of a kind whose ids, compared as bytes, lie between two others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// Which kind.
    pub kind: Kind,
    /// From this id on.
    pub from: String,
    /// Up to this one, without it.
    pub to: String,
    /// No more than that many.
    pub most: usize,
}

/// What a read found. Rows of one answer may have been read at different moments.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// The rows, in no particular order, none twice.
    pub rows: Vec<Row>,
}

/// One row as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Where.
    pub key: Key,
    /// At which version.
    pub version: Version,
    /// How long it had stood unchanged, at least, when it was read: only from a store whose own
    /// clock cannot step.
    pub age: Option<Duration>,
    /// What it held.
    pub fields: Fields,
}

/// A conditional write.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Which row.
    pub key: Key,
    /// The version it must still have.
    pub base: Version,
    /// What it shall hold; `None` deletes it.
    pub fields: Option<Fields>,
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Applied; the row now has this version (meaningless after a deletion).
    Done(Version),
    /// Not applied and never will be: the row had another version.
    Conflict,
    /// Nobody can say. It may have been applied, or may be yet: read again.
    Unknown,
}

/// Why a store did not answer properly. Its variants are what a caller decides by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No answer, or a broken one: try again.
    #[error("{0}")]
    Unreachable(String),
    /// The store refuses us: trying again is polite at best, somebody has to act.
    #[error("{0}")]
    Denied(String),
    /// This is not a store that leases can rest on.
    #[error("{0}")]
    Unfit(String),
}

/// Tries a store's compare-and-set on a row of its own.
///
/// A store that takes a stale write would let two instances lead one job, so it is refused with
/// an error that says what it did.
pub async fn prove(store: &dyn Store, nonce: u128) -> Result<(), StoreError> {
    let key = Key::new(Kind::Probe, format!("{nonce:032x}"));
    let put = async |base, step: &str| {
        let fields = Fields::from_iter([("step".to_owned(), Value::from(step))]);
        let change = Change { key: key.clone(), base, fields: Some(fields) };
        store.commit(vec![change]).await.map(|outcomes| outcomes.first().copied())
    };
    let unfit = |what: &str| {
        Err(StoreError::Unfit(format!(
            "{} cannot carry leases: {what}, so two instances could lead one job; use a store that \
             refuses every write whose base version is stale",
            store.describe()
        )))
    };
    let Some(Outcome::Done(first)) = put(Version::ABSENT, "inserted").await? else {
        return unfit("it would not insert a row that was not there");
    };
    if let Some(Outcome::Done(_)) = put(Version::ABSENT, "inserted again").await? {
        return unfit("it inserted a row that was there already");
    }
    let Some(Outcome::Done(second)) = put(first, "updated").await? else {
        return unfit("it would not update a row from the version that it had just given");
    };
    if let Some(Outcome::Done(_)) = put(first, "updated from a stale version").await? {
        return unfit("it overwrote a row from a version that was no longer there");
    }
    store.commit(vec![Change { key, base: second, fields: None }]).await?;
    Ok(())
}
