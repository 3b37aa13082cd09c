//! Runs a command for as long as this process leads a job.
//!
//! To whoever started it, the process is that command: its streams are the command's, signals are
//! passed on, and its exit code comes back. To the others it is an instance with one job, which runs
//! whenever its instance leads. When the command has ended, the lease is given up at once.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use tokio::sync::{Mutex, mpsc};
use tokio::time::sleep;

use crate::config::Config;
use crate::failure::Failure;
use crate::handle::Handle;
use crate::jobs::command::{Attached, Begun, Ended, Mishap};
use crate::machine::JobName;
use crate::schedulers::{Continuous, Job, Policy};
use crate::service::Service;
use crate::signals::{Signals, number, unless_ignored};
use crate::time::{Clock, Instant, SystemClock, sleep_until};

/// Exit codes, as `timeout` and `env` have them.
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;
/// A command that a signal ended has this code and the signal's number.
const SIGNALLED: u8 = 128;
/// Signals that may wait until the command takes them.
const MOST_SIGNALS: usize = 64;
/// From one look at who leads to the next.
const GLANCE: Duration = Duration::from_millis(5);
/// Signals after which a command is not run again.
const ENDING: [Signal; 3] = [Signal::INT, Signal::QUIT, Signal::TERM];
/// What the system says when it has too little of something to start any program.
const SHORTAGES: [ErrorKind; 2] = [ErrorKind::OutOfMemory, ErrorKind::WouldBlock];

/// What to run, and when.
#[derive(Clone, Debug)]
pub struct Exec {
    /// While this process leads this job.
    pub job: JobName,
    /// The program, looked for in `PATH` if it is a bare name.
    pub program: OsString,
    /// What it is given.
    pub arguments: Vec<OsString>,
    /// The program whose `warden` command runs it: `/proc/self/exe`.
    pub warden: PathBuf,
    /// How long to wait for the job.
    pub wait: Wait,
    /// The command runs again when it has ended, and whenever this process leads again.
    pub restart: bool,
    /// The exit code if the job was not won, or was lost.
    pub lost: u8,
}

/// How long to wait for a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// For ever.
    Always,
    /// No longer than that.
    AtMost(Duration),
    /// Not if somebody else leads it.
    Never,
}

/// What comes after a run.
enum Then {
    Again,
    End(Result<u8, Failure>),
}

/// Runs the command. Its exit code, or that of the signal that ended it or the wait for it.
pub async fn exec(mut config: Config, exec: Exec) -> Result<u8, Failure> {
    let mut signals = Signals::listen(&unless_ignored())
        .map_err(|error| Failure::Other(format!("cannot listen to signals: {error}")))?;
    let (begin, mut begun) = mpsc::channel(1);
    let (pass_on, passed_on) = mpsc::channel(MOST_SIGNALS);
    config.jobs = vec![exec.job(begin, passed_on)];
    let asked = SystemClock.now();
    let mut service = tokio::select! {
        service = Service::start(&config) => service?,
        signal = signals.fatal() => return Ok(SIGNALLED + number(signal)),
        why = exec.give_up(asked, None) => return Err(exec.lost(why)),
    };
    let (handle, mut ran) = (service.handle.clone(), false);
    let end = loop {
        let Begun { run, mut ended } = tokio::select! {
            biased;
            Some(begun) = begun.recv() => begun,
            signal = signals.fatal() => break Ok(SIGNALLED + number(signal)),
            why = exec.give_up(asked, Some((&handle, config.timing.ttl))), if !ran => break Err(exec.lost(why)),
            failure = service.broken() => return Err(failure),
        };
        ran = true;
        let mut sent = Vec::new();
        let ended = loop {
            tokio::select! {
                ended = &mut ended => break ended.ok(),
                signal = signals.next() => {
                    // An error means that as many wait already, or that the run is over.
                    let _unsent = pass_on.try_send(signal);
                    if !sent.contains(&signal) {
                        sent.push(signal);
                    }
                }
                failure = service.broken() => return Err(failure),
            }
        };
        run.over().await;
        match exec.then(ended, &sent) {
            Then::Again => {}
            Then::End(end) => break end,
        }
    };
    tokio::select! {
        () = exec.part(&service, &config.name) => service.close().await,
        _ = signals.fatal() => {}
    }
    end
}

