//! The configuration file: TOML in which every value knows where it stands.

use std::borrow::Cow;
use std::io::{self, Read};
use std::iter;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{ConfigError, Problem, Source, Spot};

/// A longer file is not a configuration.
const LONGEST: u64 = 1 << 20;

/// A file that was understood as TOML.
#[derive(Debug)]
pub(super) struct File<'a> {
    /// Its path; `None` for what is built in.
    name: Option<&'a str>,
    text: &'a str,
    /// Where each line begins.
    lines: Vec<usize>,
    pub(super) table: DeTable<'a>,
}

/// A value in a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    pub(super) value: &'a DeValue<'a>,
    start: usize,
    end: usize,
}

impl<'a> File<'a> {
    /// Reads `text`, or says everything that keeps it from being TOML.
    pub(super) fn parse(name: Option<&'a str>, text: &'a str) -> Result<Self, ConfigError> {
        // Some editors put a mark in front, which is no column of the first line.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let (table, errors) = DeTable::parse_recoverable(text);
        let lines = iter::once(0).chain(text.match_indices('\n').map(|(end, _)| end + 1)).collect();
        let file = Self { name, text, lines, table: table.into_inner() };
        if errors.is_empty() {
            return Ok(file);
        }
        let problem = |error: toml::de::Error| Problem {
            source: file.source(error.span().unwrap_or(0..0)),
            message: error.message().to_owned(),
        };
        Err(ConfigError::new(errors.into_iter().map(problem).collect()))
    }

    /// What stands under `key`, whose dots lead into tables.
    pub(super) fn find(&self, key: &str) -> Option<Found<'_>> {
        match key.split_once('.') {
            None => self.table.get(key).map(Found::from),
            Some((table, key)) => self.table.get(table)?.get_ref().as_table()?.get(key).map(Found::from),
        }
    }

    /// Where the bytes in `span` stand.
    pub(super) fn source(&self, span: Range<usize>) -> Source {
        let Some(file) = self.name else { return Source::Default };
        let line = self.lines.partition_point(|start| *start <= span.start);
        let text = self.text.get(self.lines[line - 1]..).and_then(|text| text.lines().next());
        let before = self.text.get(self.lines[line - 1]..span.start).unwrap_or_default();
        let meant = self.text.get(span).and_then(|text| text.lines().next()).unwrap_or_default();
        Source::File(Spot {
            file: file.to_owned(),
            line,
            column: before.chars().count() + 1,
            width: meant.chars().count().max(1),
            text: text.unwrap_or_default().to_owned(),
        })
    }
}

impl<'a> From<&'a Spanned<DeValue<'a>>> for Found<'a> {
    fn from(value: &'a Spanned<DeValue<'a>>) -> Self {
        Self { value: value.get_ref(), start: value.span().start, end: value.span().end }
    }
}

impl<'a> Found<'a> {
    pub(super) fn span(&self) -> Range<usize> {
        self.start..self.end
    }

    /// It as text, for the parser of its setting.
    pub(super) fn text(&self) -> Result<Cow<'a, str>, String> {
        let number = || self.value.as_integer().map(|number| Cow::Owned(number.to_string()));
        let text = self.value.as_str().map(Cow::Borrowed);
        text.or_else(number).ok_or_else(|| format!("expected a text, found {}", self.sort()))
    }

    /// What sort of value it is, for a sentence.
    pub(super) fn sort(&self) -> &'static str {
        match self.value {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        }
    }
}

/// Reads the file at `path`, within reason.
pub fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let length = std::fs::File::open(path)?.take(LONGEST + 1).read_to_string(&mut text)?;
    match u64::try_from(length) {
        Ok(length) if length <= LONGEST => Ok(text),
        _ => Err(io::Error::other(format!("it is longer than {LONGEST} bytes"))),
    }
}
