//! What happens in a cluster, as its store shows it: one look after the other, and what changed between them.
//!
//! Whatever comes and goes between two looks is not seen: a leadership that was over by then, an attempt
//! that had ended. But of each due time the account is, because that stays, in its lease row or in the
//! history.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::lookup::lease_key;
use super::table::Printable;
use crate::history;
use crate::lease::{Found, View};
use crate::machine::{Incarnation, JobName, RunId, Term};
use crate::ports::wire;
use crate::report::Account;
use crate::rows::{Cursor, Entry, Lease, Member, RunState};
use crate::stores::{Kind, MOST_CHANGES, Query, Store, StoreError};
use crate::time::Wall;

/// Between two looks for jobs that were not there before, others are for known ones only: that is a query for
/// all rows, which some stores are slow at.
const LOOKS_BETWEEN: u32 = 30;
/// Entries of a history that are read at once.
const PAGE: usize = 100;
/// The shortest time there is.
const MOMENT: Duration = Duration::from_nanos(1);

/// Something that happened: a line by `Display`, JSON by `Serialize`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    /// When it was seen.
    #[serde(serialize_with = "text")]
    pub seen: Wall,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event")]
pub enum What {
    /// An instance is there.
    #[serde(rename = "instance.came")]
    Came(Who),
    /// An instance gives up what it leads.
    #[serde(rename = "instance.draining")]
    Draining(Who),
    /// It takes part again.
    #[serde(rename = "instance.back")]
    Back(Who),
    /// An instance is gone.
    #[serde(rename = "instance.went")]
    Went(Who),
    /// A job has another leader, or another term.
    #[serde(rename = "job.led")]
    Led {
        /// Which job.
        #[serde(serialize_with = "text")]
        job: JobName,
        /// The name of who leads.
        node: String,
        /// At which term.
        term: Term,
    },
    /// Nobody leads it.
    #[serde(rename = "job.left")]
    Left {
        /// Which job.
        #[serde(serialize_with = "text")]
        job: JobName,
        /// The last term.
        term: Term,
    },
    /// An attempt has begun.
    #[serde(rename = "run.began")]
    Began(Attempt),
    /// It ended badly, and there will be another.
    #[serde(rename = "run.waits")]
    Waits(Attempt),
    /// What became of a due time.
    #[serde(rename = "due.ended")]
    Ended {
        /// Of which job.
        #[serde(serialize_with = "text")]
        job: JobName,
        /// The account.
        #[serde(flatten)]
        account: Box<Account>,
    },
    /// The store did not answer; what happens meanwhile is seen later.
    #[serde(rename = "store.silent")]
    Silent {
        /// Why.
        reason: String,
    },
}

/// An instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Who {
    /// Its name.
    pub node: String,
    /// Which life of it.
    pub incarnation: Incarnation,
}

/// An attempt at a due time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// Of which job.
    #[serde(serialize_with = "text")]
    pub job: JobName,
    /// Which due time.
    #[serde(serialize_with = "text")]
    pub due: Wall,
    /// Counted from one.
    pub attempt: u32,
    /// Which run.
    pub run: RunId,
    /// Where.
    pub node: String,
    /// Under which term.
    pub term: Term,
}

/// Whoever looks again and again.
#[derive(Debug, Default)]
pub struct Watcher {
    looks: u32,
    members: BTreeMap<Incarnation, Member>,
    jobs: BTreeMap<JobName, Seen>,
}

/// What was seen of a job.
#[derive(Debug)]
struct Seen {
    row: Lease,
    /// Up to which due time its accounts have been told of.
    told: Wall,
}

