//! Runs one instance as a process, until a signal asks it to stop. A second one ends it at once.

use crate::config::Config;
use crate::failure::Failure;
use crate::service::Service;
use crate::signals::{STOPPING, Signals, number};

/// Runs until a signal asks to stop.
pub async fn run(mut config: Config) -> Result<(), Failure> {
    // With thousands of jobs it would be the largest thing that an instance keeps, for nobody.
    config.shown = Vec::new();
    let mut signals = Signals::listen(&STOPPING)
        .map_err(|error| Failure::Other(format!("cannot listen to signals: {error}")))?;
    let mut service = tokio::select! {
        service = Service::start(&config) => service?,
        _ = signals.next() => return Ok(()),
    };
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
