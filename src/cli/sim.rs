//! The command line of `tenure sim`.

use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use tenure::commands::sim::{cores, simulate, soak};
use tenure::config;
use tenure::failure::Failure;
use tenure::sim::{self, Profile, Report};
use tenure::time::SystemClock;

use super::elections::Elections;
use super::print;

/// So many worlds of the default profile miss no pair of fault and state by bad luck.
const ENOUGH: u64 = 2000;

#[derive(Debug, Args)]
pub(crate) struct Sim {
    /// What the worlds have in common
    #[arg(long, value_name = "NAME", default_value = Profile::ALL[0].name, value_parser = names())]
    profile: String,
    /// How many worlds
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The seed of the first world
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    first: u64,
    /// This world alone, and how it came to what it broke, if anything
    #[arg(long, value_name = "SEED", conflicts_with_all = ["seeds", "first"])]
    seed: Option<u64>,
    /// Look for the smallest weather that breaks the same
    #[arg(long, requires = "seed")]
    minimise: bool,
    /// Go on for so long, or until a world breaks the law; says every minute how far it is
    #[arg(long, value_name = "DURATION", value_parser = config::duration, conflicts_with_all = ["seeds", "seed"])]
    soak: Option<Duration>,
    /// How many worlds at once; as many as there are cores if not given
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// What of the report, and in which shape
    #[arg(long, value_enum, default_value_t = Shape::Text)]
    shape: Shape,
    #[command(flatten)]
    elections: Elections,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shape {
    /// The whole report, for a terminal
    Text,
    /// The figures, as a table in Markdown
    Figures,
    /// What struck whom doing what, as a table in Markdown
    Coverage,
    /// What the profile does not keep to, and what held all the same, as a list in Markdown
    Verdict,
}

impl Sim {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        if let Some(done) = self.elections.run(self.first, self.seeds, self.seed) {
            return done;
        }
        let profile = Profile::named(&self.profile).unwrap_or(Profile::ALL[0]);
        if let Some(seed) = self.seed {
            return self.tell(profile, seed);
        }
        let threads = self.threads.unwrap_or_else(cores);
        let report = match self.soak {
            Some(time) => soak(profile, self.first, time, threads, &SystemClock, progress),
            None => simulate(profile, self.first..self.first.saturating_add(self.seeds), threads),
        };
        print(&self.shape.show(&report))?;
        judge(&report)
    }

    /// What became of one world.
    fn tell(&self, profile: &Profile, seed: u64) -> Result<(), Failure> {
        let told = if self.minimise {
            sim::minimise(profile, seed).map(|minimal| minimal.to_string())
        } else {
            sim::tell(profile, seed).map(|violation| violation.to_string())
        };
        print(&told.unwrap_or_else(|| format!("seed {seed} of {} breaks no law.", profile.name)))?;
        match sim::run_seed(profile, seed).violation {
            Some(_) => Err(Failure::Other(format!("seed {seed} broke the law"))),
            None => Ok(()),
        }
    }
}

impl Shape {
    fn show(self, report: &Report) -> String {
        match self {
            Self::Text => report.to_string(),
            Self::Figures => report.table(),
            Self::Coverage => report.coverage.table(),
            Self::Verdict => report.verdict().unwrap_or_else(|| "The whole law holds here.\n".to_owned()),
        }
    }
}

/// Whether the worlds kept the law, and were foul enough to prove something.
fn judge(report: &Report) -> Result<(), Failure> {
    let worlds = report.figures.seeds;
    if report.violations > 0 {
        return Err(Failure::Other(format!("{} of {worlds} worlds broke the law", report.violations)));
    }
    let (gaps, _) = report.coverage.gaps();
    if report.profile.name == Profile::ALL[0].name && worlds >= ENOUGH && !gaps.is_empty() {
        let never = gaps.join("; ");
        return Err(Failure::Other(format!("{worlds} worlds and this never happened in any: {never}")));
    }
    Ok(())
}

/// One line of a soak.
fn progress(report: &Report) {
    let figures = &report.figures;
    let hours = figures.lived.as_secs() / 3600;
    let line = format!("{} worlds, {hours} instance-hours, {} launches", figures.seeds, figures.launches);
    // Whoever stops reading has seen enough; the soak goes on for its result.
    let _unread = print(&line);
}

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(Profile::ALL.map(|profile| profile.name))
}
