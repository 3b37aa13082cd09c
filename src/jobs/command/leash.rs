//! A command that runs, and the way to end it. Whoever drops it kills what it holds.

use std::ffi::OsStr;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::warden::{Line, Told};
use super::why_not;
use crate::time::Instant;

/// What to start.
pub(super) struct Plan<'a> {
    pub(super) program: &'a OsStr,
    pub(super) arguments: Vec<&'a OsStr>,
    pub(super) dir: Option<&'a Path>,
    pub(super) env: Vec<(String, String)>,
    /// What it reads from; nothing if not given.
    pub(super) input: Option<BorrowedFd<'a>>,
    /// Where what it writes goes: its output, and its errors.
    pub(super) output: [Stdio; 2],
    /// The program whose `warden` command it shall be started by, if any.
    pub(super) warden: Option<&'a Path>,
    /// Until when it may run.
    pub(super) last: Instant,
    /// Keeps the run from being over.
    pub(super) remains: watch::Receiver<()>,
}

/// A command that runs.
#[derive(Debug)]
pub(super) struct Leash {
    /// The command, or its warden, alone in a process group or at the head of one; `None` when it has
    /// ended.
    child: Option<Child>,
    pid: Pid,
    /// The way to the warden.
    line: Option<Line>,
    /// What the run waits for.
    remains: watch::Receiver<()>,
}

/// Why nobody can say how a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// It could not be started.
    Refused(io::ErrorKind, String),
    /// It had no time left.
    Late,
    /// It was killed, because who watched over it cannot do so any more.
    Unwatched(String),
}

impl Leash {
    /// Starts a command.
    pub(super) fn start(plan: Plan<'_>) -> Result<Self, Mishap> {
        let Plan { program, dir, warden, .. } = plan;
        Self::spawn(plan).map_err(|error| match warden {
            None => Mishap::Refused(error.kind(), why_not(Path::new(program), dir, &error)),
            // What the warden starts, the warden explains.
            Some(warden) => Mishap::Unwatched(why_not(warden, None, &error)),
        })
    }

    fn spawn(plan: Plan<'_>) -> io::Result<Self> {
        let (mut command, line) = match plan.warden {
            None => {
                let mut command = Command::new(plan.program);
                let input = plan.input.map(|input| input.try_clone_to_owned()).transpose()?;
                command.stdin(input.map_or_else(Stdio::null, Stdio::from));
                plan.dir.map(|dir| command.current_dir(dir));
                (command, None)
            }
            Some(warden) => {
                let (line, stdin) = Line::new(plan.last, plan.input)?;
                let mut command = Command::new(warden);
                command.arg0("tenure").arg("warden").stdin(stdin);
                plan.dir.map(|dir| command.arg("--dir").arg(dir));
                command.arg("--").arg(plan.program);
                (command, Some(line))
            }
        };
        let [output, errors] = plan.output;
        command.args(plan.arguments).envs(plan.env).stdout(output).stderr(errors).process_group(0);
        let child = command.spawn()?;
        let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let pid = pid.unwrap_or_else(|| unreachable!("a child that nobody waited for has an id"));
        Ok(Self { child: Some(child), pid, line, remains: plan.remains })
    }

    /// Sends it a signal, with all in its process group.
    pub(super) fn send(&self, signal: Signal) {
        match &self.line {
            Some(line) => line.send(signal),
            None if self.child.is_some() => drop(kill_process_group(self.pid, signal)),
            None => {}
        }
    }

    /// Lets it run until `last`.
    pub(super) fn renew(&self, last: Instant) {
        if let Some(line) = &self.line {
            line.renew(last);
        }
    }

    /// Waits, once, until it has ended, and ends what it left behind. Nothing is lost when it is not
    /// waited for.
    pub(super) async fn ended(&mut self) -> Result<ExitStatus, Mishap> {
        let Some(child) = &mut self.child else { unreachable!("nothing ends twice") };
        let status = child.wait().await;
        self.child = None;
        let status =
            status.map_err(|error| Mishap::Unwatched(format!("it cannot be waited for: {error}")))?;
        match self.line.as_ref().map(Line::told) {
            None => {
                kill(self.pid);
                Ok(status)
            }
            Some(Told::Ended(status)) => Ok(status),
            Some(Told::Refused(kind, why)) => Err(Mishap::Refused(kind, why)),
            Some(Told::Started(_) | Told::Nothing) if status.success() => Err(Mishap::Late),
            Some(told) => {
                if let Told::Started(group) = told {
                    kill(group);
                }
                Err(Mishap::Unwatched(format!("its warden ended with {status}; the job was killed")))
            }
        }
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        // After it has ended its number may be somebody else's.
        let Some(mut child) = self.child.take() else { return };
        // A warden finds more, when the line closes, but may be a little late.
        match self.line.as_ref().map(Line::told) {
            None => kill(self.pid),
            Some(Told::Started(group)) => kill(group),
            Some(Told::Nothing | Told::Refused(..) | Told::Ended(_)) => {}
        }
        self.line = None;
        let remains = self.remains.clone();
        // Without a runtime nobody waits for the run either.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                let _ended = child.wait().await;
                drop(remains);
            });
        }
    }
}

fn kill(group: Pid) {
    let _empty = kill_process_group(group, Signal::KILL);
}
