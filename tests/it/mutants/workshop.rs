//! Where mutants are made: each is a program of one package, with a copy of the protocol and of the
//! simulator. What no mutant changes is the library of that package, built once.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

use super::{Edit, Mutant};
use crate::tidy::read;

/// What is copied into every mutant, and what an edit may change.
const COPIED: &[&str] = &["src/lease.rs", "src/lease", "src/sim", "src/sim/profiles"];
/// What they share.
const SHARED: &[&str] = &["src/machine.rs", "src/rows.rs", "src/rows", "src/time.rs"];

const MANIFEST: &str = r#"[workspace]

[package]
name = "mutants"
edition = "2024"

[dependencies]
fastrand = "2"
rustix = { version = "1", default-features = false, features = ["std", "time"] }
serde = { version = "1", features = ["derive"] }
serde_json = "1"
thiserror = "2"
tokio = { version = "1", features = ["time"] }

[profile.dev]
debug = false
incremental = false

[profile.dev.package."*"]
opt-level = 0
"#;

const LIBRARY: &str = "#![allow(warnings)]
pub mod machine;
pub mod rows;
pub mod stores;
pub mod time;
";

const PROGRAM: &str = r#"#![allow(warnings)]
use mutants::{machine, rows, stores, time};
mod lease;
mod sim;

fn main() {
    let mut bounds = std::env::args().skip(1).map(|bound| bound.parse::<u64>().unwrap());
    let seeds = bounds.next().unwrap()..bounds.next().unwrap();
    let swarm = sim::Profile::named("swarm").unwrap();
    let caught = seeds.into_iter().find_map(|seed| sim::run_seed(swarm, seed).violation);
    if let Some(violation) = caught {
        println!("{} {}", violation.seed, violation.what);
    }
}
"#;

/// One builds at a time: all share a folder, which is kept so that what did not change is not built
/// again.
static BUILDING: Mutex<()> = Mutex::new(());

/// What a build is to be good at.
#[derive(Clone, Copy)]
pub(super) enum Speed {
    OfBuilding,
    OfRunning,
}

/// The place where one mutant is made.
pub(super) struct Workshop {
    folder: PathBuf,
    mutant: &'static str,
}

/// A mutant that can be run.
pub(super) struct Program(PathBuf);

impl Workshop {
    /// Writes the mutant.
    pub(super) fn open(mutant: &Mutant) -> Self {
        let _alone = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
        let workshop =
            Self { folder: Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutants"), mutant: mutant.name };
        workshop.write("Cargo.toml", MANIFEST);
        workshop.write("src/lib.rs", LIBRARY);
        workshop.write("src/stores.rs", &without_modules(&read("src/stores/mod.rs")));
        for path in SHARED.iter().flat_map(|path| files(path)) {
            workshop.write(&path, &read(&path));
        }
        workshop.write("Cargo.lock", &read("Cargo.lock"));
        // What the simulator does beside leases is no matter of theirs.
        let leases_alone = |text: String| text.replace("pub mod elections;\n", "");
        let program = |path: &str| format!("src/bin/{}/{path}", mutant.name);
        workshop.write(&program("main.rs"), PROGRAM);
        for (path, text) in mutated(mutant).unwrap() {
            workshop.write(&program(path.trim_start_matches("src/")), &leases_alone(text));
        }
        workshop
    }

    pub(super) fn build(&self, speed: Speed) -> Program {
        let built = self.cargo("build", speed, &[]);
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        Program(self.folder.join("target/debug").join(self.mutant))
    }

    /// Whether it passes one of the unit tests of the protocol.
    pub(super) fn passes(&self, test: &str) -> bool {
        let tested = self.cargo("test", Speed::OfBuilding, &["--", "--exact", test]);
        let said = String::from_utf8_lossy(&tested.stdout);
        assert!(said.contains("running 1 test"), "{test}: {said}{}", String::from_utf8_lossy(&tested.stderr));
        tested.status.success()
    }

    fn cargo(&self, what: &str, speed: Speed, rest: &[&str]) -> Output {
        let _alone = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
        let level = match speed {
            Speed::OfBuilding => "0",
            Speed::OfRunning => "2",
        };
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args([what, "--offline", "--quiet", "--bin", self.mutant]).args(rest);
        cargo.env("CARGO_TARGET_DIR", self.folder.join("target")).env("CARGO_PROFILE_DEV_OPT_LEVEL", level);
        cargo.current_dir(&self.folder).output().unwrap()
    }

    /// Writes a file, unless it says so already.
    fn write(&self, path: &str, text: &str) {
        let path = self.folder.join(path);
        if fs::read_to_string(&path).is_ok_and(|before| before == text) {
            return;
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

impl Program {
    /// Lets it loose in the worlds of these seeds. Returns the first that broke the law, and how.
    pub(super) fn run(&self, seeds: Range<u64>) -> Option<(u64, String)> {
        let bounds = [seeds.start, seeds.end].map(|seed| seed.to_string());
        let output = Command::new(&self.0).args(bounds).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout).unwrap();
        said.trim().split_once(' ').map(|(seed, what)| (seed.parse().unwrap(), what.to_owned()))
    }
}

/// The files that are copied, as the mutant has them, or what does not fit.
pub(super) fn mutated(mutant: &Mutant) -> Result<Vec<(String, String)>, String> {
    let copied = COPIED.iter().flat_map(|path| files(path));
    let mut sources: Vec<_> = copied.map(|path| (path.clone(), read(&path))).collect();
    for Edit { file, from, to } in mutant.edits {
        let Some((_, text)) = sources.iter_mut().find(|(path, _)| path == file) else {
            return Err(format!("{}: no mutant can change {file}", mutant.name));
        };
        let times = text.matches(from).count();
        if times != 1 {
            return Err(format!("{}: {file} has this {times} times, not once: {from}", mutant.name));
        }
        *text = text.replace(from, to);
    }
    Ok(sources)
}

/// The files at a path of the project, without those in its folders.
fn files(path: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Ok(folder) = fs::read_dir(root.join(path)) else { return vec![path.to_owned()] };
    let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
    let files = folder.map(Result::unwrap).filter(|entry| entry.file_type().unwrap().is_file());
    files.map(|entry| format!("{path}/{}", name(entry))).collect()
}

/// The words about stores without the stores.
fn without_modules(text: &str) -> String {
    let module = |line: &&str| {
        let starts = ["mod ", "pub mod ", "use self::", "pub use self::", "#[cfg("];
        !starts.iter().any(|start| line.starts_with(start))
    };
    text.lines().filter(module).flat_map(|line| [line, "\n"]).collect()
}
