//! When a job is due: one key of its table, named after the kind of schedule.

use std::sync::Arc;
use std::time::Duration;

use super::layers::Layers;
use super::section::Section;
use super::words::{duration, show, within};
use crate::schedulers::{Every, Schedule};

/// No interval is longer.
pub const LONGEST_INTERVAL: Duration = Duration::from_hours(366 * 24);

pub(super) const KEYS: &[&str] = &["every"];

/// The schedule of the job of a table.
pub(super) fn read(layers: &mut Layers<'_>, section: &Section<'_>) -> Option<Arc<dyn Schedule>> {
    let every = section.required(layers, "every", |text| {
        let interval = within(duration(text)?, Every::SHORTEST, LONGEST_INTERVAL, show)?;
        Every::new(interval).ok_or_else(|| format!("{} is too short", show(interval)))
    })?;
    Some(Arc::new(every))
}
