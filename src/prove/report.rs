//! What a proof found: for people by `Display`, for programs by `Serialize`.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::history::Tally;
use super::latency::{Latency, ms};

/// Violations that are described; the others are counted.
const MOST_DESCRIBED: usize = 20;

/// What was found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Where.
    pub store: String,
    /// How fast a vanished leader was to be replaced.
    #[serde(rename = "failover_ms", serialize_with = "ms")]
    pub failover: Duration,
    /// How long the instances ran.
    #[serde(rename = "elapsed_ms", serialize_with = "ms")]
    pub elapsed: Duration,
    /// What clients asked of the store.
    pub calls: Calls,
    /// Occurrences that ran.
    pub runs: u64,
    /// Signatures in the ledger.
    pub steps: u64,
    /// Leaderships that were seen to begin.
    pub terms: u64,
    /// What was done to the instances.
    pub faults: BTreeMap<&'static str, u64>,
    /// From a crash to the next leader.
    #[serde(rename = "failovers_ms", serialize_with = "all_ms")]
    pub failovers: Vec<Duration>,
    /// From a request to leave to the next leader.
    #[serde(rename = "handovers_ms", serialize_with = "all_ms")]
    pub handovers: Vec<Duration>,
    /// Requests to the store, by all instances.
    pub requests: u64,
    /// What must never happen, and did.
    pub violations: Vec<String>,
}

/// What clients asked of the store, all at once.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Calls {
    /// How many clients.
    pub clients: u16,
    /// What became of it.
    #[serde(flatten)]
    pub tally: Tally,
    /// How long reads took.
    #[serde(rename = "read")]
    pub reads: Latency,
    /// How long commits took.
    #[serde(rename = "commit")]
    pub commits: Latency,
}

impl Report {
    /// Whether everything that was promised was kept.
    pub fn holds(&self) -> bool {
        self.violations.is_empty() && self.runs > 0 && self.calls.tally.done > 0
    }

    /// What to make of the time that commits take.
    fn advice(&self) -> String {
        let Latency { p99, max, .. } = self.calls.commits;
        let because = format!("with commits of {p99:.1?} (p99) and up to {max:.1?}");
        match self.calls.commits.shortest_failover() {
            None => format!("{because}, no failover avoids that leaders lapse now and then"),
            Some(least) if least > self.failover => format!(
                "{because}, use a failover of {least:?} or more: with {:?}, leaders may lapse without a reason",
                self.failover
            ),
            Some(least) => {
                format!("{because}, a failover of {least:?} or more is wise: {:?} is", self.failover)
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.elapsed.as_secs_f64().max(0.001);
        #[expect(clippy::cast_precision_loss, clippy::as_conversions, reason = "a rate for people")]
        let rate = self.requests as f64 / seconds;
        let Calls { clients, tally: Tally { reads, done, conflicts, unknown }, .. } = self.calls;
        writeln!(f, "Store       {}", self.store)?;
        writeln!(f, "Time        {seconds:.1} s")?;
        writeln!(
            f,
            "Clients     {clients} at once: {reads} reads, {done} changes applied, {conflicts} refused, {unknown} unknown"
        )?;
        writeln!(f, "Reads       {}", percentiles(&self.calls.reads))?;
        writeln!(f, "Commits     {}", percentiles(&self.calls.commits))?;
        let faults: Vec<_> = self.faults.iter().map(|(name, count)| format!("{count} {name}")).collect();
        writeln!(f, "Faults      {}", faults.join(", "))?;
        writeln!(f, "Leaders     {} terms", self.terms)?;
        writeln!(f, "Runs        {} occurrences, {} signatures", self.runs, self.steps)?;
        writeln!(f, "Failover    {}", gaps(&self.failovers))?;
        writeln!(f, "Hand-over   {}", gaps(&self.handovers))?;
        writeln!(f, "Requests    {} to the store, {rate:.1} a second by all instances", self.requests)?;
        writeln!(f, "Advice      {}", self.advice())?;
        for violation in self.violations.iter().take(MOST_DESCRIBED) {
            writeln!(f, "VIOLATION   {violation}")?;
        }
        let verdict = match self.violations.len() {
            0 if self.runs == 0 => "NOTHING RAN: the proof says nothing".to_owned(),
            0 if self.calls.tally.done == 0 => "NOTHING WAS CHANGED: the proof says nothing".to_owned(),
            0 => "HOLDS: a linearizable store, one leader per job, each occurrence at most once".to_owned(),
            count => format!("BROKEN: {count} violations"),
        };
        write!(f, "Verdict     {verdict}")
    }
}

fn percentiles(Latency { count, p50, p99, max }: &Latency) -> String {
    format!("{count}: p50 {p50:.1?}, p99 {p99:.1?}, longest {max:.1?}")
}

fn gaps(gaps: &[Duration]) -> String {
    let mut gaps = gaps.to_vec();
    gaps.sort_unstable();
    match (gaps.get(gaps.len() / 2), gaps.last()) {
        (Some(median), Some(most)) => {
            format!("{}: median {median:.0?}, longest {most:.0?}", gaps.len())
        }
        _ => "none measured".to_owned(),
    }
}

fn all_ms<S: Serializer>(durations: &[Duration], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(durations.iter().map(|duration| duration.as_secs_f64() * 1000.0))
}
