//! What happens, line by line.

use std::io::{self, ErrorKind, Write};
use std::time::Duration;

use clap::Args;
use tenure::commands::events::{Event, Watcher, What};
use tenure::failure::Failure;
use tenure::signals::{STOPPING, Signals};
use tenure::stores::Store;
use tenure::time::{Clock, SystemClock};
use tokio::time::sleep;

use super::{Output, Shape, load_quietly, open, wait};

/// From one look at the store to the next.
const LOOK: Duration = Duration::from_secs(1);

/// Tell what happens from now on, until SIGINT
///
/// It looks at the store once a second and tells what changed: instances that come, go, are drained and
/// undrained; jobs that get another leader or lose theirs; attempts that begin or wait to be tried again; and
/// what becomes of each due time. No account of a due time escapes it, however short its run was. What comes
/// and goes within a second otherwise does, such as a leadership that was over by then. A job that is new is
/// seen within half a minute. It needs the store and no instance.
#[derive(Debug, Args)]
pub(super) struct Events {
    /// Go on until SIGINT; there is no other way yet
    #[arg(long, required = true)]
    follow: bool,
    #[command(flatten)]
    shape: Shape,
}

impl Events {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = load_quietly(&self.shape.settings)?;
        wait(async {
            let deaf = |error| Failure::Other(format!("cannot listen to signals: {error}"));
            let mut signals = Signals::listen(&STOPPING).map_err(deaf)?;
            let store = open(&config).await?;
            tokio::select! {
                ended = follow(&*store, self.shape.output) => ended,
                _ = signals.next() => Ok(()),
            }
        })
    }
}

/// Tells what happens, until nobody reads it.
async fn follow(store: &dyn Store, output: Output) -> Result<(), Failure> {
    let mut watcher = Watcher::default();
    let mut silent = false;
    loop {
        let seen = SystemClock.wall();
        let events = match watcher.look(store, seen).await {
            Ok(events) => {
                silent = false;
                events
            }
            Err(_) if silent => Vec::new(),
            Err(error) => {
                silent = true;
                vec![Event { seen, what: What::Silent { reason: error.to_string() } }]
            }
        };
        match tell(&events, output) {
            Ok(()) => {}
            // A reader that has seen enough is no failure.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(Failure::Other(format!("cannot write to standard output: {error}"))),
        }
        sleep(LOOK).await;
    }
}

fn tell(events: &[Event], output: Output) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for event in events {
        match output {
            Output::Table => writeln!(out, "{event}")?,
            Output::Json => writeln!(out, "{}", serde_json::json!(event))?,
        }
    }
    out.flush()
}
