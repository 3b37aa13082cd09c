//! Every store keeps the promises of `tenure::stores`.

use std::sync::Arc;

use tenure::stores::conformance::conformance;
use tenure::stores::memory::Memory;
use tenure::stores::prove;
use tenure::time::SystemClock;

#[tokio::test]
async fn memory_conforms() {
    let store = Memory::with_clock(Arc::new(SystemClock));
    conformance(&store, "run").await.unwrap();
    prove(&store, 1).await.unwrap();
}