impl Watcher {
    /// What changed since the last look; at the first one, nothing has. Of a look that fails nothing is kept.
    pub async fn look(&mut self, store: &dyn Store, now: Wall) -> Result<Vec<Event>, StoreError> {
        let View { members, leases, .. } = self.read(store).await?;
        let (members, mut happened) = self.meet(members);
        let mut news = Vec::new();
        // A row that cannot be read now may be mended.
        for (job, row) in leases.into_iter().filter_map(|(job, found)| Some((job, found.row.ok()?))) {
            let told = match self.jobs.get(&job) {
                Some(Seen { row: before, .. }) if *before == row => continue,
                None if self.looks == 0 => settled(&row),
                None => look_at(store, &job, &Seen::nothing(), &row, &mut happened).await?,
                Some(seen) => look_at(store, &job, seen, &row, &mut happened).await?,
            };
            news.push((job, Seen { row, told }));
        }
        let first = self.looks == 0;
        self.looks += 1;
        self.members = members;
        self.jobs.extend(news);
        let happened = if first { Vec::new() } else { happened };
        Ok(happened.into_iter().map(|what| Event { seen: now, what }).collect())
    }

    /// All members, and the rows of all jobs or of all known ones.
    async fn read(&self, store: &dyn Store) -> Result<View, StoreError> {
        let kinds = vec![Kind::Member];
        if self.looks.is_multiple_of(LOOKS_BETWEEN) {
            let query = Query { kinds: [kinds, vec![Kind::Lease]].concat(), ..Query::default() };
            return Ok(wire::view(store.read(query).await?));
        }
        let mut all = wire::view(store.read(Query { kinds, ..Query::default() }).await?);
        let keys: Vec<_> = self.jobs.keys().map(lease_key).collect();
        for keys in keys.chunks(MOST_CHANGES) {
            let query = Query { keys: keys.to_vec(), ..Query::default() };
            all.leases.extend(wire::view(store.read(query).await?).leases);
        }
        Ok(all)
    }

    /// Who came, went or stands otherwise.
    fn meet(&self, rows: Vec<(Incarnation, Found<Member>)>) -> (BTreeMap<Incarnation, Member>, Vec<What>) {
        let mut before = self.members.clone();
        let (mut members, mut happened) = (BTreeMap::new(), Vec::new());
        for (id, found) in rows {
            let known = before.remove(&id);
            let Some(row) = found.row.ok().or_else(|| known.clone()) else { continue };
            let who = Who { node: row.name.clone(), incarnation: id };
            match known {
                None => happened.push(What::Came(who)),
                Some(known) if row.draining && !known.draining => happened.push(What::Draining(who)),
                Some(known) if known.draining && !row.draining => happened.push(What::Back(who)),
                Some(_) => {}
            }
            members.insert(id, row);
        }
        let went = |(incarnation, row): (_, Member)| What::Went(Who { node: row.name, incarnation });
        happened.extend(before.into_iter().map(went));
        (members, happened)
    }
}

/// What changed of a job. Up to which due time its accounts have been told of by then.
async fn look_at(
    store: &dyn Store,
    job: &JobName,
    Seen { row: before, told }: &Seen,
    row: &Lease,
    happened: &mut Vec<What>,
) -> Result<Wall, StoreError> {
    happened.extend(moved(job, before, row));
    let entries = accounts(store, job, row, *told).await?;
    let told = entries.last().map_or(*told, |entry| entry.due);
    let ended = |entry: Entry| What::Ended { job: job.clone(), account: Box::new(entry.into()) };
    happened.extend(entries.into_iter().map(ended));
    happened.extend(run(job, before, row));
    Ok(told)
}

impl Seen {
    /// Of a job that was not there.
    fn nothing() -> Self {
        Self { row: Lease::unborn(), told: Wall::from_nanos(i64::MIN) }
    }
}

/// The last due time of which the account is of no interest, because it was there before.
fn settled(row: &Lease) -> Wall {
    match &row.cursor {
        Some(cursor) if cursor.is_open() => cursor.due - MOMENT,
        Some(cursor) => cursor.due,
        None => Wall::from_nanos(i64::MIN),
    }
}

