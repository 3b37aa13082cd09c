//! The way in for a program of yours: build an instance, start it, lead, stop it.
//!
//! ```
//! # use std::time::Duration;
//! # use tenure::{Tenure, jobs::Run, stores::Place};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let tenure = Tenure::builder()
//!     .store(Place::Memory)
//!     .failover(Duration::from_secs(10))
//!     .every("billing", Duration::from_mins(1), async |run: Run| {
//!         run.say("bills are sent");
//!         Ok(())
//!     })
//!     .role("indexer")
//!     .build()? // refuses what cannot work, before anything is opened
//!     .start()
//!     .await?;
//! let leadership = tenure.lead("indexer").await?; // waits its turn
//! println!("this instance leads, at term {}", leadership.term());
//! leadership.release().await;
//! tenure.stop().await?;
//! # Ok(())
//! # }
//! ```

mod builder;

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

pub use self::builder::{BuildError, Builder};
use crate::handle::Handle;
use crate::instance::{Instance, seed};
use crate::lease::Input;
use crate::stores::{self, Place, Store, StoreError};
use crate::time::{Clock, SystemClock};

/// Least time for a store to answer at the start, where the failover is shorter: it may be starting too.
const SHORTEST_PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait before asking a store again that does not answer at the start.
const RETRY: Duration = Duration::from_millis(250);

/// A running instance. It is a [`Handle`] that also keeps the instance alive: dropped, it is like a crash,
/// and others take over when its leases lapse. [`Tenure::stop`] is the polite way.
#[derive(Debug)]
pub struct Tenure {
    handle: Handle,
    tasks: JoinSet<()>,
    patience: Duration,
}

/// An instance that may start.
#[derive(Debug)]
pub struct Ready {
    instance: Instance,
    source: Source,
    clock: Arc<dyn Clock>,
}

/// Where the leases live.
#[derive(Debug)]
enum Source {
    /// In a store that is still to be opened, for a cluster.
    Place(Place, String),
    /// In this one.
    Store(Arc<dyn Store>),
}

/// Why an instance did not end as it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StopError {
    /// Others will find out by themselves.
    #[error("not everything was handed over within {0:?}; what is left is free for others when it lapses")]
    Late(Duration),
    /// It leads nothing more.
    #[error("a part of the instance ended by itself ({0}); this is a bug, please report it")]
    Broken(String),
}

impl Ready {
    /// Opens the store, has it prove its compare-and-set, and starts. A store that does not answer is asked
    /// again for as long as a failover, and for ten seconds at least.
    pub async fn start(self) -> Result<Tenure, StoreError> {
        let Self { instance, source, clock } = self;
        let timing = instance.timing;
        let deadline = clock.now() + timing.ttl.max(SHORTEST_PATIENCE);
        let store = loop {
            match source.open(timing.request).await {
                Err(StoreError::Unreachable(_)) if clock.now() < deadline => sleep(RETRY).await,
                answer => break answer?,
            }
        };
        let mut tasks = JoinSet::new();
        let handle = instance.start(store, clock, &mut tasks);
        Ok(Tenure { handle, tasks, patience: timing.ttl })
    }
}

impl Source {
    async fn open(&self, deadline: Duration) -> Result<Arc<dyn Store>, StoreError> {
        let store = match self {
            Self::Place(place, cluster) => stores::open(place, cluster, deadline).await?,
            Self::Store(store) => Arc::clone(store),
        };
        stores::prove(&*store, u128::from(seed()) << 64 | u128::from(seed())).await?;
        Ok(store)
    }
}

impl Tenure {
    /// Begins to describe an instance.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Waits for the end of the instance, which is its stop, asked for through a [`Handle`], or a bug.
    pub async fn ended(&mut self) -> Result<(), StopError> {
        tokio::select! {
            // When it has stopped, its parts end by themselves.
            biased;
            () = self.handle.stopped() => Ok(()),
            ended = self.tasks.join_next() => Err(StopError::Broken(match ended {
                Some(Err(error)) => error.to_string(),
                Some(Ok(())) | None => "without a reason".to_owned(),
            })),
        }
    }

    /// Stops: no new runs, running ones and leaderships are asked to end, leases are handed over, the member row
    /// goes. It takes as long as they do, and a failover at most.
    pub async fn stop(mut self) -> Result<(), StopError> {
        self.handle.tell(Input::Drain).await;
        let patience = self.patience;
        let ended = timeout(patience, self.ended()).await;
        self.tasks.shutdown().await;
        ended.unwrap_or(Err(StopError::Late(patience)))
    }
}

impl Deref for Tenure {
    type Target = Handle;
    fn deref(&self) -> &Handle {
        &self.handle
    }
}

/// The kernel's clocks.
fn system_clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}
