//! A command that runs, and the way to end it. Whoever drops it kills what it holds.

use std::io::{self, PipeReader, pipe};
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::warden::{Line, Told};
use super::why_not;
use crate::jobs::JobError;
use crate::time::Instant;

/// What to start.
pub(super) struct Plan<'a> {
    pub(super) program: &'a Path,
    pub(super) arguments: &'a [String],
    pub(super) dir: Option<&'a Path>,
    pub(super) env: Vec<(String, String)>,
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

impl Leash {
    /// Starts a command. What it writes comes out of the pipes.
    pub(super) fn start(plan: Plan<'_>) -> Result<(Self, [PipeReader; 2]), JobError> {
        // What the warden starts, the warden explains.
        let (program, dir) = plan.warden.map_or((plan.program, plan.dir), |warden| (warden, None));
        Self::spawn(plan).map_err(|error| JobError::Failed(why_not(program, dir, &error)))
    }

    fn spawn(plan: Plan<'_>) -> io::Result<(Self, [PipeReader; 2])> {
        let ((out, stdout), (err, stderr)) = (pipe()?, pipe()?);
        let (mut command, line) = match plan.warden {
            None => {
                let mut command = Command::new(plan.program);
                command.stdin(Stdio::null());
                plan.dir.map(|dir| command.current_dir(dir));
                (command, None)
            }
            Some(warden) => {
                let (line, stdin) = Line::new()?;
                line.renew(plan.last);
                let mut command = Command::new(warden);
                command.arg0("tenure").arg("warden").stdin(stdin);
                plan.dir.map(|dir| command.arg("--dir").arg(dir));
                command.arg("--").arg(plan.program);
                (command, Some(line))
            }
        };
        command.args(plan.arguments).envs(plan.env).stdout(stdout).stderr(stderr).process_group(0);
        let child = command.spawn()?;
        let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let pid = pid.unwrap_or_else(|| unreachable!("a child that nobody waited for has an id"));
        Ok((Self { child: Some(child), pid, line, remains: plan.remains }, [out, err]))
    }

    /// Asks it to end.
    pub(super) fn ask_to_end(&self) {
        if self.child.is_some() {
            let _gone = kill_process_group(self.pid, Signal::TERM);
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
    pub(super) async fn ended(&mut self) -> Result<(), JobError> {
        let Some(child) = &mut self.child else { unreachable!("nothing ends twice") };
        let status = child.wait().await;
        self.child = None;
        let status = status.map_err(|error| JobError::Failed(format!("cannot be waited for: {error}")))?;
        match self.line.as_ref().map(Line::told) {
            None => {
                kill(self.pid);
                judge(status)
            }
            Some(Told::Ended(status)) => judge(status),
            Some(Told::Refused(why)) => Err(JobError::Failed(why)),
            // It had no time left.
            Some(Told::Started(_) | Told::Nothing) if status.success() => Err(JobError::Interrupted),
            Some(told) => {
                if let Told::Started(group) = told {
                    kill(group);
                }
                Err(JobError::Failed(format!("its warden ended with {status}; the job was killed")))
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
            Some(Told::Nothing | Told::Refused(_) | Told::Ended(_)) => {}
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

fn judge(status: ExitStatus) -> Result<(), JobError> {
    match status.code() {
        Some(0) => Ok(()),
        Some(code) => Err(JobError::Exited(code)),
        None => Err(JobError::Failed(format!("killed by {status}").replacen("signal: ", "signal ", 1))),
    }
}
