//! What a cron expression says, in civil time: `croner` reads and searches it, after names and hashed
//! values have been written out.

use std::fmt;

use croner::Cron;
use croner::parser::CronParser;
use jiff::civil::{DateTime, date};

use super::From;
use crate::lease::placement::hash;
use crate::machine::JobName;

/// Expressions that have a name.
const NAMED: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// A field of an expression.
struct Field {
    name: &'static str,
    /// For people.
    values: &'static str,
    /// From which values one is picked, and up to which.
    least: u64,
    most: u64,
}

const SECOND: Field = Field { name: "a second", values: "0-59", least: 0, most: 59 };
const FIELDS: [Field; 5] = [
    Field { name: "a minute", values: "0-59", least: 0, most: 59 },
    Field { name: "an hour", values: "0-23", least: 0, most: 23 },
    // Every month has these.
    Field { name: "a day of the month", values: "1-31, L, W", least: 1, most: 28 },
    Field { name: "a month", values: "1-12, JAN-DEC", least: 1, most: 12 },
    Field { name: "a day of the week", values: "0-7, SUN-SAT, L, #", least: 0, most: 6 },
];

/// A cron expression.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    /// With seconds, and with every hashed value written out.
    text: String,
    cron: Cron,
}

impl Pattern {
    pub(super) fn parse(text: &str, job: &JobName) -> Result<Self, String> {
        let named = NAMED.iter().find(|(name, _)| *name == text);
        let fields: Vec<_> = named.map_or(text, |(_, fields)| fields).split_whitespace().collect();
        let (second, rest) = match fields.len() {
            5 => ("0", &fields[..]),
            6 => (fields[0], &fields[1..]),
            _ if text.starts_with('@') => {
                let names = NAMED.map(|(name, _)| name).join(", ");
                return Err(format!(
                    "\"{}\" is no name of a schedule; there are {names}",
                    text.escape_debug()
                ));
            }
            number => return Err(format!("{WANTED}, not {number}")),
        };
        let mut written = Vec::new();
        for (field, text) in [SECOND].iter().chain(&FIELDS).zip([second].iter().chain(rest)) {
            written.push(field.write_out(text, job)?);
        }
        let text = written.join(" ");
        let cron = read(&text)?;
        let pattern = Self { text, cron };
        match pattern.find(From::At(date(2000, 1, 1).at(0, 0, 0, 0))) {
            Some(_) => Ok(pattern),
            None => Err("there is no such day in any year, so it would never be due".to_owned()),
        }
    }

    /// The first civil time from there on that it matches.
    pub(super) fn find(&self, from: From) -> Option<DateTime> {
        let (civil, inclusive) = match from {
            From::At(civil) => (civil, true),
            From::After(civil) => (civil, false),
        };
        // The only error is that there is none before the year 5000.
        self.cron.find_next_occurrence(&civil, inclusive).ok()
    }

    /// What it says.
    pub(super) fn in_words(&self) -> String {
        let words = self.cron.describe();
        let words = words.trim_end_matches('.');
        words[..1].to_lowercase() + &words[1..]
    }

    /// Whether it has no wildcard in its minute and hour.
    pub(super) fn names_its_time(&self) -> bool {
        self.text.split(' ').take(3).all(|field| !field.contains('*'))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

const WANTED: &str = "a cron expression has five fields: minute, hour, day of the month, month and day of the \
                      week, and may have a field for seconds before them";

impl Field {
    /// The text of this field with every `H` and `~` written out, if it can stand there.
    fn write_out(&self, text: &str, job: &JobName) -> Result<String, String> {
        let Self { name, values, .. } = self;
        let wrong = |why: &str| format!("\"{}\" cannot be {name} ({values}): {why}", text.escape_debug());
        let items: Result<Vec<_>, _> = text.split(',').map(|item| self.pick(item, job)).collect();
        let written = items.map_err(|why| wrong(&why))?.join(",");
        // Each field alone first, so that the complaint can say which one it is.
        let alone: Vec<_> =
            [SECOND].iter().chain(&FIELDS).map(|field| field.stand_in(self, &written)).collect();
        read(&alone.join(" ")).map_err(|why| wrong(&why))?;
        Ok(written)
    }

    fn stand_in<'a>(&self, other: &Self, text: &'a str) -> &'a str {
        match self.name {
            name if name == other.name => text,
            _ => "*",
        }
    }

    /// An item of a list: `H`, `H(0-29)`, `H/15`, `H(0-29)/15`, `~`, `0~29`, or what needs no picking.
    fn pick(&self, item: &str, job: &JobName) -> Result<String, String> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        let (least, most) = match range {
            "H" | "~" => (self.least, self.most),
            _ if range.starts_with("H(") && range.ends_with(')') => {
                self.range(&range[2..range.len() - 1], '-')?
            }
            _ if range.contains('~') => self.range(range, '~')?,
            _ => return Ok(item.to_owned()),
        };
        let hash = hash(format!("{}\0{job}", self.name).as_bytes());
        Ok(match step {
            None => (least + hash % (most - least + 1)).to_string(),
            Some(step) => {
                let step = number(step)?;
                if step == 0 || step > most - least + 1 {
                    return Err(format!("a step from {least} to {most} is 1 to {}", most - least + 1));
                }
                format!("{}-{most}/{step}", least + hash % step)
            }
        })
    }

    fn range(&self, text: &str, between: char) -> Result<(u64, u64), String> {
        let (least, most) = text.split_once(between).unwrap_or((text, text));
        let or = |text: &str, default| if text.is_empty() { Ok(default) } else { number(text) };
        let (least, most) = (or(least, self.least)?, or(most, self.most)?);
        if self.least <= least && least <= most && most <= self.most {
            Ok((least, most))
        } else {
            Err(format!("a value is picked from {} to {} here", self.least, self.most))
        }
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("\"{}\" is not a number", text.escape_debug()))
}

fn read(text: &str) -> Result<Cron, String> {
    let parser = CronParser::builder().build();
    parser.parse(text).map_err(|error| {
        let text = error.to_string();
        let why = text.strip_prefix("Component error: ").or_else(|| text.strip_prefix("Invalid pattern: "));
        why.unwrap_or(&text).trim_end_matches('.').to_owned()
    })
}
