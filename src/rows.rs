//! The rows of the protocol, and how they stand in a store.
//!
//! Each row carries the schema it was written by. An instance that meets a higher one leaves the
//! row alone and says so, which is what lets two versions of Tenure share a store.

mod ledger;
mod orders;

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;

pub use self::ledger::{Cursor, Entry, Fate, Run, RunState, Since, Tried};
pub use self::orders::{Orders, Pause, Verdict};
use crate::machine::{ClusterId, Incarnation, JobName, Term};
use crate::stores::{Fields, UNREADABLE};
use crate::time::Wall;

/// The newest schema that this version reads and writes.
pub const SCHEMA: u32 = 1;

/// No row of ours holds more bytes of text: one that does was not written by us, and might not fit
/// into a store, nor on anybody's screen.
const LARGEST: usize = 64 * 1024;
/// No counter of ours comes near: from one that high there would be no next number.
const HIGHEST: u64 = 1 << 53;

/// The row that says which store this is. Written once, when the first instance meets it empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// See [`SCHEMA`].
    pub schema: u32,
    /// Drawn at random: another id is another store.
    pub id: ClusterId,
    /// Every leader of an earlier, lost store has given up by now.
    pub settled: bool,
    /// How many wishes people have written into lease rows. Who sees it rise reads them.
    #[serde(deserialize_with = "counter")]
    pub wishes: u64,
    /// The lives that people have drained, without most of those that are over.
    #[serde(default)]
    pub drained: Vec<Incarnation>,
}

/// One instance's row, alive for as long as it changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// See [`SCHEMA`].
    pub schema: u32,
    /// For people only.
    pub name: String,
    /// How many heartbeats so far. A write that changes nothing may keep a row's version.
    #[serde(deserialize_with = "counter")]
    pub beat: u64,
    /// How long the row may stand unchanged before rivals delete it. Never changes.
    #[serde(rename = "ttl_ms", with = "millis")]
    pub ttl: Duration,
    /// Where its HTTP listens; empty if nowhere.
    pub url: String,
    /// It is on its way out and takes nothing more.
    pub draining: bool,
    /// How many leases it has given away. Who sees it rise reads the lease rows.
    #[serde(deserialize_with = "counter")]
    pub moved: u64,
    /// Hash of its list of jobs: only instances with the same list place jobs on each other.
    pub placement: String,
    /// The version of Tenure that runs it.
    pub version: String,
    /// Higher than that of every member there was when it joined. The eldest sets the clock.
    #[serde(deserialize_with = "counter")]
    pub order: u64,
    /// The clock that the cluster goes by, as it knew it when the row was sent.
    pub clock: Wall,
}

/// One job's row. What has parts is stored as a text of JSON: Datastore's emulators copy all lease rows at
/// every commit, property by property.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// See [`SCHEMA`].
    pub schema: u32,
    /// The incarnation that leads; `None` when the job is free.
    pub holder: Option<Incarnation>,
    /// The holder's human name.
    pub leader: Option<String>,
    /// Rises with every change of holder, never falls.
    pub term: Term,
    /// When the holder changed, by the wall clock of who changed it.
    pub since: Wall,
    /// When it was first led, by the same clock.
    pub born: Wall,
    /// How far its due times are accounted for.
    #[serde(with = "text", default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// What became of due times, as long as it does not stand in the history.
    #[serde(with = "text")]
    pub ledger: Vec<Entry>,
    /// What people have ordered.
    #[serde(with = "text")]
    pub orders: Orders,
    /// To whom a person wants it to go.
    #[serde(with = "text", default, skip_serializing_if = "Option::is_none")]
    pub wish: Option<Wish>,
    /// The membership and the jobs (their hash) at which the job was placed where it is; while they last, it
    /// stays.
    pub placed: Option<String>,
}

/// What a person asked of a job's leader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// Give the job to another instance: this one, or any.
    StepDown {
        /// Who shall lead.
        to: Option<Incarnation>,
    },
}

impl Cluster {
    /// The same with `who` drained, and of the others only those that are `alive`.
    #[must_use]
    pub fn drain(self, who: Incarnation, alive: &[Incarnation]) -> Self {
        let mut row = self.undrain(who, alive);
        row.drained.push(who);
        row
    }

    /// The same with `who` drained no more, and of the others only those that are `alive`.
    #[must_use]
    pub fn undrain(mut self, who: Incarnation, alive: &[Incarnation]) -> Self {
        self.drained.retain(|id| *id != who && alive.contains(id));
        self
    }
}

