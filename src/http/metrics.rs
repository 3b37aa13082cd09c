//! Metrics as `OpenMetrics` text, written when somebody scrapes: nothing is kept for it meanwhile.

use std::fmt::{self, Display, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use super::Site;
use super::problem::Problem;
use crate::handle::Snapshot;
use crate::log;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) async fn metrics(State(site): State<Arc<Site>>) -> Result<impl IntoResponse, Problem> {
    let snapshot = site.look().await?;
    Ok(([(CONTENT_TYPE, OPEN_METRICS)], Scrape { site: &site, snapshot: &snapshot }.to_string()))
}

struct Scrape<'a> {
    site: &'a Site,
    snapshot: &'a Snapshot,
}

impl Display for Scrape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { site, snapshot } = *self;
        let instance = site.instance(snapshot);
        let led = |seat| site.left(seat).is_some();
        let labels = [("version", &instance.version), ("node", &instance.name), ("stage", &instance.stage)];
        let labels = labels.map(|(name, value)| format!("{name}=\"{}\"", Label(value))).join(",");
        writeln!(f, "# TYPE tenure_build info\ntenure_build_info{{{labels}}} 1")?;

        family(f, "leader_election_master_status", "gauge", "Whether this instance leads the job.")?;
        for seat in &snapshot.seats {
            let (job, led) = (Label(seat.job.as_str()), u8::from(led(seat)));
            writeln!(f, "leader_election_master_status{{name=\"{job}\"}} {led}")?;
        }
        family(f, "tenure_leader_term", "gauge", "The term of the job's leadership, whoever leads it.")?;
        for seat in &snapshot.seats {
            writeln!(f, "tenure_leader_term{{name=\"{}\"}} {}", Label(seat.job.as_str()), seat.row.term)?;
        }

        let free = snapshot.seats.iter().filter(|seat| seat.row.holder.is_none()).count();
        let followed = snapshot.seats.len().saturating_sub(free).saturating_sub(instance.leads);
        family(f, "tenure_jobs", "gauge", "Jobs, by who leads them: this instance, another one, nobody.")?;
        for (state, jobs) in [("led", instance.leads), ("followed", followed), ("free", free)] {
            writeln!(f, "tenure_jobs{{state=\"{state}\"}} {jobs}")?;
        }
        family(f, "tenure_illegible_rows", "gauge", "Rows that cannot be understood and are left alone.")?;
        writeln!(f, "tenure_illegible_rows {}", snapshot.problems.len())?;
        family(f, "tenure_horizon_seconds", "gauge", "How long this instance may lead without a heartbeat.")?;
        let left = instance.horizon.unwrap_or(Duration::ZERO).as_secs_f64();
        writeln!(f, "tenure_horizon_seconds {left:.3}")?;

        let counters = site.app.handle.counters();
        family(f, "tenure_store_requests", "counter", "Requests sent to the store.")?;
        for (operation, counter) in [("read", &counters.reads), ("commit", &counters.commits)] {
            let requests = counter.load(Relaxed);
            writeln!(f, "tenure_store_requests_total{{operation=\"{operation}\"}} {requests}")?;
        }
        total(f, "tenure_store_failures", &counters.failures, "Requests that brought no proper answer.")?;
        total(f, "tenure_store_conflicts", &counters.conflicts, "Writes that met another version.")?;
        total(f, "tenure_leases_acquired", &counters.acquired, "Leaderships that began here.")?;
        total(f, "tenure_leases_left", &counters.left, "Leaderships that ended here.")?;
        total(f, "tenure_lapses", &counters.lapses, "Times that no heartbeat was confirmed in time.")?;
        family(f, "tenure_log_lines_lost", "counter", "Log lines that nobody read in time.")?;
        writeln!(f, "tenure_log_lines_lost_total {}\n# EOF", log::lost())
    }
}

fn family(f: &mut fmt::Formatter<'_>, name: &str, kind: &str, help: &str) -> fmt::Result {
    writeln!(f, "# TYPE {name} {kind}\n# HELP {name} {help}")
}

fn total(f: &mut fmt::Formatter<'_>, name: &str, counter: &AtomicU64, help: &str) -> fmt::Result {
    family(f, name, "counter", help)?;
    writeln!(f, "{name}_total {}", counter.load(Relaxed))
}

/// The value of a label.
struct Label<'a>(&'a str);

impl Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '\\' => f.write_str(r"\\"),
            '"' => f.write_str(r#"\""#),
            '\n' => f.write_str(r"\n"),
            plain => f.write_char(plain),
        })
    }
}
