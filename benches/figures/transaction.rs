//! What keeping leases costs, beside the usual way: a transaction of three requests for each lease
//! and each period. Both on the same emulator, one after the other, request after request.

use std::time::Duration;

use gcloud_sdk::google::datastore::v1::datastore_client::DatastoreClient;
use gcloud_sdk::google::datastore::v1::{self as api, commit_request, mutation, read_options};
use gcloud_sdk::tonic::transport::{Channel, Endpoint};
use tenure::stores::datastore::{Datastore, Options};
use tenure::stores::{Change, Fields, Key, Kind, Outcome, Store, Version};

use crate::fleet::now;

const ROUNDS: u32 = 300;
const PROJECT: &str = "tenure";

pub(crate) fn compare(address: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (beat, transaction) =
        runtime.block_on(async { (heartbeats(address).await, transactions(address).await) });
    let ratio = transaction.as_secs_f64() / beat.as_secs_f64();
    println!("one heartbeat, which keeps any number of leases: 1 request, {beat:.1?}");
    println!(
        "one transaction, which keeps one lease: 3 requests, {transaction:.1?}, {ratio:.1} times as long"
    );
    let kept = |leases: f64, took: Duration| leases / took.as_secs_f64();
    let (ours, theirs) = (kept(10_000.0, beat), kept(1.0, transaction));
    println!("leases renewed a second on one connection, of 10000: {ours:.0} against {theirs:.0}");
}

/// The mean time of a heartbeat: a conditional commit of one row.
async fn heartbeats(address: &str) -> Duration {
    let store = Datastore::open(Options {
        project: PROJECT.to_owned(),
        database: String::new(),
        namespace: String::new(),
        emulator: Some(address.to_owned()),
        cluster: format!("beats-{:016x}", fastrand::u64(..)),
        deadline: Duration::from_secs(10),
    })
    .unwrap();
    let mut base = Version::ABSENT;
    let mut began = now();
    for beat in 0..=ROUNDS {
        let fields = Fields::from_iter([("beat".to_owned(), beat.into())]);
        let change = Change { key: Key::new(Kind::Member, "bench"), base, fields: Some(fields) };
        let outcomes = store.commit(vec![change]).await.unwrap();
        let [Outcome::Done(version)] = outcomes[..] else { panic!("{outcomes:?}") };
        base = version;
        if beat == 0 {
            began = now(); // The first one connects.
        }
    }
    now().since(began) / ROUNDS
}

/// The mean time of a renewal in a transaction: begin, look up, commit.
async fn transactions(address: &str) -> Duration {
    let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
    let mut client = DatastoreClient::new(channel);
    let name = format!("lease-{:016x}", fastrand::u64(..));
    let mut began = now();
    for round in 0..=ROUNDS {
        renew(&mut client, &name, round.into()).await;
        if round == 0 {
            began = now();
        }
    }
    now().since(began) / ROUNDS
}

async fn renew(client: &mut DatastoreClient<Channel>, name: &str, renewal: i64) {
    let project_id = PROJECT.to_owned();
    let begin = api::BeginTransactionRequest { project_id: project_id.clone(), ..Default::default() };
    let transaction = client.begin_transaction(begin).await.unwrap().into_inner().transaction;
    let id = api::key::path_element::IdType::Name(name.to_owned());
    let step = api::key::PathElement { kind: "Lease".to_owned(), id_type: Some(id) };
    let partition = api::PartitionId { project_id: project_id.clone(), ..Default::default() };
    let key = api::Key { partition_id: Some(partition), path: vec![step] };
    let consistency = read_options::ConsistencyType::Transaction(transaction.clone());
    let lookup = api::LookupRequest {
        project_id: project_id.clone(),
        read_options: Some(api::ReadOptions { consistency_type: Some(consistency) }),
        keys: vec![key.clone()],
        ..Default::default()
    };
    client.lookup(lookup).await.unwrap();
    let value = api::value::ValueType::IntegerValue(renewal);
    let value = api::Value { value_type: Some(value), ..Default::default() };
    let entity = api::Entity { key: Some(key), properties: [("renewal".to_owned(), value)].into() };
    let write = api::Mutation { operation: Some(mutation::Operation::Upsert(entity)), ..Default::default() };
    let commit = api::CommitRequest {
        project_id,
        mode: commit_request::Mode::Transactional.into(),
        mutations: vec![write],
        transaction_selector: Some(commit_request::TransactionSelector::Transaction(transaction)),
        ..Default::default()
    };
    client.commit(commit).await.unwrap();
}
