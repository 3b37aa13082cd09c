//! The way to one peer: a connection that is kept, dialled when there is something to say or the peer calls,
//! and again as soon as it breaks, because a refusal is evidence.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::wire::LARGEST_FRAME;
use crate::client::Trouble;
use crate::elections::NodeId;

/// Messages that wait for one peer. More are lost, as a network may lose them.
pub(super) const QUEUE: usize = 256;
/// How long a call may take until it is answered.
const LONGEST_CALL: Duration = Duration::from_secs(2);
/// How long the kernel may take to take one message.
const LONGEST_SEND: Duration = Duration::from_secs(2);
/// From the end of a connection until it is dialled again.
const REDIAL_PAUSE: Duration = Duration::from_millis(20);

/// One peer.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) id: NodeId,
    pub(super) address: SocketAddr,
    /// Where it takes calls from this node.
    pub(super) path: String,
}

/// Why there is no connection.
enum Failed {
    /// Nobody listens there.
    Refused,
    /// Something else, which says nothing.
    Silent(Trouble),
}

/// Why a peer is dialled.
enum Reason {
    /// There is something to say.
    Said(String),
    /// It called, so it is there.
    Called,
    /// None: nobody will say anything any more.
    Ended,
}

/// Sends what is queued until nobody queues any more, and tells `refused` whenever nobody listens. Whoever
/// calls is called back, so that its end is noticed even by those who have nothing to say to it.
pub(super) async fn keep(
    peer: Peer,
    mut queue: mpsc::Receiver<String>,
    called: Arc<Notify>,
    refused: impl Fn(NodeId) + Send + Sync,
) {
    loop {
        let mut next = match reason(&mut queue, &called).await {
            Reason::Said(text) => Some(text),
            Reason::Called => None,
            Reason::Ended => return,
        };
        let failed = loop {
            match dial(&peer).await {
                Err(failed) => break failed,
                Ok(connection) => {
                    if !converse(connection, next.take(), &mut queue).await {
                        return;
                    }
                    sleep(REDIAL_PAUSE).await;
                }
            }
        };
        lose(&peer, &mut queue, failed, &refused);
    }
}

async fn reason(queue: &mut mpsc::Receiver<String>, called: &Notify) -> Reason {
    tokio::select! {
        queued = queue.recv() => queued.map_or(Reason::Ended, Reason::Said),
        () = called.notified() => Reason::Called,
    }
}

/// What waited is lost: delivered late it would only mislead.
fn lose(peer: &Peer, queue: &mut mpsc::Receiver<String>, failed: Failed, refused: &impl Fn(NodeId)) {
    while queue.try_recv().is_ok() {}
    match failed {
        Failed::Refused => refused(peer.id),
        Failed::Silent(why) => {
            tracing::debug!(event = "node.unreached", peer = %peer.id, "{} is not reached: {why}", peer.id);
        }
    }
}

async fn dial(peer: &Peer) -> Result<WebSocketStream<TcpStream>, Failed> {
    let call = async {
        let stream = TcpStream::connect(peer.address).await.map_err(|error| {
            if error.kind() == ErrorKind::ConnectionRefused {
                Failed::Refused
            } else {
                Failed::Silent(error.into())
            }
        })?;
        stream.set_nodelay(true).map_err(|error| Failed::Silent(error.into()))?;
        let request = format!("ws://{}{}", peer.address, peer.path);
        let request = request.into_client_request().map_err(|error| Failed::Silent(error.into()))?;
        let limits = WebSocketConfig::default()
            .max_message_size(Some(LARGEST_FRAME))
            .max_frame_size(Some(LARGEST_FRAME));
        let call = client_async_with_config(request, stream, Some(limits)).await;
        call.map(|(connection, _)| connection).map_err(|error| Failed::Silent(error.into()))
    };
    timeout(LONGEST_CALL, call).await.unwrap_or_else(|_| Err(Failed::Silent("no answer in time".into())))
}

/// Whether it was the connection that ended, and not this node.
async fn converse(
    mut connection: WebSocketStream<TcpStream>,
    mut next: Option<String>,
    queue: &mut mpsc::Receiver<String>,
) -> bool {
    loop {
        if let Some(text) = next.take() {
            match timeout(LONGEST_SEND, connection.send(Message::text(text))).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return true,
            }
        }
        tokio::select! {
            // A peer says nothing here; it is read to learn when it hangs up.
            heard = connection.next() => match heard {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return true,
            },
            queued = queue.recv() => match queued {
                Some(text) => next = Some(text),
                None => return false,
            },
        }
    }
}
