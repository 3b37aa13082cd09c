//! The SQLite store: one file, many processes, and everything that can happen to a file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::Value;
use tenure::stores::conformance::conformance;
use tenure::stores::flaky::{Flaky, Weather};
use tenure::stores::sqlite::Sqlite;
use tenure::stores::{
    Change, Fields, Key, Kind, Outcome, Query, Store, StoreError, UNREADABLE, Version, prove,
};

use crate::folder::Folder;
use crate::stores::{all_of, insert};

/// Generous: only a test that is about a deadline shall ever meet one.
const PATIENCE: Duration = Duration::from_secs(30);

impl Folder {
    fn file(&self) -> PathBuf {
        self.0.join("tenure.db")
    }

    async fn open(&self) -> Sqlite {
        Sqlite::open(&self.file(), "test", PATIENCE).await.unwrap()
    }

    async fn refusal(&self, deadline: Duration) -> StoreError {
        Sqlite::open(&self.file(), "test", deadline).await.unwrap_err()
    }
}

#[tokio::test]
async fn sqlite_conforms() {
    let folder = Folder::new();
    let store = folder.open().await;
    conformance(&store, "run").await.unwrap();
    prove(&store, 1).await.unwrap();
}

#[tokio::test]
async fn sqlite_conforms_in_bad_weather() {
    for seed in 0..4 {
        let folder = Folder::new();
        let store = Flaky::new(Arc::new(folder.open().await), seed, Weather::STORM);
        conformance(&store, "run").await.unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
    }
}

#[tokio::test]
async fn two_stores_on_one_file_see_each_other() {
    let folder = Folder::new();
    let (one, two) = (folder.open().await, folder.open().await);
    assert_eq!(one.commit(vec![insert(Kind::Lease, "job")]).await.unwrap(), [Outcome::Done(Version(1))]);
    assert_eq!(two.commit(vec![insert(Kind::Lease, "job")]).await.unwrap(), [Outcome::Conflict]);
    assert_eq!(two.read(all_of(Kind::Lease)).await.unwrap().rows[0].version, Version(1));
}

#[tokio::test]
async fn clusters_in_one_file_do_not_see_each_other() {
    let folder = Folder::new();
    let one = folder.open().await;
    let two = Sqlite::open(&folder.file(), "other", PATIENCE).await.unwrap();
    one.commit(vec![insert(Kind::Lease, "job")]).await.unwrap();
    assert_eq!(two.read(all_of(Kind::Lease)).await.unwrap().rows, []);
    let outcomes = two.commit(vec![insert(Kind::Lease, "job")]).await.unwrap();
    assert!(matches!(outcomes[..], [Outcome::Done(_)]));
}

const COUNTER_FILE: &str = "TENURE_TEST_COUNTER_FILE";
const EACH_COUNTS: u64 = 50;

#[tokio::test]
async fn four_processes_count_on_one_row_and_lose_nothing() {
    let folder = Folder::new();
    let store = folder.open().await;
    store.commit(vec![insert(Kind::Probe, "counter")]).await.unwrap();
    let child = || {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "sqlite::a_process_that_counts", "--ignored"]);
        child.env(COUNTER_FILE, folder.file()).stdout(std::process::Stdio::null()).spawn().unwrap()
    };
    for mut child in [child(), child(), child(), child()] {
        assert!(child.wait().unwrap().success());
    }
    let rows = store.read(all_of(Kind::Probe)).await.unwrap().rows;
    assert_eq!(rows[0].fields["count"], Value::from(4 * EACH_COUNTS));
}

#[tokio::test]
#[ignore = "runs as a child of four_processes_count_on_one_row_and_lose_nothing"]
async fn a_process_that_counts() {
    let Ok(file) = std::env::var(COUNTER_FILE) else { return };
    let store = Sqlite::open(Path::new(&file), "test", PATIENCE).await.unwrap();
    assert!(!store.traits().alone);
    let mut counted = 0;
    while counted < EACH_COUNTS {
        let row = store.read(all_of(Kind::Probe)).await.unwrap().rows.remove(0);
        let count = row.fields.get("count").and_then(Value::as_u64).unwrap_or(0);
        let fields = Some(Fields::from_iter([("count".to_owned(), Value::from(count + 1))]));
        let outcomes = store.commit(vec![Change { key: row.key, base: row.version, fields }]).await.unwrap();
        counted += u64::from(outcomes != [Outcome::Conflict]);
    }
}

