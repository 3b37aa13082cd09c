//! An instance in a program of yours: `cargo run --example embed -- embed.db`, twice, and stop the one that leads.
#![allow(clippy::print_stdout, reason = "an example that speaks")]

use std::time::Duration;

use tenure::{Tenure, jobs::Run, stores::Place};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).map(|path| Place::Sqlite { path: path.into() });
    let tenure = Tenure::builder()
        .store(file.clone().unwrap_or(Place::Memory))
        .every("billing", Duration::from_mins(1), async |run: Run| {
            println!("billing, at term {}", run.term);
            Ok(())
        })
        .role("indexer")
        .build()?
        .start()
        .await?;
    let leadership = tenure.lead("indexer").await?;
    println!("leading, at term {}", leadership.term());
    let work = tokio::time::sleep(if file.is_some() { Duration::MAX } else { Duration::ZERO });
    if leadership.while_held(work).await.is_none() {
        println!("lost");
    }
    drop(leadership);
    Ok(tenure.stop().await?)
}
