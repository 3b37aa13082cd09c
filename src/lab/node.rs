//! One node: a machine, its port, its peers, and what it reports.

use std::convert::Infallible;
use std::future::pending;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::LabError;
use super::calls::{self, Desk, Mailbox};
use super::keep::Keep;
use super::link::{self, Peer};
use super::members::{Member, Members};
use super::port::{Blocks, News, Wires};
use super::report::Reporter;
use super::story::{Passage, Story};
use super::wire::{self, Frame, Refusal};
use crate::drive::drive;
use crate::elections::async_bully::AsyncBully;
use crate::elections::bully::{Bully, Profile};
use crate::elections::invitation::Invitation;
use crate::elections::ring::{Mode, Ring, Rules};
use crate::elections::{Election, Input, Message, NodeId, Setup, Timing, View};
use crate::http;
use crate::log;
use crate::signals::{STOPPING, Signals};
use crate::sim::elections::Algorithm;
use crate::time::{Clock, SystemClock};

/// Messages that wait for the machine. More are lost, as a network may lose them.
const INBOX: usize = 1024;

/// What a node is made of.
#[derive(Clone, Debug)]
pub struct Node {
    /// Which election.
    pub election: Algorithm,
    /// Among whom.
    pub members: Members,
    /// Which of them it is.
    pub me: NodeId,
    /// How fast the network is believed to be.
    pub timing: Timing,
    /// Where it reports, if anywhere: an `http://host:port`.
    pub controller: Option<String>,
    /// The folder for what it keeps.
    pub state: PathBuf,
    /// That nobody listens is told to the machine at once; else it is silence, as in the papers.
    pub refusals: bool,
    /// What a ring does.
    pub ring: Mode,
    /// It ends when its standard input does: when whoever started it is gone.
    pub leashed: bool,
}

/// The name of an election, as it is written.
pub fn name(election: Algorithm) -> &'static str {
    Algorithm::ALL.iter().find(|(_, other)| *other == election).map_or("", |(name, _)| name)
}

impl Node {
    /// Runs until a signal asks to stop.
    pub async fn run(self) -> Result<(), LabError> {
        match self.election {
            Algorithm::Exam => self.live::<Bully>(Profile::Exam).await,
            Algorithm::Bully => self.live::<Bully>(Profile::Textbook).await,
            Algorithm::GarciaMolina => self.live::<Bully>(Profile::GarciaMolina).await,
            Algorithm::Invitation => self.live::<Invitation>(()).await,
            Algorithm::AsyncBully => self.live::<AsyncBully>(()).await,
            Algorithm::Ring => {
                let (mode, values) = (self.ring, self.members.values());
                self.live::<Ring>(Rules { mode, values }).await
            }
        }
    }

    async fn live<E>(self, rules: E::Rules) -> Result<(), LabError>
    where
        E: Election,
        E::Message: Serialize + DeserializeOwned + Send + 'static,
    {
        let Some(member) = self.members.get(self.me) else {
            return Err(LabError::Unknown(format!("has the id {}", self.me.0)));
        };
        let refused = |error: io::Error| LabError::Listen { address: member.address, why: error.to_string() };
        let mut signals = Signals::listen(&STOPPING).map_err(refused)?;
        let listener = TcpListener::bind(member.address).await.map_err(refused)?;
        let keep = Keep::open(&self.state, format!("{}-{}.json", name(self.election), self.me.0))?;
        let setup = Setup {
            me: self.me,
            nodes: self.members.count(),
            stable: keep.load()?,
            timing: self.timing,
            seed: getrandom::u64().unwrap_or_else(|_| fastrand::u64(..)),
            rules,
        };

        let (story, blocks) = (Arc::new(Story::new(&member.name)), Arc::new(Blocks::default()));
        let (to_inbox, inbox) = mpsc::channel(INBOX);
        let (shown, see) = watch::channel(None);
        let mut tasks = JoinSet::new();
        tasks.spawn(log::own_up());
        let called: Arc<[_]> = self.members.iter().map(|_| Arc::new(Notify::new())).collect();
        let peers = self.dial(&to_inbox, &blocks, &called, &mut tasks);
        let desk = self.desk::<E::Message>(&to_inbox, &story, &blocks, see.clone());
        let desk = Desk { called, ..desk };
        let router = calls::router(desk);
        let report = self.report(Arc::clone(&story), see, Arc::clone(&blocks));
        let mut machine = E::new(SystemClock.now(), setup);
        let (cause, said, broken) = (None, 0, None);
        let mut wires = Wires { keep, story, blocks, peers, inbox, shown, cause, said, broken };
        tokio::select! {
            () = drive(&mut machine, &mut wires, &SystemClock) => {}
            never = http::listen(&listener, &router) => match never {},
            never = report => match never {},
            () = leash(), if self.leashed => {}
            _ = signals.next() => {}
        }
        tracing::info!(event = "node.stopped", node = member.name, "Node {} has stopped", member.name);
        wires.broken.map_or(Ok(()), Err)
    }

