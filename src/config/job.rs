//! The jobs: the `[[job]]` tables of the file.

use std::collections::BTreeMap;

use super::file::{File, Found};
use super::layers::Layers;
use super::problem::Source;
use super::section::Section;
use super::{policy, schedule, work};
use crate::machine::JobName;
use crate::schedulers::Job;

/// Most jobs of one instance.
pub const MOST_JOBS: usize = 10_000;
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

const LATER: [&str; 2] = ["command", "http"];

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
        layers.problem(file.source(listed.span()), "write each job as a table under [[job]]");
        return Vec::new();
    };
    if tables.len() > MOST_JOBS {
        let message = format!("{} jobs are too many; an instance has at most {MOST_JOBS}", tables.len());
        layers.problem(file.source(listed.span()), message);
        return Vec::new();
    }
    let keys = [&["name"], schedule::KEYS, work::KEYS, policy::KEYS].concat();
    let mut names = BTreeMap::new();
    let mut jobs = Vec::new();
    for table in tables.iter().map(Found::from) {
        let Some(section) = Section::open(layers, file, table, "job", &keys, &LATER) else { continue };
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
        layers.problem(section.source("name"), message);
    }
    // A job without a name is reported; what else is wrong with it is too.
    let unnamed = || JobName::new("unnamed").ok();
    let schedule = name.clone().or_else(unnamed).and_then(|name| schedule::read(layers, &section, &name));
    let action = work::read(layers, &section);
    Some(Job { name: name?, schedule: schedule?, action: action?, policy: policy::read(layers, &section) })
}
