//! The command line of the election laboratory.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use tenure::config;
use tenure::elections::ring::Mode;
use tenure::elections::{NodeId, Timing};
use tenure::failure::Failure;
use tenure::lab::LabError;
use tenure::lab::controller::{self, Controller};
use tenure::lab::members::Members;
use tenure::lab::node::{self, Node};
use tenure::lab::replay::{self, Replay};
use tenure::log::{self, Destination, Filter, Format, Style};
use tenure::sim::elections::Algorithm;
use tenure::time::SystemClock;

use super::{MYSELF, print, wait};

/// Where a controller is if nobody says otherwise: where two generations of such programs were.
const CONTROLLER: [&str; 2] = ["127.0.0.1:8005", "127.0.0.1:4711"];
const CONTROLLER_URL: &str = "http://127.0.0.1:8005";

#[derive(Debug, Args)]
pub(crate) struct LabNode {
    /// Which election
    #[arg(long, value_name = "ALGORITHM")]
    election: Algorithm,
    #[command(flatten)]
    common: Common,
    /// Which node of the file, by its place there
    #[arg(long, value_name = "N", required_unless_present = "address")]
    id: Option<u16>,
    /// Which node of the file, by its address
    #[arg(long, value_name = "IP:PORT", conflicts_with = "id")]
    address: Option<SocketAddr>,
    /// Where to report
    #[arg(long, value_name = "URL")]
    controller: Option<String>,
    /// End when standard input does
    #[arg(long, hide = true)]
    leashed: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Lab {
    /// Start every node of the file that is on this machine, and the controller
    Start(Start),
    /// Stop the controller and its nodes
    Stop(Way),
    /// Kill a node, as a crash does
    Kill(OneNode),
    /// Kill a node if it runs, and start it again
    Restart(OneNode),
    /// Print all that happened, a JSON object a line
    Export(Export),
    /// Show the page over what was exported
    Replay(Story),
}

#[derive(Debug, Args)]
pub(crate) struct Start {
    /// Which election
    #[arg(value_name = "ALGORITHM")]
    election: Algorithm,
    #[command(flatten)]
    common: Common,
    /// Where the page is; may be given again
    #[arg(long, value_name = "IP:PORT", default_values = CONTROLLER)]
    listen: Vec<SocketAddr>,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The members' file that it was started with
    #[arg(long, value_name = "FILE", required_unless_present = "state")]
    members: Option<PathBuf>,
    /// The folder that it was started with, if one was given
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Which start of it, counted from 1; the last one if not given
    #[arg(long, value_name = "N")]
    run: Option<i64>,
}

#[derive(Debug, Args)]
pub(crate) struct Story {
    /// What was exported
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where the page is
    #[arg(long, value_name = "IP:PORT", default_value = CONTROLLER[0])]
    listen: SocketAddr,
}

#[derive(Debug, Args)]
pub(crate) struct Way {
    /// Where the controller is
    #[arg(long, value_name = "URL", default_value = CONTROLLER_URL)]
    controller: String,
}

#[derive(Debug, Args)]
pub(crate) struct OneNode {
    /// Its place in the file, or its name
    node: String,
    #[command(flatten)]
    way: Way,
}

/// What nodes and their controller are told alike.
#[derive(Debug, Args)]
struct Common {
    /// The nodes: an `ip:port` a line, the place of which is the priority, or TOML
    #[arg(long, value_name = "FILE")]
    members: PathBuf,
    /// The longest way of a message; all waits follow from it
    #[arg(long, value_name = "DURATION", default_value = "200ms", value_parser = config::duration)]
    delay: Duration,
    /// Take a refused connection for silence, as the papers do, and wait
    #[arg(long)]
    patient: bool,
    /// The ring of 1979: one election, on a ring that never breaks
    #[arg(long)]
    classic: bool,
    /// The folder for what nodes keep; the members' file with `.state` if not given
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Which lines are written
    #[arg(long, value_name = "FILTER", default_value = "info", value_parser = Filter::new)]
    log: Filter,
}

impl LabNode {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let Self { election, common, id, address, controller, leashed } = self;
        let members = Members::load(&common.members)?;
        let me = match address {
            Some(address) => members.at(address),
            None => id.map(NodeId).filter(|id| members.get(*id).is_some()),
        };
        let me = me.ok_or_else(|| match address {
            Some(address) => LabError::Unknown(format!("listens at {address}")),
            None => LabError::Unknown(format!("has the id {}", id.unwrap_or_default())),
        })?;
        common.start_log();
        let node = Node {
            election,
            members,
            me,
            timing: Timing { delay: common.delay },
            controller,
            state: common.state(),
            refusals: !common.patient,
            ring: if common.classic { Mode::Classic } else { Mode::Deputy },
            leashed,
        };
        wait(async { Ok(node.run().await?) })
    }
}

impl Lab {
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Start(start) => start.run(),
            Self::Stop(way) => wait(async { Ok(controller::stop(&way.controller).await?) }),
            Self::Kill(one) => one.order("kill"),
            Self::Restart(one) => one.order("restart"),
            Self::Export(export) => export.run(),
            Self::Replay(Story { file, listen }) => {
                start_log(&Filter::new("info").map_err(Failure::Other)?);
                wait(async { Ok(Replay::load(&file)?.run(listen).await?) })
            }
        }
    }
}

impl OneNode {
    fn order(&self, order: &str) -> Result<(), Failure> {
        wait(async { Ok(controller::order(&self.way.controller, &self.node, order).await?) })
    }
}

impl Export {
    fn run(self) -> Result<(), Failure> {
        let members = self.members.unwrap_or_default();
        let mut text = replay::export(&folder(self.state, &members), self.run)?.join("\n");
        text.push('\n');
        print(&text)
    }
}

impl Start {
    fn run(self) -> Result<(), Failure> {
        let Self { election, common, listen } = self;
        let members = Members::load(&common.members)?;
        common.start_log();
        let shown = |path: &Path| path.display().to_string();
        let mut arguments =
            ["node", "--leashed", "--election", node::name(election)].map(str::to_owned).to_vec();
        let delay = format!("{}ms", common.delay.as_millis());
        let given = [
            ("--members", shown(&common.members)),
            ("--state", shown(&common.state())),
            ("--delay", delay),
            ("--log", common.log.to_string()),
        ];
        arguments.extend(given.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]));
        let switches = [("--patient", common.patient), ("--classic", common.classic)];
        arguments.extend(switches.iter().filter(|(_, on)| *on).map(|(flag, _)| (*flag).to_owned()));
        let program = PathBuf::from(MYSELF);
        let state = common.state();
        wait(async { Ok(Controller { election, members, listen, state, program, arguments }.run().await?) })
    }
}

impl Common {
    fn state(&self) -> PathBuf {
        folder(self.state.clone(), &self.members)
    }

    fn start_log(&self) {
        start_log(&self.log);
    }
}

/// The folder for what nodes and controller keep.
fn folder(given: Option<PathBuf>, members: &Path) -> PathBuf {
    given.unwrap_or_else(|| {
        let mut name = members.as_os_str().to_owned();
        name.push(".state");
        name.into()
    })
}

fn start_log(filter: &Filter) {
    let style = Style {
        format: Format::Json,
        application: "tenure".to_owned(),
        environment: "laboratory".to_owned(),
        colour: false,
    };
    log::init(style, filter, Arc::new(SystemClock), Destination::Stdout);
}
