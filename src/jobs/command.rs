//! Runs a program: no shell, a process group of its own, nothing on its standard input.
//!
//! What it writes becomes log lines. When it is asked to end it gets a `SIGTERM`, and when the run is
//! cut off a `SIGKILL`, each with all that it started; whatever it left behind when it ended is killed
//! too. It has done its work when it exits with 0, even after it was asked to end.
//!
//! With a [`warden`] that holds even if the instance is killed or stops. A program that uses this as a
//! library may do without one: then it holds as long as the instance runs, and a command that left its
//! process group is not found.

#[cfg(feature = "program")]
mod attached;
mod leash;
mod lines;
mod output;
pub mod warden;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{ErrorKind, pipe};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::timeout;

#[cfg(feature = "program")]
pub(crate) use self::attached::{Attached, Begun, Ended};
pub(crate) use self::leash::Mishap;
use self::leash::{Leash, Plan};
pub use self::lines::LONGEST_LINE;
use self::lines::Lines;
use self::output::Output;
use super::{Action, JobError, Run, Work};
use crate::secret::{Secrets, Value, read_env};

/// How long what a command wrote may take to be read after its end: something that nobody can kill
/// may hold the pipe.
const LAST_READ: Duration = Duration::from_secs(2);
const ADVICE: [(ErrorKind, &str); 3] = [
    (ErrorKind::NotFound, "it was not found: install it, or write its whole path"),
    (ErrorKind::PermissionDenied, "it is not executable, or not for this user: chmod +x it"),
    (ErrorKind::ArgumentListTooLong, "its arguments and its environment are too long: put them into a file"),
];
/// What the names of the variables begin with that tell a command of its run.
pub const PREFIX: &str = "TENURE_";

/// A job that runs a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The program, looked for in `PATH` if it is a bare name.
    pub program: PathBuf,
    /// What it is given.
    pub arguments: Vec<String>,
    /// Where it runs; where the instance does if not given.
    pub dir: Option<PathBuf>,
    /// Variables beside those of the instance and those of the run.
    pub env: BTreeMap<String, Value>,
    /// A file with more of them, all of them secret.
    pub env_file: Option<PathBuf>,
    /// How many bytes of what it writes are logged in a minute.
    pub output: usize,
    /// The program whose `warden` command runs it: in `tenure` its own, `/proc/self/exe`.
    pub warden: Option<PathBuf>,
}

impl Action for Command {
    fn run<'a>(&'a self, run: &'a Run) -> Work<'a> {
        Box::pin(self.carry_out(run))
    }
}

impl Command {
    /// How many bytes are logged in a minute unless somebody says otherwise.
    pub const OUTPUT: usize = 1 << 20;

    /// A command without anything special.
    pub fn new(program: impl Into<PathBuf>, arguments: Vec<String>) -> Self {
        Self {
            program: program.into(),
            arguments,
            dir: None,
            env: BTreeMap::new(),
            env_file: None,
            output: Self::OUTPUT,
            warden: None,
        }
    }

    async fn carry_out(&self, run: &Run) -> Result<(), JobError> {
        let mut secrets = Secrets::default();
        let env = self.environment(run, &mut secrets).await.map_err(JobError::Failed)?;
        let mut lifeline = run.lifeline.clone();
        let last = lifeline.last_moment().ok_or(JobError::Interrupted)?;
        let broken = |error| JobError::Failed(format!("it cannot be listened to: {error}"));
        let ((out, stdout), (err, stderr)) = (pipe().map_err(broken)?, pipe().map_err(broken)?);
        let plan = Plan {
            program: self.program.as_os_str(),
            arguments: self.arguments.iter().map(OsStr::new).collect(),
            dir: self.dir.as_deref(),
            env,
            input: None,
            output: [stdout.into(), stderr.into()],
            warden: self.warden.as_deref(),
            last,
            remains: run.remains(),
        };
        let mut leash = Leash::start(plan)?;
        let output = Output::new(run, Lines::new(secrets, self.output), [out, err]);
        let mut output = output.map_err(broken)?;
        let (mut asked, mut silent) = (false, false);
        let ended = loop {
            tokio::select! {
                ended = leash.ended() => break ended,
                () = output.pump(), if !silent => silent = true,
                () = run.asked_to_end(), if !asked => {
                    asked = true;
                    leash.send(Signal::TERM);
                }
                () = lifeline.moved() => if let Some(last) = lifeline.last_moment() {
                    leash.renew(last);
                }
            }
        };
        // Too late for somebody is too late for all.
        drop(timeout(LAST_READ, output.pump()).await);
        output.finish();
        match judge(ended) {
            Err(JobError::Exited(_) | JobError::Failed(_)) if asked => Err(JobError::Interrupted),
            judged => judged,
        }
    }

    /// What is added to the environment of the instance.
    async fn environment(&self, run: &Run, secrets: &mut Secrets) -> Result<Vec<(String, String)>, String> {
        let mut env = match &self.env_file {
            Some(path) => read_env(path, secrets).await?,
            None => Vec::new(),
        };
        for (name, value) in &self.env {
            env.push((name.clone(), value.read(secrets).await?));
        }
        env.extend(run.facts().map(|(name, value)| (format!("{PREFIX}{name}"), value)));
        Ok(env)
    }
}

fn judge(ended: Result<ExitStatus, Mishap>) -> Result<(), JobError> {
    let status = ended?;
    match status.code() {
        Some(0) => Ok(()),
        Some(code) => Err(JobError::Exited(code)),
        None => Err(JobError::Failed(format!("killed by {status}").replacen("signal: ", "signal ", 1))),
    }
}

impl From<Mishap> for JobError {
    fn from(mishap: Mishap) -> Self {
        match mishap {
            Mishap::Refused(_, why) | Mishap::Unwatched(why) => Self::Failed(why),
            Mishap::Late => Self::Interrupted,
        }
    }
}

/// Why a program could not be started, and what to do about it.
fn why_not(program: &Path, dir: Option<&Path>, error: &std::io::Error) -> String {
    if let Some(dir) = dir.filter(|dir| !dir.is_dir()) {
        return format!("{} is not a folder that it could run in: make it, or name another", dir.display());
    }
    let advice = ADVICE.iter().find(|(kind, _)| *kind == error.kind());
    let advice = advice.map_or("it could not be started", |(_, advice)| advice);
    format!("{}: {advice} ({error})", program.display())
}
