//! A store that lies, once in a thousand calls: at the first chance after each thousand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use tenure::stores::memory::Memory;
use tenure::stores::{Change, Key, Outcome, Pending, Query, Row, Snapshot, Store, StoreError, Version};

/// What it lies about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Lie {
    /// It reads what a row was one change ago.
    StaleRead,
    /// It applies a change whatever the row's version.
    BlindWrite,
    /// It says that a change was applied, and forgets it.
    LostWrite,
    /// It does not answer, and applies the change twice: now, and once more on whatever is there later.
    LateTwin,
    /// It refuses a change that was based on the newest version.
    NeedlessConflict,
}

/// The longest that a call takes: without any wait there would be no calls at once.
const LATENCY: Duration = Duration::from_millis(1);

#[derive(Clone, Debug)]
pub(super) struct Liar {
    memory: Memory,
    lie: Lie,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    random: Rng,
    calls: u64,
    told: u64,
    /// What each row was before its last change.
    past: BTreeMap<Key, Row>,
    twin: Option<Change>,
}

impl Liar {
    pub(super) fn new(lie: Lie) -> Self {
        let state = State { random: Rng::with_seed(1), calls: 0, told: 0, past: BTreeMap::new(), twin: None };
        Self { memory: Memory::new(), lie, state: Arc::new(Mutex::new(state)) }
    }

    /// How often it lied so far.
    pub(super) fn told(&self) -> u64 {
        self.state.lock().unwrap().told
    }

    async fn wait(&self) {
        let wait = self.state.lock().unwrap().call();
        tokio::time::sleep(wait).await;
    }

    async fn held(&self, key: &Key) -> Option<Row> {
        let query = Query { keys: vec![key.clone()], ..Query::default() };
        self.memory.read(query).await.unwrap().rows.pop()
    }

    async fn change(&self, mut change: Change) -> Result<Outcome, StoreError> {
        let held = self.held(&change.key).await;
        let version = held.as_ref().map_or(Version::ABSENT, |row| row.version);
        let fits = version == change.base;
        let lies = match self.lie {
            Lie::StaleRead => false,
            Lie::BlindWrite => !fits && change.fields.is_some(),
            Lie::LostWrite | Lie::LateTwin => fits && change.fields.is_some(),
            Lie::NeedlessConflict => fits,
        } && self.state.lock().unwrap().lies();
        if !lies {
            let outcome = self.memory.commit(vec![change.clone()]).await?[0];
            if let (Outcome::Done(_), Some(row)) = (outcome, held) {
                self.state.lock().unwrap().past.insert(change.key, row);
            }
            return Ok(outcome);
        }
        match self.lie {
            Lie::StaleRead | Lie::NeedlessConflict => Ok(Outcome::Conflict),
            Lie::LostWrite => Ok(Outcome::Done(Version(version.0 + 1))),
            Lie::BlindWrite => {
                change.base = version;
                Ok(self.memory.commit(vec![change]).await?[0])
            }
            Lie::LateTwin => {
                self.memory.commit(vec![change.clone()]).await?;
                self.state.lock().unwrap().twin = Some(change);
                Err(StoreError::Unreachable("silence".to_owned()))
            }
        }
    }

    /// Applies what waits to be applied once more.
    async fn apply_twin(&self) {
        let twin = self.state.lock().unwrap().twin.take();
        if let Some(twin) = twin {
            let base = self.held(&twin.key).await.map_or(Version::ABSENT, |row| row.version);
            self.memory.commit(vec![Change { base, ..twin }]).await.unwrap();
        }
    }
}

impl State {
    /// Counts a call, and says how long it takes.
    fn call(&mut self) -> Duration {
        self.calls += 1;
        LATENCY.mul_f64(self.random.f64())
    }

    fn lies(&mut self) -> bool {
        let lies = self.told < self.calls / 1000;
        self.told += u64::from(lies);
        lies
    }
}

impl Store for Liar {
    fn read(&self, query: Query) -> Pending<'_, Result<Snapshot, StoreError>> {
        Box::pin(async move {
            self.wait().await;
            let mut snapshot = self.memory.read(query).await?;
            let mut state = self.state.lock().unwrap();
            for row in &mut snapshot.rows {
                let past = state.past.get(&row.key).filter(|past| past.version < row.version).cloned();
                if let Some(past) = past.filter(|_| self.lie == Lie::StaleRead && state.lies()) {
                    *row = past;
                }
            }
            Ok(snapshot)
        })
    }

    fn commit(&self, changes: Vec<Change>) -> Pending<'_, Result<Vec<Outcome>, StoreError>> {
        Box::pin(async move {
            self.wait().await;
            self.apply_twin().await;
            let mut outcomes = Vec::new();
            for change in changes {
                outcomes.push(self.change(change).await?);
            }
            Ok(outcomes)
        })
    }

    fn describe(&self) -> String {
        format!("a store that lies ({:?})", self.lie)
    }
}
