//! Datastore emulators for tests: started when a test first needs one, gone when the tests are.
//!
//! `gcloud` starts each one under a keeper, a shell that waits for the end of its standard input.
//! That end comes when the process of the tests ends, in whatever way, and then the keeper kills the
//! emulator with all its children and removes its folder.
//!
//! `cargo test` starts one emulator of each flavour, and new ones for every few scenes of real processes; under
//! `cargo nextest`, where each test is a process, each test starts its own. `DATASTORE_EMULATOR_HOST` names one to share instead.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use tenure::time::{Clock, SystemClock};

/// An emulator takes about five seconds to start, on a busy machine many more.
const START_LIMIT: Duration = Duration::from_secs(90);
const START_POLL: Duration = Duration::from_millis(50);
/// How long an emulator may take to say that it is well.
const HEALTH_LIMIT: Duration = Duration::from_secs(5);

/// How many scenes play on one emulator.
const SCENES: usize = 8;

const KEEPER: &str = r#"
    folder=$1; shift
    setsid "$@" >"$folder/log" 2>&1 </dev/null &
    read -r nothing
    kill -KILL -$!
    wait
    rm -rf "$folder"
"#;

/// The emulators that Google offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// The older one, eventually consistent except below an ancestor.
    Datastore,
    /// The same program, imitating Firestore in Datastore mode.
    FirestoreMode,
    /// Firestore's own, in Datastore mode.
    Firestore,
}

/// An emulator of one's own, empty at its start, gone when it is dropped.
#[derive(Debug)]
pub(crate) struct Emulator {
    flavour: Flavour,
    port: u16,
    keeper: Child,
}

/// The address of the emulator that all tests share. Without any, says why the test is skipped.
pub(crate) fn shared(flavour: Flavour) -> Option<String> {
    static DATASTORE: OnceLock<Option<Emulator>> = OnceLock::new();
    static FIRESTORE_MODE: OnceLock<Option<Emulator>> = OnceLock::new();
    static FIRESTORE: OnceLock<Option<Emulator>> = OnceLock::new();
    if let Some(address) = named() {
        return Some(address);
    }
    let emulator = match flavour {
        Flavour::Datastore => &DATASTORE,
        Flavour::FirestoreMode => &FIRESTORE_MODE,
        Flavour::Firestore => &FIRESTORE,
    };
    emulator.get_or_init(|| Emulator::start(flavour)).as_ref().map(Emulator::address)
}

/// The addresses of emulators for one more scene, which may play beside another. An emulator keeps every version of every
/// row in memory, and in the end does nothing but look for more. So there are new ones after some scenes, and
/// those of before stay for whoever plays there still.
pub(crate) fn for_a_scene() -> Vec<String> {
    static STAGES: Mutex<(usize, VecDeque<Vec<Emulator>>)> = Mutex::new((0, VecDeque::new()));
    if let Some(address) = named() {
        return vec![address];
    }
    let mut held = STAGES.lock().unwrap_or_else(PoisonError::into_inner);
    let (scenes, stages) = &mut *held;
    if scenes.is_multiple_of(SCENES) {
        stages.truncate(1);
        let flavours = [Flavour::Datastore, Flavour::FirestoreMode];
        stages.push_front(thread::scope(|threads| {
            let starting = flavours.map(|flavour| threads.spawn(move || Emulator::start(flavour)));
            starting.into_iter().filter_map(|start| start.join().unwrap()).collect()
        }));
    }
    *scenes += 1;
    stages[0].iter().map(Emulator::address).collect()
}

impl Emulator {
    /// Starts an emulator. Without `gcloud`, says why the test is skipped.
    pub(crate) fn start(flavour: Flavour) -> Option<Self> {
        if !has_gcloud() {
            skip();
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let emulator = Self { flavour, port, keeper: keep(flavour, port) };
        emulator.wait_until_well();
        Some(emulator)
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Kills it as a crash would, with everything it held.
    pub(crate) fn kill(&mut self) {
        drop(self.keeper.stdin.take());
        self.keeper.wait().unwrap();
    }

    /// Starts it again, empty, at the same address.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.keeper = keep(self.flavour, self.port);
        self.wait_until_well();
    }

    fn wait_until_well(&self) {
        let limit = SystemClock.now() + START_LIMIT;
        while !self.is_well() {
            let log = || std::fs::read_to_string(folder(self.port).join("log")).unwrap_or_default();
            assert!(SystemClock.now() < limit, "the {:?} emulator did not start:\n{}", self.flavour, log());
            thread::sleep(START_POLL);
        }
    }

    fn is_well(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(self.address()) else { return false };
        stream.set_read_timeout(Some(HEALTH_LIMIT)).unwrap();
        let mut status = [0; "HTTP/1.1 200".len()];
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").is_ok()
            && stream.read_exact(&mut status).is_ok()
            && status.ends_with(b" 200")
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.kill();
    }
}

fn keep(flavour: Flavour, port: u16) -> Child {
    let address = format!("--host-port=127.0.0.1:{port}");
    let folder = folder(port);
    let data = format!("--data-dir={}", folder.join("data").display());
    let datastore =
        ["beta", "emulators", "datastore", "start", "--project=tenure", "--no-store-on-disk", &data];
    let arguments = match flavour {
        Flavour::Datastore => datastore.to_vec(),
        Flavour::FirestoreMode => [&datastore[..], &["--use-firestore-in-datastore-mode"]].concat(),
        Flavour::Firestore => vec!["emulators", "firestore", "start", "--database-mode=datastore-mode"],
    };
    std::fs::create_dir_all(&folder).unwrap();
    let mut keeper = Command::new("sh");
    keeper.args(["-c", KEEPER, "keeper"]).arg(folder).arg("gcloud").args(arguments).arg(address);
    // In a group of its own, so that an interrupt at the keyboard leaves it alive to clean up.
    keeper.process_group(0).stdin(Stdio::piped()).spawn().unwrap()
}

fn folder(port: u16) -> PathBuf {
    std::env::temp_dir().join(format!("tenure-emulator-{}-{port}", std::process::id()))
}

/// The emulator that the environment names.
fn named() -> Option<String> {
    let address = std::env::var("DATASTORE_EMULATOR_HOST").ok().filter(|address| !address.is_empty())?;
    Some(address.strip_prefix("http://").unwrap_or(&address).to_owned())
}

fn has_gcloud() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join("gcloud").is_file())
}

fn skip() {
    let asked = std::env::var("CI").is_ok_and(|value| value == "true") && named().is_none();
    assert!(!asked, "no emulator: install gcloud with its emulators, or set DATASTORE_EMULATOR_HOST");
    eprintln!("skipped: this test needs an emulator that it can start, and there is no gcloud");
}
