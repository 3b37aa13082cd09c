//! What a job does: one key of its table, named after the kind of work.

use std::sync::Arc;
use std::time::Duration;

use super::layers::Layers;
use super::section::Section;
use super::words::{duration, show, within};
use crate::jobs::Action;
use crate::jobs::preacher::Preacher;

/// Most lines of one sermon.
pub const MOST_LINES: u32 = 1000;
/// Longest line of a sermon, in bytes.
pub const LONGEST_LINE: usize = 10_000;
/// Longest pause between two lines.
pub const LONGEST_PAUSE: Duration = Duration::from_hours(1);

pub(super) const KEYS: &[&str] = &["preacher"];
const PREACHER_KEYS: [&str; 3] = ["message", "times", "pause"];

/// What the job of a table does.
pub(super) fn read(layers: &mut Layers<'_>, section: &Section<'_>) -> Option<Arc<dyn Action>> {
    let preacher = section.table(layers, "preacher", &PREACHER_KEYS)?;
    Some(Arc::new(self::preacher(layers, &preacher)?))
}

fn preacher(layers: &mut Layers<'_>, section: &Section<'_>) -> Option<Preacher> {
    let message = section.required(layers, "message", |text| match text.len() {
        1..=LONGEST_LINE => Ok(text.to_owned()),
        length => Err(format!("a message has 1 to {LONGEST_LINE} bytes, this one has {length}")),
    });
    let times = section.optional(layers, "times", "5", |text| {
        let times = text.parse().map_err(|_| format!("\"{}\" is not a whole number", text.escape_debug()))?;
        within(times, 1, MOST_LINES, |times| times.to_string())
    });
    let pause = section
        .optional(layers, "pause", "1s", |text| within(duration(text)?, Duration::ZERO, LONGEST_PAUSE, show));
    Some(Preacher { message: message?, times: times?, pause: pause? })
}
