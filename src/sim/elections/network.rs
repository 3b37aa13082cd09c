//! The network between the nodes of a world, which does to messages what its weather says.

use std::time::Duration;

use super::laws::{Law, Lawful, Verdict, require};
use super::weather::Network;
use super::world::{Event, Sent, World};
use crate::elections::{Envelope, Input, Message, NodeId};
use crate::sim::weather::part;
use crate::time::Instant;

/// How late a message may be that is late, in times that messages usually take.
const LATEST: u32 = 24;
/// How many messages a node may send in one heartbeat for each other node: a storm of elections, not an endless one.
const MOST_SENT: usize = 200;

impl<E: Lawful> World<E> {
    /// Cuts a link in one direction, for a time.
    pub fn cut(&mut self, from: NodeId, to: NodeId, time: Duration) {
        let until = &mut self.cut[from.index()][to.index()];
        *until = (self.now + time).max(*until);
        self.figures.cuts += 1;
    }

    /// Mends all links.
    pub fn heal(&mut self) {
        self.cut.iter_mut().flatten().for_each(|until| *until = Instant::LONG_AGO);
        self.tell(|| "all links work".to_owned());
    }

    pub(super) fn arrive(&mut self, envelope: Envelope<E::Message>, record: usize) -> Verdict {
        let (from, to) = (envelope.from, envelope.to);
        if self.crew[to.index()].machine.is_none() {
            self.figures.lost += 1;
            if self.network.refuses {
                let (at, life) = (self.now + self.way(), self.crew[from.index()].life);
                self.schedule(at, Event::Refuse { to: from, life, by: to });
            }
            return Ok(());
        }
        let now = self.elapsed();
        if let Some(sent) = self.book.as_mut().and_then(|book| book.sent.get_mut(record)) {
            sent.arrived.get_or_insert(now);
        }
        self.step(to, Some(Input::Received(envelope)))
    }

    pub(super) fn send(&mut self, node: NodeId, envelope: Envelope<E::Message>) -> Verdict {
        let (from, to, name) = (envelope.from, envelope.to, envelope.message.name());
        let possible = from == node && to != node && to.index() < self.crew.len();
        require(possible, || format!("{node} cannot send {name} from {from} to {to}"))?;
        self.ration(node)?;
        let seat = &self.crew[node.index()];
        if let Some(machine) = &seat.machine {
            self.law.sent(machine, seat.stable, &envelope)?;
        }
        self.figures.sent += 1;
        let routine = envelope.message.is_routine();
        if !routine {
            self.tell(|| format!("    {from} > {to}  {:?}", envelope.message));
        }
        let at = self.elapsed();
        let record = self.book.as_mut().map_or(0, |book| {
            book.sent.push(Sent { at, from, to, name, routine, arrived: None });
            book.sent.len() - 1
        });
        self.carry(envelope, record);
        Ok(())
    }

    /// A message goes its way.
    fn carry(&mut self, envelope: Envelope<E::Message>, record: usize) {
        let (from, to) = (envelope.from.index(), envelope.to.index());
        if self.cut[from][to] > self.now || self.random.u32(..1000) < self.network.lost {
            self.figures.lost += 1;
            return;
        }
        if self.random.u32(..1000) < self.network.doubled {
            let again = self.now + self.way() + self.way();
            self.schedule(again, Event::Arrive { envelope: envelope.clone(), record });
        }
        let late = self.random.u32(..1000) < self.network.late;
        let late = if late { part(&mut self.random, self.timing.delay * LATEST) } else { Duration::ZERO };
        let mut at = self.now + self.way() + late;
        if self.network.fifo {
            at = at.max(self.order[from][to]);
            self.order[from][to] = at;
        }
        self.schedule(at, Event::Arrive { envelope, record });
    }

    fn way(&mut self) -> Duration {
        let Network { shortest, longest, .. } = self.network;
        shortest + part(&mut self.random, longest.saturating_sub(shortest))
    }

    /// Finds fault with a node that talks too much.
    fn ration(&mut self, node: NodeId) -> Verdict {
        let period = self.elapsed().as_nanos() / self.timing.heartbeat().as_nanos();
        let most = MOST_SENT * self.crew.len();
        let said = &mut self.crew[node.index()].said;
        *said = if said.0 == period { (period, said.1 + 1) } else { (period, 1) };
        require(said.1 <= most, || format!("{node} sent {most} messages in one heartbeat"))
    }
}
