//! Ends in time what may go on only while a lease holds.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{SetOnce, watch};

use crate::lease::{Life, Timing};
use crate::machine::Incarnation;
use crate::time::{Clock, Instant, sleep_until};

/// Watches over one run.
pub(crate) struct Watchdog {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) timing: Timing,
    /// The life that may lead, as it changes, and the one that started the run.
    pub(crate) life: watch::Receiver<Option<Life>>,
    pub(crate) born: Option<Incarnation>,
    /// Set when the run is asked to end.
    pub(crate) asked: Arc<SetOnce<()>>,
    /// When it has taken too long, and how long that is.
    pub(crate) timeout: Option<(Instant, Duration)>,
    pub(crate) overdue: Arc<OnceLock<Duration>>,
}

impl Watchdog {
    /// Returns when the run must not go on.
    pub(crate) async fn bite(mut self) {
        let mut end = Instant::NEVER;
        loop {
            let now = self.clock.now();
            let life = self.life.borrow_and_update().filter(|life| Some(life.incarnation) == self.born);
            let Some(life) = life else { return };
            if let Some((_, timeout)) = self.timeout.take_if(|(at, _)| now >= *at) {
                self.overdue.get_or_init(|| timeout);
                self.ask();
            }
            let asked = self.asked.initialized();
            if asked {
                end = end.min(now + self.timing.grace);
            }
            let cut = end.min(life.horizon.back(self.timing.kill));
            if now >= cut {
                return;
            }
            let warn = cut.back(self.timing.grace);
            if now >= warn {
                self.ask();
            }
            let wake = if now < warn { warn } else { cut };
            let wake = self.timeout.map_or(wake, |(at, _)| wake.min(at));
            tokio::select! {
                () = sleep_until(&*self.clock, wake) => {}
                changed = self.life.changed() => if changed.is_err() { return },
                () = self.asked.wait(), if !asked => {}
            }
        }
    }

    fn ask(&self) {
        // An error means that it was asked before.
        drop(self.asked.set(()));
    }
}
