//! Why the program ends other than well, and the exit code that says so to scripts.

use crate::commands::lookup::LookupError;
use crate::commands::step_down::StepDownError;
use crate::config::ConfigError;
use crate::stores::StoreError;

/// Why the program ends.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store did not answer, or refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The job was not found.
    #[error(transparent)]
    Lookup(LookupError),
    /// The job stays where it is.
    #[error(transparent)]
    StepDown(StepDownError),
    /// A second signal, while the work was still ending.
    #[error("stopped at once by a second signal; work that was running may have been cut short")]
    Signal(u8),
    /// Everything else.
    #[error("{0}")]
    Other(String),
}

impl Failure {
    /// Its exit code: those of sysexits.h, which a supervisor can tell apart.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Other(_) | Self::Lookup(_) | Self::Store(StoreError::Unfit(_)) => 1,
            Self::Config(error) if error.is_usage() => 2,
            Self::Store(StoreError::Unreachable(_)) => 69,
            Self::StepDown(error) => {
                if error.is_temporary() {
                    75
                } else {
                    1
                }
            }
            Self::Store(StoreError::Denied(_)) => 77,
            Self::Config(_) => 78,
            Self::Signal(number) => 128 + (number & 0x7f),
        }
    }
}

impl From<StepDownError> for Failure {
    fn from(error: StepDownError) -> Self {
        if let StepDownError::Store(error) = error { Self::Store(error) } else { Self::StepDown(error) }
    }
}

impl From<LookupError> for Failure {
    fn from(error: LookupError) -> Self {
        if let LookupError::Store(error) = error { Self::Store(error) } else { Self::Lookup(error) }
    }
}
