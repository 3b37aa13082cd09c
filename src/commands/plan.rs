//! What a configuration will and will not fire once the instances go by it, from the rows in the store.

mod remembered;

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use serde::{Serialize, Serializer};

use self::remembered::remembered;
use super::table::{NOTHING, Printable, Table};
use crate::lease::View;
use crate::lease::placement;
use crate::machine::JobName;
use crate::ports::wire;
use crate::rows::{Lease, RunState, row_of_job};
use crate::schedulers::policy::Missed;
use crate::schedulers::{Job, Schedule};
use crate::stores::{Kind, Query, Store, StoreError};
use crate::time::Wall;

/// The columns of the table.
const COLUMNS: [&str; 5] = ["JOB", "CHANGE", "NEXT", "INSTEAD OF", "WHAT ELSE"];

/// What a configuration changes: a table by `Display`, JSON by `Serialize`.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// The jobs for which it changes something.
    pub changes: Vec<Change>,
    /// How many it leaves as they are, as far as the store can tell.
    pub unchanged: usize,
    /// Instances that have another list of jobs, and go by it until they get this one.
    pub others: Vec<String>,
    /// Rows that cannot be understood, and why.
    pub problems: Vec<String>,
}

/// What changes for a job.
#[derive(Clone, Debug, Serialize)]
pub struct Change {
    /// Which job.
    pub job: String,
    /// What.
    pub change: What,
    /// When it fires next, if it does.
    #[serde(serialize_with = "maybe_text")]
    pub next: Option<Wall>,
    /// By which schedule.
    pub schedule: Option<String>,
    /// When it would have fired next, which it does not.
    #[serde(serialize_with = "maybe_text")]
    pub instead_of: Option<Wall>,
    /// By which schedule.
    pub before: Option<String>,
    /// How many due times of its new schedule have passed since its last one, and do not fire.
    pub passed: u64,
    /// What else there is to know.
    pub notes: Vec<String>,
}

/// What changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// There was no such job.
    Added,
    /// There is no such job any more.
    Removed,
    /// It is due at other times.
    Changed,
}

/// Compares `jobs` with the rows of `store`.
pub async fn plan(store: &dyn Store, jobs: &[Job], now: Wall) -> Result<Plan, StoreError> {
    let query = Query { kinds: vec![Kind::Member, Kind::Lease], ..Query::default() };
    let View { members, leases, .. } = wire::view(store.read(query).await?);
    let (mut rows, mut problems) = (BTreeMap::new(), Vec::new());
    for (job, found) in leases {
        match found.row {
            Ok(row) => drop(rows.insert(job, row)),
            Err(why) => problems.push(format!("{}: {why}", row_of_job(&job))),
        }
    }
    let listed: BTreeMap<_, _> = jobs.iter().map(|job| (&job.name, job)).collect();
    let mut changes: Vec<_> = jobs
        .iter()
        .filter_map(|job| match rows.get(&job.name) {
            Some(row) => changed(job, row, now),
            None => Some(added(job, now)),
        })
        .collect();
    let unchanged = jobs.len() - changes.len();
    let gone = rows.iter().filter(|(job, row)| !listed.contains_key(job) && row.holder.is_some());
    changes.extend(gone.map(|(job, row)| removed(job, row, now)));
    changes.sort_by(|one, other| one.job.cmp(&other.job));
    let placement = placement::of_list(listed.keys().copied());
    let others = members.into_iter().filter_map(|(_, found)| found.row.ok());
    let others = others.filter(|row| row.placement != placement).map(|row| row.name).collect();
    Ok(Plan { changes, unchanged, others, problems })
}

fn added(Job { name, schedule, policy, .. }: &Job, now: Wall) -> Change {
    let next = schedule.first(now);
    let mut notes: Vec<_> = whenever(&**schedule).into_iter().collect();
    if let Some(due) = next.filter(|due| *due < now) {
        let runs = policy.missed != Missed::Skip && due >= now - policy.missed_within;
        notes.push(
            if runs { "has passed, and runs at once" } else { "has passed, and does not run" }.to_owned(),
        );
    }
    Change {
        job: name.to_string(),
        change: What::Added,
        next,
        schedule: Some(schedule.fingerprint()),
        instead_of: None,
        before: None,
        passed: 0,
        notes,
    }
}

