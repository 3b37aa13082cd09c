//! Nodes, the network between them, and true time.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;

use super::laws::{Law, Lawful, Verdict, require};
use super::story::{described, words};
use super::weather::Network;
use super::{Figures, Outcome};
use crate::elections::{Envelope, Input, NodeId, Note, Output, Setup, Stable, Timing, View};
use crate::sim::weather::part;
use crate::time::Instant;

/// A message that was sent, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// When.
    pub at: Duration,
    /// By whom.
    pub from: NodeId,
    /// To whom.
    pub to: NodeId,
    /// The paper's word for it.
    pub name: &'static str,
    /// It is said again and again while nothing happens.
    pub routine: bool,
    /// When it arrived, if it did: nobody was there, or it was lost.
    pub arrived: Option<Duration>,
}

/// A simulated world of one election.
#[derive(Debug)]
pub struct World<E: Lawful> {
    pub(super) timing: Timing,
    rules: E::Rules,
    pub(super) network: Network,
    pub(super) random: Rng,
    pub(super) now: Instant,
    agenda: BTreeMap<(Instant, u64), Event<E::Message>>,
    appointments: u64,
    pub(super) crew: Vec<Seat<E>>,
    /// Until when a link is cut, from a node to a node.
    pub(super) cut: Vec<Vec<Instant>>,
    /// When the last message in order arrives.
    pub(super) order: Vec<Vec<Instant>>,
    /// One of so many sends is the last thing that a node does.
    pub(super) cut_short: Option<u32>,
    pub(super) law: E::Law,
    pub(super) figures: Figures,
    fingerprint: u64,
    /// What was sent and what happened, if anybody wants to read it.
    pub(super) book: Option<Book>,
}

#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) sent: Vec<Sent>,
    story: Vec<String>,
}

/// A node, whether it is up or not.
#[derive(Debug)]
pub(super) struct Seat<E> {
    pub(super) machine: Option<E>,
    pub(super) stable: Stable,
    /// Which start this is; alarms of an earlier one ring for nobody.
    pub(super) life: u64,
    alarm: Instant,
    shown: Option<View>,
    /// Its coordinator, if it has no doubt.
    settled: Option<NodeId>,
    /// How much it has said in which heartbeat.
    pub(super) said: (u128, usize),
}

/// What can happen.
#[derive(Debug)]
pub(super) enum Event<M> {
    /// A message arrives; `record` is its place in the book.
    Arrive { envelope: Envelope<M>, record: usize },
    /// Nobody was there to take it.
    Refuse { to: NodeId, life: u64, by: NodeId },
    /// A timer fires.
    Alarm { node: NodeId, life: u64 },
    /// A node starts, if it is down.
    Start(NodeId),
}

impl<E: Lawful> World<E> {
    /// A world of `nodes` nodes, none of which is up yet. With `told` it writes down what happens.
    pub fn new(seed: u64, nodes: u16, timing: Timing, rules: E::Rules, network: Network, told: bool) -> Self {
        let count = usize::from(nodes);
        let seat = || Seat {
            machine: None,
            stable: Stable::default(),
            life: 0,
            alarm: Instant::NEVER,
            shown: None,
            settled: None,
            said: (0, 0),
        };
        Self {
            timing,
            law: E::Law::new(nodes, &rules),
            rules,
            network,
            random: Rng::with_seed(seed),
            now: Instant::default(),
            agenda: BTreeMap::new(),
            appointments: 0,
            crew: (0..nodes).map(|_| seat()).collect(),
            cut: vec![vec![Instant::LONG_AGO; count]; count],
            order: vec![vec![Instant::LONG_AGO; count]; count],
            cut_short: None,
            figures: Figures::default(),
            fingerprint: seed,
            book: told.then(Book::default),
        }
    }

