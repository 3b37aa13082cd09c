//! Rows in Google's Datastore, or in one of its emulators, over gRPC.
//!
//! * **Keys.** Every row is `Cluster/<cluster>/<kind>/<id>`, the `Cluster` row included. One ancestor
//!   makes the queries for whole kinds strongly consistent, everywhere. Histories stand below
//!   `History/<cluster>`: where all that is below one ancestor is written as one, leases do not wait for them.
//! * **Compare-and-set** is one non-transactional commit whose mutations name the version they rest
//!   on and fail otherwise. Of a batch that fails, the rows before the stale one *were* applied, so
//!   its outcomes are unknown. Transactions are never held: the Firestore emulator lets an abandoned
//!   one block every other writer.
//! * **Ages** come from the server's own stamps, and only from Google's servers: an emulator's clock
//!   is its machine's and can step.
//! * **Silence.** A call that was not answered in time takes its connection with it: the next call
//!   dials anew and never queues behind a dead one.

mod entity;
mod fence;
mod line;
mod options;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::{Future, ready};
use std::sync::Arc;
use std::time::Duration;

/// Google's own types, in which mutations are written.
pub use gcloud_sdk::google::datastore::v1;
use gcloud_sdk::tonic::{Code, Status};
use tokio::task::JoinSet;
use v1::commit_request::Mode;
use v1::mutation::{ConflictDetectionStrategy, ConflictResolutionStrategy, Operation};
use v1::query_result_batch::MoreResultsType;
use v1::read_options::{ConsistencyType, ReadConsistency};

pub use self::fence::MOST_FENCED;
use self::line::{Client, Line};
pub use self::options::Options;
use super::{
    Change, DatastorePlace, Key, Outcome, Pending, Query, Row, Snapshot, Store, StoreError, Traits, Version,
};

/// Most keys in one lookup: Datastore's limit.
const MOST_KEYS: usize = 1000;
/// How often a read is tried that meets commits.
const MOST_TRIES: u32 = 3;
/// How a server complains, of an invalid argument, about a base above the row's version.
const NEWER_BASE: &str = "Invalid base version";

/// Opens the store at `place`. No call takes longer than `deadline`.
pub(super) fn open(
    place: &DatastorePlace,
    cluster: &str,
    deadline: Duration,
) -> impl Future<Output = Result<Arc<dyn Store>, StoreError>> {
    let opened = Datastore::open(Options::new(place, cluster, deadline));
    let shared = |store| -> Arc<dyn Store> { Arc::new(store) };
    ready(opened.map(shared))
}

/// One cluster's rows in Datastore.
pub struct Datastore {
    options: Arc<Options>,
    line: Line,
    strategy: ConflictResolutionStrategy,
}

impl Datastore {
    /// Gets ready to call; the first call connects. Must be called within a Tokio runtime.
    pub fn open(options: Options) -> Result<Self, StoreError> {
        let line = Line::new(&options)?;
        Ok(Self { options: Arc::new(options), line, strategy: ConflictResolutionStrategy::Fail })
    }

    /// For tests only: leaves conflicts to the server, and the Firestore emulator then overwrites
    /// whatever is there. A store like this is what [`super::prove`] is there to refuse.
    #[must_use]
    pub fn careless(self) -> Self {
        Self { strategy: ConflictResolutionStrategy::ServerValue, ..self }
    }

    fn commit_request(&self, changes: Vec<Change>) -> Result<v1::CommitRequest, StoreError> {
        let mutations = changes.into_iter().map(|change| self.mutation(change));
        Ok(v1::CommitRequest {
            project_id: self.options.project.clone(),
            database_id: self.options.database.clone(),
            mode: Mode::NonTransactional.into(),
            mutations: mutations.collect::<Result<_, _>>()?,
            ..Default::default()
        })
    }

    fn mutation(&self, Change { key, base, fields }: Change) -> Result<v1::Mutation, StoreError> {
        let path = entity::key(&self.options, &key);
        let Some(fields) = fields else { return Ok(self.rest_on(base, Operation::Delete(path))) };
        let unstorable = |what| StoreError::Denied(format!("{key:?} cannot be stored: {what}"));
        let properties = entity::properties(fields).map_err(unstorable)?;
        let entity = v1::Entity { key: Some(path), properties };
        // Not an upsert on version 0: where a row was deleted, the Firestore emulator refuses that for ever.
        if base == Version::ABSENT && self.strategy == ConflictResolutionStrategy::Fail {
            return Ok(v1::Mutation { operation: Some(Operation::Insert(entity)), ..Default::default() });
        }
        Ok(self.rest_on(base, Operation::Upsert(entity)))
    }

    fn rest_on(&self, base: Version, operation: Operation) -> v1::Mutation {
        let base = i64::try_from(base.0).unwrap_or(i64::MAX);
        v1::Mutation {
            operation: Some(operation),
            conflict_detection_strategy: Some(ConflictDetectionStrategy::BaseVersion(base)),
            conflict_resolution_strategy: self.strategy.into(),
            ..Default::default()
        }
    }
}