fn removed(job: &JobName, row: &Lease, now: Wall) -> Change {
    let before = row.cursor.as_ref().map(|cursor| cursor.schedule.clone());
    let schedule = before.as_ref().and_then(|before| remembered(before, job));
    let mut notes = standing(row).into_iter().filter(|_| schedule.is_some()).collect::<Vec<_>>();
    notes.push("its row stays: what comes back under this name goes on after it".to_owned());
    Change {
        job: job.to_string(),
        change: What::Removed,
        next: None,
        schedule: None,
        instead_of: schedule.and_then(|schedule| schedule.due(schedule.since(row), now)),
        before,
        passed: 0,
        notes,
    }
}

/// What changes for a job that is there already, if its row names another schedule.
fn changed(Job { name, schedule, .. }: &Job, row: &Lease, now: Wall) -> Option<Change> {
    let cursor = row.cursor.as_ref()?;
    if cursor.schedule == schedule.fingerprint() {
        return None;
    }
    let old = remembered(&cursor.schedule, name);
    let (latest, passed) = schedule.latest(cursor.due, now);
    let next = schedule.next(latest);
    Some(Change {
        job: name.to_string(),
        change: What::Changed,
        next: next.filter(|_| !row.orders.is_paused() && !row.is_held()),
        schedule: Some(schedule.fingerprint()),
        instead_of: old.and_then(|old| old.due(old.since(row), now)),
        before: Some(cursor.schedule.clone()),
        passed,
        notes: whenever(&**schedule).into_iter().chain(standing(row)).collect(),
    })
}

/// That it is never due, and why it runs all the same.
fn whenever(schedule: &dyn Schedule) -> Option<String> {
    schedule.is_continuous().then(|| "it runs whenever it is led".to_owned())
}

/// What stands in the way, or goes on.
fn standing(row: &Lease) -> Vec<String> {
    let cursor = row.cursor.as_ref();
    let state = cursor.map(|cursor| cursor.state);
    let notes = [
        (row.orders.is_paused(), "it is paused: nothing fires before `tenure jobs resume`".to_owned()),
        (row.is_held(), "it is held: nothing fires before `tenure jobs ack`".to_owned()),
        (
            state == Some(RunState::Started) && !row.is_held(),
            "a run goes on, and is not disturbed".to_owned(),
        ),
        (
            state == Some(RunState::Waiting),
            format!(
                "what was due {} is tried again first",
                cursor.map(|cursor| cursor.due).unwrap_or_default()
            ),
        ),
    ];
    notes.into_iter().filter_map(|(holds, note)| holds.then_some(note)).collect()
}

impl Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.changes.is_empty() {
            let mut lines = vec![COLUMNS.map(str::to_owned)];
            lines.extend(self.changes.iter().map(cells));
            write!(f, "{}", Table(lines))?;
        }
        match self.unchanged {
            1 => writeln!(f, "1 job is due as before.")?,
            count => writeln!(f, "{count} jobs are due as before.")?,
        }
        if !self.others.is_empty() {
            let others = self.others.join(", ");
            let others = Printable(&others);
            writeln!(f, "! these have another list of jobs, and go by it until they get this one: {others}")?;
        }
        self.problems.iter().try_for_each(|problem| writeln!(f, "! {problem}"))
    }
}

fn cells(change: &Change) -> [String; 5] {
    let moment =
        |moment: Option<Wall>| moment.map_or_else(|| NOTHING.to_owned(), |moment| moment.to_string());
    let what = match change.change {
        What::Added => "added",
        What::Removed => "removed",
        What::Changed => "changed",
    };
    let mut notes = change.notes.clone();
    if change.passed > 0 {
        notes.push(format!("{} of its new due times have passed, and do not fire", change.passed));
    }
    if let (Some(before), Some(schedule)) = (&change.before, &change.schedule) {
        notes.insert(0, format!("{before} is now {schedule}"));
    }
    let job = Printable(&change.job).to_string();
    [
        job,
        what.to_owned(),
        moment(change.next),
        moment(change.instead_of),
        Printable(&notes.join("; ")).to_string(),
    ]
}

#[expect(clippy::ref_option, reason = "serde hands fields out by reference")]
fn maybe_text<S: Serializer>(value: &Option<Wall>, serializer: S) -> Result<S::Ok, S::Error> {
    value.as_ref().map(ToString::to_string).serialize(serializer)
}
