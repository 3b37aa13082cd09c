//! What a node takes from outside: calls of its peers, and the wish of a person.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{HeaderMap, ORIGIN};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{self, error::ProtocolError};

use super::story::Story;
use super::wire::{LARGEST_FRAME, PATH, Refusal};
use crate::elections::{NodeId, View};

/// Calls at once, for each peer: the one that is broken and has not noticed, and the next.
const CALLS_A_PEER: usize = 4;
/// How long a peer may say nothing at all. It is no evidence: it may call again.
const LONGEST_SILENCE: Duration = Duration::from_mins(10);

/// Takes a text that a peer sent.
pub(super) type Mailbox = Arc<dyn Fn(NodeId, &str) -> Result<(), Refusal> + Send + Sync>;

/// What a node is to whoever calls.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) me: NodeId,
    pub(super) nodes: u16,
    pub(super) election: &'static str,
    pub(super) story: Arc<Story>,
    pub(super) shown: watch::Receiver<Option<View>>,
    pub(super) mailbox: Mailbox,
    /// A person wants an election.
    pub(super) begin: Arc<dyn Fn() + Send + Sync>,
    pub(super) room: Arc<Semaphore>,
    /// Who is to be called back, by their ids.
    pub(super) called: Arc<[Arc<Notify>]>,
}

/// How many calls a node among so many takes at once.
pub(super) fn room(nodes: u16) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(usize::from(nodes) * CALLS_A_PEER))
}

pub(super) fn router(desk: Desk) -> Router {
    Router::new()
        .route(PATH, any(call))
        .route("/api/v1/view", get(view))
        .route("/api/v1/begin", post(begin))
        .with_state(desk)
}

async fn call(
    State(desk): State<Desk>,
    Path((election, nodes, from)): Path<(String, String, String)>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    match desk.admit(&election, &nodes, &from, &headers) {
        Ok((peer, permit)) => upgrade
            .max_message_size(LARGEST_FRAME)
            .max_frame_size(LARGEST_FRAME)
            .on_upgrade(move |socket| desk.listen(socket, peer, permit)),
        Err(why) => {
            desk.story.refused(why, &from);
            (StatusCode::FORBIDDEN, format!("{why}\n")).into_response()
        }
    }
}

async fn view(State(desk): State<Desk>) -> Json<Option<View>> {
    Json(desk.shown.borrow().clone())
}

async fn begin(State(desk): State<Desk>, headers: HeaderMap) -> StatusCode {
    if headers.contains_key(ORIGIN) {
        desk.story.refused(Refusal::Browser, "");
        return StatusCode::FORBIDDEN;
    }
    (desk.begin)();
    StatusCode::ACCEPTED
}

impl Desk {
    fn admit(
        &self,
        election: &str,
        nodes: &str,
        from: &str,
        headers: &HeaderMap,
    ) -> Result<(NodeId, OwnedSemaphorePermit), Refusal> {
        if headers.contains_key(ORIGIN) {
            return Err(Refusal::Browser);
        }
        let peer = from.parse().map(NodeId).map_err(|_| Refusal::Stranger)?;
        let fits = election == self.election && nodes.parse() == Ok(self.nodes);
        if !fits || peer == self.me || peer.0 >= self.nodes {
            return Err(Refusal::Stranger);
        }
        let permit = Arc::clone(&self.room).try_acquire_owned().map_err(|_| Refusal::Crowd)?;
        Ok((peer, permit))
    }

    /// Takes what `peer` says, until it hangs up or says what makes no sense.
    async fn listen(self, mut socket: WebSocket, peer: NodeId, _permit: OwnedSemaphorePermit) {
        if let Some(called) = self.called.get(peer.index()) {
            called.notify_one();
        }
        while let Ok(Some(heard)) = timeout(LONGEST_SILENCE, socket.recv()).await {
            let taken = match heard {
                Ok(Message::Text(text)) => (self.mailbox)(peer, text.as_str()),
                Ok(Message::Ping(_) | Message::Pong(_)) => Ok(()),
                Ok(Message::Binary(_)) => Err(Refusal::Garbage),
                Err(error) if is_garbage(&error) => Err(Refusal::Garbage),
                Ok(Message::Close(_)) | Err(_) => return,
            };
            if let Err(why) = taken {
                return self.story.refused(why, &peer.to_string());
            }
        }
    }
}

/// Whether what came was too large or no frame at all; else the connection just broke.
fn is_garbage(error: &axum::Error) -> bool {
    let inner = error.source().and_then(|error| error.downcast_ref());
    match inner {
        Some(tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) | None => false,
        Some(error) => matches!(
            error,
            tungstenite::Error::Protocol(_) | tungstenite::Error::Capacity(_) | tungstenite::Error::Utf8(_)
        ),
    }
}
