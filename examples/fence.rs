//! A leader is paused, another one takes over, and the late write of the first is refused by the database itself.
#![allow(clippy::print_stdout, reason = "an example that speaks")]

use std::{error::Error, fs, process, sync::Arc, time::Duration};

use tenure::stores::flaky::{Flaky, Weather};
use tenure::stores::sqlite::{Sqlite, rusqlite::Transaction};
use tenure::{FenceError, Leadership, Tenure};

const FAILOVER: Duration = Duration::from_secs(1);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("tenure-fence-{}", process::id()));
    fs::create_dir_all(&folder)?;
    let store = Arc::new(Sqlite::open(&folder.join("bank.db"), "demo", FAILOVER).await?);
    let network = Flaky::new(Arc::<Sqlite>::clone(&store), 1, Weather::FAIR);
    let one = start("one", network.clone()).await?;
    let two = start("two", Flaky::new(Arc::<Sqlite>::clone(&store), 1, Weather::FAIR)).await?;

    let first = one.lead("bank").await?;
    pay(&store, &first, 100).await?;
    println!("one leads at term {} and paid 100", first.term());

    network.turn(Weather::DOWN); // for everybody else it is as if it stood still
    let second = two.lead("bank").await?;
    pay(&store, &second, 20).await?;
    println!("one was paused; two leads at term {} and paid 20", second.term());

    match pay(&store, &first, 3).await {
        Err(FenceError::Passed { now, .. }) => println!("one goes on and would pay 3 more: refused, {now}"),
        other => return Err(format!("the late write was not refused: {other:?}").into()),
    }
    let total = store
        .fence(second.fence(), |bank| bank.query_row("SELECT sum(amount) FROM paid", [], |row| row.get(0)));
    let total: i64 = total.await?;
    println!("{total} were paid");
    assert_eq!(total, 120);
    Ok(fs::remove_dir_all(folder)?)
}

async fn start(name: &str, store: Flaky) -> Result<Tenure, Box<dyn Error>> {
    let builder = Tenure::builder().on(Arc::new(store)).name(name).failover(FAILOVER).role("bank");
    Ok(builder.build()?.start().await?)
}

/// Pays in the name of a leader: his term is looked at in the same transaction.
async fn pay(store: &Sqlite, leader: &Leadership, amount: i64) -> Result<(), FenceError> {
    let work = move |bank: &Transaction<'_>| {
        bank.execute("CREATE TABLE IF NOT EXISTS paid (amount INTEGER) STRICT", [])?;
        bank.execute("INSERT INTO paid VALUES (?)", [amount]).map(drop)
    };
    store.fence(leader.fence(), work).await
}
