//! The log: one JSON object a line, for log readers of both worlds.
//!
//! A line begins with the keys that zap writes (`level` … `traceID`), goes on with the keys that
//! Google Cloud reads (`severity` …), and ends with the fields of the event and of the spans around
//! it, the innermost winning. A field never replaces one of the fixed keys.

mod fields;
mod line;
mod spool;

use std::io::{self, IsTerminal, Write as _};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::sleep;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Scope};
use tracing_subscriber::util::SubscriberInitExt;

use crate::machine::{JobName, Term};
use crate::time::Clock;
use fields::Fields;
pub use fields::chain;
pub use line::{Format, Style, one_line};
use spool::Spool;

/// Crates that talk about every frame they send or every call that fails. They are never heard.
const NOISE: [&str; 9] = [
    "gcloud_sdk",
    "h2",
    "hyper",
    "hyper_util",
    "rustls",
    "tokio_tungstenite",
    "tonic",
    "tower",
    "tungstenite",
];

/// How long the last lines may take to be read at the end.
const LAST_LINES: Duration = Duration::from_secs(1);
/// How soon people are told of lines that were lost.
const CONFESSION: Duration = Duration::from_secs(1);

/// What a daemon writes; `None` when the system gives no thread for it.
static SPOOL: OnceLock<Option<Spool>> = OnceLock::new();

/// Which lines are written: directives such as `info` or `info,tenure::drive=debug`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(String);

impl Filter {
    /// The filter that `text` says.
    pub fn new(text: &str) -> Result<Self, String> {
        let filter = Self(text.to_owned());
        let problem = match filter.parse() {
            Ok(_) => {
                text.split(',').find(|word| is_misspelt(word)).map(|word| format!("\"{word}\" is no level"))
            }
            Err(error) => Some(error.to_string()),
        };
        match problem {
            None => Ok(filter),
            Some(problem) => {
                Err(format!("{problem}; write it like \"info\" or \"info,tenure::drive=debug\""))
            }
        }
    }

    fn parse(&self) -> Result<EnvFilter, tracing_subscriber::filter::ParseError> {
        let quiet = NOISE.map(|noise| format!("{noise}=off")).join(",");
        EnvFilter::builder().parse(format!("{},{quiet}", self.0))
    }
}

impl std::fmt::Display for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether a directive that should be a level would be taken for the name of a crate, which says
/// nothing: the log would be empty.
fn is_misspelt(directive: &str) -> bool {
    let crates = NOISE.iter().chain(&["tenure"]);
    directive.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && directive.parse::<LevelFilter>().is_err()
        && !directive.is_empty()
        && !crates.copied().any(|name| name == directive)
}

/// Where lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// For a daemon.
    Stdout,
    /// For a command whose result goes to standard output.
    Stderr,
    /// For a daemon whose standard output is another's.
    Beside,
}

impl Destination {
    /// Whether a person watches, who did not ask for plain text.
    pub fn likes_colour(self, no_colour: bool) -> bool {
        let terminal = match self {
            Self::Stdout => io::stdout().is_terminal(),
            Self::Stderr | Self::Beside => io::stderr().is_terminal(),
        };
        terminal && !no_colour
    }

    /// Writes one line. A daemon waits for no reader; a command does, and if there is none any more,
    /// there is nobody left to tell.
    fn write(self, line: &[u8]) {
        let write: fn(&[u8]) -> io::Result<()> = match self {
            Self::Stdout => |line| io::stdout().lock().write_all(line),
            Self::Stderr | Self::Beside => |line| io::stderr().lock().write_all(line),
        };
        let spool = match self {
            Self::Stdout | Self::Beside => SPOOL.get_or_init(|| Spool::start(write).ok()).as_ref(),
            Self::Stderr => None,
        };
        match spool {
            Some(spool) => spool.put(line),
            None => drop(write(line)),
        }
    }
}

/// Lines that could not be written so far, because their reader stood still or was gone.
pub fn lost() -> u64 {
    SPOOL.get().and_then(Option::as_ref).map_or(0, Spool::lost)
}

/// Waits a moment until the last lines are read.
pub fn flush() {
    if let Some(Some(spool)) = SPOOL.get() {
        spool.flush(LAST_LINES);
    }
}

/// Says how many lines were lost, as soon as somebody reads again.
pub async fn own_up() {
    loop {
        sleep(CONFESSION).await;
        if let Some(count) = SPOOL.get().and_then(Option::as_ref).and_then(Spool::newly_lost) {
            tracing::warn!(
                event = "log.lost",
                count,
                reason = "nobody read them",
                "{count} lines before this one were lost, because nobody read them in time"
            );
        }
    }
}

/// Starts the log of this process. A second call changes nothing.
pub fn init(style: Style, filter: &Filter, clock: Arc<dyn Clock>, to: Destination) {
    let Ok(filter) = filter.parse() else { unreachable!("{filter:?} was parsed before") };
    let lines = Lines::new(style, clock, move |line| to.write(line));
    let _already = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
}

/// How what jobs say is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobOutput {
    /// As log lines.
    Json,
    /// As it is.
    Raw,
}

impl JobOutput {
    /// Writes one line that a job said.
    pub fn say(self, job: &JobName, term: Term, line: &str) {
        match self {
            Self::Json => tracing::info!(event = "job.output", %job, term = term.0, "{line}"),
            Self::Raw => Destination::Stdout.write(format!("{}\n", one_line(line)).as_bytes()),
        }
    }
}

/// Takes a line, its end included.
type Write = Box<dyn Fn(&[u8]) + Send + Sync>;

/// Turns events into lines.
pub struct Lines {
    style: Style,
    clock: Arc<dyn Clock>,
    write: Write,
}

impl Lines {
    /// Gives each line to `write`, line end included.
    pub fn new(style: Style, clock: Arc<dyn Clock>, write: impl Fn(&[u8]) + Send + Sync + 'static) -> Self {
        Self { style, clock, write: Box::new(write) }
    }
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("style", &self.style).finish_non_exhaustive()
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(Scope::from_root) {
            if let Some(outer) = span.extensions().get::<Fields>() {
                fields.extend(outer);
            }
        }
        event.record(&mut fields);
        (self.write)(&self.style.line(event.metadata(), fields, self.clock.wall()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_filter_lets_the_noise_through() {
        let filter = Filter::new("trace,h2=trace,tonic=debug").unwrap().parse().unwrap().to_string();
        for noise in NOISE {
            let of_it = |directive: &&str| directive.starts_with(&format!("{noise}="));
            let said: Vec<_> = filter.split(',').filter(of_it).collect();
            assert_eq!(said, [format!("{noise}=off")], "{filter}");
        }
    }
}
