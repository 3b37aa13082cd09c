//! What a job does: one key of its table, named after the kind of job.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Uri};

use super::layers::Layers;
use super::section::Section;
use super::words::{choose, duration, path, show, size, within};
use crate::jobs::Action;
use crate::jobs::command::{self, Command};
use crate::jobs::http::{self, Http, Success};
use crate::jobs::preacher::Preacher;
use crate::secret::Value;

/// Most lines of one sermon.
pub const MOST_LINES: u32 = 1000;
/// Longest line of a sermon, in bytes.
pub const LONGEST_LINE: usize = 10_000;
/// Longest pause between two lines.
pub const LONGEST_PAUSE: Duration = Duration::from_hours(1);
/// Most bytes that a run may be allowed to say.
pub const MOST_OUTPUT: usize = 1 << 30;
/// Longest time that a request may be allowed to take.
pub const LONGEST_TIMEOUT: Duration = Duration::from_hours(24);

pub(super) const KEYS: &[&str] = &["preacher", "command", "http"];
pub(super) const PREACHER_KEYS: [&str; 3] = ["message", "times", "pause"];
pub(super) const COMMAND_KEYS: [&str; 5] = ["run", "dir", "env", "env_file", "output"];
pub(super) const HTTP_KEYS: [&str; 6] = ["url", "method", "headers", "body", "success", "timeout"];
pub(super) const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// Headers that nobody else is to see.
const SECRET: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];
/// Headers that follow from the body and the connection.
const FIXED: [&str; 3] = ["connection", "content-length", "transfer-encoding"];

/// What the job of a table does.
pub(super) fn read(layers: &mut Layers<'_>, section: &Section<'_>) -> Option<Arc<dyn Action>> {
    match section.one_of(layers, KEYS)? {
        "preacher" => Some(Arc::new(preacher(layers, section)?)),
        "command" => Some(Arc::new(command(layers, section)?)),
        _ => Some(Arc::new(http(layers, section)?)),
    }
}

fn preacher(layers: &mut Layers<'_>, section: &Section<'_>) -> Option<Preacher> {
    let section = section.table(layers, "preacher", &PREACHER_KEYS)?;
    let message = section.required(layers, "message", |text| match text.len() {
        1..=LONGEST_LINE => Ok(text.to_owned()),
        length => Err(format!("a message has 1 to {LONGEST_LINE} bytes, this one has {length}")),
    });
    let times = section.optional(layers, "times", "5", |text| {
        let times = text.parse().map_err(|_| format!("\"{}\" is not a whole number", text.escape_debug()))?;
        within(times, 1, MOST_LINES, |times| times.to_string())
    });
    let pause = section
        .optional(layers, "pause", "1s", |text| within(duration(text)?, Duration::ZERO, LONGEST_PAUSE, show));
    Some(Preacher { message: message?, times: times?, pause: pause? })
}

/// A list of words, or a table for more.
fn command(layers: &mut Layers<'_>, section: &Section<'_>) -> Option<Command> {
    let warden = layers.warden.map(PathBuf::from);
    if !section.has_table("command") {
        let (program, arguments) = words(layers, section, "command")?;
        return Some(Command { warden, ..Command::new(program, arguments) });
    }
    let section = section.table(layers, "command", &COMMAND_KEYS)?;
    let words = words(layers, &section, "run");
    let dir = section.maybe(layers, "dir", path);
    let env = section.entries(layers, "env", variable);
    let env_file = section.maybe(layers, "env_file", path);
    let output = section.optional(layers, "output", "1MiB", |text| match size(text)? {
        bytes @ 0..=MOST_OUTPUT => Ok(bytes),
        _ => Err(format!("{text} is more than 1GiB")),
    });
    let (program, arguments) = words?;
    let (env, output) = (env?, output?);
    Some(Command { dir, env, env_file, output, warden, ..Command::new(program, arguments) })
}

