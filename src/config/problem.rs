//! What is wrong with a configuration, and where.

use std::fmt;

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nobody said anything.
    Default,
    /// In the file.
    File(Spot),
    /// In this environment variable.
    Env(&'static str),
    /// After this flag, which is written without its dashes.
    Flag(&'static str),
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The file's path, as it was given.
    pub file: String,
    /// Counted from one.
    pub line: usize,
    /// Counted from one, in characters.
    pub column: usize,
    /// How many characters of the line are meant, at least one.
    pub width: usize,
    /// The whole line.
    pub text: String,
}

impl Source {
    /// Whether it wins: a flag over the environment over the file over the default.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::File(_) => 1,
            Self::Env(_) => 2,
            Self::Flag(_) => 3,
        }
    }

    /// The same without what stands there, which may be secret.
    pub(super) fn veiled(mut self) -> Self {
        if let Self::File(Spot { column, width, text, .. }) = &mut self {
            let meant = *column - 1..*column - 1 + *width;
            let veil = |(at, c)| if meant.contains(&at) { '*' } else { c };
            *text = text.chars().enumerate().map(veil).collect();
        }
        self
    }
}

/// As `tenure config show` prints it.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => write!(f, "default"),
            Self::File(spot) => write!(f, "{}:{}", spot.file, spot.line),
            Self::Env(name) => write!(f, "env {name}"),
            Self::Flag(name) => write!(f, "--{name}"),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub source: Source,
    /// What, and what to do about it.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = &self.message;
        match &self.source {
            Source::Default => write!(f, "{message}"),
            Source::Env(name) => write!(f, "{name}: {message}"),
            Source::Flag(name) => write!(f, "--{name}: {message}"),
            Source::File(spot) => {
                let Spot { file, line, column, .. } = spot;
                writeln!(f, "{file}:{line}:{column}: {message}")?;
                spot.point(f)
            }
        }
    }
}

impl Spot {
    /// The line, and carets under the characters that are meant.
    fn point(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let visible = |c: char| if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c };
        let blank = |c: char| if c == '\t' { c } else { ' ' };
        let line: String = self.text.chars().map(visible).collect();
        let indent: String = line.chars().take(self.column - 1).map(blank).collect();
        let gutter = " ".repeat(self.line.to_string().len());
        writeln!(f, " {} | {line}", self.line)?;
        write!(f, " {gutter} | {indent}{}", "^".repeat(self.width))
    }
}

/// Everything that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError {
    /// In the order in which they stand; there is at least one.
    pub problems: Vec<Problem>,
}

impl ConfigError {
    /// Whether nothing is wrong but the command line.
    pub fn is_usage(&self) -> bool {
        self.problems.iter().all(|problem| matches!(problem.source, Source::Flag(_)))
    }

    /// All of it on one line, without the lines that quote the file.
    pub fn brief(&self) -> String {
        let first = |problem: &Problem| problem.to_string().lines().next().unwrap_or_default().to_owned();
        self.problems.iter().map(first).collect::<Vec<_>>().join("; ")
    }

    /// Sorts them: the command line, the environment, then the file from top to bottom.
    pub(super) fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| match &problem.source {
            Source::File(spot) => (1, spot.line, spot.column),
            other @ (Source::Default | Source::Env(_) | Source::Flag(_)) => {
                (u8::from(other.rank() == 0), 0, 0)
            }
        });
        Self { problems }
    }
}
