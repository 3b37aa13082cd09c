//! Does what a closure of yours does.

use std::any::type_name;
use std::fmt;

use super::{Action, JobError, Run, Work};

/// A job that calls a closure, which may be an async one: `async |run: Run| { … }`.
pub struct Closure<F>(F);

impl<F> Closure<F> {
    /// The job that calls `work`.
    pub const fn new(work: F) -> Self {
        Self(work)
    }
}

impl<F, W> Action for Closure<F>
where
    F: Fn(Run) -> W + Send + Sync,
    W: Future<Output = Result<(), JobError>> + Send + 'static,
{
    fn run<'a>(&'a self, run: &'a Run) -> Work<'a> {
        Box::pin((self.0)(run.clone()))
    }
}

impl<F> fmt::Debug for Closure<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(type_name::<F>())
    }
}