impl Lease {
    /// The row of a job that nobody has led yet.
    pub fn unborn() -> Self {
        Self {
            schema: SCHEMA,
            holder: None,
            leader: None,
            term: Term::default(),
            since: Wall::default(),
            born: Wall::default(),
            cursor: None,
            ledger: Vec::new(),
            orders: Orders::default(),
            wish: None,
            placed: None,
        }
    }

    /// Whether its leader has found a run of a leader that vanished, and nobody has said what becomes of it.
    pub fn is_held(&self) -> bool {
        let vanished = |cursor: &Cursor| cursor.state == RunState::Started && cursor.term < self.term;
        let answered = |cursor: &Cursor| self.orders.verdict.is_some_and(|verdict| verdict.run == cursor.run);
        self.cursor.as_ref().is_some_and(|cursor| vanished(cursor) && !answered(cursor))
    }

    /// How far its due times are accounted for.
    pub fn position(&self) -> Option<(Wall, u32)> {
        self.cursor.as_ref().map(Cursor::position)
    }
}

/// Why a row cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// A newer Tenure wrote it.
    #[error("it has schema {0}, and this version knows schemas up to {SCHEMA}: upgrade this instance")]
    Newer(u64),
    /// Nothing this program writes looks so.
    #[error("it cannot be read ({0}): restore it")]
    Corrupt(String),
}

/// What people call the cluster's row.
pub const CLUSTER: &str = "the row of the cluster";

/// What people call the row of an instance.
pub fn row_of_instance(id: Incarnation) -> String {
    format!("the row of instance {id}")
}

/// What people call the row of a job.
pub fn row_of_job(job: &JobName) -> String {
    format!("the row of job {}", job.as_str().escape_debug())
}

/// What a row holds, from the fields that a store keeps.
pub fn decode<T: DeserializeOwned>(fields: Fields) -> Result<T, RowError> {
    match fields.get("schema").and_then(Value::as_u64) {
        None => {
            let why = fields.get(UNREADABLE).and_then(Value::as_str).unwrap_or("it has no schema");
            Err(RowError::Corrupt(why.to_owned()))
        }
        Some(schema) if schema > u64::from(SCHEMA) => Err(RowError::Newer(schema)),
        Some(_) => {
            let row = Value::Object(fields);
            match weight(&row) {
                0..=LARGEST => {
                    serde_json::from_value(row).map_err(|error| RowError::Corrupt(error.to_string()))
                }
                bytes => Err(RowError::Corrupt(format!("it has {bytes} bytes, rows have at most {LARGEST}"))),
            }
        }
    }
}

/// How many bytes of text there are in `value`.
fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(weight).sum(),
        Value::Object(fields) => fields.iter().map(|(name, value)| name.len() + weight(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

fn counter<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = u64::deserialize(deserializer)?;
    if number < HIGHEST {
        Ok(number)
    } else {
        Err(de::Error::custom(format!("{number} is no count of ours")))
    }
}

/// The fields that a store keeps, from what a row holds. What is not there takes no room.
pub fn encode<T: Serialize>(row: &T) -> Fields {
    match serde_json::to_value(row) {
        Ok(Value::Object(mut fields)) => {
            fields.retain(|_, value| !value.is_null());
            fields
        }
        other => unreachable!("rows are structs of plain values, not {other:?}"),
    }
}

/// A row's key is its job's name, as it stands in the store.
pub fn job_of(id: &str) -> Option<JobName> {
    JobName::new(id).ok()
}

/// What has parts, as a text of JSON.
mod text {
    use serde::de::{DeserializeOwned, Error as _};
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T: Serialize, S: Serializer>(
        whole: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serde_json::to_string(whole).map_err(S::Error::custom)?.serialize(serializer)
    }

    pub(super) fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        serde_json::from_str(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// A duration as whole milliseconds.
mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        u64::try_from(value.as_millis()).unwrap_or(u64::MAX).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_gone_leaves_the_list_of_the_drained_with_the_next_change_of_it() {
        let [one, two, three] = [1, 2, 3].map(Incarnation);
        let row = Cluster { schema: SCHEMA, id: ClusterId(1), settled: true, wishes: 0, drained: Vec::new() };
        let row = row.drain(one, &[one, two, three]).drain(two, &[one, two, three]).drain(two, &[one, two]);
        assert_eq!(row.drained, [one, two]);
        assert_eq!(row.clone().drain(three, &[two, three]).drained, [two, three]);
        assert_eq!(row.undrain(two, &[two, three]).drained, []);
    }
}
