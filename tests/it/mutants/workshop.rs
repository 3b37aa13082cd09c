//! Where mutants are made: each is a package of one workspace, with a copy of the protocol and of
//! the simulator. What no mutant changes is a package that all of them share, built once.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use tenure::time::{Clock, SystemClock};

use super::{Edit, Fate, Mutant};
use crate::tidy::read;

/// What is copied into every package, and what an edit may change.
const COPIED: &[&str] = &["src/lease.rs", "src/lease", "src/sim"];

const WORKSPACE: &str = r#"[workspace]
resolver = "3"
members = ["*"]
exclude = ["target"]

[profile.dev]
debug = false
incremental = false
panic = "abort"
"#;

const SHARED: &str = r#"[package]
name = "shared"
edition = "2024"

[dependencies]
rustix = { version = "1", default-features = false, features = ["std", "time"] }
serde = { version = "1", features = ["derive"] }
serde_json = "1"
thiserror = "2"
tokio = { version = "1", features = ["time"] }
"#;

const SHARED_LIB: &str = "#![allow(warnings)]
pub mod machine;
pub mod rows;
pub mod stores;
pub mod time;
";

const MANIFEST: &str = r#"[package]
name = "NAME"
edition = "2024"

[dependencies]
fastrand = "2"
shared.path = "../shared"
"#;

const MAIN: &str = r#"#![allow(warnings)]
use shared::{machine, rows, stores, time};
mod lease;
mod sim;

fn main() {
    let seeds: u64 = std::env::args().nth(1).and_then(|seeds| seeds.parse().ok()).expect("how many seeds");
    let caught = (0..seeds).find_map(|seed| sim::run_seed(seed).violation);
    if let Some(violation) = caught {
        println!("{} {}", violation.seed, violation.what);
    }
}
"#;

/// A folder under the target folder, kept so that what did not change is not built again.
pub(crate) struct Workshop(PathBuf);

impl Workshop {
    pub(crate) fn open() -> Self {
        let workshop = Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutants"));
        // Packages of mutants that are no longer in the table would be members still.
        workshop
    }

    /// Writes and builds all of them at once.
    pub(crate) fn build(&self, mutants: &[&Mutant]) {
        self.write("Cargo.toml", WORKSPACE);
        self.write("Cargo.lock", &read("Cargo.lock"));
        self.write("shared/Cargo.toml", SHARED);
        self.write("shared/src/lib.rs", SHARED_LIB);
        for module in ["machine", "rows", "time"] {
            self.write(&format!("shared/src/{module}.rs"), &read(&format!("src/{module}.rs")));
        }
        self.write("shared/src/stores.rs", &without_modules(&read("src/stores/mod.rs")));
        for mutant in mutants {
            self.write(&format!("{}/Cargo.toml", mutant.name), &MANIFEST.replace("NAME", mutant.name));
            self.write(&format!("{}/src/main.rs", mutant.name), MAIN);
            let edits = &mut mutant.edits.iter().collect::<Vec<_>>();
            for path in COPIED.iter().flat_map(|path| files(path)) {
                let text = mutated(mutant.name, edits, &path);
                self.write(&format!("{}/{path}", mutant.name), &text);
            }
            assert!(edits.is_empty(), "{}: no mutant can change {}", mutant.name, edits[0].0);
        }
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args(["build", "--offline", "--quiet", "--keep-going"])
            .args(mutants.iter().flat_map(|m| ["-p", m.name]))
            .current_dir(&self.0);
        let built = cargo.env("CARGO_TARGET_DIR", self.0.join("target")).output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    }

    /// Lets each of them loose in `seeds` worlds, as many at a time as there are processors.
    pub(crate) fn run(&self, mutants: &[&'static Mutant], seeds: u64) -> Vec<Fate> {
        let (queue, fates) = (Mutex::new(VecDeque::from(mutants.to_vec())), Mutex::new(Vec::new()));
        let next = || queue.lock().unwrap().pop_front();
        let work = || {
            while let Some(mutant) = next() {
                let fate = self.try_one(mutant, seeds);
                fates.lock().unwrap().push(fate);
            }
        };
        let workers = thread::available_parallelism().unwrap().get();
        thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(work))));
        fates.into_inner().unwrap()
    }

    fn try_one(&self, mutant: &'static Mutant, seeds: u64) -> Fate {
        let began = SystemClock.now();
        let program = self.0.join("target/debug").join(mutant.name);
        let output = Command::new(program).arg(seeds.to_string()).output().unwrap();
        let (said, complained) = (String::from_utf8(output.stdout).unwrap(), output.stderr);
        assert!(output.status.success(), "{}: {}", mutant.name, String::from_utf8_lossy(&complained));
        let caught = said.trim().split_once(' ').map(|(seed, what)| (seed.parse().unwrap(), what.to_owned()));
        Fate { mutant, caught, took: SystemClock.now().since(began) }
    }

    /// Writes a file, unless it says so already.
    fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        if fs::read_to_string(&path).is_ok_and(|before| before == text) {
            return;
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// The files at a path of the project, without those in folders of folders.
fn files(path: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Ok(folder) = fs::read_dir(root.join(path)) else { return vec![path.to_owned()] };
    let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
    folder.map(|entry| format!("{path}/{}", name(entry.unwrap()))).collect()
}

/// The file at `path` after those of the edits that are meant for it, which are taken out.
fn mutated(name: &str, edits: &mut Vec<&Edit>, path: &str) -> String {
    let mut text = read(path);
    edits.retain(|Edit(file, from, to)| {
        if file == &path {
            let times = text.matches(from).count();
            assert!(times == 1, "{name}: this text stands {times} times in {file}, not once: {from}");
            text = text.replace(from, to);
        }
        file != &path
    });
    text
}

/// The words about stores without the stores.
fn without_modules(text: &str) -> String {
    let module = |line: &&str| {
        let starts = ["mod ", "pub mod ", "use self::", "pub use self::", "#[cfg("];
        !starts.iter().any(|start| line.starts_with(start))
    };
    text.lines().filter(module).flat_map(|line| [line, "\n"]).collect()
}
