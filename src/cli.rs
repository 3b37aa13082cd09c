//! The command line.

mod elections;
mod events;
mod exec;
mod flags;
mod jobs;
mod lab;
mod nodes;
mod sim;

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write};
use std::iter::once;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use rustix::process::{Resource, getrlimit};
use serde::Serialize;
use tenure::commands::nodes::nodes;
use tenure::commands::plan::plan;
use tenure::commands::status::status;
use tenure::commands::step_down::step_down;
use tenure::commands::why::why;
use tenure::config::{self, Config, ConfigError, Shown, Source, Surroundings};
use tenure::failure::Failure;
use tenure::jobs::command::warden;
use tenure::log::{self, Destination, Style};
use tenure::machine::JobName;
use tenure::prove::{self, Proof};
use tenure::stores::{self, Place};
use tenure::time::{Clock, SystemClock, Wall};

use events::Events;
use exec::{Check, Exec};
use flags::Settings;
use jobs::Jobs;
use lab::{Lab, LabNode};
use nodes::Node;
use sim::Sim;

/// Most instances of one `tenure prove`.
const MOST_INSTANCES: u16 = 100;
/// Most jobs of one `tenure prove`.
const MOST_PROVED: u16 = 1000;
/// The exit code for a command line that cannot be understood.
const MISUSED: u8 = 2;
/// How long a request of a command may take at least: no lease hangs on it.
const PATIENCE: Duration = Duration::from_secs(5);
/// Fewest files that this process must be allowed to open: its store's, its log's, and a few callers'.
const FEWEST_FILES: u64 = 32;
/// How long requests that nobody waits for any more may take to end.
const LAST_MOMENT: Duration = Duration::from_millis(100);
/// This program, even if its file was replaced since it started.
const MYSELF: &str = "/proc/self/exe";

/// One leader per job, on the datastore you already have.
///
/// Without a command, `tenure` runs an instance.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run an instance: it leads jobs, or stands by
    Run(Settings),
    /// Show who leads which job
    Status(Shape),
    /// Look at jobs, at what became of their due times, and order something of them
    #[command(subcommand)]
    Jobs(Jobs),
    /// Say what a changed configuration will fire and what not, before it is applied
    Plan(Shape),
    /// Say why a job did or did not run
    Why(Why),
    /// Show the instances
    Nodes(Shape),
    Events(Events),
    /// Have an instance give up all that it leads and lead nothing, while its process goes on
    Drain(Node),
    /// Have a drained instance take part again
    Undrain(Node),
    /// Ask the leader of a job to give it to another instance
    StepDown(StepDown),
    /// Run a command only while this process leads a job
    Exec(Exec),
    /// End well only if a term leads its job
    Check(Check),
    /// Try the store, run instances on it, hurt them, and check that no job ever has two leaders
    Prove(Prove),
    /// Run simulated instances in simulated worlds, one for each seed
    Sim(Sim),
    /// Run one node of an election laboratory
    Node(LabNode),
    /// Run an election laboratory: nodes as processes on this machine, and a page to watch and hurt them
    #[command(subcommand)]
    Lab(Lab),
    /// Check or show the configuration
    #[command(subcommand)]
    Config(Look),
    /// Run the command of a job for an instance, which tells it until when
    #[command(hide = true)]
    Warden(Ward),
}

#[derive(Debug, Subcommand)]
enum Look {
    /// Say whether it is good, or everything that is wrong with it
    Check(Settings),
    /// Print every value and where it comes from
    Show(Shape),
    /// Print the JSON Schema of the file, for editors and checks
    Schema,
}

#[derive(Debug, Args)]
struct Why {
    /// Which job
    job: JobName,
    /// At which time; now if not given
    #[arg(long, value_name = "TIME", value_parser = config::moment)]
    at: Option<Wall>,
    #[command(flatten)]
    shape: Shape,
}

#[derive(Debug, Args)]
struct Shape {
    /// For people, or for programs
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    Table,
    Json,
}

#[derive(Debug, Args)]
struct StepDown {
    /// The job to give away
    job: JobName,
    /// The instance that shall lead it, by name; any other one if not given
    #[arg(long, value_name = "NODE")]
    to: Option<String>,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Args)]
struct Ward {
    #[arg(long)]
    dir: Option<PathBuf>,
    #[arg(required = true, last = true)]
    command: Vec<OsString>,
}

