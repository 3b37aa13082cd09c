//! A store under trial: what the checks do to it, and how they learn what came of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::stores::{
    Change, Fields, Key, Kind, MOST_CHANGES, Outcome, Query, Row, Store, StoreError, Version,
};

/// How often a call is tried before its store counts as down.
const MOST_TRIES: usize = 200;
/// How often each concurrent writer counts.
pub(super) const COUNTS: u64 = 10;

/// A store under trial.
#[derive(Clone, Copy)]
pub(super) struct Trial<'a> {
    store: &'a dyn Store,
    scope: &'a str,
}

impl<'a> Trial<'a> {
    pub(super) fn new(store: &'a dyn Store, scope: &'a str) -> Self {
        Self { store, scope }
    }

    pub(super) fn scope(&self) -> &str {
        self.scope
    }

    pub(super) fn key(&self, name: &str) -> Key {
        Key::new(Kind::Probe, format!("{}/{name}", self.scope))
    }

    /// Inserts a row, under a name of its own, by an insert that cannot land a second time.
    pub(super) async fn plant(
        &self,
        kind: Kind,
        name: &str,
        fields: Fields,
    ) -> Result<(Key, Version), String> {
        for number in 0..MOST_TRIES {
            let key = Key { kind, ..self.key(&format!("{name} {number}")) };
            match self.commit_one(change(&key, Version::ABSENT, Some(fields.clone()))).await? {
                Outcome::Done(version) => return Ok((key, version)),
                Outcome::Conflict => {
                    return Err(format!("{key:?} could not be inserted, although it is new"));
                }
                Outcome::Unknown => {}
            }
        }
        Err(down())
    }

    /// Applies a change; it is a failure if the store refuses it.
    pub(super) async fn applied(
        &self,
        key: &Key,
        base: Version,
        fields: Option<Fields>,
    ) -> Result<Version, String> {
        let change = change(key, base, fields);
        let refused = || format!("{change:?} was refused, although the row had that version");
        self.settle(&change).await?.ok_or_else(refused)
    }

    /// Tries a change; it is a failure if the store applies it.
    pub(super) async fn refused(
        &self,
        key: &Key,
        base: Version,
        fields: Option<Fields>,
    ) -> Result<(), String> {
        let change = change(key, base, fields);
        let applied = self.settle(&change).await?;
        ensure(applied.is_none(), || format!("{change:?} was applied, although the row had another version"))
    }

    /// The row is there, exactly so.
    pub(super) async fn stands(&self, key: &Key, version: Version, fields: &Fields) -> Result<(), String> {
        let row = self.find(key).await?;
        let so = row.as_ref().is_some_and(|row| row.version == version && row.fields == *fields);
        ensure(so, || format!("{key:?} should hold {fields:?} at {version:?}, and was read as {row:?}"))
    }

    /// The row is not there.
    pub(super) async fn absent(&self, key: &Key) -> Result<(), String> {
        let row = self.find(key).await?;
        ensure(row.is_none(), || format!("{key:?} should be gone, and was read as {row:?}"))
    }

    /// Counts `name`'s field of a row up, in competition with others. What has been seen to count
    /// must stay.
    pub(super) async fn count(&self, key: &Key, name: &str) -> Result<(), String> {
        let mut safe = 0;
        loop {
            let mut row = self.find(key).await?.ok_or("the row is gone")?;
            let count = row.fields.get(name).and_then(Value::as_u64).unwrap_or(0);
            ensure(count >= safe, || {
                format!("writer {name} had counted to {safe}, then the row said {count}")
            })?;
            if count == COUNTS {
                return Ok(());
            }
            row.fields.insert(name.to_owned(), Value::from(count + 1));
            tokio::task::yield_now().await;
            safe = match self.commit_one(change(key, row.version, Some(row.fields))).await? {
                Outcome::Done(_) => count + 1,
                Outcome::Conflict | Outcome::Unknown => count,
            };
        }
    }

    /// Whether a change was applied, and to which version, after as many tries as it takes to know.
    async fn settle(&self, change: &Change) -> Result<Option<Version>, String> {
        let mut doubted = false;
        for _ in 0..MOST_TRIES {
            match self.commit_one(change.clone()).await? {
                Outcome::Done(version) => return Ok(Some(version)),
                Outcome::Conflict if !doubted => return Ok(None),
                Outcome::Conflict => {
                    let row = self.find(&change.key).await?;
                    let version = row.as_ref().map_or(Version::ABSENT, |row| row.version);
                    let applied = version != change.base && row.map(|row| row.fields) == change.fields;
                    return Ok(applied.then_some(version));
                }
                Outcome::Unknown => doubted = true,
            }
        }
        Err(down())
    }

