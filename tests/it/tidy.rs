//! What the compiler and clippy cannot hold the code to.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A longer file is two things.
const LONGEST_FILE: usize = 500;
/// Files that may be longer all the same.
const EXCEPTIONS: &[&str] = &[];

/// Where decisions are made: no I/O, no clock, no task, no log, no chance but a seeded one.
const PURE: &[&str] = &[
    "src/elections/",
    "src/lease.rs",
    "src/lease/",
    "src/machine.rs",
    "src/rows.rs",
    "src/schedulers/agenda.rs",
    "src/schedulers/agenda/",
    "src/schedulers/continuous.rs",
    "src/schedulers/interval.rs",
    "src/schedulers/mod.rs",
    "src/sim/",
];
const IMPURE: &[&str] = &[
    "async",
    "await",
    "tokio",
    "tracing",
    "SystemTime",
    "std::time::Instant",
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "thread",
    "print!",
    "println!",
    "eprint!",
    "eprintln!",
    "getrandom",
    "Rng::new",
];
const CLOCKS: &[&str] = &["SystemTime", "Instant::now", "std::time::Instant", "clock_gettime"];
const UNFINISHED: &[&str] = &["todo!", "unimplemented!", "dbg!", "FIXME"];
const HOMES: &[&str] = &["/home/", "/root/", "/Users/", "/work/"];

/// A text file of the project.
struct File {
    /// From the project's root.
    path: String,
    text: String,
}

impl File {
    /// Its lines of code with their numbers: no comments, and `use` trees spelt out as far as they
    /// stand on one line.
    fn code(&self) -> impl Iterator<Item = (usize, String)> {
        let code = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
        (1..).zip(self.text.lines().map(code)).flat_map(|(number, line)| {
            let spelt = imports(&line).unwrap_or_else(|| vec![line]);
            spelt.into_iter().map(move |line| (number, line))
        })
    }

    fn is_under(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path == *place || place.ends_with('/') && self.path.starts_with(place))
    }

    /// Where one of `words` stands in its code.
    fn find(&self, words: &[&str]) -> Vec<String> {
        let found = |(number, line): (usize, String)| {
            let word = words.iter().find(|word| has_word(&line, word))?;
            Some(format!("{}:{number}: {word}", self.path))
        };
        self.code().filter_map(found).collect()
    }

    /// Where its code draws from the process's generator, as `fastrand`'s functions do.
    fn global_chance(&self) -> Vec<String> {
        let calls =
            |line: &str| line.split("fastrand::").skip(1).any(|name| name.starts_with(char::is_lowercase));
        let lines = self.code().filter(|(_, line)| calls(line));
        lines.map(|(number, _)| format!("{}:{number}: the global generator", self.path)).collect()
    }

    /// The lines that have one of `texts` in them, comments too.
    fn mentions(&self, texts: &[&str]) -> Vec<String> {
        let lines = (1..).zip(self.text.lines());
        let lines = lines.filter(|(_, line)| texts.iter().any(|text| line.contains(text)));
        lines.map(|(number, line)| format!("{}:{number}: {}", self.path, line.trim())).collect()
    }
}

/// `use a::{b, c};` as `a::b` and `a::c`.
fn imports(line: &str) -> Option<Vec<String>> {
    let (path, names) = line.trim().strip_prefix("use ")?.split_once("::{")?;
    let names = names.trim_end_matches([';', '}']).split(',');
    Some(names.map(|name| format!("{path}::{}", name.trim())).collect())
}

/// Whether `word` stands in `line` and is not a part of a longer name.
fn has_word(line: &str, word: &str) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(start, _)| {
        let (before, after) = (&line[..start], &line[start + word.len()..]);
        !before.ends_with(part_of_name) && !after.starts_with(part_of_name)
    })
}

