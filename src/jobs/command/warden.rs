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
//!            --- eight bytes: a signal for the command, as a negative number ---->
//!            <-- four bytes: the command's process group, or a negative error ----
//!            <-- four bytes: how the command ended, or why it could not start ----
//! ```
//!
//! With the first order comes what the command reads from, if anything. Signals that service managers
//! send to all they find do not concern the warden: its instance passes on what it means.
//!
//! What it cannot do: kill a program that has changed its user, or see to anything once it is killed
//! itself. The instance does, unless it was killed too.

use std::ffi::OsString;
use std::fs;
use std::io::{self, IoSlice, IoSliceMut, Read, Write, stdin};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use rustix::cmsg_space;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use rustix::process::{
    Pid, Signal, WaitOptions, getpid, kill_process, kill_process_group, set_child_subreaper, wait,
};
use tokio::signal::unix::{self, SignalKind, signal};

use super::why_not;
use crate::signals::{Signals, unless_ignored};
use crate::time::{Clock, Instant, SystemClock, sleep_until};

/// What `ps` calls a warden.
const NAME: &str = "tenure-warden";
/// The most that a warden tells: a sentence about a command that could not be started.
const LONGEST_TALE: u64 = 4 << 10;
/// Bytes of an order.
const ORDER: usize = size_of::<i64>();

/// The instance's end of the socket.
#[derive(Debug)]
pub(super) struct Line(UnixStream);

/// What a warden has told.
#[derive(Debug)]
pub(super) enum Told {
    Nothing,
    /// The command could not be started.
    Refused(io::ErrorKind, String),
    /// The process group of the command.
    Started(Pid),
    /// How it ended; nothing is left of it.
    Ended(ExitStatus),
}

/// What an instance says to a warden.
enum Order {
    /// The command may run until then.
    Until(Instant),
    /// The command is sent this.
    Send(Signal),
}

/// The warden's end of the socket.
struct Orders(tokio::net::UnixStream);

impl Line {
    /// A line, and the end of it that becomes the standard input of a warden. It is told until when the
    /// command may run, and what that reads from, if anything.
    pub(super) fn new(last: Instant, input: Option<BorrowedFd<'_>>) -> io::Result<(Self, Stdio)> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let (mut space, input) = ([MaybeUninit::uninit(); cmsg_space!(ScmRights(1))], input.as_slice());
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !input.is_empty() && !control.push(SendAncillaryMessage::ScmRights(input)) {
            unreachable!("there is space for one");
        }
        sendmsg(&ours, &[IoSlice::new(&Order::Until(last).bytes())], &mut control, SendFlags::empty())?;
        Ok((Self(ours), OwnedFd::from(theirs).into()))
    }

    /// Says until when the command may run. A warden that is gone has ended it.
    pub(super) fn renew(&self, last: Instant) {
        self.tell(&Order::Until(last));
    }

    /// Sends a signal to the command and all in its process group.
    pub(super) fn send(&self, signal: Signal) {
        self.tell(&Order::Send(signal));
    }

    fn tell(&self, order: &Order) {
        let _gone = (&self.0).write(&order.bytes());
    }

    /// What the warden has told. It says nothing twice, so this is for the end.
    pub(super) fn told(&self) -> Told {
        let mut tale = Vec::new();
        // The end is an error while the warden is there.
        let _end = (&self.0).take(LONGEST_TALE).read_to_end(&mut tale);
        let Some((group, rest)) = tale.split_first_chunk() else { return Told::Nothing };
        match (i32::from_ne_bytes(*group), rest.first_chunk()) {
            (error @ ..0, _) => {
                let error = io::Error::from_raw_os_error(error.saturating_neg());
                Told::Refused(error.kind(), String::from_utf8_lossy(rest).into_owned())
            }
            (group, status) => match (Pid::from_raw(group), status) {
                (None, _) => Told::Nothing,
                (Some(group), None) => Told::Started(group),
                (Some(_), Some(status)) => Told::Ended(ExitStatus::from_raw(i32::from_ne_bytes(*status))),
            },
        }
    }
}

impl Order {
    fn bytes(&self) -> [u8; ORDER] {
        match self {
            Self::Until(last) => last.as_nanos(),
            Self::Send(signal) => -i64::from(signal.as_raw()),
        }
        .to_ne_bytes()
    }

