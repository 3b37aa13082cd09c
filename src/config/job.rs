//! The jobs: the `[[job]]` tables of the file.

use std::collections::BTreeMap;
use std::time::Duration;

use super::file::{File, Found};
use super::layers::Layers;
use super::problem::{Problem, Source};
use super::section::Section;
use super::words::{duration, show, within};
use crate::machine::JobName;

/// Most jobs of one instance.
pub const MOST_JOBS: usize = 10_000;
/// No schedule is faster.
pub const SHORTEST_PERIOD: Duration = Duration::from_millis(100);
/// No schedule is slower.
pub const LONGEST_PERIOD: Duration = Duration::from_hours(366 * 24);
/// Most lines of one sermon.
pub const MOST_LINES: u32 = 1000;
/// Longest line of a sermon, in bytes.
pub const LONGEST_LINE: usize = 10_000;
/// Longest pause between two lines.
pub const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// Something that one instance at a time does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its name, which no other job of the instance has.
    pub name: JobName,
    /// When it is due.
    pub schedule: Schedule,
    /// What it does.
    pub work: Work,
}

/// When a job is due.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Schedule {
    /// Again and again, this far apart.
    Every(Duration),
}

/// What a job does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Work {
    /// It preaches.
    Preacher(Preacher),
}

/// Says one line several times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preacher {
    /// The line.
    pub message: String,
    /// How often.
    pub times: u32,
    /// How long it waits between two lines.
    pub pause: Duration,
}

/// The jobs of an instance that nobody gave any.
const SEED: &str = r#"
[[job]]
name = "go_preacher"
every = "1m"
preacher = { message = "Go is the best modern programming language" }

[[job]]
name = "scala_preacher"
every = "1m"
preacher = { message = "Scala is the most exciting language on the JVM" }
"#;

const KEYS: [&str; 3] = ["name", "every", "preacher"];
const LATER: [&str; 4] = ["cron", "zone", "command", "http"];
const PREACHER_KEYS: [&str; 3] = ["message", "times", "pause"];

/// The jobs of the file, or the two of the seed if it has none.
pub(super) fn read(layers: &mut Layers<'_>) -> Vec<Job> {
    if let Some(listed) = layers.file.find("job") {
        return list(layers, layers.file, listed);
    }
    match File::parse(None, SEED) {
        Ok(seed) => seed.find("job").map(|listed| list(layers, &seed, listed)).unwrap_or_default(),
        Err(error) => unreachable!("the seed's jobs: {error}"),
    }
}

fn list(layers: &mut Layers<'_>, file: &File<'_>, listed: Found<'_>) -> Vec<Job> {
    let Some(tables) = listed.value.as_array() else {
        layers.problem(file, listed.span(), "write each job as a table under [[job]]".to_owned());
        return Vec::new();
    };
    if tables.len() > MOST_JOBS {
        let message = format!("{} jobs are too many; an instance has at most {MOST_JOBS}", tables.len());
        layers.problem(file, listed.span(), message);
        return Vec::new();
    }
    let mut names = BTreeMap::new();
    let mut jobs = Vec::new();
    for table in tables.iter().map(Found::from) {
        let Some(section) = Section::open(layers, file, table, "job", &KEYS, &LATER) else { continue };
        jobs.extend(job(layers, section, &mut names));
    }
    jobs
}

fn job(layers: &mut Layers<'_>, section: Section<'_>, names: &mut BTreeMap<JobName, Source>) -> Option<Job> {
    let name = section.required(layers, "name", |text| JobName::new(text).map_err(|error| error.to_string()));
    let section = match &name {
        Some(name) => section.called(&format!("job.{name}")),
        None => section,
    };
    if let Some(name) = &name
        && let Some(first) = names.insert(name.clone(), section.source("name"))
    {
        let message = format!("another job has this name ({first}); each job needs its own");
        layers.problems.push(Problem { source: section.source("name"), message });
    }
    let every = section
        .required(layers, "every", |text| within(duration(text)?, SHORTEST_PERIOD, LONGEST_PERIOD, show));
    let preacher = section.table(layers, "preacher", &PREACHER_KEYS);
    let preacher = preacher.and_then(|section| self::preacher(layers, &section));
    Some(Job { name: name?, schedule: Schedule::Every(every?), work: Work::Preacher(preacher?) })
}

fn preacher(layers: &mut Layers<'_>, section: &Section<'_>) -> Option<Preacher> {
    let message = section.required(layers, "message", |text| match text.len() {
        1..=LONGEST_LINE => Ok(text.to_owned()),
        length => Err(format!("a message has 1 to {LONGEST_LINE} bytes, this one has {length}")),
    });
    let times = section.optional(layers, "times", "5", |text| {
        let times = text.parse().map_err(|_| format!("\"{}\" is not a whole number", text.escape_debug()))?;
        within(times, 1, MOST_LINES, |times| times.to_string())
    });
    let pause = section
        .optional(layers, "pause", "1s", |text| within(duration(text)?, Duration::ZERO, LONGEST_PAUSE, show));
    Some(Preacher { message: message?, times: times?, pause: pause? })
}
