//! Fenced commits: mutations of yours that are applied only while a term lasts.
//!
//! The lease row is looked up, and travels back unchanged in the same commit as the mutations, on condition that it
//! still has the version that was seen. The commit is a transaction of one request, so all of it is applied or none,
//! and nobody holds a transaction meanwhile: one that a paused leader held could keep the next one waiting.
//!
//! For the protocol that write is one like a person's order: its leader finds a newer version that shows what he knows,
//! and goes on from there. Whoever takes the row between look and commit wins; the commit fails, and the next look
//! shows the new term.

use std::sync::Arc;
use std::time::Duration;

use gcloud_sdk::google::datastore::v1;
use gcloud_sdk::tonic::{Code, Status};
use tokio::time::sleep;
use v1::commit_request::{Mode, TransactionSelector};
use v1::mutation::Operation;
use v1::transaction_options::{Mode as Access, ReadWrite};

use super::line::Client;
use super::{Datastore, Options, entity, strong};
use crate::fence::{Fence, FenceError};
use crate::stores::{Key, Kind, MOST_CHANGES, StoreError, Version};

/// Most mutations behind one fence: with the lease row they are as many as one commit takes.
pub const MOST_FENCED: usize = MOST_CHANGES - 1;
/// How often a fenced commit is tried that meets other writes.
const MOST_TRIES: u32 = 10;
/// How long to wait before the second try; then twice as long each time.
const PAUSE: Duration = Duration::from_millis(2);

/// What a server says of a commit that it did not apply.
type Refused = Status;

impl Datastore {
    /// Applies `mutations`, of entities of yours anywhere in this database, all or none, and only while the term of
    /// `fence` lasts. What became of each, in their order.
    pub async fn fence(
        &self,
        fence: &Fence,
        mutations: Vec<v1::Mutation>,
    ) -> Result<Vec<v1::MutationResult>, FenceError> {
        if mutations.len() > MOST_FENCED {
            let many =
                format!("{} mutations are too many, {MOST_FENCED} fit behind a fence", mutations.len());
            return Err(FenceError::Failed(many.into()));
        }
        let mut refused: Option<(Version, Refused)> = None;
        for turn in 0..MOST_TRIES {
            if turn > 0 {
                sleep(PAUSE * 2_u32.pow(turn - 1)).await;
            }
            let (row, version) = self.look(fence).await?;
            match refused.take() {
                // Nobody changed the row, so it was not the row that was refused.
                Some((seen, status)) if seen == version && status.code() != Code::Aborted => {
                    return Err(FenceError::Failed(status.into()));
                }
                Some(_) | None => {}
            }
            let request = self.fenced(row, version, &mutations);
            match self.line.call(|client| commit(client, request)).await {
                Ok(Ok(results)) => return Ok(results),
                Ok(Err(status)) => refused = Some((version, status)),
                Err(error) => return Err(FenceError::Unknown(error)),
            }
        }
        let why = refused.map_or_else(String::new, |(_, status)| format!(": {}", status.message()));
        Err(FenceError::Untried(StoreError::Unreachable(format!(
            "{} refused {MOST_TRIES} tries because of other writes{why}",
            self.options
        ))))
    }

    /// The lease row as it stands, if it still shows the term.
    async fn look(&self, fence: &Fence) -> Result<(v1::Entity, Version), FenceError> {
        let options = Arc::clone(&self.options);
        let key = Key::new(Kind::Lease, fence.job.as_str());
        let found = self.line.call(|client| find(client, options, key)).await.map_err(FenceError::Untried)?;
        let found = found.and_then(|found| Some((found.entity?, found.version)));
        fence.check(found.as_ref().map(|(row, _)| entity::fields(row.properties.clone())))?;
        match found {
            Some((row, version)) => Ok((row, Version(u64::try_from(version).unwrap_or_default()))),
            None => unreachable!("no fence lets anything through without a row"),
        }
    }

    fn fenced(&self, row: v1::Entity, version: Version, mutations: &[v1::Mutation]) -> v1::CommitRequest {
        let held = self.rest_on(version, Operation::Update(row));
        let access = v1::TransactionOptions { mode: Some(Access::ReadWrite(ReadWrite::default())) };
        v1::CommitRequest {
            project_id: self.options.project.clone(),
            database_id: self.options.database.clone(),
            mode: Mode::Transactional.into(),
            transaction_selector: Some(TransactionSelector::SingleUseTransaction(access)),
            mutations: [&[held], mutations].concat(),
            ..Default::default()
        }
    }
}

async fn find(
    mut client: Client,
    options: Arc<Options>,
    key: Key,
) -> Result<Option<v1::EntityResult>, Status> {
    let request = v1::LookupRequest {
        project_id: options.project.clone(),
        database_id: options.database.clone(),
        read_options: Some(strong()),
        keys: vec![entity::key(&options, &key)],
        ..Default::default()
    };
    let mut answer = client.lookup(request).await?.into_inner();
    if answer.deferred.is_empty() {
        Ok(answer.found.pop())
    } else {
        Err(Status::unavailable("the lookup of one row was deferred"))
    }
}

/// What became of each mutation but the first, or why nothing was applied; an error leaves that open.
async fn commit(
    mut client: Client,
    request: v1::CommitRequest,
) -> Result<Result<Vec<v1::MutationResult>, Refused>, Status> {
    match client.commit(request).await {
        Ok(answer) => Ok(Ok(answer.into_inner().mutation_results.split_off(1))),
        Err(status) if is_refusal(status.code()) => Ok(Err(status)),
        Err(status) => Err(status),
    }
}

fn is_refusal(code: Code) -> bool {
    matches!(
        code,
        Code::Aborted
            | Code::AlreadyExists
            | Code::FailedPrecondition
            | Code::InvalidArgument
            | Code::NotFound
            | Code::OutOfRange
            | Code::PermissionDenied
            | Code::Unauthenticated
    )
}
