//! What a job wants to happen when things go otherwise than planned.

use std::str::FromStr;
use std::time::Duration;

use super::layers::Layers;
use super::section::Section;
use super::words::{choose, duration, show, within};
use crate::history::Keep;
use crate::schedulers::Policy;
use crate::schedulers::policy::{LONGEST_BACKOFF, MOST_KEPT, MOST_RETRIES, Missed, Orphan};

/// No older due time is made up for.
const LONGEST_WINDOW: Duration = Duration::from_hours(366 * 24);
/// No run may take longer.
const LONGEST_TIMEOUT: Duration = Duration::from_hours(366 * 24);

/// Nothing is kept longer.
const LONGEST_HISTORY: Duration = Duration::from_hours(10 * 366 * 24);

pub(super) const KEYS: &[&str] =
    &["missed", "missed_within", "on_orphan", "retries", "backoff", "timeout", "history", "history_within"];

/// The policy of the job of a table.
pub(super) fn read(layers: &mut Layers<'_>, section: &Section<'_>) -> Policy {
    let usual = Policy::default();
    let missed = section
        .maybe(layers, "missed", |text| choose(&Missed::ALL.map(|missed| (missed.as_str(), missed)), text));
    let on_orphan = section.maybe(layers, "on_orphan", |text| {
        choose(&Orphan::ALL.map(|orphan| (orphan.as_str(), orphan)), text)
    });
    let retries = section
        .maybe(layers, "retries", |text| within(whole(text)?, 0, MOST_RETRIES, |most| most.to_string()));
    let most =
        section.maybe(layers, "history", |text| within(whole(text)?, 1, MOST_KEPT, |most| most.to_string()));
    let mut span = |key, most| {
        section.maybe(layers, key, |text| within(duration(text)?, Duration::from_millis(1), most, show))
    };
    Policy {
        missed_within: span("missed_within", LONGEST_WINDOW).unwrap_or(usual.missed_within),
        backoff: span("backoff", LONGEST_BACKOFF).unwrap_or(usual.backoff),
        timeout: span("timeout", LONGEST_TIMEOUT),
        keep: Keep {
            within: span("history_within", LONGEST_HISTORY).unwrap_or(usual.keep.within),
            most: most.unwrap_or(usual.keep.most),
        },
        missed: missed.unwrap_or(usual.missed),
        on_orphan: on_orphan.unwrap_or(usual.on_orphan),
        retries: retries.unwrap_or(usual.retries),
    }
}

fn whole<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("\"{}\" is not a whole number", text.escape_debug()))
}
