//! The signals by which one process asks something of another.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use rustix::process::Signal;
use tokio::signal::unix::{self, SignalKind, signal};

/// Those that ask a service to stop.
pub(crate) const STOPPING: [Signal; 2] = [Signal::INT, Signal::TERM];
/// Those that a process can take and that are not about itself, its children or its terminal's wish to
/// stop it.
pub(crate) const ALL: [Signal; 9] = [
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::USR1,
    Signal::USR2,
    Signal::ALARM,
    Signal::TERM,
    Signal::CONT,
    Signal::WINCH,
];

/// The number of a signal; none is as high as 128.
pub(crate) fn number(signal: Signal) -> u8 {
    u8::try_from(signal.as_raw()).unwrap_or(u8::MAX)
}

/// Signals that this process is sent. Those that are listened to once never end it any more.
#[derive(Debug)]
pub(crate) struct Signals(Vec<(Signal, unix::Signal)>);

impl Signals {
    /// Listens to these from now on.
    pub(crate) fn listen(to: &[Signal]) -> io::Result<Self> {
        let listen = |kind: &Signal| Ok((*kind, signal(SignalKind::from_raw(kind.as_raw()))?));
        to.iter().map(listen).collect::<io::Result<_>>().map(Self)
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) -> Signal {
        poll_fn(|context| {
            let sent = self.0.iter_mut().find_map(|(kind, sent)| {
                let sent = sent.poll_recv(context);
                sent.is_ready().then_some(*kind)
            });
            sent.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}
