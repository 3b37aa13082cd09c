//! The history of the jobs: what became of their due times, as it stands in the store.
//!
//! Leaders file it (`lease/filing.rs`). Here it is read, and what is old is thrown away: nothing in the
//! protocol depends on it, so that happens beside the machine, and a failure waits for the next time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::machine::JobName;
use crate::rows::{self, Entry, RowError, Run};
use crate::stores::{Change, Kind, MOST_CHANGES, Outcome, Query, Range, Row, Store, StoreError};
use crate::time::{Clock, Instant, Wall};

/// How many ends of runs may wait to be counted; what is beyond is not, which only delays a pruning.
const MOST_WAITING: usize = 1024;
/// What is old is looked for that often, however few runs there are.
const LOOK: Duration = Duration::from_hours(24);

/// How much of a job's history is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// At most so many entries.
    pub most: usize,
    /// None that is older.
    pub within: Duration,
}

/// What became of the newest due times of `job` before a moment, the newest first.
pub async fn read(
    store: &dyn Store,
    job: &JobName,
    before: Option<Wall>,
    most: usize,
) -> Result<Vec<Result<Entry, RowError>>, StoreError> {
    let rows = range(store, job, before, most).await?;
    Ok(rows.into_iter().map(|row| Ok(rows::decode::<Run>(row.fields)?.entry)).collect())
}

/// The rows of entries that were due before a moment, the newest first.
async fn range(
    store: &dyn Store,
    job: &JobName,
    before: Option<Wall>,
    most: usize,
) -> Result<Vec<Row>, StoreError> {
    let (from, to) = Run::ids(job, before);
    let range = Range { kind: Kind::Run, from, to, most };
    let mut rows = store.read(Query { ranges: vec![range], ..Query::default() }).await?.rows;
    rows.sort_unstable_by(|one, other| one.key.id.cmp(&other.key.id));
    Ok(rows)
}

/// Throws away what is old, for the jobs of one instance.
#[derive(Debug)]
pub(crate) struct Pruner {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    node: String,
    random: fastrand::Rng,
    jobs: BTreeMap<JobName, Pile>,
    news: mpsc::Receiver<News>,
}

/// A job got an entry.
#[derive(Debug)]
pub(crate) struct News {
    pub(crate) job: JobName,
    /// How much it keeps.
    pub(crate) keep: Keep,
    /// When.
    pub(crate) now: Wall,
}

/// What is known of a job's history.
#[derive(Debug)]
struct Pile {
    /// How many entries came since it was pruned.
    new: usize,
    /// When it is looked at, however few.
    look: Instant,
}

impl Pruner {
    /// It is told through the sender which job got an entry.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        node: String,
        random: fastrand::Rng,
    ) -> (Self, mpsc::Sender<News>) {
        let (tell, news) = mpsc::channel(MOST_WAITING);
        (Self { store, clock, node, random, jobs: BTreeMap::new(), news }, tell)
    }

    /// Runs until nobody tells it anything any more.
    pub(crate) async fn run(mut self) {
        while let Some(News { job, keep, now }) = self.news.recv().await {
            let at = self.clock.now();
            // As if some had come already: processes that live for one run only must prune too.
            let first = || Pile {
                new: self.random.usize(..(keep.most / 2).max(1)),
                look: at + LOOK.mul_f64(self.random.f64()),
            };
            let pile = self.jobs.entry(job.clone()).or_insert_with(first);
            pile.new += 1;
            // Not each time: so few are read again and again, and half too many stand there at most.
            if pile.new * 2 < keep.most && at < pile.look {
                continue;
            }
            (pile.new, pile.look) = (0, at + LOOK);
            if let Err(error) = prune(&*self.store, &job, keep, now).await {
                let node = self.node.as_str();
                tracing::warn!(
                    event = "history.kept", %job, node, reason = %error,
                    "The history of {job} is longer than it should be until the next try: {error}"
                );
            }
        }
    }
}

