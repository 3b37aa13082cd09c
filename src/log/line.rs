//! What one line looks like.

use std::borrow::Cow;
use std::fmt::Write;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use tracing::{Level, Metadata};

use super::fields::Fields;
use crate::time::Wall;

const SOURCE: &str = "logging.googleapis.com/sourceLocation";
const TRACE: &str = "logging.googleapis.com/trace";
const LABELS: &str = "logging.googleapis.com/labels";

/// Keys that say the same in every line, so that no field may take their place.
const FIXED: [&str; 12] = [
    "level",
    "message",
    "application",
    "environment",
    "caller",
    "ts",
    "traceID",
    "severity",
    "time",
    SOURCE,
    TRACE,
    LABELS,
];

/// For whom lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For programs: zap's keys and Google's.
    Json,
    /// For Google Cloud Logging: its keys only.
    Gcp,
    /// For people.
    Text,
}

/// How lines are written.
#[derive(Clone, Debug)]
pub struct Style {
    /// For whom.
    pub format: Format,
    /// The program's name.
    pub application: String,
    /// Its environment's name.
    pub environment: String,
    /// Whether text has colours.
    pub colour: bool,
}

impl Style {
    /// The line of one event, line end included.
    pub(super) fn line(&self, metadata: &Metadata<'_>, fields: Fields, now: Wall) -> Vec<u8> {
        let mut line = match self.format {
            Format::Json => Object(self.json(metadata, fields, now)).line(),
            Format::Gcp => Object(self.gcp(metadata, fields, now)).line(),
            Format::Text => self.text(*metadata.level(), fields, now).into_bytes(),
        };
        line.push(b'\n');
        line
    }

    fn json(&self, metadata: &Metadata<'_>, mut fields: Fields, now: Wall) -> Vec<Entry> {
        let level = metadata.level().as_str().to_ascii_lowercase();
        let (file, line) = place(metadata);
        let mut entries = vec![
            entry("level", level),
            entry("message", fields.take("message").unwrap_or_default()),
            entry("application", self.application.as_str()),
            entry("environment", self.environment.as_str()),
            entry("caller", format!("{file}:{line}")),
            entry("ts", now.as_nanos().to_string()),
        ];
        entries.extend(fields.take("traceID").map(|id| entry("traceID", id)));
        entries.push(entry("severity", severity(*metadata.level())));
        entries.push(entry("time", now.to_string()));
        entries.push(entry(SOURCE, source(metadata)));
        entries.extend(fields.into_iter().map(free));
        entries
    }

    fn gcp(&self, metadata: &Metadata<'_>, mut fields: Fields, now: Wall) -> Vec<Entry> {
        let labels = json!({ "application": self.application, "environment": self.environment });
        let mut entries = vec![
            entry("severity", severity(*metadata.level())),
            entry("message", fields.take("message").unwrap_or_default()),
            entry("time", now.to_string()),
            entry(SOURCE, source(metadata)),
            entry(LABELS, labels),
        ];
        entries.extend(fields.take("traceID").map(|id| entry(TRACE, id)));
        entries.extend(fields.into_iter().map(free));
        entries
    }

    fn text(&self, level: Level, mut fields: Fields, now: Wall) -> String {
        let time = now.to_string();
        let message = fields.take("message").unwrap_or_default();
        let (bright, dim, plain) =
            if self.colour { (colour(level), "\x1b[2m", "\x1b[0m") } else { ("", "", "") };
        let time = time.get(..23).unwrap_or(&time);
        let mut line = format!("{dim}{time}Z{plain} {bright}{level:>5}{plain} {}", one_line(&message));
        for (name, value) in fields {
            let value = match value.as_str() {
                Some(text) if text.contains([' ', '"']) => format!("{text:?}"),
                Some(text) => one_line(text).into_owned(),
                None => value.to_string(),
            };
            if write!(line, " {dim}{name}={plain}{value}").is_err() {
                unreachable!("a String takes everything");
            }
        }
        line
    }
}

type Entry = (Cow<'static, str>, Value);

fn entry(key: &'static str, value: impl Into<Value>) -> Entry {
    (Cow::Borrowed(key), value.into())
}

/// A field, under another name where its own is taken.
fn free((name, value): (&'static str, Value)) -> Entry {
    let name = if FIXED.contains(&name) { format!("field.{name}").into() } else { name.into() };
    (name, value)
}

fn place<'a>(metadata: &Metadata<'a>) -> (&'a str, u32) {
    (metadata.file().unwrap_or_default(), metadata.line().unwrap_or_default())
}

fn source(metadata: &Metadata<'_>) -> Value {
    let (file, line) = place(metadata);
    json!({ "file": file, "line": line.to_string(), "function": metadata.module_path().unwrap_or_default() })
}

fn severity(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        Level::DEBUG | Level::TRACE => "DEBUG",
    }
}

fn colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG | Level::TRACE => "\x1b[34m",
    }
}

/// `text` with its control characters escaped, so that it stays one line and moves no cursor.
pub(super) fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(escape).collect())
}

/// A JSON object that keeps the order of its keys.
struct Object(Vec<Entry>);

impl Object {
    fn line(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_else(|error| unreachable!("texts and values are JSON: {error}"))
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}