    /// Applies changes that nothing can stand in the way of.
    pub(super) async fn settle_all(&self, mut changes: Vec<Change>) -> Result<(), String> {
        let mut doubted = false;
        for _ in 0..MOST_TRIES {
            let outcomes = self.commit(changes.clone()).await?;
            ensure(doubted || !outcomes.contains(&Outcome::Conflict), || {
                format!("a batch of {} changes of untouched rows met a conflict", changes.len())
            })?;
            doubted = true;
            let keys = changes.iter().map(|change| change.key.clone()).collect();
            let rows = self.read(Query { keys, ..Query::default() }).await?;
            changes.retain(|change| rows.get(&change.key).map(|row| &row.fields) != change.fields.as_ref());
            if changes.is_empty() {
                return Ok(());
            }
        }
        Err(down())
    }

    async fn commit_one(&self, change: Change) -> Result<Outcome, String> {
        let outcomes = self.commit(vec![change]).await?;
        outcomes.first().copied().ok_or_else(|| "a change was not answered".to_owned())
    }

    /// Commits once. No answer is an answer: everything is unknown.
    pub(super) async fn commit(&self, changes: Vec<Change>) -> Result<Vec<Outcome>, String> {
        let asked = changes.len();
        match self.store.commit(changes).await {
            Ok(outcomes) if outcomes.len() == asked => Ok(outcomes),
            Ok(outcomes) => Err(format!("{asked} changes were given {} outcomes", outcomes.len())),
            Err(StoreError::Unreachable(_)) => Ok(vec![Outcome::Unknown; asked]),
            Err(error @ (StoreError::Denied(_) | StoreError::Unfit(_))) => Err(error.to_string()),
        }
    }

    pub(super) async fn find(&self, key: &Key) -> Result<Option<Row>, String> {
        Ok(self.read(Query { keys: vec![key.clone()], ..Query::default() }).await?.remove(key))
    }

    /// Reads until it is answered; no row may come twice or unasked.
    pub(super) async fn read(&self, query: Query) -> Result<BTreeMap<Key, Row>, String> {
        let asked: BTreeSet<&Key> = query.keys.iter().collect();
        for _ in 0..MOST_TRIES {
            let rows = match self.store.read(query.clone()).await {
                Ok(snapshot) => snapshot.rows,
                Err(StoreError::Unreachable(_)) => continue,
                Err(error @ (StoreError::Denied(_) | StoreError::Unfit(_))) => return Err(error.to_string()),
            };
            let count = rows.len();
            let rows: BTreeMap<Key, Row> = rows.into_iter().map(|row| (row.key.clone(), row)).collect();
            ensure(rows.len() == count, || format!("one of {count} rows was given twice"))?;
            let of_range = |key: &Key| {
                query
                    .ranges
                    .iter()
                    .any(|range| range.kind == key.kind && (&range.from..&range.to).contains(&&key.id))
            };
            let called_for =
                |key: &Key| asked.contains(key) || query.kinds.contains(&key.kind) || of_range(key);
            let stray = rows.keys().find(|key| !called_for(key));
            ensure(stray.is_none(), || format!("{stray:?} was given without being asked for"))?;
            return Ok(rows);
        }
        Err(down())
    }

    /// Deletes whatever the checks have left.
    pub(super) async fn clean(&self) -> Result<(), String> {
        let rows = self
            .read(Query {
                kinds: vec![Kind::Probe, Kind::Member, Kind::Lease, Kind::Run],
                ..Query::default()
            })
            .await?;
        let ours = rows.values().filter(|row| row.key.id.starts_with(self.scope));
        let deletes: Vec<_> = ours.map(|row| change(&row.key, row.version, None)).collect();
        for batch in deletes.chunks(MOST_CHANGES) {
            self.settle_all(batch.to_vec()).await?;
        }
        Ok(())
    }
}

pub(super) fn change(key: &Key, base: Version, fields: Option<Fields>) -> Change {
    Change { key: key.clone(), base, fields }
}

pub(super) fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

fn down() -> String {
    format!("no answer in {MOST_TRIES} tries: is the store up?")
}