/// Deletes what is beyond what is kept, in small batches.
pub(crate) async fn prune(store: &dyn Store, job: &JobName, keep: Keep, now: Wall) -> Result<(), StoreError> {
    let (too_old, _) = Run::ids(job, Some(now - keep.within));
    loop {
        let mut rows = range(store, job, None, keep.most + MOST_CHANGES).await?;
        let kept = rows.iter().take(keep.most).take_while(|row| row.key.id < too_old).count();
        let more = rows.len() == keep.most + MOST_CHANGES;
        let batch: Vec<_> = rows.drain(kept..).take(MOST_CHANGES).map(delete).collect();
        if batch.is_empty() {
            return Ok(());
        }
        let outcomes = store.commit(batch).await?;
        if !more || !outcomes.iter().all(|outcome| matches!(outcome, Outcome::Done(_))) {
            return Ok(());
        }
    }
}

fn delete(row: Row) -> Change {
    Change { key: row.key, base: row.version, fields: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{RunId, Term};
    use crate::rows::{Cursor, Fate, RunState};
    use crate::stores::memory::Memory;
    use crate::stores::{Key, Version};
    use crate::time::SystemClock;

    fn job(name: &str) -> JobName {
        JobName::new(name).unwrap()
    }

    fn at(seconds: i64) -> Wall {
        Wall::from_nanos(seconds * 1_000_000_000)
    }

    async fn file(store: &Memory, job: &JobName, dues: std::ops::Range<i64>) {
        for due in dues {
            let cursor = Cursor {
                due: at(due),
                attempt: 1,
                run: RunId(1),
                term: Term(1),
                node: "node".to_owned(),
                at: at(due),
                state: RunState::Finished,
                again: None,
                schedule: String::new(),
                extra: None,
            };
            let key = Key::new(Kind::Run, Run::id(job, at(due)));
            let fields = Some(rows::encode(&Run::new(cursor.entry(Fate::Ran, "", None))));
            store.commit(vec![Change { key, base: Version::ABSENT, fields }]).await.unwrap();
        }
    }

    async fn dues(store: &Memory, job: &JobName, before: Option<Wall>, most: usize) -> Vec<i64> {
        let entries = read(store, job, before, most).await.unwrap();
        entries.into_iter().map(|entry| entry.unwrap().due.as_nanos() / 1_000_000_000).collect()
    }

    #[tokio::test]
    async fn processes_that_live_for_one_run_prune_too() {
        let (store, clock) = (Arc::new(Memory::default()), Arc::new(SystemClock));
        file(&store, &job("a"), 0..300).await;
        for seed in 0..200 {
            let keep = Keep { most: 100, within: Duration::from_hours(1) };
            let random = fastrand::Rng::with_seed(seed);
            let (pruner, tell) = Pruner::new(
                Arc::<Memory>::clone(&store),
                Arc::<SystemClock>::clone(&clock),
                "node".to_owned(),
                random,
            );
            tell.try_send(News { job: job("a"), keep, now: at(300) }).unwrap();
            drop(tell);
            pruner.run().await;
        }
        assert_eq!(dues(&store, &job("a"), None, 1000).await.len(), 100);
    }

    #[tokio::test]
    async fn the_history_is_read_from_the_newest_on() {
        let store = Memory::default();
        file(&store, &job("a"), 0..9).await;
        file(&store, &job("b"), 5..7).await;
        assert_eq!(dues(&store, &job("a"), None, 3).await, [8, 7, 6]);
        assert_eq!(dues(&store, &job("a"), Some(at(6)), 3).await, [5, 4, 3]);
        assert_eq!(dues(&store, &job("b"), None, 9).await, [6, 5]);
    }

    #[tokio::test]
    async fn what_is_too_much_or_too_old_is_deleted_and_nothing_else() {
        let store = Memory::default();
        file(&store, &job("a"), 0..1200).await;
        file(&store, &job("b"), 0..3).await;
        let keep = Keep { most: 50, within: Duration::from_mins(1) };
        prune(&store, &job("a"), keep, at(1205)).await.unwrap();
        assert_eq!(dues(&store, &job("a"), None, 2000).await, (1150..1200).rev().collect::<Vec<_>>());
        prune(&store, &job("a"), keep, at(1255)).await.unwrap();
        assert_eq!(dues(&store, &job("a"), None, 2000).await, [1199, 1198, 1197, 1196, 1195]);
        assert_eq!(dues(&store, &job("b"), None, 9).await, [2, 1, 0]);
    }
}
