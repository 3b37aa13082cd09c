//! Every duration of the protocol, from one knob.

use std::time::Duration;

/// How long things take. All of it follows from the time-to-live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long a member row may stand unchanged before rivals delete it.
    pub ttl: Duration,
    /// How much earlier its owner stops: clocks may run at rates up to `ttl / (ttl - margin)` apart.
    pub margin: Duration,
    /// From one heartbeat to the next.
    pub heartbeat: Duration,
    /// How long one request to the store may take.
    pub request: Duration,
    /// How long to wait before asking again, at most.
    pub retry: Duration,
    /// Shortest time between two looks at the members.
    pub glance: Duration,
    /// How much longer each next candidate waits before it campaigns for a free job.
    pub stagger: Duration,
    /// How long a member must have lived, and a leader have led, before a job moves for balance.
    pub settle: Duration,
    /// How long a run may take to end when it is asked to.
    pub grace: Duration,
    /// How long before the horizon a run is cut off, whatever it does.
    pub kill: Duration,
    /// From one look at all lease rows to the next when nothing seems to happen.
    pub sweep: Duration,
}

impl Timing {
    /// Shortest failover that makes sense over a network.
    pub const SHORTEST: Duration = Duration::from_millis(500);
    /// Longest failover; rivals wait no longer for anybody, whatever a member's row says.
    pub const LONGEST: Duration = Duration::from_hours(1);

    /// The timing that replaces a leader that vanished within about `failover`.
    pub fn from_failover(failover: Duration) -> Self {
        let ttl = failover.clamp(Self::SHORTEST, Self::LONGEST);
        Self {
            ttl,
            margin: ttl / 10,
            heartbeat: ttl / 3,
            request: ttl / 6,
            retry: ttl / 20,
            glance: ttl / 48,
            stagger: ttl / 50,
            settle: ttl,
            grace: ttl / 5,
            kill: ttl / 20,
            sweep: ttl * 30,
        }
    }

    /// The same with another grace; `None` when a run that is asked to end only after a heartbeat has
    /// failed would outlive its leadership.
    pub fn with_grace(self, grace: Duration) -> Option<Self> {
        (grace < self.longest_grace()).then_some(Self { grace, ..self })
    }

    /// Every grace must be shorter than this: what is left after all the rest.
    pub fn longest_grace(&self) -> Duration {
        self.trust().saturating_sub(self.heartbeat + self.request + self.kill)
    }

    /// How long a heartbeat that left at some moment lets its sender lead.
    pub fn trust(&self) -> Duration {
        self.ttl.saturating_sub(self.margin)
    }
}
