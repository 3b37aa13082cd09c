//! What a flood of requests has become when it reaches the machine: now and then one look that
//! answers everybody who waits, now and then one wake-up with all jobs that were named.

use std::collections::BTreeSet;
use std::mem::take;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::sleep;

use crate::handle::{Handle, Snapshot};
use crate::lease::Input;
use crate::machine::JobName;

/// From one look to the next: a look copies what the machine knows, and holds it up meanwhile.
const LOOK_SPACING: Duration = Duration::from_millis(20);
/// From one wake-up that is passed on to the next: each causes a read of the store.
const WAKE_SPACING: Duration = Duration::from_millis(10);

/// Where requests wait for the machine.
#[derive(Debug, Default)]
pub(super) struct Gate {
    askers: Basket<Vec<oneshot::Sender<Arc<Snapshot>>>>,
    woken: Basket<BTreeSet<JobName>>,
}

impl Gate {
    /// What the instance knows at a moment after now; `None` once it has stopped.
    pub(super) async fn look(&self) -> Option<Arc<Snapshot>> {
        let (asker, answer) = oneshot::channel();
        self.askers.put([asker]);
        answer.await.ok()
    }

    /// Makes the machine read the rows of `jobs`, soon.
    pub(super) fn wake(&self, jobs: impl IntoIterator<Item = JobName>) {
        self.woken.put(jobs);
    }

    /// Passes on what gathers.
    pub(super) async fn keep(&self, handle: &Handle) {
        let look = async {
            loop {
                let askers = self.askers.take().await;
                // Without a snapshot the machine has stopped, and the askers learn it by being dropped.
                if let Some(snapshot) = handle.snapshot().await.map(Arc::new) {
                    for asker in askers {
                        // An error means that a client has gone.
                        drop(asker.send(Arc::clone(&snapshot)));
                    }
                }
                sleep(LOOK_SPACING).await;
            }
        };
        let wake = async {
            loop {
                let jobs = self.woken.take().await;
                handle.tell(Input::Woken(jobs.into_iter().collect())).await;
                sleep(WAKE_SPACING).await;
            }
        };
        tokio::join!(look, wake);
    }
}

/// A collection that waits to be emptied.
#[derive(Debug, Default)]
struct Basket<C> {
    contents: Mutex<C>,
    filled: Notify,
}

impl<C: Default> Basket<C> {
    fn put<T>(&self, items: impl IntoIterator<Item = T>)
    where
        C: Extend<T>,
    {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner).extend(items);
        self.filled.notify_one();
    }

    async fn take(&self) -> C {
        self.filled.notified().await;
        take(&mut self.contents.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
