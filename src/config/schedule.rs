//! When a job is due: one key of its table, named after the kind of schedule, and what refines it.

use std::sync::Arc;
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::layers::Layers;
use super::section::Section;
use super::words::{choose, duration, show, suggest, within};
use crate::machine::JobName;
use crate::schedulers::cron::{Gap, Overlap};
use crate::schedulers::{At, Continuous, Cron, Every, Jitter, Schedule};
use crate::time::Wall;

/// No interval is longer.
pub const LONGEST_INTERVAL: Duration = Duration::from_hours(366 * 24);
/// No jitter is longer.
pub const LONGEST_JITTER: Duration = Duration::from_hours(24);

/// The kinds of schedules.
pub(super) const KINDS: [&str; 4] = ["every", "cron", "at", "while"];
pub(super) const KEYS: &[&str] = &["every", "cron", "at", "while", "zone", "gap", "overlap", "jitter"];
/// Where there is no such zone.
const NO_ZONE: &str = "UTC";

/// The schedule of the job of a table.
pub(super) fn read(
    layers: &mut Layers<'_>,
    section: &Section<'_>,
    job: &JobName,
) -> Option<Arc<dyn Schedule>> {
    let kind = section.one_of(layers, &KINDS);
    // A zone that does not exist is reported; what else is wrong is too.
    let zone = section.optional(layers, "zone", NO_ZONE, zone).unwrap_or(TimeZone::UTC);
    let schedule = kind.and_then(|kind| of_kind(layers, section, kind, job, &zone));
    let window =
        section.maybe(layers, "jitter", |text| within(duration(text)?, Duration::ZERO, LONGEST_JITTER, show));
    let schedule = schedule?;
    Some(match window {
        Some(window) => Arc::new(Jitter::new(schedule, job, window)),
        None => schedule,
    })
}

fn of_kind(
    layers: &mut Layers<'_>,
    section: &Section<'_>,
    kind: &str,
    job: &JobName,
    zone: &TimeZone,
) -> Option<Arc<dyn Schedule>> {
    Some(match kind {
        "every" => {
            section.misplaced(layers, &["zone", "gap", "overlap"], "cron", "every");
            Arc::new(section.required(layers, "every", every)?)
        }
        "cron" => {
            let cron = section.required(layers, "cron", |text| Cron::new(text, job, zone.clone()));
            let gap = section.maybe(layers, "gap", |text| {
                choose(&[("run-after", Gap::RunAfter), ("skip", Gap::Skip)], text)
            });
            let overlap = section.maybe(layers, "overlap", |text| {
                choose(&[("first", Overlap::First), ("both", Overlap::Both)], text)
            });
            let cron = gap.into_iter().fold(cron?, Cron::with_gap);
            Arc::new(overlap.into_iter().fold(cron, Cron::with_overlap))
        }
        "while" => {
            section.misplaced(layers, &["zone", "gap", "overlap"], "cron", "while");
            section.misplaced(layers, &["jitter", "missed", "missed_within", "retries"], "every", "while");
            Arc::new(section.required(layers, "while", |text| choose(&[("leading", Continuous)], text))?)
        }
        _ => {
            section.misplaced(layers, &["gap", "overlap"], "cron", "at");
            Arc::new(At(section.required(layers, "at", |text| moment_in(text, zone))?))
        }
    })
}

fn every(text: &str) -> Result<Every, String> {
    let interval = within(duration(text)?, Every::SHORTEST, LONGEST_INTERVAL, show)?;
    Every::new(interval).ok_or_else(|| format!("{} is too short", show(interval)))
}

fn zone(text: &str) -> Result<TimeZone, String> {
    TimeZone::get(text).map_err(|_| {
        let known: Vec<_> = jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect();
        let known: Vec<_> = known.iter().map(String::as_str).collect();
        let advice = suggest(text, &known);
        let advice = if advice.len() < 100 {
            advice
        } else {
            "write one like \"Europe/Athens\" or \"UTC\"".to_owned()
        };
        format!("\"{}\" is no time zone; {advice}", text.escape_debug())
    })
}

/// A moment that says its own offset or zone, or is a civil time of UTC.
pub fn moment(text: &str) -> Result<Wall, String> {
    moment_in(text, &TimeZone::UTC)
}

/// A moment that says its own offset or zone, or is a civil time of the job's.
fn moment_in(text: &str, zone: &TimeZone) -> Result<Wall, String> {
    let absolute = text.parse::<Timestamp>();
    let zoned = || text.parse::<Zoned>().map(|zoned| zoned.timestamp());
    let civil = || text.parse::<DateTime>().and_then(|civil| zone.to_timestamp(civil));
    let moment = absolute.or_else(|_| zoned()).or_else(|_| civil());
    moment.ok().and_then(|moment| i64::try_from(moment.as_nanosecond()).ok()).map(Wall::from_nanos).ok_or_else(
        || {
            let text = text.escape_debug();
            format!(
                "\"{text}\" is no moment; write it like \"2027-01-31T09:00:00Z\", or without the Z in the job's zone"
            )
        },
    )
}
