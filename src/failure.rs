//! Why the program ends other than well, and the exit code that says so to scripts.

use crate::commands::check::CheckError;
use crate::commands::drain::DrainError;
use crate::commands::lookup::LookupError;
use crate::commands::order::OrderError;
use crate::commands::step_down::StepDownError;
use crate::config::ConfigError;
use crate::lab::LabError;
use crate::log::chain;
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
    /// The order was not given.
    #[error(transparent)]
    Order(OrderError),
    /// The job stays where it is.
    #[error(transparent)]
    StepDown(StepDownError),
    /// The instance was not drained, or not undrained.
    #[error(transparent)]
    Drain(DrainError),
    /// The term does not lead.
    #[error(transparent)]
    Check(CheckError),
    /// The laboratory does not work.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// The command of `tenure exec` was not run, or not to its end.
    #[error("{why}")]
    Exec {
        /// Why.
        why: String,
        /// The exit code that says so.
        code: u8,
    },
    /// A second signal, while the work was still ending.
    #[error("stopped at once by a second signal; work that was running may have been cut short")]
    Signal(u8),
    /// Everything else.
    #[error("{0}")]
    Other(String),
}

impl Failure {
    /// The exit code of what goes wrong in `tenure exec` and is not its command's fault.
    pub const OF_EXEC: u8 = 125;

    /// The same in `tenure exec`, whose other exit codes are those of its command.
    #[must_use]
    pub fn of_exec(self) -> Self {
        if matches!(self, Self::Exec { .. }) {
            return self;
        }
        Self::Exec { why: chain(&self), code: Self::OF_EXEC }
    }

    /// Its exit code: those of sysexits.h, which a supervisor can tell apart.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Order(OrderError::Contended(_)) | Self::Check(_) => 75,
            Self::Other(_)
            | Self::Lab(_)
            | Self::Lookup(_)
            | Self::Order(_)
            | Self::Store(StoreError::Unfit(_)) => 1,
            Self::Exec { code, .. } => *code,
            Self::Config(error) if error.is_usage() => 2,
            Self::Store(StoreError::Unreachable(_)) => 69,
            Self::StepDown(error) => {
                if error.is_temporary() {
                    75
                } else {
                    1
                }
            }
            Self::Drain(error) => {
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

impl From<DrainError> for Failure {
    fn from(error: DrainError) -> Self {
        if let DrainError::Store(error) = error { Self::Store(error) } else { Self::Drain(error) }
    }
}

impl From<OrderError> for Failure {
    fn from(error: OrderError) -> Self {
        if let OrderError::Lookup(error) = error { error.into() } else { Self::Order(error) }
    }
}

impl From<CheckError> for Failure {
    fn from(error: CheckError) -> Self {
        if let CheckError::Lookup(error) = error { error.into() } else { Self::Check(error) }
    }
}

impl From<LookupError> for Failure {
    fn from(error: LookupError) -> Self {
        if let LookupError::Store(error) = error { Self::Store(error) } else { Self::Lookup(error) }
    }
}
