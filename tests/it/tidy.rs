//! What the compiler and clippy cannot hold the code to.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A longer file is two things.
const LONGEST_FILE: usize = 500;
/// Files that may be longer all the same.
const EXCEPTIONS: [&str; 0] = [];

/// Where decisions are made: no I/O, no clock, no task, no log, no chance but a seeded one.
const PURE: [&str; 8] = [
    "src/lease.rs",
    "src/lease/",
    "src/machine.rs",
    "src/rows.rs",
    "src/schedulers/agenda.rs",
    "src/schedulers/interval.rs",
    "src/schedulers/mod.rs",
    "src/sim/",
];
const IMPURE: [&str; 16] = [
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
    "print",
    "println",
    "eprintln",
    "getrandom",
    "Rng::new",
];
const CLOCKS: [&str; 4] = ["SystemTime", "Instant::now", "std::time::Instant", "clock_gettime"];
const UNFINISHED: [&str; 4] = ["todo!", "unimplemented!", "dbg!", "FIXME"];
const HOMES: [&str; 4] = ["/home/", "/root/", "/Users/", "/work/"];

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
    let files: Vec<_> = source().into_iter().filter(|file| file.is_under(&PURE)).collect();
    let mut found: Vec<_> = files.iter().flat_map(|file| file.find(&IMPURE)).collect();
    for file in &files {
        let global = |line: &str| {
            line.match_indices("fastrand::")
                .any(|(at, name)| line[at + name.len()..].starts_with(char::is_lowercase))
        };
        let global = file.code().filter(|(_, line)| global(line));
        found.extend(global.map(|(number, _)| format!("{}:{number}: the global generator", file.path)));
    }
    assert_none("these belong where things are done, not where they are decided", &found);
}

#[test]
fn one_file_reads_clocks() {
    let others = source().into_iter().filter(|file| file.path != "src/time.rs");
    let found: Vec<_> = others.flat_map(|file| file.find(&CLOCKS)).collect();
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
    let found: Vec<_> = project().iter().flat_map(|file| file.mentions(&UNFINISHED)).collect();
    assert_none("finish it, or leave it out", &found);
}

#[test]
fn features_choose_modules_not_statements() {
    let mut found = Vec::new();
    for File { path, text } in source() {
        let mut lines = (1..).zip(text.lines()).peekable();
        while let Some((number, line)) = lines.next() {
            if !line.trim_start().starts_with("//") && line.contains("feature = ") && line.contains("cfg") {
                while lines.next_if(|(_, line)| line.starts_with("#[")).is_some() {}
                let item = lines.peek().map_or("", |(_, line)| line);
                let chosen = ["mod ", "pub mod ", "pub(crate) mod ", "use ", "pub use ", "pub(crate) use "];
                if !line.starts_with("#[cfg(") || !chosen.iter().any(|start| item.starts_with(start)) {
                    found.push(format!("{path}:{number}: {}", line.trim()));
                }
            }
        }
    }
    assert_none("`#[cfg(feature)]` stands on a `mod` or `use` line outside functions", &found);
}

#[test]
fn no_file_names_a_folder_of_one_machine() {
    let found: Vec<_> = project().iter().flat_map(|file| file.mentions(&HOMES)).collect();
    assert_none("nobody else has that folder", &found);
}

/// Each event in the code, with the levels that it is logged at.
fn events_in_code() -> BTreeMap<String, BTreeSet<String>> {
    let mut events = BTreeMap::<_, BTreeSet<_>>::new();
    for File { text, .. } in source() {
        for (at, name) in text.match_indices("event = \"") {
            let event = text[at + name.len()..].split('"').next().unwrap();
            let call = text[..at].rsplit("tracing::").next().unwrap();
            let level = call.split('!').next().unwrap();
            events.entry(event.to_owned()).or_default().insert(level.to_owned());
        }
    }
    events
}

#[test]
fn every_event_is_documented_and_every_documented_event_is_there() {
    let docs = read("docs/EVENTS.md");
    let rows = docs.lines().filter_map(|line| line.strip_prefix("| `"));
    let documented: BTreeMap<_, _> = rows
        .map(|row| {
            let mut cells = row.split('|').map(|cell| cell.trim().trim_end_matches('`').to_owned());
            let (event, levels) = (cells.next().unwrap(), cells.next().unwrap());
            (event, levels.split(", ").map(str::to_owned).collect::<BTreeSet<_>>())
        })
        .collect();
    assert!(
        documented.keys().is_sorted() && documented.len() == docs.matches("\n| `").count(),
        "a row stands twice"
    );
    assert_eq!(documented, events_in_code(), "left: docs/EVENTS.md, right: src");
}

#[test]
fn every_build_uses_the_toolchain_of_the_manifest() {
    let manifest = read("Cargo.toml");
    let version =
        manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap().trim_matches('"');
    assert!(
        read("Dockerfile").contains(&format!("FROM rust:{version}.")),
        "Dockerfile: build with {version}"
    );
    let workflow = read(".github/workflows/ci.yml");
    assert!(workflow.contains(&format!("RUSTUP_TOOLCHAIN: \"{version}.")), "ci.yml: build with {version}");
}

#[test]
fn every_emulator_is_the_same_one() {
    let image = |path: &str| {
        let text = read(path);
        let line = text.lines().find_map(|line| line.trim().strip_prefix("image: ")).map(str::to_owned);
        let command =
            text.split_once("command: >-\n").unwrap().1.lines().take(2).map(str::trim).collect::<Vec<_>>();
        (line.unwrap(), command.join(" "))
    };
    assert_eq!(image("docker-compose.yml"), image(".github/workflows/ci.yml"));
}
