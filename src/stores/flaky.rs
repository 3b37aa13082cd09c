//! A store in bad weather: any other store, behind a network that delays, loses and holds back.
//!
//! What happens to a call is drawn from a seed when the call is made, and the weather may change
//! while the store is in use. It never lies: whatever it answers besides an error is the truth.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastrand::Rng;

use super::{Change, Outcome, Pending, Query, Snapshot, Store, StoreError, Traits};

/// Most calls that one outage swallows.
const LONGEST_OUTAGE: u32 = 8;
/// Most changes that are held back at a time; beyond it the oldest are lost for good.
const MOST_STRAGGLERS: usize = 64;

/// What a network does to calls: a chance between 0 and 1 each, drawn at each call.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Weather {
    /// The longest that a message travels, each way.
    pub latency: Duration,
    /// How long a caller waits in vain before it is told.
    pub silence: Duration,
    /// The request never arrives.
    pub lost_requests: f64,
    /// The request arrives, of a batch perhaps only the beginning, and its answer does not.
    pub lost_replies: f64,
    /// The request arrives during some later call, long after its caller has given up.
    pub late_requests: f64,
    /// Nothing gets through, for this call and a few more.
    pub outages: f64,
}

impl Weather {
    /// The store cannot be reached at all.
    pub const DOWN: Self = Self { lost_requests: 1.0, ..Self::FAIR };
    /// Nothing goes wrong.
    pub const FAIR: Self = Self {
        latency: Duration::ZERO,
        silence: Duration::ZERO,
        lost_requests: 0.0,
        lost_replies: 0.0,
        late_requests: 0.0,
        outages: 0.0,
    };
    /// A third of all calls go wrong, each in every way there is.
    pub const STORM: Self =
        Self { lost_requests: 0.1, lost_replies: 0.1, late_requests: 0.1, outages: 0.02, ..Self::FAIR };
}

/// A store in bad weather. Clones share the weather.
#[derive(Clone, Debug)]
pub struct Flaky {
    store: Arc<dyn Store>,
    sky: Arc<Mutex<Sky>>,
}

#[derive(Debug)]
struct Sky {
    weather: Weather,
    rng: Rng,
    outage: u32,
    stragglers: Vec<Vec<Change>>,
}

/// What will happen to a call.
struct Journey {
    there: Duration,
    back: Duration,
    silence: Duration,
    fate: Fate,
    /// Somebody's earlier changes, which arrive first.
    straggler: Option<Vec<Change>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Arrives,
    RequestLost,
    RequestLate,
    ReplyLost,
}

impl Flaky {
    /// Puts `store` into `weather`, which `seed` draws.
    pub fn new(store: Arc<dyn Store>, seed: u64, weather: Weather) -> Self {
        let sky = Sky { weather, rng: Rng::with_seed(seed), outage: 0, stragglers: Vec::new() };
        Self { store, sky: Arc::new(Mutex::new(sky)) }
    }

    /// Changes the weather, from the next call on.
    pub fn turn(&self, weather: Weather) {
        let mut sky = self.sky();
        sky.weather = weather;
        sky.outage = 0;
    }

    fn sky(&self) -> MutexGuard<'_, Sky> {
        self.sky.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn depart(&self, journey: &mut Journey) {
        travel(journey.there).await;
        if let Some(changes) = journey.straggler.take() {
            drop(self.store.commit(changes).await);
        }
    }
}

impl Store for Flaky {
    fn read(&self, query: Query) -> Pending<'_, Result<Snapshot, StoreError>> {
        let mut journey = self.sky().journey();
        Box::pin(async move {
            self.depart(&mut journey).await;
            match journey.fate {
                Fate::Arrives => journey.answer(self.store.read(query).await).await,
                Fate::RequestLost | Fate::RequestLate | Fate::ReplyLost => journey.fail("the answer").await,
            }
        })
    }

    fn commit(&self, mut changes: Vec<Change>) -> Pending<'_, Result<Vec<Outcome>, StoreError>> {
        let mut journey = self.sky().journey();
        Box::pin(async move {
            self.depart(&mut journey).await;
            match journey.fate {
                Fate::Arrives => journey.answer(self.store.commit(changes).await).await,
                Fate::RequestLost => journey.fail("the request").await,
                Fate::RequestLate => {
                    self.sky().hold_back(changes);
                    journey.fail("the request for now").await
                }
                Fate::ReplyLost => {
                    let arrived = self.sky().rng.usize(changes.len().min(1)..=changes.len());
                    changes.truncate(arrived);
                    drop(self.store.commit(changes).await);
                    journey.fail("the answer").await
                }
            }
        })
    }

    fn describe(&self) -> String {
        format!("{}, in bad weather", self.store.describe())
    }

    fn traits(&self) -> Traits {
        self.store.traits()
    }
}

impl Sky {
    fn journey(&mut self) -> Journey {
        let fate = self.fate();
        let arrives = fate != Fate::RequestLost && !self.stragglers.is_empty() && self.rng.bool();
        let which = arrives.then(|| self.rng.usize(..self.stragglers.len()));
        Journey {
            there: self.weather.latency.mul_f64(self.rng.f64()),
            back: self.weather.latency.mul_f64(self.rng.f64()),
            silence: self.weather.silence,
            fate,
            straggler: which.map(|which| self.stragglers.remove(which)),
        }
    }

    fn fate(&mut self) -> Fate {
        if self.outage == 0 && self.rng.f64() < self.weather.outages {
            self.outage = self.rng.u32(1..=LONGEST_OUTAGE);
        }
        if self.outage > 0 {
            self.outage -= 1;
            return Fate::RequestLost;
        }
        let Weather { lost_requests, lost_replies, late_requests, .. } = self.weather;
        match self.rng.f64() {
            draw if draw < lost_requests => Fate::RequestLost,
            draw if draw < lost_requests + lost_replies => Fate::ReplyLost,
            draw if draw < lost_requests + lost_replies + late_requests => Fate::RequestLate,
            _ => Fate::Arrives,
        }
    }

    fn hold_back(&mut self, changes: Vec<Change>) {
        if self.stragglers.len() == MOST_STRAGGLERS {
            self.stragglers.remove(0);
        }
        self.stragglers.push(changes);
    }
}

impl Journey {
    async fn answer<T>(self, answer: T) -> T {
        travel(self.back).await;
        answer
    }

    async fn fail<T>(self, what: &str) -> Result<T, StoreError> {
        travel(self.silence).await;
        Err(StoreError::Unreachable(format!("the bad weather swallowed {what}: try again")))
    }
}

async fn travel(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}