    /// All configured nodes.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + use<E> {
        (0..u16::try_from(self.crew.len()).unwrap_or(u16::MAX)).map(NodeId)
    }

    /// Those that are up.
    pub fn up(&self) -> impl Iterator<Item = &E> {
        self.crew.iter().filter_map(|seat| seat.machine.as_ref())
    }

    /// What those that are up show.
    pub fn views(&self) -> Vec<View> {
        self.up().map(E::view).collect()
    }

    /// One that is up.
    pub fn machine(&self, node: NodeId) -> Option<&E> {
        self.crew[node.index()].machine.as_ref()
    }

    /// Since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.now.since(Instant::default())
    }

    /// What was sent so far.
    pub fn sent(&self) -> &[Sent] {
        self.book.as_ref().map_or(&[], |book| &book.sent)
    }

    /// What happened so far, line by line.
    pub fn story(&self) -> &[String] {
        self.book.as_ref().map_or(&[], |book| &book.story)
    }

    /// Everybody who is up has the same coordinator, and it leads.
    pub fn agrees(&self) -> bool {
        E::Law::agreed(&self.up().collect::<Vec<_>>(), &self.rules).is_ok()
    }

    /// What must be so when it has been quiet for long.
    pub(super) fn judge(&self) -> Verdict {
        E::Law::agreed(&self.up().collect::<Vec<_>>(), &self.rules)
    }

    /// The assumptions of the paper hold in this world, so that all that it promises must.
    pub(super) fn assume_synchrony(&mut self) {
        self.law.assume_synchrony();
    }

    /// Changes what the network does.
    pub fn set_network(&mut self, network: Network) {
        self.network = network;
    }

    /// Lets time pass.
    pub fn run_for(&mut self, time: Duration) -> Verdict {
        let end = self.now + time;
        while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= end) {
            let ((at, _), event) = entry.remove_entry();
            self.now = at;
            self.happen(event)?;
        }
        self.now = end;
        Ok(())
    }

    /// Lets time pass until everybody agrees, for a second at most.
    pub fn run_until_agreed(&mut self) -> Verdict {
        let end = self.now + Duration::from_secs(1);
        while self.now < end && !self.agrees() {
            self.run_for(self.timing.delay / 5)?;
        }
        self.judge()
    }

    /// Starts a node that is down.
    pub fn start(&mut self, node: NodeId) -> Verdict {
        self.happen(Event::Start(node))
    }

    /// Starts a node after a while.
    pub(super) fn start_after(&mut self, wait: Duration, node: NodeId) {
        self.schedule(self.now + wait, Event::Start(node));
    }

    /// A node vanishes. What it sent arrives all the same.
    pub fn crash(&mut self, node: NodeId) {
        let seat = &mut self.crew[node.index()];
        if seat.machine.take().is_some() {
            (seat.shown, seat.settled) = (None, None);
            self.figures.crashes += 1;
            self.tell(|| format!("{node} crashes"));
        }
    }

    /// A node learns that nobody listens where another should be.
    pub fn refuse(&mut self, node: NodeId, by: NodeId) -> Verdict {
        self.step(node, Some(Input::Refused(by)))
    }

    /// A person wants a node to hold an election.
    pub fn begin(&mut self, node: NodeId) -> Verdict {
        self.step(node, Some(Input::Begin))
    }

    /// Closes the books.
    pub(super) fn close(mut self, violation: Option<String>) -> Outcome {
        self.figures.seeds = 1;
        self.figures.simulated = self.elapsed();
        let story = self.book.map(|book| book.story).unwrap_or_default();
        Outcome { figures: self.figures, fingerprint: self.fingerprint, story, violation }
    }

    pub(super) fn schedule(&mut self, at: Instant, event: Event<E::Message>) {
        self.appointments += 1;
        self.agenda.insert((at.max(self.now), self.appointments), event);
    }

    fn happen(&mut self, event: Event<E::Message>) -> Verdict {
        match event {
            Event::Arrive { envelope, record } => self.arrive(envelope, record),
            Event::Refuse { to, life, by } if self.crew[to.index()].life == life => {
                self.step(to, Some(Input::Refused(by)))
            }
            Event::Alarm { node, life } if self.rings(node, life) => {
                self.crew[node.index()].alarm = Instant::NEVER;
                self.step(node, None)
            }
            Event::Start(node) if self.crew[node.index()].machine.is_none() => self.revive(node),
            Event::Refuse { .. } | Event::Alarm { .. } | Event::Start(_) => Ok(()),
        }
    }

    /// Whether an alarm is the one that its node waits for.
    fn rings(&self, node: NodeId, life: u64) -> bool {
        let seat = &self.crew[node.index()];
        seat.life == life && seat.alarm == self.now
    }

    fn revive(&mut self, node: NodeId) -> Verdict {
        let seat = &mut self.crew[node.index()];
        let setup = Setup {
            me: node,
            nodes: u16::try_from(self.cut.len()).unwrap_or(u16::MAX),
            stable: seat.stable,
            timing: self.timing,
            seed: self.random.u64(..),
            rules: self.rules.clone(),
        };
        seat.machine = Some(E::new(self.now, setup));
        seat.life += 1;
        seat.alarm = Instant::NEVER;
        self.step(node, None)
    }

    /// Lets a machine take a step, and does what it says.
    pub(super) fn step(&mut self, node: NodeId, input: Option<Input<E::Message>>) -> Verdict {
        let Some(machine) = &mut self.crew[node.index()].machine else { return Ok(()) };
        let mut outputs = Vec::new();
        if let Some(input) = input {
            self.law.told(machine, &input)?;
            machine.handle(self.now, input, &mut outputs);
        } else {
            machine.tick(self.now, &mut outputs);
            let (deadline, told) = (machine.deadline(), outputs.len());
            require(deadline > self.now, || {
                format!("{node} was told the time and wants it at {deadline:?}")
            })?;
            machine.tick(self.now, &mut outputs);
            require(outputs.len() == told, || format!("{node} answered a repeated tick"))?;
        }
        let deadline = machine.deadline();
        self.mark(node, outputs.len(), deadline);
        self.show(node);
        self.obey(node, outputs)?;
        self.examine(node)?;
        self.set_alarm(node, deadline);
        Ok(())
    }

    /// Does what a machine says, unless it is struck in the middle of it.
    fn obey(&mut self, node: NodeId, outputs: Vec<Output<E::Message>>) -> Verdict {
        for output in outputs {
            match output {
                Output::Persist(stable) => {
                    let kept = &mut self.crew[node.index()].stable;
                    require(stable >= *kept, || format!("{node} keeps {stable:?} after {kept:?}"))?;
                    *kept = stable;
                }
                Output::Send(envelope) => self.send(node, envelope)?,
                Output::Note(note) => self.note(node, note),
            }
            if self.cut_short.is_some_and(|rate| self.random.u32(..rate) == 0) {
                self.figures.cut_short += 1;
                let away = self.timing.suspicion();
                let away = part(&mut self.random, away);
                self.crash(node);
                self.start_after(away, node);
                break;
            }
        }
        Ok(())
    }

    fn note(&mut self, node: NodeId, note: Note) {
        self.figures.coordinators += u64::from(note == Note::Leads);
        self.tell(|| format!("    {node} {}", words(note)));
    }

    /// Looks whether the law holds.
    fn examine(&mut self, node: NodeId) -> Verdict {
        let others: Vec<_> = self.crew.iter().filter_map(|seat| seat.machine.as_ref()).collect();
        let Some(machine) = &self.crew[node.index()].machine else { return Ok(()) };
        self.law.stepped(machine, &others)?;
        let view = machine.view();
        let mine = view.coordinator.filter(|_| view.settled);
        self.crew[node.index()].settled = mine;
        let apart = |other: &Seat<E>| other.settled.is_some() && other.settled != mine;
        self.figures.divided += u64::from(mine.is_some() && self.crew.iter().any(apart));
        Ok(())
    }

    fn set_alarm(&mut self, node: NodeId, deadline: Instant) {
        let at = deadline.max(self.now) + part(&mut self.random, self.network.sloth);
        let seat = &mut self.crew[node.index()];
        let life = seat.life;
        if seat.machine.is_some() && deadline < Instant::NEVER && at < seat.alarm {
            seat.alarm = at;
            self.schedule(at, Event::Alarm { node, life });
        }
    }

    /// Folds a step into the fingerprint.
    fn mark(&mut self, node: NodeId, outputs: usize, deadline: Instant) {
        let words = [self.now.as_nanos().unsigned_abs(), deadline.as_nanos().unsigned_abs()];
        let numbers = [node.index(), outputs].map(|number| u64::try_from(number).unwrap_or(u64::MAX));
        for word in words.into_iter().chain(numbers) {
            self.fingerprint = (self.fingerprint ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
        }
        self.figures.steps += 1;
    }

    /// Tells what a node shows, if that has changed.
    fn show(&mut self, node: NodeId) {
        if self.book.is_none() {
            return;
        }
        let seat = &mut self.crew[node.index()];
        let view = seat.machine.as_ref().map(E::view);
        if view != seat.shown {
            seat.shown.clone_from(&view);
            if let Some(view) = view {
                self.tell(|| described(&view));
            }
        }
    }

    /// Adds a line to the story, if anybody wants to read it.
    pub(super) fn tell(&mut self, line: impl FnOnce() -> String) {
        let now = self.elapsed();
        if let Some(book) = &mut self.book {
            book.story.push(format!("{:9.3} ms  {}", now.as_secs_f64() * 1000.0, line()));
        }
    }
}
