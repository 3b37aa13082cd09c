//! The warden: a small process between an instance and a command, which sees to it that the command
//! ends with the lease, whatever becomes of the instance.
//!
//! An instance that is killed, stopped or starved cannot stop its command, and before long another
//! instance leads the job. So the command is the child of a warden: this very program, started as
//! `tenure warden`. The instance tells it over a socket until when the command may run, and again
//! whenever the lease is renewed. When that moment passes, or the socket closes, the warden kills all
//! that the command started. It is their *subreaper*, so that nothing escapes by leaving the process
//! group, and nothing is left when the command has ended.
//!
//! ```text
//!   instance --- eight bytes: the last moment, in nanoseconds of the boot clock ---> warden ---> command
//!            <-- four bytes: the command's process group, or zero and why not ----
//!            <-- four bytes: how the command ended -------------------------------
//! ```
//!
//! What it cannot do: kill a program that has changed its user, or see to anything once it is killed
//! itself. The instance does, unless it was killed too.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write, stdin};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use rustix::process::{
    Pid, Signal, WaitOptions, getpid, kill_process, kill_process_group, set_child_subreaper, wait,
};
use tokio::signal::unix::{self, SignalKind, signal};

use super::why_not;
use crate::time::{Clock, Instant, SystemClock, sleep_until};

/// What `ps` calls a warden.
const NAME: &str = "tenure-warden";
/// The most that a warden tells: a sentence about a command that could not be started.
const LONGEST_TALE: u64 = 4 << 10;

/// The instance's end of the socket.
#[derive(Debug)]
pub(super) struct Line(UnixStream);

/// What a warden has told.
#[derive(Debug)]
pub(super) enum Told {
    Nothing,
    /// Why the command could not be started.
    Refused(String),
    /// The process group of the command.
    Started(Pid),
    /// How it ended; nothing is left of it.
    Ended(ExitStatus),
}

/// The warden's end of it, and the last moment of the command.
struct Orders {
    line: tokio::net::UnixStream,
    last: Instant,
}

/// The signals that concern a warden.
struct Signals {
    /// Something that the command started has ended.
    ended: unix::Signal,
    asked: Asked,
}

/// The signals that ask a process to end, as service managers send them to all they find.
struct Asked([unix::Signal; 3]);

impl Line {
    /// A line, and the end of it that becomes the standard input of a warden.
    pub(super) fn new() -> io::Result<(Self, Stdio)> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        Ok((Self(ours), OwnedFd::from(theirs).into()))
    }

    /// Says until when the command may run. A warden that is gone has ended it.
    pub(super) fn renew(&self, last: Instant) {
        let _gone = (&self.0).write(&last.as_nanos().to_ne_bytes());
    }

    /// What the warden has told. It says nothing twice, so this is for the end.
    pub(super) fn told(&self) -> Told {
        let mut tale = Vec::new();
        // The end is an error while the warden is there.
        let _end = (&self.0).take(LONGEST_TALE).read_to_end(&mut tale);
        let Some((group, rest)) = tale.split_first_chunk() else { return Told::Nothing };
        match (Pid::from_raw(i32::from_ne_bytes(*group)), rest.first_chunk()) {
            (None, _) => Told::Refused(String::from_utf8_lossy(rest).into_owned()),
            (Some(group), None) => Told::Started(group),
            (Some(_), Some(status)) => Told::Ended(ExitStatus::from_raw(i32::from_ne_bytes(*status))),
        }
    }
}

/// Runs a command for the instance at the other end of standard input, and returns when nothing is
/// left of it.
pub async fn guard(dir: Option<PathBuf>, command: Vec<OsString>) -> io::Result<()> {
    // Else it goes by the name of its file, which may be `exe`.
    let _unnamed = fs::write("/proc/self/comm", NAME);
    set_child_subreaper(Some(getpid()))?;
    let mut signals = Signals::listen()?;
    let mut orders = Orders::listen()?;
    if !orders.next().await {
        return Err(io::Error::other("standard input does not lead to one"));
    }
    if SystemClock.now() >= orders.last {
        return Ok(());
    }
    match start(dir.as_deref(), &command) {
        Ok(group) => {
            orders.answer(&group.as_raw_nonzero().get().to_ne_bytes()).await;
            let ended = watch(group, &mut orders, &mut signals).await;
            clear_away(group);
            if let Some(status) = ended {
                orders.answer(&status.to_ne_bytes()).await;
            }
        }
        Err(why) => orders.answer(&[&0_i32.to_ne_bytes(), why.as_bytes()].concat()).await,
    }
    Ok(())
}

fn start(dir: Option<&Path>, command: &[OsString]) -> Result<Pid, String> {
    let Some((program, arguments)) = command.split_first() else {
        return Err("there is no command".to_owned());
    };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).process_group(0);
    dir.map(|dir| command.current_dir(dir));
    let child = command.spawn().map_err(|error| why_not(Path::new(program), dir, &error))?;
    Ok(Pid::from_child(&child))
}

/// Returns how the command ended, or nothing when it must.
async fn watch(group: Pid, orders: &mut Orders, signals: &mut Signals) -> Option<i32> {
    loop {
        // Whatever has ended is taken in: the command, or something that it left behind.
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            if pid == group {
                return Some(status.as_raw());
            }
        }
        let last = orders.last;
        tokio::select! {
            biased;
            // First, because a machine that was busy may have kept it waiting.
            renewed = orders.next() => if !renewed { return None },
            () = sleep_until(&SystemClock, last) => return None,
            () = signals.asked.recv() => drop(kill_process_group(group, Signal::TERM)),
            _ = signals.ended.recv() => {}
        }
    }
}

/// Kills the command and all that it started. Whose parent has died becomes a child of the warden, so
/// in the end everybody does.
fn clear_away(group: Pid) {
    let _empty = kill_process_group(group, Signal::KILL);
    loop {
        let killed = children().into_iter().filter(|child| kill_process(*child, Signal::KILL).is_ok());
        let killed = killed.count();
        if killed == 0 {
            return;
        }
        for _ in 0..killed {
            let _taken_in = wait(WaitOptions::empty());
        }
    }
}

fn children() -> Vec<Pid> {
    let listed = fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    listed.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}

impl Orders {
    fn listen() -> io::Result<Self> {
        let line = UnixStream::from(stdin().as_fd().try_clone_to_owned()?);
        line.set_nonblocking(true)?;
        Ok(Self { line: tokio::net::UnixStream::from_std(line)?, last: Instant::LONG_AGO })
    }

    /// Waits for the next order; false if there is nobody to give one. What is written at once arrives
    /// at once.
    async fn next(&mut self) -> bool {
        let mut order = [0; size_of::<i64>()];
        while self.line.readable().await.is_ok() {
            match self.line.try_read(&mut order) {
                Ok(length) if length == order.len() => {
                    self.last = Instant::from_nanos(i64::from_ne_bytes(order));
                    return true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(_) | Err(_) => return false,
            }
        }
        false
    }

    /// Tells the instance something, if it is there.
    async fn answer(&self, words: &[u8]) {
        if self.line.writable().await.is_ok() {
            let _gone = self.line.try_write(words);
        }
    }
}

impl Signals {
    fn listen() -> io::Result<Self> {
        let asked = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
        let [terminate, interrupt, hangup] = asked.map(signal);
        let asked = Asked([terminate?, interrupt?, hangup?]);
        Ok(Self { ended: signal(SignalKind::child())?, asked })
    }
}

impl Asked {
    async fn recv(&mut self) {
        let [terminate, interrupt, hangup] = &mut self.0;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
