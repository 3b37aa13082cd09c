//! What many worlds came to, and how that is told.

use std::fmt;
use std::ops::AddAssign;

use super::{Article, Coverage, Figures, Outcome, Profile, Violation};

/// How many violations a report tells of.
const MOST_TOLD: usize = 3;

/// What many worlds of one profile came to. The same worlds make the same report, in whatever order they
/// are added.
#[derive(Clone, Debug)]
pub struct Report {
    /// What they have in common.
    pub profile: &'static Profile,
    /// What happened in all of them together.
    pub figures: Figures,
    /// What struck whom doing what.
    pub coverage: Coverage,
    /// In how many worlds each article of the law was broken where that is excused, in the order of
    /// [`Article::ALL`].
    pub excused: [u64; Article::ALL.len()],
    /// How many worlds broke the law.
    pub violations: u64,
    /// The first of them.
    pub told: Vec<Violation>,
}

impl Report {
    /// A report of nothing yet.
    pub fn new(profile: &'static Profile) -> Self {
        Self {
            profile,
            figures: Figures::default(),
            coverage: Coverage::default(),
            excused: Default::default(),
            violations: 0,
            told: Vec::new(),
        }
    }

    /// Adds what a world came to.
    pub fn add(&mut self, outcome: Outcome) {
        let Outcome { figures, coverage, excused, fingerprint: _, violation } = outcome;
        *self += Self {
            profile: self.profile,
            figures,
            coverage,
            excused: excused.map(|times| u64::from(times > 0)),
            violations: u64::from(violation.is_some()),
            told: violation.into_iter().collect(),
        };
    }

    /// In how many worlds an article was broken, where that is excused.
    pub fn broke(&self, article: Article) -> u64 {
        self.excused[article.place()]
    }

    /// The figures as a table in Markdown.
    pub fn table(&self) -> String {
        let rows = self.named().into_iter().map(|(name, value)| format!("| {name} | {} |\n", grouped(value)));
        ["| | |\n|---|--:|\n".to_owned()].into_iter().chain(rows).collect()
    }

    /// What its profile does not keep to, what that broke, and what held all the same.
    pub fn verdict(&self) -> Option<String> {
        let outside = self.profile.outside.as_ref()?;
        let worlds = grouped(self.figures.seeds);
        let broken = outside.costs.iter().map(|article| {
            format!("* Broken in {} of {worlds} worlds: {}.\n", grouped(self.broke(*article)), article.says())
        });
        let held = Article::ALL.into_iter().filter(|article| !outside.costs.contains(article));
        let held = match self.violations {
            0 => format!("* Held in all: {}.\n", held.map(Article::says).collect::<Vec<_>>().join("; ")),
            _ => "* Not all of the rest held.\n".to_owned(),
        };
        let assumption = format!("* Does not hold here: {}.\n", outside.assumption);
        Some([assumption].into_iter().chain(broken).chain([held]).collect())
    }

    fn named(&self) -> Vec<(&'static str, u64)> {
        let mut named = self.figures.named();
        named.push(("violations", self.violations));
        named
    }
}

impl AddAssign for Report {
    fn add_assign(&mut self, other: Self) {
        self.figures += other.figures;
        self.coverage += other.coverage;
        for (sum, more) in self.excused.iter_mut().zip(other.excused) {
            *sum += more;
        }
        self.violations += other.violations;
        self.told.extend(other.told);
        self.told.sort_by_key(|violation| violation.seed);
        self.told.truncate(MOST_TOLD);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}\n", self.profile.name, self.profile.about)?;
        for (name, value) in self.named() {
            writeln!(f, "{name:<32}{:>14}", grouped(value))?;
        }
        if let Some(verdict) = self.verdict() {
            write!(f, "\n{verdict}")?;
        }
        let (gaps, pairs) = self.coverage.gaps();
        writeln!(
            f,
            "\n{} of {pairs} pairs of what strikes and what it strikes happened.",
            pairs - gaps.len()
        )?;
        self.told.iter().try_for_each(|violation| write!(f, "\n{violation}"))
    }
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let mut text = digits[..first].to_owned();
    for (at, digit) in digits[first..].chars().enumerate() {
        if at % 3 == 0 && !text.is_empty() {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
