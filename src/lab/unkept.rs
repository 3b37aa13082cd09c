//! Stands in for the archive in a build without SQLite.

use std::path::Path;

use super::LabError;
use super::record::Record;

const ADVICE: &str = "this build keeps no records: build Tenure with its default features";

/// Keeps nothing.
#[derive(Debug)]
pub(super) struct Archive;

impl Archive {
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self
    }

    /// Says so.
    #[expect(clippy::unnecessary_wraps, reason = "the other one can fail")]
    pub(super) fn open(_path: &Path) -> Result<Self, LabError> {
        tracing::warn!(event = "lab.unkept", "Records are not kept: {ADVICE}");
        Ok(Self)
    }

    #[expect(clippy::unused_self, reason = "the other one has something to keep it in")]
    pub(super) fn keep(&mut self, _record: &Record) {}
}

/// Says so.
pub(super) fn read(path: &Path, _run: Option<i64>) -> Result<Vec<String>, LabError> {
    Err(LabError::Archive { path: path.to_owned(), why: ADVICE.to_owned() })
}