/// Every file of Rust or Markdown but this one, in order; none from `target` or a hidden folder.
fn project() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut folders, mut paths) = (vec![root.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
            let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
            if entry.file_type().unwrap().is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs" || kind == "md") {
                paths.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    paths.sort();
    let others = paths.into_iter().filter(|path| path != file!());
    others.map(|path| File { text: read(&path), path }).collect()
}

fn source() -> Vec<File> {
    project().into_iter().filter(|file| file.path.starts_with("src/")).collect()
}

/// A file that must be there.
pub(crate) fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[track_caller]
fn assert_none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

#[test]
fn decisions_are_pure() {
    let pure = source().into_iter().filter(|file| file.is_under(PURE));
    let found: Vec<_> = pure.flat_map(|file| [file.find(IMPURE), file.global_chance()].concat()).collect();
    assert_none("these belong where things are done, not where they are decided", &found);
}

#[test]
fn one_file_reads_clocks() {
    let others = source().into_iter().filter(|file| file.path != "src/time.rs");
    let found: Vec<_> = others.flat_map(|file| file.find(CLOCKS)).collect();
    assert_none("only src/time.rs reads a clock; take a `Clock`", &found);
}

#[test]
fn files_are_short_and_begin_with_what_they_are() {
    let mut found = Vec::new();
    for File { path, text } in source() {
        let lines = text.lines().count();
        if lines > LONGEST_FILE && !EXCEPTIONS.contains(&path.as_str()) {
            found.push(format!("{path}: {lines} lines; {LONGEST_FILE} are the most"));
        }
        if !text.starts_with("//!") {
            found.push(format!("{path}: does not begin with module docs"));
        }
    }
    assert_none("a file is one thing, and says which", &found);
}

#[test]
fn nothing_is_left_for_later() {
    let found: Vec<_> = project().iter().flat_map(|file| file.mentions(UNFINISHED)).collect();
    assert_none("finish it, or leave it out", &found);
}

#[test]
fn features_choose_modules_not_statements() {
    let chosen = ["mod ", "pub mod ", "pub(crate) mod ", "use ", "pub use ", "pub(crate) use "];
    let mut found = Vec::new();
    for file in source() {
        let lines: Vec<_> = file.code().collect();
        for (at, (number, line)) in lines.iter().enumerate() {
            let item =
                lines[at..].iter().find(|(_, line)| !line.starts_with("#[")).map_or("", |(_, item)| item);
            let chooses = line.starts_with("#[cfg(") && chosen.iter().any(|start| item.starts_with(start));
            if line.contains("feature = ") && !chooses {
                found.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    assert_none("`#[cfg(feature)]` stands on a `mod` or `use` line outside functions", &found);
}

#[test]
fn no_file_names_a_folder_of_one_machine() {
    let found: Vec<_> = project().iter().flat_map(|file| file.mentions(HOMES)).collect();
    assert_none("nobody else has that folder", &found);
}

/// Each event in the code and the levels that it is logged at, as a row of the table begins.
fn events() -> BTreeSet<String> {
    let mut events = BTreeMap::<_, BTreeSet<_>>::new();
    for File { text, .. } in source() {
        for (at, start) in text.match_indices("event = \"") {
            let event = text[at + start.len()..].split('"').next().unwrap();
            let level = text[..at].rsplit("tracing::").next().unwrap().split('!').next().unwrap();
            events.entry(event.to_owned()).or_default().insert(level.to_owned());
        }
    }
    let row = |(event, levels): (_, BTreeSet<_>)| {
        let levels: Vec<_> = levels.into_iter().rev().collect();
        format!("| `{event}` | {} |", levels.join(", "))
    };
    events.into_iter().map(row).collect()
}

#[test]
fn every_event_is_documented_once_and_in_order() {
    let docs = read("docs/EVENTS.md");
    let rows = docs.lines().filter(|line| line.starts_with("| `"));
    let documented: Vec<_> = rows.map(|row| row.rsplitn(3, '|').last().unwrap().to_owned() + "|").collect();
    let (events, known) = (events(), documented.iter().cloned().collect::<BTreeSet<_>>());
    let missing: Vec<_> = events.difference(&known).cloned().collect();
    let gone: Vec<_> = known.difference(&events).cloned().collect();
    assert_none("docs/EVENTS.md lacks", &missing);
    assert_none("docs/EVENTS.md has, and the code has not", &gone);
    assert!(
        documented.is_sorted() && documented.len() == known.len(),
        "docs/EVENTS.md: sort the rows, each once"
    );
}

#[test]
fn every_build_uses_the_toolchain_of_the_manifest() {
    let manifest = read("Cargo.toml");
    let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = \"")?.strip_suffix('"'));
    let version = version.unwrap();
    for (path, text) in [
        ("Dockerfile", format!("FROM rust:{version}.")),
        (".github/workflows/ci.yml", format!("RUSTUP_TOOLCHAIN: \"{version}.")),
    ] {
        assert!(read(path).contains(&text), "{path} lacks {text}");
    }
}

#[test]
fn every_emulator_is_the_same_one() {
    let emulator = |path: &str| {
        let text = read(path);
        let lines = text.lines().map(str::trim).skip_while(|line| !line.starts_with("image: "));
        lines.take(4).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(emulator("docker-compose.yml"), emulator(".github/workflows/ci.yml"));
}
