//! Simulated worlds for the classic elections: nodes, a network between them, and bad weather.
//!
//! A seed draws how many nodes there are, which of the assumptions of the papers hold, and what goes
//! wrong: crashes, also between two sends of one decision; restarts that are faster than anybody's
//! suspicion; messages that are lost, late, doubled or overtaken; links that work in one direction;
//! partitions that heal in the middle of an election. After every step the law of the election is
//! checked. Then the faults end, and all that are up must agree.

mod laws;
mod network;
mod storm;
mod story;
mod weather;
mod world;

use std::fmt;
use std::ops::AddAssign;
use std::str::FromStr;
use std::time::Duration;

pub use self::laws::{Law, Lawful, Verdict};
pub use self::weather::Network;
pub use self::world::{Sent, World};

use crate::elections::async_bully::AsyncBully;
use crate::elections::bully::{Bully, Profile};
use crate::elections::invitation::Invitation;
use crate::elections::ring::{Mode, Ring, Rules};

/// How many violations a report tells of.
const MOST_TOLD: usize = 3;
/// How many lines of its story a violation shows.
const LONGEST_STORY: usize = 60;

/// An election and its rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// The bully as textbooks tell it, strictly.
    Exam,
    /// The bully as textbooks tell it, with the hint.
    Bully,
    /// The bully of 1982.
    GarciaMolina,
    /// The invitation.
    Invitation,
    /// The asynchronous bully.
    AsyncBully,
    /// The ring with a deputy.
    Ring,
}

impl Algorithm {
    /// All of them, by their names.
    pub const ALL: &[(&str, Self)] = &[
        ("exam", Self::Exam),
        ("bully", Self::Bully),
        ("garcia-molina", Self::GarciaMolina),
        ("invitation", Self::Invitation),
        ("asynchronous-bully", Self::AsyncBully),
        ("ring", Self::Ring),
    ];

    /// Runs one world; `told` keeps its whole story.
    fn run(self, seed: u64, told: bool) -> Outcome {
        match self {
            Self::Exam => storm::run::<Bully>(seed, Profile::Exam, told),
            Self::Bully => storm::run::<Bully>(seed, Profile::Textbook, told),
            Self::GarciaMolina => storm::run::<Bully>(seed, Profile::GarciaMolina, told),
            Self::AsyncBully => storm::run::<AsyncBully>(seed, (), told),
            Self::Ring => {
                // Neither in the order of the ring nor all different.
                let values = [90, 110, 100, 120, 120, 80, 130, 90].into();
                storm::run::<Ring>(seed, Rules { mode: Mode::Deputy, values }, told)
            }
            Self::Invitation => storm::run::<Invitation>(seed, (), told),
        }
    }
}

impl FromStr for Algorithm {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.iter().find(|(name, _)| *name == text);
        known.map(|(_, algorithm)| *algorithm).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|(name, _)| *name).collect();
            format!("there is no such election; there are {}", names.join(", "))
        })
    }
}

/// What a world came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What happened, in numbers.
    pub figures: Figures,
    /// Differs as soon as anything differs.
    pub fingerprint: u64,
    /// What happened, line by line, if it was told.
    pub story: Vec<String>,
    /// What must not have happened.
    pub violation: Option<String>,
}

/// What happened, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Worlds.
    pub seeds: u64,
    /// How long they lasted.
    pub simulated: Duration,
    /// Things that a node was told.
    pub steps: u64,
    /// Messages that were sent.
    pub sent: u64,
    /// Of them, those that never arrived.
    pub lost: u64,
    /// Nodes that vanished,
    pub crashes: u64,
    /// and of them those in the middle of saying something.
    pub cut_short: u64,
    /// Links or groups of links that broke.
    pub cuts: u64,
    /// Nodes that made themselves coordinator.
    pub coordinators: u64,
    /// Steps after which two settled nodes named different coordinators.
    pub divided: u64,
}

/// What many seeds came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What happened in all of them together.
    pub figures: Figures,
    /// How many worlds broke the law.
    pub violations: u64,
    /// The first of them.
    pub told: Vec<String>,
}

/// Runs one world.
pub fn run_seed(algorithm: Algorithm, seed: u64) -> Outcome {
    let outcome = algorithm.run(seed, false);
    // Few worlds are worth a story, and the same seed makes the same world again.
    if outcome.violation.is_some() { algorithm.run(seed, true) } else { outcome }
}

/// Runs `seeds` worlds, from seed `first` on.
pub fn run(algorithm: Algorithm, first: u64, seeds: u64) -> Report {
    let mut report = Report::default();
    for seed in (first..).take(usize::try_from(seeds).unwrap_or(usize::MAX)) {
        let Outcome { figures, violation, story, .. } = run_seed(algorithm, seed);
        report.figures += figures;
        let Some(what) = violation else { continue };
        report.violations += 1;
        if report.told.len() < MOST_TOLD {
            let last = &story[story.len().saturating_sub(LONGEST_STORY)..];
            report.told.push(format!("{}\nseed {seed}: {what}", last.join("\n")));
        }
    }
    report
}

/// One world as a story, and what it came to.
pub fn story(algorithm: Algorithm, seed: u64) -> Outcome {
    algorithm.run(seed, true)
}

impl AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.simulated += other.simulated;
        self.steps += other.steps;
        self.sent += other.sent;
        self.lost += other.lost;
        self.crashes += other.crashes;
        self.cut_short += other.cut_short;
        self.cuts += other.cuts;
        self.coordinators += other.coordinators;
        self.divided += other.divided;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = &self.figures;
        let lines = [
            ("seeds", figures.seeds),
            ("simulated minutes", figures.simulated.as_secs() / 60),
            ("steps", figures.steps),
            ("messages sent", figures.sent),
            ("messages lost", figures.lost),
            ("crashes", figures.crashes),
            ("crashes between two sends", figures.cut_short),
            ("links cut", figures.cuts),
            ("coordinators made", figures.coordinators),
            ("steps in disagreement", figures.divided),
            ("violations", self.violations),
        ];
        for (name, value) in lines {
            writeln!(f, "{name:<28}{value:>14}")?;
        }
        self.told.iter().try_for_each(|violation| write!(f, "\n{violation}"))
    }
}
