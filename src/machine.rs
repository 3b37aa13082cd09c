//! What every election is: a machine that is told what happened and says what to do.
//!
//! A machine performs no I/O, awaits nothing, reads no clock, writes no log and cannot fail. It is
//! driven by [`crate::drive`] in production and by [`crate::sim`] in the simulator, unchanged.
//!
//! * Outputs are appended in the order in which they must happen.
//! * Timers are fields that [`Machine::deadline`] reads; nothing is ever set or cancelled.
//! * After `tick(now)` the deadline lies after `now`. An early or repeated `tick` does nothing.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::time::Instant;

/// An election, seen from one instance.
pub trait Machine {
    /// What can happen to it.
    type Input;
    /// What it can ask for.
    type Output;

    /// Something happened.
    fn handle(&mut self, now: Instant, input: Self::Input, out: &mut Vec<Self::Output>);
    /// Time passed.
    fn tick(&mut self, now: Instant, out: &mut Vec<Self::Output>);
    /// When it wants to be told the time again.
    fn deadline(&self) -> Instant;
    /// Who leads `job`, as far as this instance may rely on it at `now`.
    fn leadership(&self, job: &JobName, now: Instant) -> Leadership;
}

/// Who leads a job: a value that carries its own end, never a flag that somebody must clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leadership {
    /// Somebody else, if anybody.
    Follower {
        /// The human name of the leader last heard of.
        leader: Option<String>,
    },
    /// This instance.
    Leader {
        /// The fencing token.
        term: Term,
        /// When it ends unless it is renewed; `None` where an algorithm gives no bound.
        until: Option<Instant>,
    },
}

/// The number of a leadership. It rises with every change of leader and never falls, so a
/// resource that remembers the highest term it has seen can refuse a leader of the past.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64")]
pub struct Term(pub u64);

impl Term {
    /// No term is higher, so that there always is a next one, which every store and every reader of
    /// JSON can hold. A thousand leaders a second would take 285,000 years to come near it.
    pub const LAST: Self = Self((1 << 53) - 1);

    /// The term after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl TryFrom<u64> for Term {
    type Error = String;
    fn try_from(number: u64) -> Result<Self, String> {
        if number < Self::LAST.0 {
            Ok(Self(number))
        } else {
            Err(format!("no term can be as high as {number}"))
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name of a job: any text that is not empty and is at most [`JobName::LONGEST`] bytes long.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobName(Arc<str>);

impl JobName {
    /// Datastore refuses key names of more than 1,500 bytes; the kind and the cluster need room too.
    pub const LONGEST: usize = 1000;

    /// The name, if it can be one.
    pub fn new(name: &str) -> Result<Self, NameError> {
        match name {
            "" => Err(NameError::Empty),
            _ if name.len() > Self::LONGEST => Err(NameError::Long(name.len())),
            _ if name.contains('\0') => Err(NameError::Nul),
            _ if name.starts_with("__") && name.ends_with("__") => Err(NameError::Reserved),
            _ => Ok(Self(name.into())),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text cannot name a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It is empty.
    #[error("a job's name cannot be empty")]
    Empty,
    /// It does not fit into a key.
    #[error("a job's name has at most {longest} bytes, this one has {0}", longest = JobName::LONGEST)]
    Long(usize),
    /// It would end early in the stores written in C.
    #[error("a job's name cannot contain a NUL character")]
    Nul,
    /// Datastore keeps such names for itself.
    #[error("a name that begins and ends with two underscores is reserved by Datastore")]
    Reserved,
}

impl fmt::Display for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl Borrow<str> for JobName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for JobName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

/// What is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is 32 hexadecimal digits, in small letters")]
pub struct IdError;

/// Defines a random 128-bit id that is written as 32 hexadecimal digits.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u128);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:08x}", self.0 >> 96)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            /// Only as it is written: two texts for one id would be two keys for one row.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let id = u128::from_str_radix(text, 16).map(Self).map_err(|_| IdError)?;
                if id.to_string() == text { Ok(id) } else { Err(IdError) }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}

id! {
    /// One life of one instance: drawn anew at each start and after each lapse. Decisions go by
    /// it and never by a name, because two instances may well share a name.
    Incarnation
}

id! {
    /// One launch of one job.
    RunId
}

id! {
    /// One store's life, drawn when the first instance meets it empty.
    ClusterId
}