    /// A queue to each peer, and what empties it.
    fn dial<M: Send + 'static>(
        &self,
        inbox: &mpsc::Sender<News<M>>,
        blocks: &Arc<Blocks>,
        called: &[Arc<Notify>],
        tasks: &mut JoinSet<()>,
    ) -> Vec<Option<mpsc::Sender<String>>> {
        let path = wire::path(name(self.election), self.members.count(), self.me);
        let mut dial = |(id, member): (NodeId, &Member)| {
            let (to_queue, queue) = mpsc::channel(link::QUEUE);
            let peer = Peer { id, address: member.address, path: path.clone() };
            let (inbox, blocks, refusals) = (inbox.clone(), Arc::clone(blocks), self.refusals);
            let refused = move |peer| {
                // Through a link that is blocked nobody learns anything.
                if refusals && !blocks.to(peer) {
                    // A full inbox has more urgent news.
                    drop(inbox.try_send(News { input: Input::Refused(peer), cause: None }));
                }
            };
            (id != self.me).then(|| {
                tasks.spawn(link::keep(peer, queue, Arc::clone(&called[id.index()]), refused));
                to_queue
            })
        };
        self.members.iter().map(&mut dial).collect()
    }

    fn desk<M: Message + DeserializeOwned + Send + 'static>(
        &self,
        inbox: &mpsc::Sender<News<M>>,
        story: &Arc<Story>,
        blocks: &Arc<Blocks>,
        shown: watch::Receiver<Option<View>>,
    ) -> Desk {
        let (begin, nodes) = (inbox.clone(), self.members.count());
        Desk {
            me: self.me,
            nodes,
            election: name(self.election),
            story: Arc::clone(story),
            shown,
            mailbox: mailbox(self.me, inbox.clone(), Arc::clone(story), Arc::clone(blocks)),
            begin: Arc::new(move || drop(begin.try_send(News { input: Input::Begin, cause: None }))),
            room: calls::room(nodes),
            called: Arc::default(),
        }
    }

    fn report(
        &self,
        story: Arc<Story>,
        shown: watch::Receiver<Option<View>>,
        blocks: Arc<Blocks>,
    ) -> impl Future<Output = Infallible> + use<> {
        let (controller, election) = (self.controller.clone(), name(self.election));
        async move {
            match controller {
                Some(controller) => Reporter { controller, election, story, shown, blocks }.run().await,
                None => pending().await,
            }
        }
    }
}

/// Puts what a peer says before the machine.
fn mailbox<M: Message + DeserializeOwned + Send + 'static>(
    me: NodeId,
    inbox: mpsc::Sender<News<M>>,
    story: Arc<Story>,
    blocks: Arc<Blocks>,
) -> Mailbox {
    Arc::new(move |peer, text| {
        let Frame { id, cause, envelope } = wire::open::<M>(text, peer, me)?;
        if blocks.from(peer) {
            return Ok(());
        }
        let (name, routine) = (envelope.message.name(), envelope.message.is_routine());
        story.received(&Passage { name, routine, id: &id, cause: cause.as_deref(), peer });
        // A full inbox is a network that loses messages.
        if inbox.try_send(News { input: Input::Received(envelope), cause: Some(id) }).is_err() {
            tracing::debug!(event = "node.lost", from = %peer, "{name} from {peer} is lost");
        }
        Ok::<(), Refusal>(())
    })
}

/// Waits until standard input ends.
async fn leash() {
    let (let_go, released) = oneshot::channel();
    thread::spawn(move || {
        // Whether it ends well or not, nobody holds it any more.
        drop(io::stdin().lock().read_to_end(&mut Vec::new()));
        let_go.send(()).unwrap_or_default();
    });
    // An error means that no thread was to be had and nothing will be noticed; rather end than stay.
    drop(released.await);
}