#[derive(Debug, Args)]
struct Prove {
    /// How long the instances run; before them, clients try the store for a sixth of it
    #[arg(long = "for", value_name = "DURATION", default_value = "60s", value_parser = config::duration)]
    duration: Duration,
    /// How many instances
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=i64::from(MOST_INSTANCES)))]
    instances: u16,
    /// How many jobs
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u16).range(1..=i64::from(MOST_PROVED)))]
    jobs: u16,
    /// What the faults are drawn from; drawn itself if not given
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
    /// For people, or for programs
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    settings: Settings,
}

impl Cli {
    /// Does what was asked. The exit code of what went well.
    pub(crate) fn run(self) -> Result<u8, Failure> {
        let done = match self.command.unwrap_or(Command::Run(self.settings)) {
            Command::Exec(exec) => return exec.run(),
            Command::Check(check) => check.run(),
            Command::Run(settings) => {
                let config = load(&settings)?;
                start_log(&config, Destination::Stdout);
                wait(tenure::run::run(config, Arc::new(move || read(&settings))))
            }
            Command::Status(shape) => {
                shape.show(async |store, config| Ok(status(store, &config.cluster, &SystemClock).await?))
            }
            Command::Jobs(jobs) => jobs.run(),
            Command::Plan(shape) => {
                shape.show(async |store, config| Ok(plan(store, &config.jobs, SystemClock.wall()).await?))
            }
            Command::Nodes(shape) => shape.show(async |store, _| Ok(nodes(store).await?)),
            Command::Why(Why { job, at, shape }) => {
                let now = SystemClock.wall();
                let at = at.unwrap_or(now);
                if at > now {
                    let message =
                        format!("{at} is yet to come: `tenure jobs next` shows what is due by then");
                    return Err(Failure::Other(message));
                }
                shape.show(async |store, _| Ok(why(store, &job, at).await?))
            }
            Command::Events(events) => events.run(),
            Command::Drain(node) => node.drain(),
            Command::Undrain(node) => node.undrain(),
            Command::StepDown(StepDown { job, to, settings }) => {
                let config = load_quietly(&settings)?;
                let moved = wait(async {
                    let store = open(&config).await?;
                    Ok(step_down(&*store, config.timing.ttl, &job, to.as_deref()).await?)
                })?;
                print(&moved.to_string())
            }
            Command::Prove(Prove { duration, instances, jobs, seed, output, settings }) => {
                let config = load(&settings)?;
                if config.shown.iter().any(|shown| shown.key == "log" && shown.source != Source::Default) {
                    start_log(&config, Destination::Stderr);
                }
                let seed = seed.unwrap_or_else(|| fastrand::u64(..));
                let proof = Proof { duration, instances, jobs, failover: config.timing.ttl, seed };
                let report = wait(async { Ok(prove::prove(opener(&config, seed), proof).await?) })?;
                match output {
                    Output::Table => print(&report.to_string())?,
                    Output::Json => print(&serde_json::json!(report).to_string())?,
                }
                if report.holds() { Ok(()) } else { Err(Failure::Other("the proof failed".to_owned())) }
            }
            Command::Sim(sim) => sim.run(),
            Command::Node(node) => node.run(),
            Command::Lab(lab) => lab.run(),
            Command::Warden(Ward { dir, command }) => wait(async {
                let guarded = warden::guard(dir, command).await;
                guarded.map_err(|error| Failure::Other(format!("only `tenure run` starts a warden: {error}")))
            }),
            Command::Config(Look::Check(settings)) => print(&check(&load(&settings)?)),
            Command::Config(Look::Schema) => print(&format!("{:#}", config::schema())),
            Command::Config(Look::Show(Shape { output, settings })) => {
                let shown = load(&settings)?.shown;
                match output {
                    Output::Table => print(&table(&shown)),
                    Output::Json => print(&json(&shown)),
                }
            }
        };
        done.map(|()| 0)
    }
}

/// Says what is wrong with the command line, or what it asked about itself. The exit code for that.
pub(crate) fn refuse(error: &clap::Error) -> u8 {
    // A reader that has seen enough is no failure.
    drop(error.print());
    let of_exec = std::env::args_os().nth(1).is_some_and(|command| command == "exec");
    match error.use_stderr() {
        true if of_exec => Failure::OF_EXEC,
        true => MISUSED,
        false => 0,
    }
}

