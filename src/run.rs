//! Runs one instance as a process, until a signal asks it to stop. A second one ends it at once.

use rustix::process::Signal;

use crate::config::Config;
use crate::failure::Failure;
pub use crate::reload::Load;
use crate::service::Service;
use crate::signals::{STOPPING, Signals, number};

/// Runs until a signal asks to stop. The configuration is read again with `load` when it changes.
pub async fn run(mut config: Config, load: Load) -> Result<(), Failure> {
    let mut signals = listen(&STOPPING)?;
    let hangup = listen(&[Signal::HUP])?;
    let mut service = tokio::select! {
        service = Service::start(&config) => service?,
        _ = signals.next() => return Ok(()),
    };
    service.follow(&config, load, hangup);
    // With thousands of jobs it would be the largest thing that an instance keeps, for nobody.
    config.shown = Vec::new();
    tokio::select! {
        _ = signals.next() => {}
        failure = service.broken() => return Err(failure),
    }
    let result = tokio::select! {
        drained = service.drain() => drained,
        signal = signals.next() => Err(Failure::Signal(number(signal))),
    };
    service.close().await;
    result
}

fn listen(to: &[Signal]) -> Result<Signals, Failure> {
    Signals::listen(to).map_err(|error| Failure::Other(format!("cannot listen to signals: {error}")))
}
