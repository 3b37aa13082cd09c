//! What is looked at and ordered of jobs.

use clap::{Args, Subcommand};
use tenure::commands::history::history;
use tenure::commands::next::{explain, next};
use tenure::commands::order::{Order, order};
use tenure::commands::show::show;
use tenure::commands::status::status;
use tenure::config::{self, Config};
use tenure::failure::Failure;
use tenure::machine::JobName;
use tenure::schedulers::Schedule;
use tenure::schedulers::policy::MOST_KEPT;
use tenure::time::{Clock, SystemClock, Wall};

use super::flags::Settings;
use super::{Shape, load_quietly, open, print, wait};

/// Most due times of one `tenure jobs next`.
const MOST_NEXT: usize = 1000;

#[derive(Debug, Subcommand)]
pub(super) enum Jobs {
    /// Show who leads which job, like `tenure status`
    List(Shape),
    /// Show everything about one job
    Show(One),
    /// Show what became of a job's due times, the newest first
    History(History),
    /// Show when a job is due next
    Next(Next),
    /// Let nothing of a job start by its schedule; what runs goes on
    Pause(Target),
    /// Go on after a pause; what was due meanwhile is skipped
    Resume(Target),
    /// Leave out the next due time of a job
    SkipNext(Target),
    /// Run a job once though it is not due
    Run(Target),
    /// Answer for a job that is held because its leader vanished during a run
    Ack(Ack),
}

#[derive(Debug, Args)]
pub(super) struct Target {
    /// Which job
    job: JobName,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Args)]
pub(super) struct One {
    /// Which job
    job: JobName,
    #[command(flatten)]
    shape: Shape,
}

#[derive(Debug, Args)]
pub(super) struct Ack {
    #[command(flatten)]
    target: Target,
    /// Run it again; otherwise it is left as it is
    #[arg(long)]
    rerun: bool,
}

#[derive(Debug, Args)]
pub(super) struct History {
    /// Which job
    job: JobName,
    /// How many accounts
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20, value_parser = at_most(MOST_KEPT))]
    most: usize,
    /// Only of what was due before that
    #[arg(long, value_name = "TIME", value_parser = config::moment)]
    before: Option<Wall>,
    #[command(flatten)]
    shape: Shape,
}

#[derive(Debug, Args)]
pub(super) struct Next {
    /// Which job
    job: JobName,
    /// How many due times
    #[arg(short = 'n', long, value_name = "N", default_value_t = 5, value_parser = at_most(MOST_NEXT))]
    most: usize,
    /// Say which of them a change of the clocks moves, leaves out or doubles, and why
    #[arg(long)]
    explain_dst: bool,
    #[command(flatten)]
    shape: Shape,
}

impl Jobs {
    /// Does what was asked.
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::List(shape) => {
                shape.show(async |store, config| Ok(status(store, &config.cluster, &SystemClock).await?))
            }
            Self::History(History { job, most, before, shape }) => {
                shape.show(async |store, _| Ok(history(store, &job, before, most).await?))
            }
            Self::Show(One { job, shape }) => shape.show(async |store, config| {
                let known = config.jobs.iter().find(|known| known.name == job);
                Ok(show(store, &job, known, SystemClock.wall()).await?)
            }),
            Self::Next(Next { job, most, explain_dst: true, shape }) => shape.show(async |_, config| {
                let schedule = schedule(config, &job)?;
                let unmoved = || {
                    let words = schedule.in_words();
                    Failure::Other(format!("{job} is due {words}: no change of clocks moves that"))
                };
                explain(&job, schedule, SystemClock.wall(), most).ok_or_else(unmoved)
            }),
            Self::Next(Next { job, most, explain_dst: false, shape }) => shape.show(async |store, config| {
                Ok(next(store, &job, schedule(config, &job)?, SystemClock.wall(), most).await?)
            }),
            Self::Pause(target) => target.order(Order::Pause),
            Self::Resume(target) => target.order(Order::Resume),
            Self::SkipNext(target) => target.order(Order::Skip),
            Self::Run(target) => target.order(Order::Run),
            Self::Ack(Ack { target, rerun }) => target.order(if rerun { Order::Rerun } else { Order::Leave }),
        }
    }
}

impl Target {
    /// Gives an order for the job, in the configured store.
    fn order(self, what: Order) -> Result<(), Failure> {
        let config = load_quietly(&self.settings)?;
        let ordered = wait(async {
            let store = open(&config).await?;
            Ok(order(&*store, &self.job, what, SystemClock.wall()).await?)
        })?;
        print(&ordered.to_string())
    }
}

/// The schedule of a job of the configuration.
fn schedule<'a>(config: &'a Config, job: &JobName) -> Result<&'a dyn Schedule, Failure> {
    let known = config.jobs.iter().find(|known| known.name == *job);
    let unknown = || Failure::Other(format!("this configuration has no job {job}, only the store may"));
    Ok(&*known.ok_or_else(unknown)?.schedule)
}

/// From one on, and no more than that.
fn at_most(most: usize) -> impl Fn(&str) -> Result<usize, String> + Clone {
    move |text| match text.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => Err(format!("give a number from 1 to {most}")),
    }
}