impl Store for Datastore {
    fn read(&self, query: Query) -> Pending<'_, Result<Snapshot, StoreError>> {
        let options = Arc::clone(&self.options);
        Box::pin(self.line.call(|client| read_again(client, options, query)))
    }

    fn commit(&self, changes: Vec<Change>) -> Pending<'_, Result<Vec<Outcome>, StoreError>> {
        Box::pin(async move {
            let count = changes.len();
            let request = self.commit_request(changes)?;
            self.line.call(|client| commit(client, request, count)).await
        })
    }

    fn describe(&self) -> String {
        self.options.to_string()
    }

    fn traits(&self) -> Traits {
        Traits { volatile: self.options.emulator.is_some(), alone: false }
    }
}

impl fmt::Debug for Datastore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Datastore").field("options", &self.options).finish_non_exhaustive()
    }
}

async fn commit(
    mut client: Client,
    request: v1::CommitRequest,
    count: usize,
) -> Result<Vec<Outcome>, Status> {
    if count == 0 {
        return Ok(vec![]);
    }
    let results = match client.commit(request).await {
        Ok(answer) => answer.into_inner().mutation_results,
        Err(status) if is_conflict(&status) && count == 1 => return Ok(vec![Outcome::Conflict]),
        Err(status) if is_conflict(&status) => return Ok(vec![Outcome::Unknown; count]),
        Err(status) => return Err(status),
    };
    if results.len() != count {
        return Err(Status::internal(format!("{} results for {count} changes", results.len())));
    }
    Ok(results.iter().map(outcome).collect())
}

fn is_conflict(status: &Status) -> bool {
    matches!(status.code(), Code::FailedPrecondition | Code::AlreadyExists)
        || status.code() == Code::InvalidArgument && status.message().contains(NEWER_BASE)
}

fn outcome(result: &v1::MutationResult) -> Outcome {
    if result.conflict_detected {
        Outcome::Conflict
    } else {
        Outcome::Done(Version(u64::try_from(result.version).unwrap_or_default()))
    }
}

/// Reads what `query` asks for. A read that met a commit is worth another try: it changes nothing.
async fn read_again(client: Client, options: Arc<Options>, query: Query) -> Result<Snapshot, Status> {
    for _ in 1..MOST_TRIES {
        match read(client.clone(), Arc::clone(&options), query.clone()).await {
            Err(status) if status.code() == Code::Aborted => {}
            answer => return answer,
        }
    }
    read(client, options, query).await
}

/// Reads all parts of `query` at once. Dropping it ends them.
async fn read(client: Client, options: Arc<Options>, query: Query) -> Result<Snapshot, Status> {
    let mut parts = JoinSet::new();
    let keys: Vec<Key> = query.keys.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
    for chunk in keys.chunks(MOST_KEYS) {
        parts.spawn(lookup(client.clone(), Arc::clone(&options), chunk.to_vec()));
    }
    for kind in query.kinds.into_iter().collect::<BTreeSet<_>>() {
        parts.spawn(run(client.clone(), Arc::clone(&options), entity::all_of(&options, kind)));
    }
    for range in &query.ranges {
        parts.spawn(run(client.clone(), Arc::clone(&options), entity::part_of(&options, range)));
    }
    let mut rows = BTreeMap::new();
    while let Some(part) = parts.join_next().await {
        let found = part.map_err(|error| Status::internal(error.to_string()))??;
        rows.extend(found.into_iter().map(|row| (row.key.clone(), row)));
    }
    Ok(Snapshot { rows: rows.into_values().collect() })
}

async fn lookup(mut client: Client, options: Arc<Options>, keys: Vec<Key>) -> Result<Vec<Row>, Status> {
    let mut rows = Vec::with_capacity(keys.len());
    let mut wanted: Vec<_> = keys.iter().map(|key| entity::key(&options, key)).collect();
    while !wanted.is_empty() {
        let request = v1::LookupRequest {
            project_id: options.project.clone(),
            database_id: options.database.clone(),
            read_options: Some(strong()),
            keys: wanted,
            ..Default::default()
        };
        let answer = client.lookup(request).await?.into_inner();
        let found = answer.found.into_iter();
        rows.extend(found.filter_map(|found| entity::row(&options, found, answer.read_time)));
        wanted = answer.deferred;
    }
    Ok(rows)
}

async fn run(mut client: Client, options: Arc<Options>, mut query: v1::Query) -> Result<Vec<Row>, Status> {
    let mut rows = Vec::new();
    loop {
        let request = v1::RunQueryRequest {
            project_id: options.project.clone(),
            database_id: options.database.clone(),
            partition_id: Some(entity::partition(&options)),
            read_options: Some(strong()),
            query_type: Some(v1::run_query_request::QueryType::Query(query.clone())),
            ..Default::default()
        };
        let batch = client.run_query(request).await?.into_inner().batch;
        let batch = batch.ok_or_else(|| Status::internal("a query was answered without a batch"))?;
        let more = batch.more_results();
        let count = i32::try_from(batch.entity_results.len()).unwrap_or(i32::MAX);
        query.limit = query.limit.map(|most| most.saturating_sub(count));
        let found = batch.entity_results.into_iter();
        rows.extend(found.filter_map(|found| entity::row(&options, found, batch.read_time)));
        if more != MoreResultsType::NotFinished {
            return Ok(rows);
        }
        query.start_cursor = batch.end_cursor;
    }
}

fn strong() -> v1::ReadOptions {
    let strong = ConsistencyType::ReadConsistency(ReadConsistency::Strong.into());
    v1::ReadOptions { consistency_type: Some(strong) }
}
