//! Clients that read and change a few rows at random, all at once, and note what they saw.
//!
//! They work from several handles to the store, each on a thread of its own, as instances in several
//! processes would. A client mostly changes what it has just read, and sometimes, on purpose, what it
//! read long ago.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use tokio::sync::oneshot;
use tokio::task::{JoinSet, yield_now};
use tokio::time::sleep;

use super::Opener;
use super::history::{Act, Operation};
use crate::stores::{Change, Fields, Key, Kind, Outcome, Query, Store, StoreError, Version};
use crate::time::{Clock, Instant, SystemClock};

/// The longest that a client waits after a call that failed.
const LONGEST_BREATH: Duration = Duration::from_millis(10);
/// How many versions of each row a client remembers, to try stale ones.
const MEMORY: usize = 4;
/// Changes of one client: more than it can make, and few enough that no id is larger than stores hold.
const IDS: u64 = 1 << 31;
/// The field that holds the id of the write.
const ID: &str = "id";

/// How much there is to do.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// How often the store is opened.
    pub handles: u16,
    /// How many clients use each of them.
    pub clients: u16,
    /// How many rows they share.
    pub rows: u16,
    /// Ends it after so many calls,
    pub calls: u64,
    /// or after so long.
    pub duration: Duration,
    /// The longest that a client waits between two calls.
    pub pause: Duration,
    /// How long a call may take.
    pub deadline: Duration,
    /// The number of the first client. All loads that share rows number theirs apart.
    pub first: u32,
    /// What the calls are drawn from.
    pub seed: u64,
}

/// Takes down what a client saw: a change when it is sent, as unknown, and when it is answered.
pub type Note = Arc<dyn Fn(Operation) + Send + Sync>;

struct Client {
    store: Arc<dyn Store>,
    load: Load,
    random: Rng,
    next_id: u64,
    /// What it knows of each row.
    rows: Vec<Known>,
    note: Note,
}

#[derive(Clone, Default)]
struct Known {
    /// The versions that it saw last, the newest at the end.
    versions: Vec<Version>,
    /// The newest may still be the row's.
    fresh: bool,
}

/// Has clients work on the rows of a store until they have done enough. Ends early where the store says
/// that it is the wrong one.
pub async fn work(open: &Opener, load: Load, note: &Note) -> Result<(), StoreError> {
    let end = SystemClock.now() + load.duration;
    let left = Arc::new(AtomicU64::new(load.calls));
    let mut handles = Vec::new();
    for handle in 0..load.handles {
        let (tell, told) = oneshot::channel();
        let (open, note, left) = (Arc::clone(open), Arc::clone(note), Arc::clone(&left));
        thread::spawn(move || drop(tell.send(serve(&open, load, handle, &note, &left, end))));
        handles.push(told);
    }
    let gone = |_| StoreError::Unreachable("a thread of clients has ended".to_owned());
    for handle in handles {
        handle.await.map_err(gone)??;
    }
    Ok(())
}

/// The clients of one handle, on this thread.
fn serve(
    open: &Opener,
    load: Load,
    handle: u16,
    note: &Note,
    left: &Arc<AtomicU64>,
    end: Instant,
) -> Result<(), StoreError> {
    let failed = |error: &dyn std::fmt::Display| StoreError::Unreachable(format!("a client failed: {error}"));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| failed(&error))?;
    runtime.block_on(async {
        let store = open(load.deadline).await?;
        let mut clients = JoinSet::new();
        for client in 0..load.clients {
            let number = load.first + u32::from(handle) * u32::from(load.clients) + u32::from(client);
            let mut client = Client {
                store: Arc::clone(&store),
                load,
                random: Rng::with_seed(load.seed ^ u64::from(number) << 32),
                next_id: u64::from(number) * IDS,
                rows: vec![Known::default(); usize::from(load.rows)],
                note: Arc::clone(note),
            };
            let left = Arc::clone(left);
            clients.spawn(async move {
                let take = || left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok();
                while SystemClock.now() < end && take() {
                    client.call().await?;
                }
                Ok::<(), StoreError>(())
            });
        }
        while let Some(client) = clients.join_next().await {
            client.map_err(|error| failed(&error))??;
        }
        Ok(())
    })
}

