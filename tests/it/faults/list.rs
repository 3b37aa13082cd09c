//! `faults/README.md` lists every scenario, and nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::tidy::read;

/// Tests of the tests.
const NO_SCENARIOS: [&str; 2] = ["list.rs", "verdict.rs"];
/// Fewer are not enough.
const FEWEST: usize = 40;

#[test]
fn every_scenario_is_listed_once_with_the_test_that_plays_it() {
    let list = read("tests/it/faults/README.md");
    let rows: Vec<_> = list.lines().filter(|line| line.starts_with("| `")).collect();
    let tests: Vec<_> = rows.iter().map(|row| row.split('`').nth(1).unwrap()).collect();
    let unique: BTreeSet<_> = tests.iter().copied().collect();
    assert!(unique.len() == tests.len() && unique.len() >= FEWEST, "{} scenarios", unique.len());
    for test in unique {
        let (file, name) = test.split_once("::").unwrap();
        let text = [format!("tests/it/{file}.rs"), format!("tests/it/faults/{file}.rs")]
            .into_iter()
            .find(|path| Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists())
            .map(|path| read(&path));
        let text = text.unwrap_or_else(|| panic!("{test}: there is no such file"));
        assert!(text.contains(&format!("fn {name}(")), "{test}: there is no such test");
    }
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/faults")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|kind| kind != "rs")
            || NO_SCENARIOS.iter().any(|file| path.ends_with(file))
        {
            continue;
        }
        let (file, text) = (path.file_stem().unwrap().to_str().unwrap(), fs::read_to_string(&path).unwrap());
        for name in text.split("#[test]\nfn ").skip(1).map(|rest| rest.split('(').next().unwrap()) {
            let test = format!("{file}::{name}");
            assert!(tests.contains(&test.as_str()), "{test} is not listed");
        }
    }
}
