//! What scripts are for: a command that runs while this process leads, and the question whether a term
//! does.

use std::env;
use std::ffi::OsString;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use tenure::commands::check::check;
use tenure::config::{self, Source};
use tenure::exec::{Exec as Order, Wait, exec};
use tenure::failure::Failure;
use tenure::jobs::command::PREFIX;
use tenure::log::{Destination, Filter};
use tenure::machine::{JobName, Term};

use super::flags::Settings;
use super::{MYSELF, load, load_quietly, open, start_log, wait};

/// The exit code if the job was not won, or was lost: another time it may be otherwise.
const LOST: u8 = 75;
/// What is logged if nobody says otherwise. How a command that runs once ended is its exit code.
const LOG_ONCE: &str = "warn,tenure::schedulers=off";
const LOG_RESTARTED: &str = "warn";

#[derive(Debug, Args)]
pub(super) struct Exec {
    /// Which job; no file need have it
    job: JobName,
    /// How long to wait until it starts; for ever if not given
    #[arg(long, value_name = "DURATION", value_parser = config::duration)]
    wait: Option<Duration>,
    /// Do not wait if somebody else leads the job
    #[arg(long, conflicts_with = "wait")]
    no_wait: bool,
    /// Run it again when it ends, after a rest, and whenever this process leads again
    #[arg(long)]
    restart: bool,
    /// The exit code if the job was not won, or was lost
    #[arg(long, value_name = "N", default_value_t = LOST)]
    lost_exit_code: u8,
    #[command(flatten)]
    settings: Settings,
    /// What to run, and what it is given
    #[arg(required = true, last = true)]
    command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(super) struct Check {
    /// Which job; that of the command which asks if not given
    #[arg(long)]
    job: Option<JobName>,
    /// Which term; that of the command which asks if not given
    #[arg(long, value_name = "N", value_parser = term)]
    term: Option<Term>,
    #[command(flatten)]
    settings: Settings,
}

impl Exec {
    /// Runs the command, and returns its exit code.
    pub(super) fn run(self) -> Result<u8, Failure> {
        self.carry_out().map_err(Failure::of_exec)
    }

    fn carry_out(self) -> Result<u8, Failure> {
        let Self { job, wait: patience, no_wait, restart, lost_exit_code: lost, settings, command } = self;
        let mut config = load(&settings)?;
        let said = |key: &str| config.shown.iter().find(|shown| shown.key == key).map(|shown| &shown.source);
        // A variable is the command's: it may well listen there.
        let port_is_ours = matches!(said("port"), Some(Source::Flag(_)));
        if matches!(said("log"), Some(Source::Default)) {
            config.log =
                Filter::new(if restart { LOG_RESTARTED } else { LOG_ONCE }).map_err(Failure::Other)?;
        }
        if !port_is_ours {
            config.listen.set_port(0);
        }
        start_log(&config, Destination::Beside);
        let mut command = command.into_iter();
        let order = Order {
            job,
            program: command.next().unwrap_or_default(),
            arguments: command.collect(),
            warden: MYSELF.into(),
            wait: match patience {
                _ if no_wait => Wait::Never,
                Some(wait) => Wait::AtMost(wait),
                None => Wait::Always,
            },
            restart,
            lost,
        };
        wait(exec(config, order))
    }
}

impl Check {
    /// Ends well only if the term leads.
    pub(super) fn run(self) -> Result<(), Failure> {
        let job = given(self.job, "JOB", |text| JobName::from_str(text).map_err(|error| error.to_string()))?;
        let term = given(self.term, "TERM", term)?;
        let config = load_quietly(&self.settings)?;
        wait(async { Ok(check(&*open(&config).await?, &job, term).await?) })
    }
}

/// What the command line says, or else what a command is told of its run.
fn given<T>(
    flag: Option<T>,
    fact: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, Failure> {
    let fail = |why: &dyn Display| {
        let flag = fact.to_lowercase();
        Failure::Other(format!("give --{flag}, or run this where {PREFIX}{fact} is set: {why}"))
    };
    match (flag, env::var(format!("{PREFIX}{fact}"))) {
        (Some(value), _) => Ok(value),
        (None, Ok(text)) => parse(&text).map_err(|why| fail(&why)),
        (None, Err(error)) => Err(fail(&error)),
    }
}

fn term(text: &str) -> Result<Term, String> {
    let number: u64 = text.parse().map_err(|_| format!("\"{}\" is no term", text.escape_debug()))?;
    Term::try_from(number)
}
