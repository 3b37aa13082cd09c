//! The signals by which one process asks something of another.

use std::fs;
use std::future::poll_fn;
use std::io;
use std::task::Poll;

use rustix::process::Signal;
use tokio::signal::unix::{self, SignalKind, signal};

/// Those that ask a service to stop.
pub const STOPPING: [Signal; 2] = [Signal::INT, Signal::TERM];
/// Those that a process can take and that are not about itself, its children or its terminal's wish to
/// stop it.
const ALL: [Signal; 9] = [
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

/// Those of them that end no process which does not take them.
const HARMLESS: [Signal; 2] = [Signal::CONT, Signal::WINCH];

/// The number of a signal; none is as high as 128.
pub fn number(signal: Signal) -> u8 {
    u8::try_from(signal.as_raw()).unwrap_or(u8::MAX)
}

/// All but those that whoever started this process had it ignore, as `nohup` does: so will what it starts.
pub fn unless_ignored() -> Vec<Signal> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    ALL.into_iter().filter(|signal| mask >> (number(*signal) - 1) & 1 == 0).collect()
}

/// Signals that this process is sent. Those that are listened to once never end it any more.
#[derive(Debug)]
pub struct Signals(Vec<(Signal, unix::Signal)>);

impl Signals {
    /// Listens to these from now on.
    pub fn listen(to: &[Signal]) -> io::Result<Self> {
        let listen = |kind: &Signal| Ok((*kind, signal(SignalKind::from_raw(kind.as_raw()))?));
        to.iter().map(listen).collect::<io::Result<_>>().map(Self)
    }

    /// Waits for the next one.
    pub async fn next(&mut self) -> Signal {
        poll_fn(|context| {
            let sent = self.0.iter_mut().find_map(|(kind, sent)| {
                let sent = sent.poll_recv(context);
                sent.is_ready().then_some(*kind)
            });
            sent.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// Waits for the next one that ends a process which does not take it.
    pub async fn fatal(&mut self) -> Signal {
        loop {
            let signal = self.next().await;
            if !HARMLESS.contains(&signal) {
                return signal;
            }
        }
    }
}