impl Exec {
    fn job(&self, begun: mpsc::Sender<Begun>, signals: mpsc::Receiver<Signal>) -> Job {
        let action = Attached {
            program: self.program.clone(),
            arguments: self.arguments.clone(),
            warden: Some(self.warden.clone()),
            begun,
            signals: Mutex::new(signals),
        };
        Job {
            name: self.job.clone(),
            schedule: Arc::new(Continuous),
            action: Arc::new(action),
            policy: Policy::default(),
        }
    }

    /// Returns, with the reason, when the wait is over that began at `asked`. As long as there is no
    /// instance, only the time counts.
    async fn give_up(&self, asked: Instant, instance: Option<(&Handle, Duration)>) -> String {
        let too_late = |waited| format!("this instance did not lead {} within {waited:?}", self.job);
        match (self.wait, instance) {
            (Wait::AtMost(wait), _) => {
                sleep_until(&SystemClock, asked + wait).await;
                too_late(wait)
            }
            // Nobody leads in a store that is new, not even for a while.
            (Wait::Never, Some((handle, failover))) => tokio::select! {
                leader = leader(handle) => format!("{leader} leads {}", self.job),
                () = sleep(failover * 2) => too_late(failover * 2),
            },
            (Wait::Always, _) | (Wait::Never, None) => std::future::pending().await,
        }
    }

    /// Gives the job up.
    async fn part(&self, service: &Service, node: &str) {
        let job = &self.job;
        match service.drain().await {
            Ok(()) => {}
            Err(failure) => tracing::warn!(
                event = "exec.kept", %job, node,
                "The lease of {job} could not be given up: {failure}"
            ),
        }
    }

    fn lost(&self, why: String) -> Failure {
        Failure::Exec { why, code: self.lost }
    }

    /// What comes after a run that ended so, or was cut off, and was sent these signals.
    fn then(&self, ended: Option<Ended>, sent: &[Signal]) -> Then {
        let job = &self.job;
        let status = match ended {
            Some(Ended { asked: false, how: Ok(status) }) => status,
            Some(Ended { how: Err(Mishap::Refused(kind, why)), .. }) => {
                return Then::End(Err(Failure::Exec { why, code: refused(kind) }));
            }
            Some(Ended { how: Err(Mishap::Unwatched(why)), .. }) => {
                return Then::End(Err(Failure::Other(why)));
            }
            Some(Ended { asked: true, how: Ok(_) } | Ended { how: Err(Mishap::Late), .. }) | None => {
                return if self.restart && !sent.iter().any(|signal| ENDING.contains(signal)) {
                    Then::Again
                } else {
                    let why = format!("this instance had to give {job} up, so its command was ended");
                    Then::End(Err(self.lost(why)))
                };
            }
        };
        let ends = |signal: &Signal| ENDING.contains(signal) || status.signal() == Some(signal.as_raw());
        if self.restart && !sent.iter().any(ends) { Then::Again } else { Then::End(Ok(code(status))) }
    }
}

/// The exit code of a command that ended so.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| Some(i32::from(SIGNALLED) + status.signal()?));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

/// The exit code for a program that cannot be started.
fn refused(kind: ErrorKind) -> u8 {
    if kind == ErrorKind::NotFound {
        NOT_FOUND
    } else if SHORTAGES.contains(&kind) {
        Failure::OF_EXEC
    } else {
        NOT_EXECUTABLE
    }
}

/// Waits until somebody else leads the job of the instance, and says who.
async fn leader(handle: &Handle) -> String {
    loop {
        if let Some(snapshot) = handle.snapshot().await
            && let Some(row) = snapshot.seats.first().map(|seat| &seat.row)
            && snapshot.members.iter().any(|(id, _)| Some(*id) == row.holder)
        {
            return row.leader.clone().unwrap_or_default();
        }
        sleep(GLANCE).await;
    }
}