/// A program and what it is given.
fn words(layers: &mut Layers<'_>, section: &Section<'_>, key: &str) -> Option<(String, Vec<String>)> {
    let mut words = section.list(layers, key, no_nul)?;
    if words.first().is_none_or(String::is_empty) {
        layers.problem(
            section.source(key),
            "name a program first, such as [\"pg_dump\", \"--file\", \"db.sql\"]",
        );
        return None;
    }
    Some((words.remove(0), words))
}

fn variable(name: &str, text: &str) -> Result<Value, String> {
    if name.is_empty() || name.contains(['=', '\0']) {
        Err(format!("\"{}\" cannot name a variable", name.escape_debug()))
    } else if name.starts_with(command::PREFIX) {
        Err(format!("variables that begin with {} tell of the run; take another name", command::PREFIX))
    } else {
        no_nul(text).map(|text| Value::new(&text))
    }
}

fn no_nul(text: &str) -> Result<String, String> {
    if text.contains('\0') { Err("no program takes a NUL character".to_owned()) } else { Ok(text.to_owned()) }
}

/// A URL, or a table for more.
fn http(layers: &mut Layers<'_>, section: &Section<'_>) -> Option<Http> {
    if !section.has_table("http") {
        return section.unquoted(layers, "http", url).map(Http::new);
    }
    let section = section.table(layers, "http", &HTTP_KEYS)?;
    let url = section.unquoted(layers, "url", url);
    let method = section.optional(layers, "method", "POST", |text| {
        let method: Result<Method, _> = choose(&METHODS.map(|name| (name, name)), text)?.parse();
        method.map_err(|error| error.to_string())
    });
    let headers = section.entries(layers, "headers", header);
    let body = section.optional(layers, "body", "", |text| Ok(text.to_owned()));
    let success = section.list_or(layers, "success", &["2xx"], |text| {
        let wrong = || format!("\"{}\" is no status; write \"204\" or \"2xx\"", text.escape_debug());
        Success::new(text).ok_or_else(wrong)
    });
    let timeout = section.optional(layers, "timeout", &show(Http::TIMEOUT), |text| {
        within(duration(text)?, Duration::from_millis(1), LONGEST_TIMEOUT, show)
    });
    let (url, method, headers, body) = (url?, method?, headers?, body?);
    Some(Http { url, method, headers, body, success: success?, timeout: timeout? })
}

fn url(text: &str) -> Result<Uri, String> {
    let wrong = |why: &str| format!("this {why}; write http://host:port/path");
    let uri: Uri = text.parse().map_err(|error| wrong(&format!("is no URL ({error})")))?;
    let authority = uri.authority().ok_or_else(|| wrong("is no URL"))?;
    match uri.scheme_str() {
        _ if authority.as_str().contains('@') => {
            Err("no URL with a password in it: write a header Authorization, from a file".to_owned())
        }
        Some("http") if !authority.host().is_empty() => Ok(uri),
        Some("https") => Err(wrong("is encrypted, which does not work yet")),
        Some(_) | None => Err(wrong("is no URL of HTTP")),
    }
}

fn header(name: &str, text: &str) -> Result<Value, String> {
    let known: HeaderName =
        name.parse().map_err(|_| format!("\"{}\" cannot name a header", name.escape_debug()))?;
    let value = Value::new(text);
    if FIXED.contains(&known.as_str()) {
        Err(format!("{name} follows from the rest: leave it out"))
    } else if known.as_str().starts_with(http::PREFIX) {
        Err(format!("headers that begin with {} tell of the run; take another name", http::PREFIX))
    } else if SECRET.contains(&known.as_str()) && matches!(value, Value::Plain(_)) {
        Err(format!("{name} is secret: write it into a file, and here \"file:/path/of/that/file\""))
    } else {
        HeaderValue::from_str(text).map_err(|_| "a header cannot have a control character".to_owned())?;
        Ok(value)
    }
}
