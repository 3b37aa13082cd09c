//! Every duration of the protocol, derived from one: how long a crash may leave a job without a leader.

use std::time::Duration;

/// The durations that one instance keeps to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long a member's row may stand unchanged before rivals delete it.
    pub ttl: Duration,
    /// How much earlier than its rivals a holder gives up: clocks do not run alike.
    pub margin: Duration,
    /// How often a member's row is renewed.
    pub heartbeat: Duration,
    /// How long one request to the store may take.
    pub request: Duration,
    /// How long a running job may take to end when it is asked to.
    pub grace: Duration,
    /// How long it takes to kill a job that did not end.
    pub kill: Duration,
}

impl Timing {
    /// What a failover of `ttl` makes of everything else.
    pub fn from_failover(ttl: Duration) -> Self {
        Self { ttl, margin: ttl / 10, heartbeat: ttl / 3, request: ttl / 6, grace: ttl / 5, kill: ttl / 20 }
    }

    /// The same with another grace; `None` when a job that is asked to stop only after a heartbeat
    /// has failed would outlive its leadership.
    pub fn with_grace(self, grace: Duration) -> Option<Self> {
        (grace < self.longest_grace()).then_some(Self { grace, ..self })
    }

    /// Every grace must be shorter than this: what a ttl leaves after all the rest.
    pub fn longest_grace(&self) -> Duration {
        self.ttl.saturating_sub(self.margin + self.heartbeat + self.request + self.kill)
    }
}
