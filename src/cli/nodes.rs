//! What is ordered of instances.

use clap::Args;
use tenure::commands::drain::{drain, undrain};
use tenure::failure::Failure;

use super::flags::Settings;
use super::{load_quietly, open, print, wait};

#[derive(Debug, Args)]
pub(super) struct Node {
    /// Which instance, by name, or by the first digits of its incarnation
    node: String,
    #[command(flatten)]
    settings: Settings,
}

impl Node {
    /// Has it give up what it leads, and lead nothing.
    pub(super) fn drain(self) -> Result<(), Failure> {
        let config = load_quietly(&self.settings)?;
        let drained = wait(async {
            let store = open(&config).await?;
            Ok(drain(&*store, config.timing.ttl, &self.node).await?)
        })?;
        print(&drained.to_string())
    }

    /// Has it take part again.
    pub(super) fn undrain(self) -> Result<(), Failure> {
        let config = load_quietly(&self.settings)?;
        let back = wait(async {
            let store = open(&config).await?;
            Ok(undrain(&*store, config.timing.ttl, &self.node).await?)
        })?;
        print(&back.to_string())
    }
}
