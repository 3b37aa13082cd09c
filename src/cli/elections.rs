//! `tenure sim --election`: the classic elections in simulated worlds.

use clap::Args;
use tenure::failure::Failure;
use tenure::sim::elections::{self, Algorithm};

use super::print;

#[derive(Debug, Args)]
pub(super) struct Elections {
    /// Try a classic election instead of the lease
    #[arg(long, value_name = "NAME", conflicts_with_all = ["profile", "minimise", "soak", "threads", "shape"])]
    election: Option<Algorithm>,
    /// Tell all that happens in its world
    #[arg(long, requires = "election", requires = "seed")]
    trace: bool,
}

impl Elections {
    /// Runs the world of `seed`, or `seeds` worlds, if an election was named.
    pub(super) fn run(&self, first: u64, seeds: u64, seed: Option<u64>) -> Option<Result<(), Failure>> {
        let algorithm = self.election?;
        Some(match seed {
            Some(seed) if self.trace => tell(algorithm, seed),
            Some(seed) => visit(algorithm, seed, 1),
            None => visit(algorithm, first, seeds),
        })
    }
}

fn visit(algorithm: Algorithm, first: u64, seeds: u64) -> Result<(), Failure> {
    let report = elections::run(algorithm, first, seeds);
    print(&report.to_string())?;
    match report.violations {
        0 => Ok(()),
        count => Err(Failure::Other(format!("{count} of {seeds} worlds broke the law"))),
    }
}

fn tell(algorithm: Algorithm, seed: u64) -> Result<(), Failure> {
    let outcome = elections::story(algorithm, seed);
    print(&outcome.story.join("\n"))?;
    outcome.violation.map_or(Ok(()), |what| Err(Failure::Other(what)))
}
