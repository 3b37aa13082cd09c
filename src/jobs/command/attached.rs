//! A command that has the streams of this process: what it reads, and what it writes, is its own.
//!
//! Whoever started this process takes it for the command, so they are told how it ended, and can send
//! it signals. Otherwise it is a command like any other, under a warden, and ends with the lease.

use std::ffi::{OsStr, OsString};
use std::io::stdin;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use rustix::process::Signal;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::leash::{Leash, Mishap, Plan};
use super::{PREFIX, judge};
use crate::jobs::{Action, JobError, Run, Work};

/// What a command is told of its run: there is nothing that it was due for, nor a second attempt.
const FACTS: [&str; 5] = ["JOB", "TERM", "RUN", "NODE", "DEADLINE"];

/// A job that runs a program with the streams of this process.
#[derive(Debug)]
pub(crate) struct Attached {
    /// The program, looked for in `PATH` if it is a bare name.
    pub(crate) program: OsString,
    /// What it is given.
    pub(crate) arguments: Vec<OsString>,
    /// The program whose `warden` command runs it.
    pub(crate) warden: Option<PathBuf>,
    /// Who is told of each run.
    pub(crate) begun: mpsc::Sender<Begun>,
    /// What it shall be sent.
    pub(crate) signals: Mutex<mpsc::Receiver<Signal>>,
}

/// A run that has begun.
#[derive(Debug)]
pub(crate) struct Begun {
    /// Which.
    pub(crate) run: Run,
    /// How it ends; it breaks when the run is cut off.
    pub(crate) ended: oneshot::Receiver<Ended>,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The job had to leave, so it was asked to.
    pub(crate) asked: bool,
    /// How, as far as anybody can say.
    pub(crate) how: Result<ExitStatus, Mishap>,
}

impl Action for Attached {
    fn run<'a>(&'a self, run: &'a Run) -> Work<'a> {
        Box::pin(self.carry_out(run))
    }
}

impl Attached {
    async fn carry_out(&self, run: &Run) -> Result<(), JobError> {
        let (tell, ended) = oneshot::channel();
        // An error, here and below, means that nobody wants to know any more.
        drop(self.begun.send(Begun { run: run.clone(), ended }).await);
        let mut asked = false;
        let how = self.carry_on(run, &mut asked).await;
        drop(tell.send(Ended { asked, how: how.clone() }));
        match judge(how) {
            Err(JobError::Exited(_) | JobError::Failed(_)) if asked => Err(JobError::Interrupted),
            judged => judged,
        }
    }

    async fn carry_on(&self, run: &Run, asked: &mut bool) -> Result<ExitStatus, Mishap> {
        let (mut lifeline, mut signals) = (run.lifeline.clone(), self.signals.lock().await);
        let facts = run.facts().into_iter().filter(|(name, _)| FACTS.contains(name));
        let stdin = stdin();
        let mut leash = Leash::start(Plan {
            program: &self.program,
            arguments: self.arguments.iter().map(OsString::as_os_str).collect::<Vec<&OsStr>>(),
            dir: None,
            env: facts.map(|(name, value)| (format!("{PREFIX}{name}"), value)).collect(),
            input: Some(stdin.as_fd()),
            output: [Stdio::inherit(), Stdio::inherit()],
            warden: self.warden.as_deref(),
            last: lifeline.last_moment().ok_or(Mishap::Late)?,
            remains: run.remains(),
        })?;
        loop {
            tokio::select! {
                ended = leash.ended() => return ended,
                () = run.asked_to_end(), if !*asked => {
                    *asked = true;
                    leash.send(Signal::TERM);
                }
                Some(signal) = signals.recv() => leash.send(signal),
                () = lifeline.moved() => if let Some(last) = lifeline.last_moment() {
                    leash.renew(last);
                }
            }
        }
    }
}
