//! Fenced transactions: statements of yours that are run only while a term lasts.

use std::error::Error;

use rusqlite::Transaction;

use super::{Sqlite, answer};
use crate::fence::{Fence, FenceError};

impl Sqlite {
    /// Runs `work`, on tables of yours in this file, in one transaction which is committed only if the term of `fence`
    /// lasts: no other instance can write in between. An error of `work` undoes all that it did.
    ///
    /// Everybody else waits meanwhile, heartbeats too. So it may take no longer than any request to the store; if it
    /// does, it is undone.
    pub async fn fence<T, E, F>(&self, fence: &Fence, work: F) -> Result<T, FenceError>
    where
        T: Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
        F: FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
    {
        let fence = fence.clone();
        let work = move |transaction: &Transaction<'_>| work(transaction).map_err(Into::into);
        let replied = self.enqueue(move |file, until| Ok(file.fence(&fence, until, Box::new(work))));
        let answer = answer(&self.path, self.deadline, replied.map_err(FenceError::Untried)?).await;
        answer.unwrap_or_else(|error| Err(FenceError::Unknown(error)))
    }
}
