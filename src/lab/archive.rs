//! The file of records: an SQLite file that one thread writes to, many records in a transaction.
//!
//! A record that cannot be kept is no reason to stop a laboratory; that there is one is said once.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::LabError;
use super::record::Record;

/// Records that wait for the disk. More are lost.
const LONGEST_QUEUE: usize = 10_000;
/// Records in a transaction.
const LARGEST_BATCH: usize = 1000;
/// Records of one laboratory that are kept. More are lost.
const MOST_RECORDS: u64 = 1_000_000;
/// Laboratories that are kept.
const MOST_RUNS: i64 = 20;
/// How long another program may hold the file.
const PATIENCE: Duration = Duration::from_secs(5);

const CREATE: &str = "
    PRAGMA journal_mode = WAL;
    CREATE TABLE IF NOT EXISTS record (
        run INTEGER NOT NULL,
        number INTEGER NOT NULL,
        text TEXT NOT NULL,
        PRIMARY KEY (run, number)
    ) STRICT, WITHOUT ROWID;";
const LAST: &str = "SELECT max(run) FROM record";
const FORGET: &str = "DELETE FROM record WHERE run <= ?";
const KEEP: &str = "INSERT INTO record VALUES (?, ?, ?)";
const READ: &str = "SELECT text FROM record WHERE run = ? ORDER BY number";

/// Where records are kept, if they are.
#[derive(Debug)]
pub(super) struct Archive {
    queue: Option<SyncSender<(u64, String)>>,
    writer: Option<JoinHandle<()>>,
}

impl Archive {
    /// Keeps nothing.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self { queue: None, writer: None }
    }

    /// Opens the file or makes it, for the records of one more laboratory.
    pub(super) fn open(path: &Path) -> Result<Self, LabError> {
        let problem = |why: String| LabError::Archive { path: path.to_owned(), why };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| problem(error.to_string()))?;
        }
        let open = || -> rusqlite::Result<(Connection, i64)> {
            let connection = Connection::open(path)?;
            connection.busy_timeout(PATIENCE)?;
            connection.execute_batch(CREATE)?;
            let last: Option<i64> = connection.query_row(LAST, [], |row| row.get(0))?;
            let run = last.unwrap_or(0) + 1;
            connection.execute(FORGET, [run - MOST_RUNS])?;
            Ok((connection, run))
        };
        let (connection, run) = open().map_err(|error| problem(error.to_string()))?;
        let (queue, records) = sync_channel(LONGEST_QUEUE);
        let path = path.to_owned();
        let writer = thread::Builder::new()
            .name("archive".to_owned())
            .spawn(move || write(connection, run, &records, &path))
            .map_err(|error| LabError::Start(format!("the archive: {error}")))?;
        Ok(Self { queue: Some(queue), writer: Some(writer) })
    }

    pub(super) fn keep(&mut self, record: &Record) {
        let Some(queue) = &self.queue else { return };
        let Ok(text) = serde_json::to_string(record) else { unreachable!("a record has no keys but texts") };
        if record.number > MOST_RECORDS || queue.try_send((record.number, text)).is_err() {
            tracing::warn!(
                event = "lab.unkept",
                number = record.number,
                "Records from this one on are not kept"
            );
            self.queue = None;
        }
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        self.queue = None;
        // A thread that panicked has said so.
        drop(self.writer.take().map(JoinHandle::join));
    }
}

/// Writes until nobody has records any more, or none can be written.
fn write(mut connection: Connection, run: i64, records: &Receiver<(u64, String)>, path: &Path) {
    while let Ok(first) = records.recv() {
        let batch = std::iter::once(first).chain(records.try_iter().take(LARGEST_BATCH));
        if let Err(error) = keep(&mut connection, run, batch) {
            let path = path.display();
            tracing::warn!(event = "lab.unkept", %path, "Records are not kept any more: {error}");
            return;
        }
    }
}

fn keep(
    connection: &mut Connection,
    run: i64,
    batch: impl Iterator<Item = (u64, String)>,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    let mut statement = transaction.prepare(KEEP)?;
    for (number, text) in batch {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        statement.execute(params![run, number, text])?;
    }
    drop(statement);
    transaction.commit()
}

/// The records of one laboratory, or of the last one, each as it was kept.
pub(super) fn read(path: &Path, run: Option<i64>) -> Result<Vec<String>, LabError> {
    let problem = |why: String| LabError::Archive { path: path.to_owned(), why };
    if !path.exists() {
        return Err(problem("no laboratory was kept here".to_owned()));
    }
    let read = || -> rusqlite::Result<Option<Vec<String>>> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(PATIENCE)?;
        let last: Option<i64> = connection.query_row(LAST, [], |row| row.get(0)).optional()?.flatten();
        let Some(run) = run.or(last) else { return Ok(None) };
        let mut statement = connection.prepare(READ)?;
        let texts = statement.query_map([run], |row| row.get(0))?.collect::<Result<Vec<_>, _>>()?;
        Ok(Some(texts).filter(|texts| !texts.is_empty()))
    };
    let texts = read().map_err(|error| problem(error.to_string()))?;
    texts.ok_or_else(|| problem("there is no such laboratory".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::record::What;
    use super::*;
    use crate::elections::NodeId;

    #[test]
    fn what_is_kept_is_read_again_run_by_run() {
        let folder = std::env::temp_dir().join(format!("tenure-archive-{}", std::process::id()));
        let path = folder.join("story.db");
        for number in [1, 2] {
            let mut archive = Archive::open(&path).unwrap();
            archive.keep(&Record { number, at_us: 5, what: What::Silent { node: NodeId(7) } });
        }
        let of = |number: u64| vec![format!(r#"{{"number":{number},"at_us":5,"kind":"silent","node":7}}"#)];
        assert_eq!(read(&path, None).unwrap(), of(2));
        assert_eq!(read(&path, Some(1)).unwrap(), of(1));
        assert!(read(&path, Some(3)).is_err());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
