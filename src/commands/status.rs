//! Who leads what, read from the rows themselves; what only the leaders know, they are asked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::time::Duration;

use hyper::Method;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::table::{NOTHING, Printable, Table};
use crate::client;
use crate::lease::View;
use crate::machine::{ClusterId, Incarnation};
use crate::ports::wire;
use crate::report::{Brief, Job, Member};
use crate::rows::{CLUSTER, row_of_instance, row_of_job};
use crate::stores::{Kind, Query, Store, StoreError};
use crate::time::{Clock, Wall};

/// How long a member may take to say what it knows.
const PATIENCE: Duration = Duration::from_secs(1);
/// Members that are asked; beyond, only the rows speak.
const MOST_ASKED: usize = 100;
/// Where members say what they know.
const PATH: &str = "/api/v1/status";
/// The columns of the table.
const COLUMNS: [&str; 7] = ["JOB", "LEADER", "TERM", "SINCE", "HORIZON", "LAST", "NEXT"];

/// Who leads what: a table by `Display`, JSON by `Serialize`.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Which store.
    pub store: String,
    /// Which life of it; `None` if no instance has met it.
    pub store_id: Option<ClusterId>,
    /// Which cluster, within its store.
    pub cluster: String,
    /// The instances.
    pub members: Vec<Member>,
    /// The jobs.
    pub jobs: Vec<Job>,
    /// What could not be found out, and why.
    pub problems: Vec<String>,
    /// When the jobs were looked at.
    #[serde(skip)]
    now: Wall,
}

/// What a member says.
#[derive(Debug, Deserialize)]
struct Told {
    instance: ToldInstance,
    jobs: Vec<ToldJob>,
}

#[derive(Debug, Deserialize)]
struct ToldInstance {
    incarnation: Option<Incarnation>,
}

/// What a member says of a job.
#[derive(Clone, Copy, Debug, Default)]
struct Extra {
    horizon: Option<Duration>,
    next_in: Option<Duration>,
}

#[derive(Debug, Deserialize)]
struct ToldJob {
    job: String,
    horizon_ms: Option<u64>,
    next_in_ms: Option<u64>,
}

/// Reads all rows of `store` and asks the members for what does not stand there.
pub async fn status(store: &dyn Store, cluster: &str, clock: &dyn Clock) -> Result<Status, StoreError> {
    let query =
        Query { keys: vec![wire::cluster_key()], kinds: vec![Kind::Member, Kind::Lease], ..Query::default() };
    let View { cluster: cluster_row, members: member_rows, leases } = wire::view(store.read(query).await?);
    let alive: BTreeSet<_> = member_rows.iter().map(|(id, _)| *id).collect();
    let (mut members, mut jobs, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    let store_id = match cluster_row.map(|found| found.row) {
        Some(Ok(row)) => Some(row.id),
        Some(Err(why)) => {
            problems.push(format!("{CLUSTER}: {why}"));
            None
        }
        None => None,
    };
    for (id, found) in member_rows {
        match found.row {
            Ok(row) => members.push(Member::new(id, &row)),
            Err(why) => problems.push(format!("{}: {why}", row_of_instance(id))),
        }
    }
    let told = ask(&members, &mut problems).await;
    let now = clock.wall();
    for (job, found) in leases {
        let row = match found.row {
            Ok(row) => row,
            Err(why) => {
                problems.push(format!("{}: {why}", row_of_job(&job)));
                continue;
            }
        };
        let extra = row.holder.and_then(|holder| told.get(&(holder, job.as_str().to_owned())));
        let Extra { horizon, next_in } = extra.copied().unwrap_or_default();
        let vanished = row.holder.is_some_and(|holder| !alive.contains(&holder));
        let next = next_in.map(|next_in| now + next_in);
        jobs.push(Job { vanished, horizon, next, next_in, ..Job::new(job, &row) });
    }
    members.sort_by(|one, other| one.name.cmp(&other.name));
    jobs.sort_by(|one, other| one.job.cmp(&other.job));
    let (store, cluster) = (store.describe(), cluster.to_owned());
    Ok(Status { store, store_id, cluster, members, jobs, problems, now })
}

/// What each member says of the jobs it leads.
async fn ask(members: &[Member], problems: &mut Vec<String>) -> BTreeMap<(Incarnation, String), Extra> {
    let mut asked = JoinSet::new();
    for member in members.iter().filter(|member| !member.url.is_empty()).take(MOST_ASKED).cloned() {
        asked.spawn(async move {
            let answer = match timeout(PATIENCE, tell(&member)).await {
                Ok(answer) => answer,
                Err(_) => Err(format!("no answer within {PATIENCE:?}").into()),
            };
            answer.map_err(|error| {
                let (name, url) = (Printable(&member.name), Printable(&member.url));
                format!("instance {name} at {url}: {error}")
            })
        });
    }
    let mut told = BTreeMap::new();
    for answer in asked.join_all().await {
        match answer {
            Ok(extras) => told.extend(extras),
            Err(problem) => problems.push(problem),
        }
    }
    problems.sort_unstable();
    told
}

type Extras = Vec<((Incarnation, String), Extra)>;

async fn tell(member: &Member) -> Result<Extras, Box<dyn std::error::Error + Send + Sync>> {
    let answer = client::ask(Method::GET, &member.url, PATH, String::new()).await?;
    let told: Told = serde_json::from_slice(&answer)?;
    if told.instance.incarnation != Some(member.incarnation) {
        return Err("another instance answers there, or it has lapsed".into());
    }
    let led = told.jobs.into_iter().filter(|job| job.horizon_ms.is_some());
    let extra = |job: ToldJob| {
        let horizon = job.horizon_ms.map(Duration::from_millis);
        let next_in = job.next_in_ms.map(Duration::from_millis);
        ((member.incarnation, job.job), Extra { horizon, next_in })
    };
    Ok(led.map(extra).collect())
}

impl Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = vec![COLUMNS.map(str::to_owned)];
        lines.extend(self.jobs.iter().map(|job| cells(job, self.now)));
        write!(f, "{}", Table(lines))?;
        self.problems.iter().try_for_each(|problem| writeln!(f, "! {problem}"))
    }
}

fn cells(job: &Job, now: Wall) -> [String; 7] {
    let nothing = || NOTHING.to_owned();
    let leader = job.leader.as_deref().unwrap_or_default();
    let leader = match (job.holder, job.vanished) {
        (Some(_), false) => Printable(leader).to_string(),
        (Some(_), true) => format!("nobody ({} vanished)", Printable(leader)),
        (None, _) => "nobody".to_owned(),
    };
    [
        Printable(job.job.as_str()).to_string(),
        leader,
        job.term.to_string(),
        job.since.map_or_else(nothing, |since| format!("{} ago", Brief(now.since(since)))),
        job.horizon.map_or_else(nothing, |left| Brief(left).to_string()),
        job.last
            .as_ref()
            .map_or_else(nothing, |last| format!("{} ago, {}", Brief(now.since(last.due)), last.state)),
        match job.next_in {
            _ if job.paused => "paused".to_owned(),
            _ if job.held => "held".to_owned(),
            Some(left) => format!("in {}", Brief(left)),
            None => nothing(),
        },
    ]
}
