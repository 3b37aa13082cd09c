//! What became of a job's due times, the newest first: what its row says, then what the history says.

use std::cmp::Reverse;
use std::fmt::{self, Display};

use serde::Serialize;

use super::lookup::{self, LookupError};
use super::table::{NOTHING, Printable, Table};
use crate::history;
use crate::machine::JobName;
use crate::report::{Account, Brief, Last};
use crate::rows::Lease;
use crate::stores::Store;
use crate::time::Wall;

/// The columns of the table.
const COLUMNS: [&str; 7] = ["DUE", "FATE", "ATTEMPT", "TOOK", "NODE", "TERM", "REASON"];

/// The state of a run that waits for a person.
const HELD: &str = "held";

/// What became of a job's due times: a table by `Display`, JSON by `Serialize`.
#[derive(Clone, Debug, Serialize)]
pub struct History {
    /// Of which job.
    pub job: String,
    /// What has started, or is to be tried again, and has no account yet.
    pub open: Option<Last>,
    /// Its leader vanished, and nothing starts before somebody says what becomes of it.
    pub held: bool,
    /// The accounts.
    pub accounts: Vec<Account>,
    /// Rows that cannot be understood, and why.
    pub problems: Vec<String>,
}

/// Reads the accounts of the newest due times of `job` before a moment.
pub async fn history(
    store: &dyn Store,
    job: &JobName,
    before: Option<Wall>,
    most: usize,
) -> Result<History, LookupError> {
    of_row(store, job, lookup::lease(store, job).await?, before, most).await
}

/// The same, where the row of the job has been read.
pub(super) async fn of_row(
    store: &dyn Store,
    job: &JobName,
    row: Lease,
    before: Option<Wall>,
    most: usize,
) -> Result<History, LookupError> {
    let mut problems = Vec::new();
    let mut accounts: Vec<Account> = Vec::new();
    for entry in history::read(store, job, before, most).await? {
        match entry {
            Ok(entry) => accounts.push(entry.into()),
            Err(why) => problems.push(format!("a row of the history: {why}")),
        }
    }
    let open = row.cursor.as_ref().filter(|cursor| cursor.is_open()).map(Last::from);
    let held = row.is_held();
    let Lease { ledger, .. } = row;
    // What is filed already stands in both.
    for entry in ledger.into_iter().filter(|entry| before.is_none_or(|before| entry.due < before)) {
        if accounts.iter().all(|account| account.due != entry.due) {
            accounts.push(entry.into());
        }
    }
    accounts.sort_by_key(|account| Reverse(account.due));
    accounts.truncate(most);
    Ok(History { job: job.to_string(), open, held, accounts, problems })
}

impl Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = vec![COLUMNS.map(str::to_owned)];
        if let Some(Last { due, state, attempt, term, .. }) = &self.open {
            let [due, state] = [due.to_string(), if self.held { HELD.to_owned() } else { state.to_string() }];
            let nothing = || NOTHING.to_owned();
            lines.push([
                due,
                state,
                attempt.to_string(),
                nothing(),
                nothing(),
                term.to_string(),
                String::new(),
            ]);
        }
        lines.extend(self.accounts.iter().map(cells));
        write!(f, "{}", Table(lines))?;
        self.problems.iter().try_for_each(|problem| writeln!(f, "! {problem}"))
    }
}

fn cells(account: &Account) -> [String; 7] {
    let nothing = || NOTHING.to_owned();
    let took = account.started.zip(account.ended).map(|(started, ended)| ended.since(started));
    let reason = Printable(&account.reason);
    [
        account.due.to_string(),
        account.fate.as_str().to_owned(),
        account.attempt.map_or_else(nothing, |attempt| attempt.to_string()),
        took.map_or_else(nothing, |took| Brief(took).to_string()),
        Printable(&account.node).to_string(),
        account.term.to_string(),
        match account.count {
            1 => reason.to_string(),
            count => format!("{reason}; {count} times, until {}", account.last),
        },
    ]
}
