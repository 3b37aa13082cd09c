//! The world outside: a server that every run of a scene calls, and that stamps each launch when it
//! arrives, by a clock that nobody lies about.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tenure::time::Instant;

use crate::fleet::now;

/// Whoever says nothing for so long is not listened to any more.
const LONGEST_SILENCE: Duration = Duration::from_secs(10);

/// One run, as it was seen from outside.
#[derive(Clone, Debug)]
pub(super) struct Launch {
    pub(super) at: Instant,
    pub(super) job: String,
    pub(super) term: u64,
    pub(super) run: String,
}

/// The server.
pub(super) struct Recorder {
    pub(super) address: String,
    launches: Arc<Mutex<Vec<Launch>>>,
}

impl Recorder {
    pub(super) fn new() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    /// One that listens where it is told to.
    pub(super) fn on(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap().to_string();
        let launches = Arc::<Mutex<Vec<Launch>>>::default();
        let shared = Arc::clone(&launches);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let launches = Arc::clone(&shared);
                thread::spawn(move || answer(&stream, &launches));
            }
        });
        Self { address, launches }
    }

    /// Every launch so far, in the order in which they arrived.
    pub(super) fn launches(&self) -> Vec<Launch> {
        self.launches.lock().unwrap().clone()
    }
}

/// Whoever is killed in the middle of a request has launched nothing.
fn answer(mut stream: &TcpStream, launches: &Mutex<Vec<Launch>>) {
    stream.set_read_timeout(Some(LONGEST_SILENCE)).unwrap();
    let head: Vec<_> =
        BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let told = |name: &str| {
        let fields = head.iter().filter_map(|line| line.split_once(": "));
        fields.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).next()
    };
    let launch = || {
        let (job, run) = (told("Tenure-Job")?, told("Tenure-Run")?);
        Some(Launch { at: now(), job, term: told("Tenure-Term")?.parse().ok()?, run })
    };
    let Some(launch) = launch() else { return };
    launches.lock().unwrap().push(launch);
    // An error means that nobody waits for the answer any more.
    drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"));
}
