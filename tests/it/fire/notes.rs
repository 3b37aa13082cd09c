//! What clients noted: in memory, and line by line in the files of processes that will be killed.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tenure::prove::clients::Note;
use tenure::prove::history::{Act, History, Operation, Tally, Violation};
use tenure::stores::{Outcome, Version};
use tenure::time::Instant;

/// What all clients noted.
#[derive(Clone, Default)]
pub(super) struct Notes(Arc<Mutex<Vec<Operation>>>);

/// What it comes to.
#[derive(Debug)]
pub(super) struct Sum {
    pub(super) tally: Tally,
    /// Changes of which their client never heard, and whose value was read.
    pub(super) landed: usize,
}

impl Notes {
    /// Has clients note what they see here.
    pub(super) fn note(&self) -> Note {
        let notes = Arc::clone(&self.0);
        Arc::new(move |operation| notes.lock().unwrap().push(operation))
    }

    pub(super) fn violations(&self) -> Vec<(u16, Violation)> {
        self.history().violations()
    }

    /// Sums up what was noted, if it can have been.
    pub(super) fn judge(&self) -> Sum {
        let history = self.history();
        assert_eq!(history.violations(), [], "{:?}", history.tally());
        let (mut unknown, mut read) = (HashMap::new(), HashSet::new());
        for operation in &*self.0.lock().unwrap() {
            match operation.act {
                Act::Read(found) => read.extend(found.map(|(_, id)| id)),
                Act::Change { id, outcome, .. } => drop(unknown.insert(id, outcome == Outcome::Unknown)),
            }
        }
        let landed = read.iter().filter(|id| unknown.get(id) == Some(&true)).count();
        Sum { tally: history.tally(), landed }
    }

    fn history(&self) -> History {
        let mut history = History::default();
        self.0.lock().unwrap().iter().for_each(|operation| history.note(*operation));
        history
    }

    /// Has clients note what they see at the end of a file, before anything else happens.
    pub(super) fn to_file(path: &Path) -> Note {
        let file = File::options().create(true).append(true).open(path).unwrap();
        Arc::new(move |operation| (&file).write_all(line(&operation).as_bytes()).unwrap())
    }

    /// Takes in what a file says, and tells how many changes were sent. Its last line may be none, if that
    /// was the end of its writer.
    pub(super) fn add_file(&self, path: &Path) -> u64 {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        let operations: Vec<_> = lines.map(operation).collect();
        self.0.lock().unwrap().extend_from_slice(&operations);
        let sent = operations.iter().filter(|operation| operation.answered == Instant::NEVER);
        sent.map(|_| 1).sum()
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { reads, done, conflicts, unknown } = self.tally;
        let operations = reads + done + conflicts + unknown;
        let changes = format!("{done} applied, {conflicts} refused, {unknown} unknown");
        write!(f, "{operations} operations: {reads} reads; {changes}, {} of them applied", self.landed)
    }
}

/// An operation as a line of numbers. Outcomes that are no version are told as numbers that none has.
fn line(operation: &Operation) -> String {
    let Operation { row, sent, answered, act } = operation;
    let act = match act {
        Act::Read(found) => {
            let (version, id) = found.unwrap_or_default();
            format!("read {} {id}", version.0)
        }
        Act::Change { id, base, deletes, outcome } => {
            let outcome = match outcome {
                Outcome::Done(version) => version.0,
                Outcome::Conflict => CONFLICT,
                Outcome::Unknown => UNKNOWN,
            };
            format!("{} {} {id} {outcome}", if *deletes { "delete" } else { "write" }, base.0)
        }
    };
    format!("{row} {} {} {act}\n", sent.as_nanos(), answered.as_nanos())
}

const CONFLICT: u64 = u64::MAX;
const UNKNOWN: u64 = u64::MAX - 1;

fn operation(line: &str) -> Operation {
    let words: Vec<_> = line.split(' ').collect();
    let [row, sent, answered, act, numbers @ ..] = &words[..] else { panic!("{line}") };
    let moment = |nanos: &str| Instant::from_nanos(nanos.parse().unwrap());
    let numbers: Vec<u64> = numbers.iter().map(|number| number.parse().unwrap()).collect();
    let act = match (*act, &numbers[..]) {
        ("read", [0, _]) => Act::Read(None),
        ("read", [version, id]) => Act::Read(Some((Version(*version), *id))),
        (act, [base, id, outcome]) => {
            let outcome = match *outcome {
                CONFLICT => Outcome::Conflict,
                UNKNOWN => Outcome::Unknown,
                version => Outcome::Done(Version(version)),
            };
            Act::Change { id: *id, base: Version(*base), deletes: act == "delete", outcome }
        }
        _ => panic!("{line}"),
    };
    Operation { row: row.parse().unwrap(), sent: moment(sent), answered: moment(answered), act }
}

#[test]
fn notes_survive_their_writer() {
    let folder = crate::folder::Folder::new();
    let path = folder.0.join("notes");
    let note = Notes::to_file(&path);
    let sent = Instant::from_nanos(7);
    let change = |deletes, outcome| Act::Change { id: 9, base: Version(3), deletes, outcome };
    let acts = [
        Act::Read(None),
        Act::Read(Some((Version(3), 8))),
        change(false, Outcome::Unknown),
        change(true, Outcome::Conflict),
        change(false, Outcome::Done(Version(4))),
    ];
    let operations = acts.map(|act| {
        let unknown = act == change(false, Outcome::Unknown);
        Operation {
            row: 2,
            sent,
            answered: if unknown { Instant::NEVER } else { Instant::from_nanos(8) },
            act,
        }
    });
    for operation in operations {
        note(operation);
    }
    File::options().append(true).open(&path).unwrap().write_all(b"2 7 9 rea").unwrap();
    let notes = Notes::default();
    assert_eq!(notes.add_file(&path), 1);
    assert_eq!(*notes.0.lock().unwrap(), operations);
}
