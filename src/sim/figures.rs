//! What happened in simulated worlds, in numbers.

use std::ops::AddAssign;
use std::time::Duration;

/// Numbers of one kind each, which add up, and what a report calls them.
macro_rules! figures {
    ($($(#[$doc:meta])+ $name:ident: $called:literal,)+) => {
        /// What happened, in numbers.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Figures {
            /// How long the worlds lasted.
            pub simulated: Duration,
            /// How long there was a process on an instance, over all of them.
            pub lived: Duration,
            $($(#[$doc])+ pub $name: u64,)+
        }

        impl AddAssign for Figures {
            fn add_assign(&mut self, other: Self) {
                self.simulated += other.simulated;
                self.lived += other.lived;
                $(self.$name += other.$name;)+
            }
        }

        impl Figures {
            /// Each with its name.
            pub fn named(&self) -> Vec<(&'static str, u64)> {
                let hours = |time: Duration| time.as_secs() / 3600;
                vec![
                    ("simulated hours", hours(self.simulated)),
                    ("simulated instance-hours", hours(self.lived)),
                    $(($called, self.$name),)+
                ]
            }
        }
    };
}

figures! {
    /// The same in times-to-live, by which a world goes: an hour is long or short only in them.
    lifetimes: "the same in times-to-live",
    /// Worlds.
    seeds: "worlds",
    /// Things that a machine was told.
    steps: "steps",
    /// Leaderships that began.
    leaderships: "leaderships taken",
    /// Jobs given from one instance to another.
    handovers: "hand-overs",
    /// Lives that ended because no heartbeat was confirmed in time.
    lapses: "lapses",
    /// Processes that vanished.
    crashes: "crashes",
    /// Processes that were told to stop, and did.
    drained: "drained",
    /// Instances that people drained, to undrain them later.
    asides: "set aside",
    /// Processes that stood still for longer than a lease lasts.
    pauses: "pauses longer than a lease",
    /// Requests of which the sender did not learn what became.
    unknown: "unknown outcomes",
    /// Writes that were applied after their sender was told that nobody knows.
    zombies: "zombie commits",
    /// Times that an instance saw that the store had lost something.
    regressions: "losses noticed",
    /// Runs that started.
    launches: "launches",
    /// Due times whose fate was filed in the history.
    entries: "due times accounted for",
    /// Writes of jobs to something outside of the store, which their leaders decided on in time.
    effects: "writes of jobs",
    /// Those that came when somebody else led already.
    stale: "of these, after a successor began",
    /// Writes that were refused because a higher term stood there.
    fenced: "writes refused by their term",
}