#[tokio::test]
async fn rows_and_versions_outlive_the_process() {
    let folder = Folder::new();
    let key = Key::new(Kind::Lease, "job");
    let store = folder.open().await;
    store.commit(vec![insert(Kind::Lease, "job"), insert(Kind::Lease, "other")]).await.unwrap();
    let delete = Change { key: key.clone(), base: Version(1), fields: None };
    store.commit(vec![delete]).await.unwrap();
    drop(store);

    let store = folder.open().await;
    assert_eq!(store.read(all_of(Kind::Lease)).await.unwrap().rows.len(), 1);
    let outcomes = store.commit(vec![insert(Kind::Lease, "job")]).await.unwrap();
    assert_eq!(outcomes, [Outcome::Done(Version(3))], "the deletion counted too");
}

#[tokio::test]
async fn only_the_first_in_a_place_is_alone() {
    let folder = Folder::new();
    let first = folder.open().await;
    assert!(first.traits().alone);
    assert!(!folder.open().await.traits().alone);

    for file in fs::read_dir(&folder.0).unwrap() {
        fs::remove_file(file.unwrap().path()).unwrap();
    }
    assert!(!folder.open().await.traits().alone, "the first one still believes in the deleted file");
    drop(first);
}

#[tokio::test]
async fn files_deleted_or_replaced_under_us_are_noticed() {
    for suffix in ["", "-wal", "-shm"] {
        for replace in [false, true] {
            let folder = Folder::new();
            let store = folder.open().await;
            store.commit(vec![insert(Kind::Lease, "job")]).await.unwrap();
            let file = folder.0.join(format!("tenure.db{suffix}"));
            let moved = folder.0.join("moved");
            fs::rename(&file, &moved).unwrap();
            if replace {
                fs::copy(&moved, &file).unwrap();
            }
            let read = store.read(Query::default()).await.unwrap_err();
            let write = store.commit(vec![insert(Kind::Lease, "late")]).await.unwrap_err();
            for error in [read, write] {
                assert!(matches!(error, StoreError::Denied(_)), "{error:?}");
                assert!(error.to_string().contains("deleted or replaced"), "{error}");
            }
            fs::rename(&moved, &file).unwrap();
            let rows = store.read(all_of(Kind::Lease)).await.unwrap().rows;
            assert_eq!(rows.len(), 1, "nothing was written meanwhile");
        }
    }
}

#[tokio::test]
async fn a_link_that_leads_elsewhere_is_noticed() {
    let folder = Folder::new();
    for place in ["one", "two"] {
        fs::create_dir(folder.0.join(place)).unwrap();
        drop(Sqlite::open(&folder.0.join(place).join("tenure.db"), "test", PATIENCE).await.unwrap());
    }
    let link = folder.0.join("current");
    std::os::unix::fs::symlink(folder.0.join("one"), &link).unwrap();
    let store = Sqlite::open(&link.join("tenure.db"), "test", PATIENCE).await.unwrap();
    store.read(Query::default()).await.unwrap();

    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(folder.0.join("two"), &link).unwrap();
    assert!(matches!(store.read(Query::default()).await, Err(StoreError::Denied(_))));
}

#[tokio::test]
async fn an_age_is_told_by_the_same_boot_only() {
    let folder = Folder::new();
    let store = folder.open().await;
    store.commit(vec![insert(Kind::Member, "me")]).await.unwrap();
    let age = async || store.read(all_of(Kind::Member)).await.unwrap().rows[0].age;
    assert!(age().await.is_some());

    let raw = Connection::open(folder.file()).unwrap();
    let boot: String = raw.query_row("SELECT boot FROM row", [], |row| row.get(0)).unwrap();
    for (boot, written, told) in [
        (Some("another boot"), 0, false),
        (None, 0, false),
        (Some(boot.as_str()), i64::MAX / 2, false),
        (Some(boot.as_str()), 0, true),
    ] {
        raw.execute("UPDATE row SET boot = ?, written = ?", (boot, written)).unwrap();
        assert_eq!(age().await.is_some(), told, "{boot:?} {written}");
    }
}

#[tokio::test]
async fn a_newer_layout_is_refused() {
    let folder = Folder::new();
    drop(folder.open().await);
    Connection::open(folder.file()).unwrap().pragma_update(None, "user_version", 2).unwrap();
    let error = folder.refusal(PATIENCE).await;
    assert!(matches!(error, StoreError::Unfit(_)), "{error:?}");
    assert!(error.to_string().contains("upgrade this instance"), "{error}");
}

#[tokio::test]
async fn the_file_of_another_program_is_refused_and_left_alone() {
    let folder = Folder::new();
    Connection::open(folder.file()).unwrap().execute_batch("CREATE TABLE theirs (a)").unwrap();
    let before = fs::read(folder.file()).unwrap();
    let error = folder.refusal(PATIENCE).await;
    assert!(error.to_string().contains("another program"), "{error}");
    assert_eq!(fs::read(folder.file()).unwrap(), before);
}

