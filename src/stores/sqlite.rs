//! Rows in one SQLite file, shared by the processes of one machine.
//!
//! A commit is on the disk before it is answered (write-ahead log, `synchronous = FULL`), and the
//! commits of all processes are serialized by SQLite's lock on the file. One thread owns the
//! connection and serves one call after another; a caller who has given up is not served.
//!
//! The file must be on a disk of this machine: SQLite's log needs memory that all its users share.
//!
//! * **Versions** come from one counter in the file, so that they rise over deletions too.
//! * **Ages** are told by the boot clock. A row is stamped after its request was sent, and the clock
//!   is read before the row is, so an age is never too long for a writer who counts from the send. A
//!   stamp of another boot, or of another time namespace, tells nothing.
//! * **Place.** Another file under the same name is another store, in which others may hold our
//!   leases, so every call makes sure that the files it used still are the ones under their names.
//! * **Alone.** Each user keeps a shared lock on the directory, which outlives a deleted file. Who can
//!   lock it exclusively first has no predecessor alive. (A directory that is itself replaced under
//!   a running instance goes unnoticed here.)
//! * **The lock** belongs to a process until it goes on or ends. One that is stopped (SIGSTOP, a
//!   debugger) in the middle of a commit holds up all others; there is no way to take it from it.

mod fence;
mod file;
mod place;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

pub use rusqlite;
use tokio::sync::oneshot;

use self::file::File;
use super::{Change, Outcome, Pending, Query, Snapshot, Store, StoreError, Traits};
use crate::time::{Clock, Instant, SystemClock};

/// Most calls that wait for the thread; more of them would only time out.
const LONGEST_QUEUE: usize = 64;

/// An SQLite file that is in use.
pub struct Sqlite {
    path: PathBuf,
    deadline: Duration,
    alone: bool,
    queue: SyncSender<Call>,
}

type Call = Box<dyn FnOnce(&mut File) + Send>;

/// Opens the file that the configuration names.
pub(super) async fn open(
    path: &Path,
    cluster: &str,
    deadline: Duration,
) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(Sqlite::open(path, cluster, deadline).await?))
}

impl Sqlite {
    /// Opens the file at `path`, or creates it, for the rows of `cluster`. No call, this one
    /// included, takes longer than `deadline`.
    pub async fn open(path: &Path, cluster: &str, deadline: Duration) -> Result<Self, StoreError> {
        let path = std::path::absolute(path).map_err(|error| {
            StoreError::Denied(format!("\"{}\" cannot name a file ({error})", path.display()))
        })?;
        let until = patience(deadline);
        let (cluster, place) = (cluster.to_owned(), path.clone());
        let (queue, calls) = sync_channel(LONGEST_QUEUE);
        let (ready, opened) = oneshot::channel();
        std::thread::Builder::new()
            .name("sqlite".to_owned())
            .spawn(move || match File::open(&place, cluster, until) {
                Ok((file, alone)) => {
                    if ready.send(Ok(alone)).is_ok() {
                        serve(file, &calls);
                    }
                }
                Err(error) => drop(ready.send(Err(error))),
            })
            .map_err(|error| {
                StoreError::Unreachable(format!("no thread for {} ({error})", path.display()))
            })?;
        let alone = answer(&path, deadline, opened).await?;
        Ok(Self { path, deadline, alone, queue })
    }

    async fn call<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut File, Instant) -> Result<T, StoreError> + Send + 'static,
    {
        let replied = self.enqueue(work)?;
        answer(&self.path, self.deadline, replied).await
    }

    /// Puts work in line, unless too much stands there.
    fn enqueue<T, F>(&self, work: F) -> Result<oneshot::Receiver<T>, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut File, Instant) -> T + Send + 'static,
    {
        let until = patience(self.deadline);
        let (reply, replied) = oneshot::channel();
        let call = move |file: &mut File| {
            if !reply.is_closed() {
                drop(reply.send(work(file, until)));
            }
        };
        self.queue.try_send(Box::new(call)).map_err(|error| self.unqueued(&error))?;
        Ok(replied)
    }

    fn unqueued(&self, error: &TrySendError<Call>) -> StoreError {
        let path = self.path.display();
        StoreError::Unreachable(match error {
            TrySendError::Full(_) => {
                format!("{path}: {LONGEST_QUEUE} calls are waiting already: is the disk slow?")
            }
            TrySendError::Disconnected(_) => format!("{path}: its thread has ended: restart this instance"),
        })
    }
}

impl Store for Sqlite {
    fn read(&self, query: Query) -> Pending<'_, Result<Snapshot, StoreError>> {
        Box::pin(self.call(move |file, until| file.read(&query, until)))
    }

    fn commit(&self, changes: Vec<Change>) -> Pending<'_, Result<Vec<Outcome>, StoreError>> {
        Box::pin(self.call(move |file, until| file.commit(&changes, until)))
    }

    fn describe(&self) -> String {
        format!("the SQLite file {}", self.path.display())
    }

    fn traits(&self) -> Traits {
        Traits { volatile: false, alone: self.alone }
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Serves calls until the store is dropped.
fn serve(mut file: File, calls: &Receiver<Call>) {
    while let Ok(call) = calls.recv() {
        call(&mut file);
    }
}

/// Until when the thread may wait for a lock: a little less than its caller waits for the thread, who
/// then hears the reason.
fn patience(deadline: Duration) -> Instant {
    SystemClock.now() + deadline * 9 / 10
}

async fn answer<T>(
    path: &Path,
    deadline: Duration,
    reply: oneshot::Receiver<Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let path = path.display();
    match tokio::time::timeout(deadline, reply).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => {
            Err(StoreError::Unreachable(format!("{path}: its thread has ended: restart this instance")))
        }
        Err(_) => Err(StoreError::Unreachable(format!(
            "{path}: no answer within {deadline:?}: is the disk slow, or many instances on this file?"
        ))),
    }
}
