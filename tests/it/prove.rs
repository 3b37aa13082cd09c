//! `tenure prove` finds what it must find, and nothing else.

use std::sync::Arc;
use std::time::Duration;

use tenure::prove::{Opener, Proof, prove};
use tenure::stores::Store;
use tenure::stores::memory::Memory;
use tenure::stores::sqlite::Sqlite;

use crate::folder::Folder;

const PROOF: Proof = Proof {
    duration: Duration::from_secs(8),
    instances: 3,
    jobs: 4,
    failover: Duration::from_millis(600),
    seed: 7,
};

#[tokio::test]
async fn the_memory_store_holds() {
    let store = Memory::new();
    let open: Opener = Arc::new(move |_| {
        let store = store.clone();
        Box::pin(async move {
            let store: Arc<dyn Store> = Arc::new(store);
            Ok(store)
        })
    });
    let report = prove(open, PROOF).await.unwrap();
    println!("{report}");
    assert!(report.holds(), "{report}");
}

#[tokio::test]
async fn sqlite_holds() {
    let folder = Folder::new();
    let path = folder.0.join("tenure.db");
    let open: Opener = Arc::new(move |deadline| {
        let path = path.clone();
        Box::pin(async move {
            let store = Sqlite::open(&path, "demo", deadline).await?;
            let store: Arc<dyn Store> = Arc::new(store);
            Ok(store)
        })
    });
    let report = prove(open, PROOF).await.unwrap();
    println!("{report}");
    assert!(report.holds(), "{report}");
}
