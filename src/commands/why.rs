//! Why a job did or did not run at some time: the account of the due time it was about.

use std::fmt::{self, Display};

use serde::Serialize;

use super::history::history;
use super::lookup::LookupError;
use super::table::Printable;
use crate::machine::JobName;
use crate::report::{Account, Last};
use crate::rows::Fate;
use crate::stores::Store;
use crate::time::Wall;

/// Why a job did or did not run.
#[derive(Clone, Debug, Serialize)]
pub struct Why {
    /// Which job.
    pub job: String,
    /// The run of the latest due time by then, if it has no account yet.
    pub open: Option<Last>,
    /// The leader of that run vanished, and nothing starts before somebody says what becomes of it.
    pub held: bool,
    /// The account of the latest due time by then.
    pub account: Option<Account>,
}

/// Finds the account of the latest due time of `job` up to `at`.
pub async fn why(store: &dyn Store, job: &JobName, at: Wall) -> Result<Why, LookupError> {
    let upto = at + std::time::Duration::from_nanos(1);
    let history = history(store, job, Some(upto), 1).await?;
    let open = history.open.filter(|open| open.due <= at);
    let account = history
        .accounts
        .into_iter()
        .next()
        .filter(|account| open.as_ref().is_none_or(|open| account.due > open.due));
    let open = open.filter(|_| account.is_none());
    Ok(Why { job: job.to_string(), held: history.held && open.is_some(), open, account })
}

impl Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let job = Printable(&self.job);
        if let (Some(Last { due, attempt, term, .. }), true) = (&self.open, self.held) {
            return writeln!(
                f,
                "{job} was due {due}: the leader of attempt {attempt}, at term {term}, vanished during it, and the job \
                 waits for an answer: tenure jobs ack {job}, with --rerun to run it again"
            );
        }
        if let Some(Last { due, attempt, term, state, .. }) = &self.open {
            return writeln!(f, "{job} was due {due}: attempt {attempt}, at term {term}, is {state}");
        }
        let Some(account) = &self.account else {
            return writeln!(f, "{job} was never due by then, or what became of it is no longer kept");
        };
        let Account { due, last, count, fate, reason, node, term, .. } = account;
        let (node, reason) = (Printable(node), Printable(reason));
        write!(f, "{job} was due {due}")?;
        if *count > 1 {
            write!(f, " and {} times more until {last}", count - 1)?;
        }
        match fate {
            Fate::Ran => write!(f, ": it ran on {node}")?,
            Fate::Failed => write!(f, ": it failed on {node}")?,
            Fate::Skipped | Fate::Missed | Fate::Superseded => write!(f, ": it was {}", fate.as_str())?,
            Fate::Unknown => write!(f, ": it started on {node}, and nobody knows how it ended")?,
        }
        if !account.reason.is_empty() {
            write!(f, ", because {reason}")?;
        }
        writeln!(f, " (term {term})")
    }
}
