//! Everything about one job: what the configuration says of it, what its row says, what became of it lately.

use std::fmt::{self, Display};
use std::time::Duration;

use serde::Serialize;

use super::history::{self, History};
use super::lookup::{self, LookupError};
use super::next;
use super::table::Printable;
use crate::history::Keep;
use crate::machine::JobName;
use crate::report;
use crate::rows::{Cursor, Lease, Orders, Verdict};
use crate::schedulers::{Job, Policy};
use crate::stores::Store;
use crate::time::{Exact, Wall};

/// How many due times and accounts there are of it.
const SOME: usize = 5;

/// Everything about one job: text by `Display`, JSON by `Serialize`.
#[derive(Clone, Debug, Serialize)]
pub struct Show {
    /// What its row says.
    #[serde(flatten)]
    pub state: report::Job,
    /// What the configuration says, if it knows the job.
    pub configured: Option<Configured>,
    /// By which schedule its cursor was moved, if that is another one than the configured.
    pub moved_by: Option<String>,
    /// Who recorded the cursor, and when.
    pub recorded: Option<Recorded>,
    /// What people have ordered and nobody has done yet.
    pub orders: Vec<String>,
    /// What became of it lately, and what runs.
    pub history: History,
}

/// What the configuration says of a job.
#[derive(Clone, Debug, Serialize)]
pub struct Configured {
    /// When it is due, in words.
    pub schedule: String,
    /// The next due times.
    pub due: Vec<String>,
    /// What it wants to happen when things go otherwise than planned.
    pub policy: Wants,
}

/// A policy, as the configuration writes it.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "each is named after its key")]
pub struct Wants {
    pub missed: &'static str,
    pub missed_within: String,
    pub on_orphan: &'static str,
    pub retries: u32,
    pub backoff: String,
    pub timeout: Option<String>,
    pub history: usize,
    pub history_within: String,
}

/// Where a cursor comes from.
#[derive(Clone, Debug, Serialize)]
pub struct Recorded {
    /// The name of who led.
    pub node: String,
    /// When.
    pub at: String,
}

/// Reads everything about `job`, which may be `configured`.
pub async fn show(
    store: &dyn Store,
    job: &JobName,
    configured: Option<&Job>,
    now: Wall,
) -> Result<Show, LookupError> {
    let row = lookup::lease(store, job).await?;
    let cursor = row.cursor.as_ref().filter(|cursor| !cursor.is_mark());
    let schedule = configured.map(|job| job.schedule.fingerprint());
    let moved_by = row.cursor.as_ref().map(|cursor| &cursor.schedule);
    let moved_by = moved_by.filter(|by| schedule.as_ref() != Some(*by)).cloned();
    let recorded = |cursor: &Cursor| Recorded { node: cursor.node.clone(), at: cursor.at.to_string() };
    Ok(Show {
        state: due_by(report::Job::new(job.clone(), &row), configured, &row, now),
        configured: configured.map(|job| Configured {
            schedule: job.schedule.in_words(),
            due: next::after(&row, &*job.schedule, now, SOME),
            policy: Wants::from(&job.policy),
        }),
        moved_by,
        recorded: cursor.map(recorded),
        orders: ordered(&row.orders),
        history: history::of_row(store, job, row, None, SOME).await?,
    })
}

fn due_by(state: report::Job, configured: Option<&Job>, row: &Lease, now: Wall) -> report::Job {
    match configured {
        Some(job) => state.due_by(&*job.schedule, row, now),
        None => state,
    }
}

fn ordered(orders: &Orders) -> Vec<String> {
    let Orders { pause, skip, extra, verdict } = orders;
    let pause = pause.map(|pause| match pause.to {
        None => format!("it is paused since {}", pause.from),
        Some(to) => format!("it was paused from {} to {to}", pause.from),
    });
    let skip = skip.then(|| "the next due time is left out".to_owned());
    let extra = extra.map(|asked| format!("it runs once more, asked for at {asked}"));
    let verdict = verdict.map(|Verdict { run, rerun }| {
        let what = if rerun { "runs again" } else { "is left as it is" };
        format!("run {run} {what}")
    });
    [pause, skip, extra, verdict].into_iter().flatten().collect()
}

impl From<&Policy> for Wants {
    fn from(policy: &Policy) -> Self {
        let Policy { missed, missed_within, on_orphan, retries, backoff, timeout, keep } = *policy;
        let Keep { most, within } = keep;
        let text = |span: Duration| Exact(span).to_string();
        Self {
            missed: missed.as_str(),
            missed_within: text(missed_within),
            on_orphan: on_orphan.as_str(),
            retries,
            backoff: text(backoff),
            timeout: timeout.map(text),
            history: most,
            history_within: text(within),
        }
    }
}

impl Display for Show {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, text: &str| writeln!(f, "{name:10} {}", Printable(text));
        let Self { state, configured, moved_by, recorded, orders, history } = self;
        line("job", state.job.as_str())?;
        line("leader", &leader(state))?;
        match configured {
            None => line("schedule", "none: this configuration does not know the job")?,
            Some(Configured { schedule, due, policy }) => {
                line("schedule", schedule)?;
                due.iter().try_for_each(|due| line("due", due))?;
                policy.lines().iter().try_for_each(|(name, text)| line(name, text))?;
            }
        }
        if let Some(by) = moved_by {
            line("moved by", &format!("another schedule: {by}"))?;
        }
        if let (Some(last), Some(Recorded { node, at })) = (&state.last, recorded) {
            let report::Last { due, attempt, run, term, state } = last;
            line(
                "cursor",
                &format!(
                    "due {due}, attempt {attempt}, run {run}, {state}; recorded at {at} by {node}, at term {term}"
                ),
            )?;
        }
        orders.iter().try_for_each(|order| line("ordered", order))?;
        if state.held {
            line("held", "its leader vanished during a run: tenure jobs ack")?;
        }
        writeln!(f)?;
        write!(f, "{history}")
    }
}

fn leader(state: &report::Job) -> String {
    match (&state.leader, state.since) {
        (Some(leader), Some(since)) if state.holder.is_some() => {
            format!("{leader}, at term {}, since {since}", state.term)
        }
        _ => format!("nobody; the last term was {}", state.term),
    }
}

impl Wants {
    fn lines(&self) -> [(&'static str, String); 5] {
        let Self { missed, missed_within, on_orphan, retries, backoff, timeout, history, history_within } =
            self;
        [
            ("missed", format!("{missed}, within {missed_within}")),
            ("orphan", (*on_orphan).to_owned()),
            ("retries", format!("{retries}, the first after {backoff}")),
            ("timeout", timeout.clone().unwrap_or_else(|| "none".to_owned())),
            ("history", format!("{history} accounts, for {history_within}")),
        ]
    }
}