impl Client {
    /// Makes one call, whichever it is.
    async fn call(&mut self) -> Result<(), StoreError> {
        let row = self.random.u16(..self.load.rows);
        let answer = match self.random.u8(..24) {
            0 => self.read(&(0..self.load.rows).collect::<Vec<_>>()).await,
            1..8 => self.read(&[row]).await,
            _ if !self.rows[usize::from(row)].fresh => self.read(&[row]).await,
            8..11 => self.change(&[row, (row + 1) % self.load.rows]).await,
            _ => self.change(&[row]).await,
        };
        match answer {
            Ok(()) if self.load.pause.is_zero() => yield_now().await,
            Ok(()) => sleep(self.load.pause.mul_f64(self.random.f64())).await,
            Err(StoreError::Unreachable(_)) => sleep(LONGEST_BREATH.mul_f64(self.random.f64())).await,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Reads one row by its key, or all of them by their kind.
    async fn read(&mut self, rows: &[u16]) -> Result<(), StoreError> {
        let query = match rows {
            [row] => Query { keys: vec![key(*row)], ..Query::default() },
            _ => Query { kinds: vec![Kind::Probe], ..Query::default() },
        };
        let sent = SystemClock.now();
        let snapshot = self.store.read(query).await?;
        let answered = SystemClock.now();
        for row in rows {
            let found = snapshot.rows.iter().find(|found| found.key == key(*row));
            let found = found.map(|found| {
                // What is no id will be found to be nobody's.
                let id = found.fields.get(ID).and_then(serde_json::Value::as_u64).unwrap_or(u64::MAX);
                (found.version, id)
            });
            self.learn(*row, Some(found.map_or(Version::ABSENT, |(version, _)| version)));
            (self.note)(Operation { row: *row, sent, answered, act: Act::Read(found) });
        }
        Ok(())
    }

    /// Changes rows in one commit.
    async fn change(&mut self, rows: &[u16]) -> Result<(), StoreError> {
        let mut acts: Vec<_> = rows.iter().map(|row| (*row, self.draft(*row))).collect();
        acts.dedup_by_key(|(row, _)| *row);
        let changes = acts.iter().map(|(row, draft)| draft.change(*row)).collect();
        let sent = SystemClock.now();
        let note = |answered, (row, draft): &(u16, Draft), outcome| {
            (self.note)(Operation { row: *row, sent, answered, act: draft.act(outcome) });
        };
        for act in &acts {
            note(Instant::NEVER, act, Outcome::Unknown);
        }
        let answer = self.store.commit(changes).await;
        let answered = SystemClock.now();
        let outcomes = answer.as_ref().map_or(&[][..], Vec::as_slice);
        for (act, outcome) in acts.iter().zip(outcomes) {
            note(answered, act, *outcome);
        }
        let outcomes = outcomes.iter().copied().map(Some).chain(std::iter::repeat(None));
        for ((row, draft), outcome) in acts.into_iter().zip(outcomes) {
            let version = match outcome {
                Some(Outcome::Done(_)) if draft.deletes => Some(Version::ABSENT),
                Some(Outcome::Done(version)) => Some(version),
                Some(Outcome::Conflict | Outcome::Unknown) | None => None,
            };
            self.learn(row, version);
        }
        answer.map(drop)
    }

    /// A change of a row, based on what is known of it, or on something older.
    fn draft(&mut self, row: u16) -> Draft {
        self.next_id += 1;
        let versions = &self.rows[usize::from(row)].versions;
        let base = match self.random.u8(..16) {
            0 => Version::ABSENT,
            1 | 2 if !versions.is_empty() => versions[self.random.usize(..versions.len())],
            _ => versions.last().copied().unwrap_or(Version::ABSENT),
        };
        let deletes = base != Version::ABSENT && self.random.u8(..8) == 0;
        Draft { id: self.next_id, base, deletes }
    }

    /// Notes at which version a row was, unless that is not known any more.
    fn learn(&mut self, row: u16, version: Option<Version>) {
        let known = &mut self.rows[usize::from(row)];
        known.fresh = version.is_some();
        if let Some(version) = version.filter(|version| known.versions.last() != Some(version)) {
            known.versions.push(version);
            if known.versions.len() > MEMORY {
                known.versions.remove(0);
            }
        }
    }
}

/// A change that is about to be sent.
#[derive(Clone, Copy)]
struct Draft {
    id: u64,
    base: Version,
    deletes: bool,
}

impl Draft {
    fn change(self, row: u16) -> Change {
        let fields = Fields::from_iter([(ID.to_owned(), self.id.into())]);
        Change { key: key(row), base: self.base, fields: (!self.deletes).then_some(fields) }
    }

    fn act(self, outcome: Outcome) -> Act {
        let Self { id, base, deletes } = self;
        Act::Change { id, base, deletes, outcome }
    }
}

fn key(row: u16) -> Key {
    Key::new(Kind::Probe, format!("row-{row}"))
}