impl Shape {
    /// Prints what a look at the configured store finds.
    fn show<T: Display + Serialize>(
        &self,
        look: impl AsyncFnOnce(&dyn stores::Store, &Config) -> Result<T, Failure>,
    ) -> Result<(), Failure> {
        let config = load_quietly(&self.settings)?;
        let found = wait(async { look(&*open(&config).await?, &config).await })?;
        match self.output {
            Output::Table => print(&found.to_string()),
            Output::Json => print(&serde_json::json!(found).to_string()),
        }
    }
}

fn load(settings: &Settings) -> Result<Config, Failure> {
    Ok(read(settings)?)
}

fn read(settings: &Settings) -> Result<Config, ConfigError> {
    let env = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    let variables: Vec<_> =
        std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned()).collect();
    Config::load(&Surroundings {
        flags: &settings.0,
        env: &env,
        variables: &variables,
        read: &config::read_file,
        warden: Some(Path::new(MYSELF)),
    })
}

/// For a command whose result goes to standard output, so that its log must not.
fn load_quietly(settings: &Settings) -> Result<Config, Failure> {
    let config = load(settings)?;
    start_log(&config, Destination::Stderr);
    Ok(config)
}

fn start_log(config: &Config, to: Destination) {
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let style = Style {
        format: config.log_format,
        application: config.application.clone(),
        environment: config.stage.clone(),
        colour: to.likes_colour(no_colour),
    };
    log::init(style, &config.log, Arc::new(SystemClock), to);
    for warning in &config.warnings {
        tracing::warn!(
            event = "config.strange",
            reason = warning,
            "Something in the environment may be a mistake: {warning}"
        );
    }
}

/// Runs `work` to its end, and whatever it left behind for one more moment. On this thread alone:
/// nothing here computes for long, and one thread's memory is half of what two threads keep.
fn wait<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    if let Some(most) = getrlimit(Resource::Nofile).current.filter(|most| *most < FEWEST_FILES) {
        return Err(Failure::Other(format!(
            "this process may open {most} files and needs {FEWEST_FILES}: raise the limit (ulimit -n, LimitNOFILE=)"
        )));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Other(format!("the system gives this process no threads: {error}")))?;
    let result = runtime.block_on(work);
    runtime.shutdown_timeout(LAST_MOMENT);
    result
}

async fn open(config: &Config) -> Result<Arc<dyn stores::Store>, Failure> {
    Ok(stores::visit(&config.store, &config.cluster, config.timing.request.max(PATIENCE)).await?)
}

/// Opens the configured store for rows that are nobody's but the proof's.
fn opener(config: &Config, seed: u64) -> prove::Opener {
    let (store, cluster) = (config.store.clone(), format!("prove-{seed:016x}"));
    let memory = Arc::new(stores::memory::Memory::new());
    Arc::new(move |deadline| {
        let (store, cluster, memory) = (store.clone(), cluster.clone(), Arc::clone(&memory));
        Box::pin(async move {
            if store == Place::Memory {
                // Its instances must share it.
                let shared: Arc<dyn stores::Store> = memory;
                return Ok(shared);
            }
            stores::open(&store, &cluster, deadline).await
        })
    })
}

/// Prints a result. A reader that has seen enough and closed the pipe is no failure.
fn print(text: &str) -> Result<(), Failure> {
    let mut text = text.trim_end().to_owned();
    text.push('\n');
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Other(format!("cannot write to standard output: {error}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn check(config: &Config) -> String {
    let jobs = match config.jobs.len() {
        1 => "1 job".to_owned(),
        count => format!("{count} jobs"),
    };
    let failover = config.timing.ttl;
    let good = format!("The configuration is good: {jobs}, failover {failover:?}, {}.", config.store);
    let warnings = config.warnings.iter().map(|warning| format!("But {warning}."));
    once(good).chain(warnings).collect::<Vec<_>>().join("\n")
}

fn table(shown: &[Shown]) -> String {
    let row = |one: &Shown| [log::one_line(&one.key).into_owned(), log::one_line(&one.value).into_owned()];
    let rows: Vec<_> = shown.iter().map(row).collect();
    let [keys, values] =
        [0, 1].map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let line = |([key, value], one): (&[String; 2], &Shown)| {
        format!("{key:keys$}  {value:values$}  {}\n", one.source)
    };
    rows.iter().zip(shown).map(line).collect()
}

fn json(shown: &[Shown]) -> String {
    let object = |one: &Shown| serde_json::json!({ "key": one.key, "value": one.value, "source": one.source.to_string() });
    shown.iter().map(object).collect::<serde_json::Value>().to_string()
}
