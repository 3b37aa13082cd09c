//! The file itself: one connection, in the hands of one thread.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs::{read_link, read_to_string};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use rusqlite::{
    Connection, ErrorCode, MAIN_DB, OpenFlags, OptionalExtension, Params, Statement, Transaction,
    TransactionBehavior, params,
};
use serde_json::Value;

use super::place::{Place, too_few_files};
use crate::fence::{Fence, FenceError};
use crate::stores::{
    Change, Fields, Key, Kind, Outcome, Query, Range, Row, Snapshot, StoreError, UNREADABLE, Version,
};
use crate::time::{Clock, Instant, SystemClock};

/// "Tenu": marks a file as ours, so that nobody else's is written to by mistake.
const APPLICATION: i64 = 0x5465_6e75;
/// The newest layout of the file that this version reads and writes.
const LAYOUT: i64 = 1;

const CREATE: &str = "
    CREATE TABLE row (
        cluster TEXT NOT NULL,
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        version INTEGER NOT NULL,
        boot TEXT,
        written INTEGER NOT NULL,
        fields TEXT NOT NULL,
        PRIMARY KEY (cluster, kind, id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE counter (version INTEGER NOT NULL) STRICT;
    INSERT INTO counter VALUES (0);";

/// One megabyte of pages in memory, and a log that shrinks to four after a burst.
const SETTINGS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA cache_size = -1024;
    PRAGMA journal_size_limit = 4194304;";

const LIST: &str = "SELECT id, version, boot, written, fields FROM row WHERE cluster = ? AND kind = ?";
const FIND: &str =
    "SELECT id, version, boot, written, fields FROM row WHERE cluster = ? AND kind = ? AND id = ?";
const PART: &str = "SELECT id, version, boot, written, fields FROM row \
     WHERE cluster = ? AND kind = ? AND id >= ? AND id < ? ORDER BY id LIMIT ?";
const HELD: &str = "SELECT version FROM row WHERE cluster = ? AND kind = ? AND id = ?";
const WRITE: &str = "REPLACE INTO row VALUES (?, ?, ?, ?, ?, ?, ?)";
const DELETE: &str = "DELETE FROM row WHERE cluster = ? AND kind = ? AND id = ?";
const NEWEST: &str = "SELECT version FROM counter";
const COUNT: &str = "UPDATE counter SET version = ?";

/// After so many steps of SQLite's machine, statements of others are asked whether their time is up.
const STEPS: i32 = 1000;

/// What somebody else does in a transaction.
pub(super) type Work<T> = Box<dyn FnOnce(&Transaction<'_>) -> Result<T, Box<dyn Error + Send + Sync>> + Send>;

/// An open file.
#[derive(Debug)]
pub(super) struct File {
    connection: Connection,
    /// Declared after the connection, so that the directory stays locked until that is closed.
    place: Place,
    cluster: String,
    boot: Option<String>,
}

/// Why something could not be done.
enum Fault {
    Sqlite(rusqlite::Error),
    Store(StoreError),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl File {
    /// Opens or creates the file, and tells whether nobody else was using its place.
    pub(super) fn open(path: &Path, cluster: String, until: Instant) -> Result<(Self, bool), StoreError> {
        let place = Place::enter(path, until)?;
        let alone = place.alone;
        let before = place.database();
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NOFOLLOW
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            Connection::open_with_flags(&place.real, flags).map_err(|error| explain(path, error.into()))?;
        let mut file = Self { connection, place, cluster, boot: boot() };
        file.prepare(until).map_err(|fault| explain(path, fault))?;
        if before.is_some() && before != file.place.database() {
            return Err(file.place.moved("while it was being opened"));
        }
        file.place.settle(until)?;
        Ok((file, alone))
    }

    /// Reads rows, all as of one moment.
    pub(super) fn read(&self, query: &Query, until: Instant) -> Result<Snapshot, StoreError> {
        self.guard(until, || self.select(query))
    }

    /// Applies changes, all at one moment.
    pub(super) fn commit(&self, changes: &[Change], until: Instant) -> Result<Vec<Outcome>, StoreError> {
        self.guard(until, || self.apply(changes))
    }

    /// Does `work` in one transaction with a look at the lease row that `fence` is about. Its statements are
    /// interrupted when their time is up.
    pub(super) fn fence<T>(&mut self, fence: &Fence, until: Instant, work: Work<T>) -> Result<T, FenceError> {
        let untried = |place: &Place, fault| FenceError::Untried(explain(place.named(), fault));
        self.place.check().map_err(FenceError::Untried)?;
        self.wait_at_most(until).map_err(|fault| untried(&self.place, fault))?;
        let late = move || SystemClock.now() >= until;
        self.connection
            .progress_handler(STEPS, Some(late))
            .map_err(|error| untried(&self.place, error.into()))?;
        let done = self.apply_fenced(fence, work, late);
        self.connection
            .progress_handler(0, None::<fn() -> bool>)
            .map_err(|error| FenceError::Unknown(explain(self.place.named(), error.into())))?;
        done
    }

    fn apply_fenced<T>(
        &self,
        fence: &Fence,
        work: Work<T>,
        late: impl Fn() -> bool,
    ) -> Result<T, FenceError> {
        let untried = |error: rusqlite::Error| FenceError::Untried(explain(self.place.named(), error.into()));
        let transaction =
            Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate).map_err(untried)?;
        let key = params![self.cluster, Kind::Lease.as_str(), fence.job.as_str()];
        let row = transaction.query_row(FIND, key, |row| Ok(fields(bytes(row, 4)?))).optional();
        fence.check(row.map_err(untried)?)?;
        let done = catch_unwind(AssertUnwindSafe(|| work(&transaction)));
        let done = done.unwrap_or_else(|_| Err("it panicked".into())).map_err(FenceError::Failed)?;
        if late() {
            return Err(FenceError::Failed("it took longer than a request to the store may".into()));
        }
        let unknown = |fault| FenceError::Unknown(explain(self.place.named(), fault));
        transaction.commit().map_err(|error| unknown(error.into()))?;
        self.place.check().map_err(FenceError::Unknown)?;
        Ok(done)
    }

    /// Does `work`, and vouches for the files before and after: they were in place all the while.
    fn guard<T>(&self, until: Instant, work: impl FnOnce() -> Result<T, Fault>) -> Result<T, StoreError> {
        self.place.check()?;
        let done = self.wait_at_most(until).and_then(|()| work());
        let done = done.map_err(|fault| explain(self.place.named(), fault))?;
        self.place.check()?;
        Ok(done)
    }

    fn wait_at_most(&self, until: Instant) -> Result<(), Fault> {
        Ok(self.connection.busy_timeout(until.since(SystemClock.now()))?)
    }

    fn select(&self, query: &Query) -> Result<Snapshot, Fault> {
        let now = SystemClock.now();
        let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Deferred)?;
        let mut rows = Vec::new();
        let mut list = transaction.prepare(LIST)?;
        for kind in query.kinds.iter().collect::<BTreeSet<_>>() {
            self.collect(&mut list, *kind, params![self.cluster, kind.as_str()], now, &mut rows)?;
        }
        let mut part = transaction.prepare(PART)?;
        for Range { kind, from, to, most } in &query.ranges {
            let most = i64::try_from(*most).unwrap_or(i64::MAX);
            let within = params![self.cluster, kind.as_str(), from, to, most];
            self.collect(&mut part, *kind, within, now, &mut rows)?;
        }
        let mut find = transaction.prepare(FIND)?;
        let others = query.keys.iter().filter(|key| !query.kinds.contains(&key.kind));
        for key in others.collect::<BTreeSet<_>>() {
            self.collect(
                &mut find,
                key.kind,
                params![self.cluster, key.kind.as_str(), key.id],
                now,
                &mut rows,
            )?;
        }
        Ok(Snapshot { rows })
    }

    fn collect(
        &self,
        statement: &mut Statement<'_>,
        kind: Kind,
        params: impl Params,
        now: Instant,
        rows: &mut Vec<Row>,
    ) -> Result<(), Fault> {
        let mut found = statement.query(params)?;
        while let Some(row) = found.next()? {
            rows.push(Row {
                key: Key::new(kind, String::from_utf8_lossy(bytes(row, 0)?)),
                version: Version(row.get::<_, i64>(1)?.cast_unsigned()),
                age: self.age(bytes(row, 2)?, row.get(3)?, now),
                fields: fields(bytes(row, 4)?),
            });
        }
        Ok(())
    }

    /// How old a stamp is at `now`, if it was made by this same clock.
    fn age(&self, boot: &[u8], written: i64, now: Instant) -> Option<Duration> {
        let written = Instant::from_nanos(written);
        let same = self.boot.as_ref().is_some_and(|known| known.as_bytes() == boot);
        (same && written <= now).then(|| now.since(written))
    }

    fn apply(&self, changes: &[Change]) -> Result<Vec<Outcome>, Fault> {
        let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
        let written = SystemClock.now().as_nanos();
        let version = transaction.query_row(NEWEST, [], |row| row.get::<_, i64>(0))? + 1;
        let done = Outcome::Done(Version(version.cast_unsigned()));
        let mut held = transaction.prepare(HELD)?;
        let mut write = transaction.prepare(WRITE)?;
        let mut delete = transaction.prepare(DELETE)?;
        let mut outcomes = Vec::with_capacity(changes.len());
        for Change { key: Key { kind, id }, base, fields } in changes {
            let (cluster, kind) = (&self.cluster, kind.as_str());
            let held = held.query_row(params![cluster, kind, id], |row| row.get::<_, i64>(0)).optional()?;
            if held.map_or(Version::ABSENT, |held| Version(held.cast_unsigned())) != *base {
                outcomes.push(Outcome::Conflict);
                continue;
            }
            match fields {
                Some(fields) => {
                    let fields = serde_json::to_string(fields)
                        .unwrap_or_else(|error| unreachable!("texts and values are JSON: {error}"));
                    write.execute(params![cluster, kind, id, version, self.boot, written, fields])?
                }
                None => delete.execute(params![cluster, kind, id])?,
            };
            outcomes.push(done);
        }
        if outcomes.contains(&done) {
            transaction.execute(COUNT, [version])?;
        }
        drop((held, write, delete));
        transaction.commit()?;
        Ok(outcomes)
    }

    /// Makes an empty file ours, and refuses one that is somebody else's.
    fn prepare(&self, until: Instant) -> Result<(), Fault> {
        self.wait_at_most(until)?;
        let empty = self.is_empty()?;
        if self.connection.is_readonly(MAIN_DB)? {
            return Err(forbidden(self.place.named(), "it is read-only").into());
        }
        self.connection.execute_batch(SETTINGS)?;
        let journal: String = self.pragma("journal_mode")?;
        if journal != "wal" {
            return Err(
                self.unfit("needs a write-ahead log, which its disk does not allow: use a local disk")
            );
        }
        if empty {
            let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
            if self.is_empty()? {
                transaction.execute_batch(CREATE)?;
                transaction.pragma_update(None, "application_id", APPLICATION)?;
                transaction.pragma_update(None, "user_version", LAYOUT)?;
            }
            transaction.commit()?;
        }
        Ok(())
    }

    fn is_empty(&self) -> Result<bool, Fault> {
        let count = "SELECT count(*) FROM sqlite_schema";
        let tables: i64 = self.connection.query_row(count, [], |row| row.get(0))?;
        match (self.pragma("application_id")?, self.pragma("user_version")?) {
            (0, 0) if tables == 0 => Ok(true),
            (APPLICATION, LAYOUT) => Ok(false),
            (APPLICATION, layout) if layout > LAYOUT => Err(self.unfit(&format!(
                "has layout {layout}, and this version knows layouts up to {LAYOUT}: upgrade this instance"
            ))),
            _ => Err(self.unfit("is the database of another program: name a file of its own")),
        }
    }

    fn pragma<T: rusqlite::types::FromSql>(&self, name: &str) -> Result<T, Fault> {
        Ok(self.connection.pragma_query_value(None, name, |row| row.get(0))?)
    }

    fn unfit(&self, why: &str) -> Fault {
        StoreError::Unfit(format!("{} {why}", self.place.named().display())).into()
    }
}

/// Which clock stamps are made by: this boot of the machine, seen from this time namespace.
fn boot() -> Option<String> {
    let boot = read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = read_link("/proc/self/ns/time").ok()?;
    Some(format!("{} {}", boot.trim(), namespace.display()))
}

/// A text as it stands in the file, where a hand may have put bytes that are none; nothing for NULL.
fn bytes<'a>(row: &'a rusqlite::Row<'_>, column: usize) -> Result<&'a [u8], rusqlite::Error> {
    Ok(row.get_ref(column)?.as_bytes_or_null()?.unwrap_or_default())
}

/// What a row holds, or why that cannot be told.
fn fields(text: &[u8]) -> Fields {
    serde_json::from_slice(text).unwrap_or_else(|error| {
        let why = format!("it is no JSON object: {error}");
        Fields::from_iter([(UNREADABLE.to_owned(), Value::from(why))])
    })
}

/// What went wrong, and what to do about it.
fn explain(path: &Path, fault: Fault) -> StoreError {
    let error = match fault {
        Fault::Sqlite(error) => error,
        Fault::Store(error) => return error,
    };
    let file = path.display();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Unreachable(format!(
            "{file} stayed locked for as long as a request may take: does another program hold a \
             transaction on it, or is an instance stopped in the middle of a write?"
        )),
        Some(ErrorCode::DiskFull) => {
            StoreError::Denied(format!("{file} cannot grow, its disk is full: free some space"))
        }
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
            forbidden(path, &error.to_string())
        }
        Some(ErrorCode::NotADatabase) => {
            StoreError::Unfit(format!("{file} is not an SQLite database: name another file"))
        }
        Some(ErrorCode::DatabaseCorrupt) => StoreError::Unfit(format!(
            "{file} is corrupt ({error}): stop every instance that uses it, then restore or delete it"
        )),
        Some(ErrorCode::SystemIoFailure) => StoreError::Unreachable(format!(
            "{file} cannot be read or written ({error}): is its disk full or broken, or was it deleted while \
             an instance uses it?"
        )),
        _ => StoreError::Unreachable(format!("{file} did not answer properly ({error})")),
    }
}

fn forbidden(path: &Path, why: &str) -> StoreError {
    if let Some(why) = too_few_files() {
        return StoreError::Denied(format!("{} cannot be opened: {why}", path.display()));
    }
    StoreError::Denied(format!(
        "{} cannot be opened for writing ({why}): give this user access to the file and to its directory",
        path.display()
    ))
}
