//! The first page: who leads what. Plain, fast, without a script, and complete in one request.

use std::fmt::{self, Display, Write};
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{Html, IntoResponse};

use super::Site;
use super::problem::Problem;
use crate::handle::Snapshot;
use crate::report::{Brief, Instance, Job};
use crate::time::Wall;

/// Jobs on one page.
const MOST_JOBS: usize = 200;
/// Other members on the page.
const MOST_MEMBERS: usize = 100;
/// Illegible rows on the page.
const MOST_PROBLEMS: usize = 20;
/// Seconds until a browser looks again.
const REFRESH: u8 = 5;

pub(super) async fn page(
    State(site): State<Arc<Site>>,
    RawQuery(query): RawQuery,
) -> Result<Html<String>, Problem> {
    let snapshot = site.look().await?;
    let wanted = query.as_deref().and_then(|query| query.strip_prefix("page=")).unwrap_or_default();
    let last = snapshot.seats.len().saturating_sub(1) / MOST_JOBS;
    let number = wanted.parse().unwrap_or(1_usize).clamp(1, last + 1);
    Ok(Html(Page { site: &site, snapshot: &snapshot, number, last: last + 1 }.to_string()))
}

pub(super) async fn style() -> impl IntoResponse {
    let headers = [(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "max-age=300")];
    (headers, include_str!("page.css"))
}

struct Page<'a> {
    site: &'a Site,
    snapshot: &'a Snapshot,
    number: usize,
    last: usize,
}

impl Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let app = &self.site.app;
        let instance = self.site.instance(self.snapshot);
        let name = Text(&instance.name);
        writeln!(
            f,
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n\
             <meta http-equiv=\"refresh\" content=\"{REFRESH}\">\n\
             <title>{name} · Tenure</title>\n<link rel=\"stylesheet\" href=\"style.css\">\n\
             <h1>{name}</h1>\n<p>{} · Tenure {} · cluster {} · {}",
            Text(&instance.stage),
            Text(&instance.version),
            Text(&app.cluster),
            Text(&app.store),
        )?;
        self.condition(f, &instance)?;
        self.jobs(f)?;
        self.members(f)?;
        writeln!(
            f,
            "<nav class=\"soft\"><a href=\"api/v1/status\">JSON</a> <a href=\"metrics\">Metrics</a></nav>"
        )
    }
}

impl Page<'_> {
    fn condition(&self, f: &mut fmt::Formatter<'_>, instance: &Instance) -> fmt::Result {
        if let Some(trouble) = &instance.trouble {
            writeln!(f, "<p class=\"bad\">Not ready: {}", Text(trouble))?;
        }
        for problem in self.snapshot.problems.iter().take(MOST_PROBLEMS) {
            writeln!(f, "<p class=\"bad\">{}", Text(problem))?;
        }
        let (leads, jobs) = (instance.leads, self.snapshot.seats.len());
        match instance.horizon {
            Some(left) => {
                writeln!(f, "<p>Leads {leads} of {jobs} jobs; its leases hold for another {}", Brief(left))
            }
            None => writeln!(f, "<p>Leads none of {jobs} jobs, and does not compete for them now"),
        }
    }

    fn jobs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "<h2>Jobs</h2>\n<main><table><tr><th>Job<th>Leader<th>Term<th>Since<th>Lease ends<th>Last run<th>Next run"
        )?;
        let now = self.site.app.clock.wall();
        for seat in self.snapshot.seats.iter().skip((self.number - 1) * MOST_JOBS).take(MOST_JOBS) {
            row(f, &self.site.job(seat), now)?;
        }
        writeln!(f, "</table></main>")?;
        if self.last > 1 {
            write!(f, "<nav class=\"soft\"><span>Page {} of {}</span>", self.number, self.last)?;
            if self.number > 1 {
                write!(f, " <a rel=\"prev\" href=\"?page={}\">Previous</a>", self.number - 1)?;
            }
            if self.number < self.last {
                write!(f, " <a rel=\"next\" href=\"?page={}\">Next</a>", self.number + 1)?;
            }
            writeln!(f, "</nav>")?;
        }
        Ok(())
    }

    fn members(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members = &self.snapshot.members;
        if members.is_empty() {
            return writeln!(f, "<h2>Other instances</h2>\n<p>None");
        }
        writeln!(f, "<h2>Other instances</h2>\n<table><tr><th>Name<th>Address<th>Version<th>State")?;
        for (_, row) in members.iter().take(MOST_MEMBERS) {
            let state = if row.draining { "leaving" } else { "active" };
            write!(f, "<tr><td>{}<td>", Text(&row.name))?;
            // What others wrote into the store becomes a link only if it is plainly an address.
            if row.url.starts_with("http://") || row.url.starts_with("https://") {
                write!(f, "<a rel=\"noreferrer\" href=\"{0}\">{0}</a>", Text(&row.url))?;
            } else {
                write!(f, "{}", Text(&row.url))?;
            }
            writeln!(f, "<td>{}<td>{state}", Text(&row.version))?;
        }
        writeln!(f, "</table>")?;
        match members.len().saturating_sub(MOST_MEMBERS) {
            0 => Ok(()),
            more => writeln!(f, "<p>and {more} more"),
        }
    }
}

fn row(f: &mut fmt::Formatter<'_>, job: &Job, now: Wall) -> fmt::Result {
    write!(f, "<tr><td><bdi>{}</bdi>", Text(job.job.as_str()))?;
    match (&job.leader, job.horizon) {
        (Some(leader), Some(_)) => write!(f, "<td class=\"here\">{}", Text(leader))?,
        (Some(leader), None) => write!(f, "<td>{}", Text(leader))?,
        (None, _) => write!(f, "<td class=\"bad\">nobody")?,
    }
    if job.stepping_down {
        write!(f, " <span class=\"soft\">steps down</span>")?;
    }
    write!(f, "<td>{}<td>", job.term)?;
    if let Some(since) = job.since {
        write!(f, "<time title=\"{since}\">{} ago</time>", Brief(now.since(since)))?;
    }
    write!(f, "<td>")?;
    if let Some(left) = job.horizon {
        write!(f, "in {}", Brief(left))?;
    }
    write!(f, "<td>")?;
    if let Some(last) = &job.last {
        write!(f, "<time title=\"{}\">{} ago</time>, {}", last.due, Brief(now.since(last.due)), last.state)?;
    }
    write!(f, "<td>")?;
    if job.paused {
        f.write_str("paused")?;
    } else if job.held {
        f.write_str("held")?;
    } else if let (Some(next), Some(left)) = (job.next, job.next_in) {
        write!(f, "<time title=\"{next}\">in {}</time>", Brief(left))?;
    }
    writeln!(f)
}

/// Text that stays text, in an element as well as in an attribute.
struct Text<'a>(&'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            plain => f.write_char(plain),
        })
    }
}
