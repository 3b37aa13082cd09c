//! Requests that only a leader answers, over a real server.

use std::net::SocketAddr;

use axum::routing::get;
use axum::{Extension, Router};
use tenure::layer::{LEADER, LEADER_URL, WhileLeading};
use tenure::stores::memory::Memory;
use tenure::{Fence, Tenure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::instance::eventually;
use crate::library::{builder, in_time};

/// Serves what only the leader of the role answers.
async fn serve(tenure: &Tenure, servers: &mut JoinSet<()>) -> SocketAddr {
    let answer = async |Extension(fence): Extension<Fence>| format!("{} at {}", fence.job, fence.term);
    let layer = WhileLeading::new(tenure, "indexer".parse().unwrap());
    let app = Router::new().route("/", get(answer)).layer(layer);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    servers.spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

/// The answer, head and body, in lower case.
async fn ask(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    in_time("answer", stream.read_to_string(&mut answer)).await.unwrap();
    answer.to_lowercase()
}

#[tokio::test]
async fn only_the_leader_answers_and_the_others_say_who_that_is() {
    let (store, mut servers) = (Memory::new(), JoinSet::new());
    let instance = async |name: &str| {
        let url = format!("http://{name}:3000");
        builder(name, store.clone()).url(&url).build().unwrap().start().await.unwrap()
    };
    let (one, two) = (instance("one").await, instance("two").await);
    let (at_one, at_two) = (serve(&one, &mut servers).await, serve(&two, &mut servers).await);
    let nobody = ask(at_one).await;
    assert!(nobody.starts_with("http/1.1 503") && nobody.contains("nobody leads indexer"), "{nobody}");
    assert!(nobody.contains("retry-after: 1"), "{nobody}");

    let first = in_time("the first leads", one.lead("indexer")).await.unwrap();
    let said = ask(at_one).await;
    assert!(
        said.starts_with("http/1.1 200") && said.ends_with(&format!("indexer at {}", first.term())),
        "{said}"
    );
    let (leader, url) = (format!("{LEADER}: one\r\n"), format!("{LEADER_URL}: http://one:3000\r\n"));
    eventually("the other knows the leader", async || {
        let said = ask(at_two).await;
        assert!(said.starts_with("http/1.1 503"), "{said}");
        said.contains(&leader)
            && said.contains(&url)
            && said.contains("one leads indexer, at http://one:3000")
    })
    .await;

    in_time("release", first.release()).await;
    assert!(ask(at_one).await.starts_with("http/1.1 503"), "whoever gave it up answers");
    let _second = in_time("the second leads", two.lead("indexer")).await.unwrap();
    assert!(ask(at_two).await.starts_with("http/1.1 200"));
}