#[tokio::test]
async fn what_cannot_be_opened_is_explained() {
    let folder = Folder::new();
    let missing = folder.0.join("missing/tenure.db");
    let error = Sqlite::open(&missing, "test", PATIENCE).await.unwrap_err();
    assert!(error.to_string().contains("there is no directory"), "{error}");

    let error = Sqlite::open(&folder.0, "test", PATIENCE).await.unwrap_err();
    assert!(error.to_string().contains("is not a file"), "{error}");

    fs::write(folder.file(), "surely no database, however long one looks at it").unwrap();
    let error = folder.refusal(PATIENCE).await;
    assert!(matches!(error, StoreError::Unfit(_)), "{error:?}");
    assert!(error.to_string().contains("is not an SQLite database"), "{error}");
}

#[tokio::test]
async fn a_disk_that_takes_no_more_is_explained() {
    let folder = Folder::new();
    drop(folder.open().await);
    while folder.file().with_extension("db-shm").exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let script = "ulimit -f 8; trap '' XFSZ; exec \"$0\" status --path \"$1\"";
    let mut limited = Command::new("sh");
    limited.args(["-c", script, env!("CARGO_BIN_EXE_tenure")]).arg(folder.file()).env_clear();
    let output = limited.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(said.contains("is its disk full or broken"), "{said}");
}

#[tokio::test]
async fn a_row_that_is_no_json_keeps_nobody_from_the_others() {
    let folder = Folder::new();
    let store = folder.open().await;
    store.commit(vec![insert(Kind::Lease, "good"), insert(Kind::Lease, "bad")]).await.unwrap();
    let raw = Connection::open(folder.file()).unwrap();
    for text in ["'{\"broken'", "'[]'", "''", "CAST(x'ff' AS TEXT)"] {
        raw.execute(&format!("UPDATE row SET fields = {text} WHERE id = 'bad'"), ()).unwrap();
        let mut rows = store.read(all_of(Kind::Lease)).await.unwrap().rows;
        rows.sort_by(|one, other| one.key.cmp(&other.key));
        assert_eq!(rows[1].fields, Fields::new());
        let why = rows[0].fields[UNREADABLE].as_str().unwrap();
        assert!(why.starts_with("it is no JSON object: "), "{why}");
    }
    raw.execute("UPDATE row SET id = CAST(x'ff' AS TEXT), boot = CAST(x'ff' AS TEXT)  WHERE id = 'bad'", ())
        .unwrap();
    assert_eq!(store.read(all_of(Kind::Lease)).await.unwrap().rows.len(), 2);
}

#[tokio::test]
async fn a_corrupt_file_is_explained() {
    let folder = Folder::new();
    let store = folder.open().await;
    for number in 0..300 {
        store
            .commit(vec![insert(Kind::Lease, &format!("a job with a long name {number:0100}"))])
            .await
            .unwrap();
    }
    drop(store);
    let raw = Connection::open(folder.file()).unwrap();
    raw.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    drop(raw);
    let mut bytes = fs::read(folder.file()).unwrap();
    bytes[4096..].fill(0xaa);
    fs::write(folder.file(), bytes).unwrap();

    let error = match Sqlite::open(&folder.file(), "test", PATIENCE).await {
        Ok(store) => store.read(all_of(Kind::Lease)).await.unwrap_err(),
        Err(error) => error,
    };
    assert!(matches!(error, StoreError::Unfit(_)), "{error:?}");
    assert!(error.to_string().contains("is corrupt"), "{error}");
}

#[tokio::test]
async fn a_locked_file_is_given_up_before_the_deadline() {
    let folder = Folder::new();
    drop(folder.open().await);
    let raw = Connection::open(folder.file()).unwrap();
    let store = Sqlite::open(&folder.file(), "test", Duration::from_secs(3)).await.unwrap();
    raw.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.commit(vec![insert(Kind::Lease, "job")]).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
    assert!(error.to_string().contains("stayed locked"), "{error}");
    store.read(Query::default()).await.expect("reading goes on meanwhile");

    raw.execute_batch("ROLLBACK").unwrap();
    store.commit(vec![insert(Kind::Lease, "job")]).await.unwrap();
}

#[tokio::test]
async fn ten_thousand_rows_are_read_at_once() {
    let folder = Folder::new();
    let store = folder.open().await;
    let changes: Vec<_> = (0..10_000).map(|number| insert(Kind::Lease, &format!("job {number}"))).collect();
    for batch in changes.chunks(500) {
        store.commit(batch.to_vec()).await.unwrap();
    }
    assert_eq!(store.read(all_of(Kind::Lease)).await.unwrap().rows.len(), 10_000);
}