    fn read(bytes: [u8; ORDER]) -> Option<Self> {
        match i64::from_ne_bytes(bytes) {
            nanos @ 0.. => Some(Self::Until(Instant::from_nanos(nanos))),
            signal => Signal::from_named_raw(i32::try_from(signal.checked_neg()?).ok()?).map(Self::Send),
        }
    }
}

/// Runs a command for the instance at the other end of standard input, and returns when nothing is
/// left of it.
pub async fn guard(dir: Option<PathBuf>, command: Vec<OsString>) -> io::Result<()> {
    // Else it goes by the name of its file, which may be `exe`.
    let _unnamed = fs::write("/proc/self/comm", NAME);
    set_child_subreaper(Some(getpid()))?;
    let mut ended = signal(SignalKind::child())?;
    let _unheard = Signals::listen(&unless_ignored())?;
    let (mut orders, last, input) = Orders::listen()?;
    if SystemClock.now() >= last {
        return Ok(());
    }
    match start(dir.as_deref(), &command, input) {
        Ok(group) => {
            orders.answer(&group.as_raw_nonzero().get().to_ne_bytes()).await;
            let status = watch(group, last, &mut orders, &mut ended).await;
            clear_away(group);
            if let Some(status) = status {
                orders.answer(&status.to_ne_bytes()).await;
            }
        }
        Err((error, why)) => orders.answer(&[&(-error).to_ne_bytes(), why.as_bytes()].concat()).await,
    }
    Ok(())
}

/// Starts the command, or says by which error of the system it cannot be started, and why.
fn start(dir: Option<&Path>, command: &[OsString], input: Option<OwnedFd>) -> Result<Pid, (i32, String)> {
    let Some((program, arguments)) = command.split_first() else {
        unreachable!("the command line asks for one");
    };
    let mut command = Command::new(program);
    command.args(arguments).stdin(input.map_or_else(Stdio::null, Stdio::from)).process_group(0);
    dir.map(|dir| command.current_dir(dir));
    let child = command.spawn().map_err(|error| {
        let number = error.raw_os_error().unwrap_or(rustix::io::Errno::INVAL.raw_os_error());
        (number, why_not(Path::new(program), dir, &error))
    })?;
    Ok(Pid::from_child(&child))
}

/// Returns how the command ended, or nothing when it must.
async fn watch(group: Pid, mut last: Instant, orders: &mut Orders, ended: &mut unix::Signal) -> Option<i32> {
    loop {
        // Whatever has ended is taken in: the command, or something that it left behind.
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            if pid == group {
                return Some(status.as_raw());
            }
        }
        tokio::select! {
            biased;
            // First, because a machine that was busy may have kept it waiting.
            order = orders.next() => match order? {
                Order::Until(renewed) => last = renewed,
                Order::Send(signal) => drop(kill_process_group(group, signal)),
            },
            () = sleep_until(&SystemClock, last) => return None,
            _ = ended.recv() => {}
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
    /// The orders, until when the command may run by the first of them, which was there before us, and
    /// what it reads from.
    fn listen() -> io::Result<(Self, Instant, Option<OwnedFd>)> {
        let line = UnixStream::from(stdin().as_fd().try_clone_to_owned()?);
        let (mut order, mut space) = ([0; ORDER], [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))]);
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        let length = recvmsg(&line, &mut [IoSliceMut::new(&mut order)], &mut control, flags)?.bytes;
        let input = control.drain().find_map(|message| {
            if let RecvAncillaryMessage::ScmRights(mut given) = message { given.next() } else { None }
        });
        let Some(Order::Until(last)) = Order::read(order).filter(|_| length == ORDER) else {
            return Err(io::Error::other("standard input does not lead to one"));
        };
        line.set_nonblocking(true)?;
        Ok((Self(tokio::net::UnixStream::from_std(line)?), last, input))
    }

    /// Waits for the next order; `None` if there is nobody to give one. What is written at once arrives
    /// at once.
    async fn next(&mut self) -> Option<Order> {
        let mut order = [0; ORDER];
        while self.0.readable().await.is_ok() {
            match self.0.try_read(&mut order) {
                Ok(ORDER) => return Order::read(order),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(_) | Err(_) => return None,
            }
        }
        None
    }

    /// Tells the instance something, if it is there.
    async fn answer(&self, words: &[u8]) {
        if self.0.writable().await.is_ok() {
            let _gone = self.0.try_write(words);
        }
    }
}
