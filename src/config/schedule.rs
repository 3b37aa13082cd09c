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
use crate::schedulers::{At, Cron, Every, Jitter, Schedule};
use crate::time::Wall;

/// No interval is longer.
pub const LONGEST_INTERVAL: Duration = Duration::from_hours(366 * 24);
/// No jitter is longer.
pub const LONGEST_JITTER: Duration = Duration::from_hours(24);

/// The kinds of schedules.
const KINDS: [&str; 3] = ["every", "cron", "at"];
pub(super) const KEYS: &[&str] = &["every", "cron", "at", "zone", "gap", "overlap", "jitter"];
/// Where there is no such zone.
const NO_ZONE: &str = "UTC";

/// The schedule of the job of a table.
pub(super) fn read(
    layers: &mut Layers<'_>,
    section: &Section<'_>,
    job: &JobName,
) -> Option<Arc<dyn Schedule>> {
    let kind = section.one_of(layers, &KINDS);
    let zone = section.optional(layers, "zone", NO_ZONE, zone);
    let schedule: Arc<dyn Schedule> = match kind? {
        "every" => {
            section.misplaced(layers, &["zone", "gap", "overlap"], "cron", "every");
            Arc::new(section.required(layers, "every", every)?)
        }
        "cron" => {
            let zone = zone?;
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
        _ => {
            section.misplaced(layers, &["gap", "overlap"], "cron", "at");
            let zone = zone?;
            Arc::new(At(section.required(layers, "at", |text| moment(text, &zone))?))
        }
    };
    let window =
        section.maybe(layers, "jitter", |text| within(duration(text)?, Duration::ZERO, LONGEST_JITTER, show));
    Some(match window {
        Some(window) => Arc::new(Jitter::new(schedule, job, window)),
        None => schedule,
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

/// A moment that says its own offset or zone, or is a civil time of the job's.
fn moment(text: &str, zone: &TimeZone) -> Result<Wall, String> {
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
