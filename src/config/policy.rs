//! What a job wants to happen when things go otherwise than planned.

use std::time::Duration;

use super::layers::Layers;
use super::section::Section;
use super::words::{choose, duration, show, within};
use crate::schedulers::Policy;
use crate::schedulers::policy::{LONGEST_BACKOFF, MOST_RETRIES, Missed, Orphan};

/// No older due time is made up for.
const LONGEST_WINDOW: Duration = Duration::from_hours(366 * 24);
/// No run may take longer.
const LONGEST_TIMEOUT: Duration = Duration::from_hours(366 * 24);

pub(super) const KEYS: &[&str] = &["missed", "missed_within", "on_orphan", "retries", "backoff", "timeout"];

/// The policy of the job of a table.
pub(super) fn read(layers: &mut Layers<'_>, section: &Section<'_>) -> Policy {
    let usual = Policy::default();
    let missed = section.maybe(layers, "missed", |text| {
        choose(&[("latest", Missed::Latest), ("all", Missed::All), ("skip", Missed::Skip)], text)
    });
    let on_orphan = section.maybe(layers, "on_orphan", |text| {
        choose(&[("skip", Orphan::Skip), ("rerun", Orphan::Rerun), ("hold", Orphan::Hold)], text)
    });
    let retries = section.maybe(layers, "retries", |text| {
        let number =
            text.parse().map_err(|_| format!("\"{}\" is not a whole number", text.escape_debug()))?;
        within(number, 0, MOST_RETRIES, |number| number.to_string())
    });
    let mut span = |key, most| {
        section.maybe(layers, key, |text| within(duration(text)?, Duration::from_millis(1), most, show))
    };
    Policy {
        missed_within: span("missed_within", LONGEST_WINDOW).unwrap_or(usual.missed_within),
        backoff: span("backoff", LONGEST_BACKOFF).unwrap_or(usual.backoff),
        timeout: span("timeout", LONGEST_TIMEOUT),
        missed: missed.unwrap_or(usual.missed),
        on_orphan: on_orphan.unwrap_or(usual.on_orphan),
        retries: retries.unwrap_or(usual.retries),
    }
}