/// Who leads now, if that changed.
fn moved(job: &JobName, before: &Lease, row: &Lease) -> Option<What> {
    let (job, term) = (job.clone(), row.term);
    match (before.holder, row.holder) {
        (Some(_), None) => Some(What::Left { job, term }),
        (_, Some(_)) if (before.holder, before.term) != (row.holder, term) => {
            Some(What::Led { job, node: row.leader.clone().unwrap_or_default(), term })
        }
        _ => None,
    }
}

/// What the row says of an attempt that goes on, or waits for the next, if that is new.
fn run(job: &JobName, before: &Lease, row: &Lease) -> Option<What> {
    let cursor = row.cursor.as_ref()?;
    let said = |cursor: &Cursor| (cursor.run, cursor.state);
    if before.cursor.as_ref().map(said) == Some(said(cursor)) {
        return None;
    }
    let Cursor { due, attempt, run, term, ref node, .. } = *cursor;
    let attempt = Attempt { job: job.clone(), due, attempt, run, node: node.clone(), term };
    match cursor.state {
        RunState::Started => Some(What::Began(attempt)),
        RunState::Waiting => Some(What::Waits(attempt)),
        RunState::Finished | RunState::Failed | RunState::Passed => None,
    }
}

/// The accounts of what was due after `told` and up to the cursor of `row`, the oldest first. All of them
/// stood in the row or in the history when it was read.
async fn accounts(
    store: &dyn Store,
    job: &JobName,
    row: &Lease,
    told: Wall,
) -> Result<Vec<Entry>, StoreError> {
    let Some(upto) = row.cursor.as_ref().map(|cursor| cursor.due) else { return Ok(Vec::new()) };
    let mut found: BTreeMap<_, _> = row.ledger.iter().map(|entry| (entry.due, entry.clone())).collect();
    let mut before = upto + MOMENT;
    while before > told + MOMENT {
        let page = history::read(store, job, Some(before), PAGE).await?;
        let full = page.len() == PAGE;
        let entries: Vec<_> = page.into_iter().filter_map(Result::ok).collect();
        before = entries.last().filter(|_| full).map_or(told, |oldest| oldest.due);
        found.extend(entries.into_iter().map(|entry| (entry.due, entry)));
    }
    Ok(found.into_values().filter(|entry| entry.due > told && entry.due <= upto).collect())
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  ", self.seen)?;
        match &self.what {
            What::Came(who) => write!(f, "{who} came"),
            What::Draining(who) => write!(f, "{who} gives up what it leads"),
            What::Back(who) => write!(f, "{who} takes part again"),
            What::Went(who) => write!(f, "{who} went"),
            What::Led { job, node, term } => {
                let (job, node) = (Printable(job.as_str()), Printable(node));
                write!(f, "{job}: {node} leads, at term {term}")
            }
            What::Left { job, term } => {
                write!(f, "{}: nobody leads, after term {term}", Printable(job.as_str()))
            }
            What::Began(attempt) => write!(f, "{attempt} began"),
            What::Waits(attempt) => write!(f, "{attempt} ended badly, and is tried again"),
            What::Ended { job, account } => {
                let Account { due, count, fate, reason, node, term, .. } = &**account;
                let (job, node, reason) = (Printable(job.as_str()), Printable(node), Printable(reason));
                write!(f, "{job}: due {due}")?;
                if *count > 1 {
                    write!(f, " and {} times more", count - 1)?;
                }
                write!(f, ": {} on {node}, at term {term}", fate.as_str())?;
                if !account.reason.is_empty() {
                    write!(f, " ({reason})")?;
                }
                Ok(())
            }
            What::Silent { reason } => write!(f, "the store does not answer: {}", Printable(reason)),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", Printable(&self.node), self.incarnation)
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { job, due, attempt, node, term, .. } = self;
        let (job, node) = (Printable(job.as_str()), Printable(node));
        write!(f, "{job}: due {due}: attempt {attempt} on {node}, at term {term},")
    }
}

fn text<S: Serializer>(value: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
