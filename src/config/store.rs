//! Which store, and where it is.

use std::path::PathBuf;

use super::layers::Layers;
use super::problem::Source;
use super::settings::{DATABASE, EMULATOR, NAMESPACE, PATH, PROJECT, STORE};
use super::words::{choose, label, path};
use crate::stores::{DatastorePlace, Place};

#[derive(Clone, Copy)]
enum Kind {
    Sqlite,
    Datastore,
    Memory,
}

pub(super) fn read(layers: &mut Layers<'_>) -> Place {
    match layers.read_or(&STORE, implied(layers), kind) {
        Kind::Sqlite => Place::Sqlite { path: layers.read(&PATH, file) },
        Kind::Datastore => Place::Datastore(datastore(layers)),
        Kind::Memory => Place::Memory,
    }
}

/// The kind that is meant when nobody names one: a project or an emulator means Datastore, unless
/// a file is named more insistently.
fn implied(layers: &Layers<'_>) -> &'static str {
    let datastore = layers.source(&PROJECT).rank().max(layers.source(&EMULATOR).rank());
    let named = datastore > Source::Default.rank();
    if named && datastore >= layers.source(&PATH).rank() { "datastore" } else { STORE.default }
}

fn kind(text: &str) -> Result<Kind, String> {
    match text {
        "replicated" => {
            let today = "stores that work today: sqlite, datastore, memory";
            Err(format!("the replicated store comes in a later version; {today}"))
        }
        _ => choose(
            &[("sqlite", Kind::Sqlite), ("datastore", Kind::Datastore), ("memory", Kind::Memory)],
            text,
        ),
    }
}

/// `SQLite` has a name for a file that is none.
fn file(text: &str) -> Result<PathBuf, String> {
    if text.contains(":memory:") {
        Err("no file: for a store in this process alone, say --store memory".to_owned())
    } else {
        path(text)
    }
}

fn datastore(layers: &mut Layers<'_>) -> DatastorePlace {
    let place = DatastorePlace {
        project: layers.read(&PROJECT, label_or_none),
        database: layers.read(&DATABASE, label_or_none),
        namespace: layers.read(&NAMESPACE, label_or_none),
        emulator: layers.read(&EMULATOR, emulator),
    };
    if place.project.is_empty() {
        let message =
            "the datastore store needs a project: set DATASTORE_PROJECT_ID or store.project".to_owned();
        layers.problem(layers.source(&STORE), message);
    }
    place
}

fn label_or_none(text: &str) -> Result<String, String> {
    if text.is_empty() { Ok(String::new()) } else { label(text) }
}

/// `host:port`, from that or from an address in front of which and behind which `gcloud` writes more.
fn emulator(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || format!("\"{}\" is not the address of an emulator; write host:port", text.escape_debug());
    let address = text.strip_prefix("http://").unwrap_or(text);
    let address = address.split('/').next().unwrap_or_default();
    let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
    match port.parse::<u16>() {
        Ok(1..) if !host.is_empty() && !host.contains(char::is_whitespace) => Ok(Some(address.to_owned())),
        _ => Err(wrong()),
    }
}
