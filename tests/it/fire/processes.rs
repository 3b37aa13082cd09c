//! Clients of an `SQLite` file that are processes, so that they can be killed in the middle of a commit.
//!
//! Each is this very program, running one test alone: the client.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::{scope, sleep};
use std::time::Duration;

use fastrand::Rng;
use tenure::prove::Opener;
use tenure::prove::clients::{Load, work};
use tenure::stores::Store;
use tenure::stores::sqlite::Sqlite;

use super::notes::{Notes, Sum};
use super::{CALM, LOAD, LONG};
use crate::fleet::{machine, now};
use crate::folder::Folder;

/// Tells this program that it is a client, and its number.
const CLIENT: &str = "TENURE_TEST_CLIENT";
/// The longest that a process works until it is killed.
const LONGEST_LIFE: Duration = Duration::from_millis(600);

fn opener(folder: &Path) -> Opener {
    let path = folder.join("tenure.db");
    Arc::new(move |deadline| {
        let path = path.clone();
        Box::pin(async move {
            let store: Arc<dyn Store> = Arc::new(Sqlite::open(&path, "fire", deadline).await?);
            Ok(store)
        })
    })
}

/// A process that is to be killed, in the folder of the test that started it.
#[tokio::test]
async fn client() {
    let Ok(number) = std::env::var(CLIENT) else { return };
    let folder = std::env::current_dir().unwrap();
    let first = number.parse::<u32>().unwrap() * u32::from(LOAD.clients);
    // Should nobody come to kill it, it ends by itself.
    let load = Load { handles: 1, duration: LONGEST_LIFE * 20, first, seed: u64::from(first), ..LONG };
    work(&opener(&folder), load, &Notes::to_file(&folder.join(number))).await.unwrap();
}

/// Lets as many processes at a time as there are handles work, and kills each of them after a while,
/// until so many changes were sent. Returns how many processes there were.
fn kill_clients(folder: &Path, load: Load, notes: &Notes) -> u32 {
    let (end, changes, born) = (now() + load.duration, AtomicU64::new(0), AtomicU32::new(0));
    let random = Mutex::new(Rng::with_seed(load.seed));
    let lead_lives = || {
        while now() < end && changes.load(Relaxed) < load.calls {
            let number = born.fetch_add(1, Relaxed);
            let mut client = Command::new(std::env::current_exe().unwrap());
            client.args(["--exact", "fire::processes::client"]).env(CLIENT, number.to_string());
            let mut client = client.current_dir(folder).stdout(Stdio::null()).spawn().unwrap();
            let life = LONGEST_LIFE.mul_f64(random.lock().unwrap().f64());
            sleep(life);
            assert_eq!(client.try_wait().unwrap(), None, "client {number} ended by itself");
            client.kill().unwrap();
            client.wait().unwrap();
            changes.fetch_add(notes.add_file(&folder.join(number.to_string())), Relaxed);
        }
    };
    scope(|threads| (0..load.handles).for_each(|_| drop(threads.spawn(lead_lives))));
    born.into_inner()
}

async fn survive(load: Load) -> Sum {
    let _machine = machine();
    let (folder, notes) = (Folder::new(), Notes::default());
    let killed = kill_clients(&folder.0, load, &notes);
    let before = notes.judge();
    work(&opener(&folder.0), CALM, &notes.note()).await.unwrap();
    let after = notes.judge();
    assert!(after.tally.done > before.tally.done + 50, "nothing can be changed after the storm: {after}");
    eprintln!("{killed} processes killed: {after}");
    assert!(after.tally.unknown > 10, "nobody was killed during a commit: {after}");
    let raw = rusqlite::Connection::open(folder.0.join("tenure.db")).unwrap();
    let sound: String = raw.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    after
}

#[tokio::test]
async fn sqlite_keeps_its_promises_to_clients_that_are_killed_during_commits() {
    survive(Load { calls: 8_000, ..LOAD }).await;
}

#[tokio::test]
#[ignore = "takes many minutes"]
async fn sqlite_keeps_them_for_long() {
    let sum = survive(Load { duration: LONG.duration * 3, ..LONG }).await;
    assert!(sum.landed > 10, "nobody was killed right after a commit: {sum}");
}
