//! What goes over the wire: one JSON object a message, in a text frame of a WebSocket.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::elections::{Envelope, NodeId};

/// Largest message that is sent or taken. The longest token names each of the nodes a few times.
pub(super) const LARGEST_FRAME: usize = 64 * 1024;
/// Where nodes call each other.
pub(super) const PATH: &str = "/peer/{election}/{nodes}/{from}";
/// Longest id of a message that is taken.
const LONGEST_ID: usize = 64;
/// No counter and no incarnation comes near it.
const LARGEST_NUMBER: u64 = 1 << 53;

/// A message, and which one made its sender say it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Frame<M> {
    pub(super) id: String,
    /// None: it was said because time had passed, or a person wanted it.
    pub(super) cause: Option<String>,
    pub(super) envelope: Envelope<M>,
}

/// Why something that came in is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Refusal {
    /// It is no message of this election.
    Garbage,
    /// It says that another one sent it, or is for another one.
    Misaddressed,
    /// Whoever calls is none of the members, or in another election.
    Stranger,
    /// A browser calls.
    Browser,
    /// There are too many calls at once.
    Crowd,
}

/// Where node `from` calls another one.
pub(super) fn path(election: &str, nodes: u16, from: NodeId) -> String {
    format!("/peer/{election}/{nodes}/{}", from.0)
}

/// The message in a text that `from` sent to `me`.
pub(super) fn open<M: DeserializeOwned>(text: &str, from: NodeId, me: NodeId) -> Result<Frame<M>, Refusal> {
    let value: Value = serde_json::from_str(text).map_err(|_| Refusal::Garbage)?;
    if !counts_on(&value) {
        return Err(Refusal::Garbage);
    }
    let frame: Frame<M> = serde_json::from_value(value).map_err(|_| Refusal::Garbage)?;
    let ids = [Some(&frame.id), frame.cause.as_ref()];
    if ids.into_iter().flatten().any(|id| id.len() > LONGEST_ID) {
        return Err(Refusal::Garbage);
    }
    if frame.envelope.from != from || frame.envelope.to != me {
        return Err(Refusal::Misaddressed);
    }
    Ok(frame)
}

/// Whether a machine can go on counting from each number in it.
fn counts_on(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_u64().is_some_and(|number| number < LARGEST_NUMBER),
        Value::Array(values) => values.iter().all(counts_on),
        Value::Object(fields) => fields.values().all(counts_on),
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Garbage => "what came is no message of this election",
            Self::Misaddressed => "a message came from or for another node than it says",
            Self::Stranger => "whoever calls is none of the other members, or in another election",
            Self::Browser => "a browser calls, and browsers are no nodes",
            Self::Crowd => "too many calls at once",
        })
    }
}
