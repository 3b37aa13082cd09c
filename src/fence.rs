//! Fenced writes: your own data, written only while a term lasts, however late the write arrives.
//!
//! A leader can be paused between looking at its lease and writing something. When it goes on, another one leads,
//! and the late write destroys what that one did. No lease can prevent this, because nothing is asked at the moment
//! at which the write is applied. A *fence* is asked then: whoever applies the write looks at the lease row in the
//! same atomic step, and refuses if the row shows another term.
//!
//! [`Sqlite::fence`](crate::stores::sqlite::Sqlite::fence) runs your statements in the transaction in which it looks at the
//! row. [`Datastore::fence`](crate::stores::datastore::Datastore::fence) sends your mutations in one atomic commit with the
//! row itself, unchanged, which the server takes only if nobody changed it since it was looked at.
//!
//! # What is guaranteed
//!
//! * What is written behind a fence is written as a whole, or not at all.
//! * It is written before the next term begins, or not at all. So whoever leads next, and reads your data after
//!   its term began, has read the last of it.
//! * This rests on the store alone: no clock, no pause and no silence of the network can break it.
//!
//! # What is not
//!
//! * *Data elsewhere.* Only what is in the same SQLite file, or in the same Datastore database, is written with the
//!   row. Anything else has to keep the highest term it has seen, and refuse lower ones.
//! * *Once.* After [`FenceError::Unknown`] the write may have been applied, or may be until the next term begins.
//!   Read what it would have changed before you repeat what must not happen twice.
//! * *Order within a term.* Two writes of one leader are applied in the order in which they are awaited, not in that
//!   in which they are begun.
//! * *The horizon.* A leader whose lease has ended while nobody took it may still write: its term has not passed.
//!   Once it has given its lease away, or up, its writes are refused.

use std::error::Error;

use crate::machine::{JobName, Term};
use crate::rows::{self, Lease};
use crate::stores::{Fields, StoreError};

/// What a store checks before it writes: that `job` is still led at `term`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fence {
    /// The job or role that is led.
    pub job: JobName,
    /// At which term.
    pub term: Term,
}

/// Why a fenced write was not done, as far as anybody knows.
#[derive(Debug, thiserror::Error)]
pub enum FenceError {
    /// Refused: the term has passed. Nothing was written, and nothing ever will be at that term.
    #[error("term {} of {} has passed, {now}: write nothing more as its leader", fence.term, fence.job)]
    Passed {
        /// What was checked.
        fence: Fence,
        /// What its row shows instead.
        now: String,
    },
    /// Your own part of it failed. Nothing was written.
    #[error("a fenced write failed: {0}")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
    /// The store could not be asked. Nothing was written: try again.
    #[error("a fenced write was not tried: {0}")]
    Untried(#[source] StoreError),
    /// No answer: it may have been written, or may be until the next term begins. Read before you repeat it.
    #[error("nobody knows whether a fenced write was done: {0}")]
    Unknown(#[source] StoreError),
}

impl Fence {
    /// Lets a write through if the lease row of the job, which holds `fields`, still shows the term. Whoever fences
    /// writes to a store of his own asks this in the same atomic step as he writes.
    pub fn check(&self, fields: Option<Fields>) -> Result<(), FenceError> {
        let row = fields.map(rows::decode::<Lease>);
        let now = match row {
            Some(Ok(row)) if row.term != self.term => format!("its row shows term {}", row.term),
            Some(Ok(row)) if row.holder.is_none() => "it was given up".to_owned(),
            Some(Ok(_)) => return Ok(()),
            Some(Err(why)) => format!("as far as can be told from its row: {why}"),
            None => "its row is gone".to_owned(),
        };
        Err(FenceError::Passed { fence: self.clone(), now })
    }
}
