//! The two laps: ELECT finds out who is there, VIEW says what follows.

use super::{Crew, Elect, Message, Out, Ring, Token, ViewId};
use crate::elections::{NodeId, Note, Output};
use crate::time::Instant;

impl Ring {
    /// Holds an election, under a number that nobody has seen yet.
    pub(super) fn elect(&mut self, now: Instant, out: Out<'_>) {
        out.push(Output::Note(Note::Holds));
        let num = self.number_after_all(out);
        let me = self.own.me;
        self.seen = (num, self.rules.key(me));
        self.watch(now);
        self.patience = Instant::NEVER;
        let visited = vec![(me, self.own.stable.incarnation)];
        self.hop(now, Token::Elect(Elect { num, origin: me, visited }), out);
    }

    /// The next number, on record.
    pub(super) fn number_after_all(&mut self, out: Out<'_>) -> u64 {
        let num = self.own.stable.counter.saturating_add(1);
        self.see(num, out);
        num
    }

    /// No number that was seen is given again, whatever crashes.
    fn see(&mut self, num: u64, out: Out<'_>) {
        if num > self.own.stable.counter {
            self.own.stable.counter = num;
            out.push(Output::Persist(self.own.stable));
        }
    }

    /// An election that leads to no view in this time has come to nothing.
    fn watch(&mut self, now: Instant) {
        let lap = 2 * self.own.timing.reply() * u32::from(self.own.nodes);
        self.watchdog = now + lap + self.own.jitter(lap);
    }

    /// A token arrives.
    pub(super) fn take(&mut self, now: Instant, from: NodeId, token: Token, out: Out<'_>) {
        match token {
            Token::Elect(elect) => self.take_elect(now, from, elect, out),
            Token::View { crew, path } => self.take_view(now, from, crew, path, out),
        }
    }

    fn take_elect(&mut self, now: Instant, from: NodeId, mut elect: Elect, out: Out<'_>) {
        let (me, life) = (self.own.me, self.own.stable.incarnation);
        if let Some(crew) = self.crew.as_ref().filter(|crew| crew.id.num >= elect.num).cloned() {
            let behind = [from, elect.origin].into_iter().filter(|node| *node != me);
            return behind.for_each(|node| self.tell(node, Message::Stale { crew: crew.clone() }, now, out));
        }
        self.see(elect.num, out);
        if elect.visited.contains(&(me, life)) {
            return self.close(now, &elect, out);
        }
        let election = (elect.num, self.rules.key(elect.origin));
        if election <= self.seen {
            return;
        }
        self.seen = election;
        self.watch(now);
        self.patience = Instant::NEVER;
        elect.visited.push((me, life));
        self.hop(now, Token::Elect(elect), out);
    }

    /// The lap is complete: whoever was there is known.
    fn close(&mut self, now: Instant, elect: &Elect, out: Out<'_>) {
        if elect.num <= self.closed {
            return;
        }
        self.closed = elect.num;
        let mut ranked: Vec<_> = elect.visited.iter().map(|(node, _)| *node).collect();
        ranked.sort_by_key(|node| std::cmp::Reverse(self.rules.key(*node)));
        ranked.dedup();
        let leader = ranked.first().copied().unwrap_or(self.own.me);
        let deputy = ranked.get(1).copied();
        ranked.sort_unstable();
        let crew = Crew { id: self.view_id(elect.num), leader, deputy, members: ranked };
        self.proclaim(now, crew, out);
    }

    pub(super) fn view_id(&self, num: u64) -> ViewId {
        ViewId { num, closer: self.own.me, incarnation: self.own.stable.incarnation }
    }

    /// Installs a view of its own making, and sends it round.
    pub(super) fn proclaim(&mut self, now: Instant, crew: Crew, out: Out<'_>) {
        self.install(now, crew.clone(), out);
        self.passed = Some(crew.id);
        self.hop(now, Token::View { crew, path: vec![self.own.me] }, out);
    }

    fn take_view(&mut self, now: Instant, from: NodeId, crew: Crew, mut path: Vec<NodeId>, out: Out<'_>) {
        self.compare(now, from, crew.clone(), out);
        let holds = self.crew.as_ref().is_some_and(|mine| mine.id == crew.id);
        // Doubled tokens would double at every lap if they went on.
        let first = self.passed.replace(crew.id) != Some(crew.id);
        if holds && first && !path.contains(&self.own.me) {
            path.push(self.own.me);
            self.hop(now, Token::View { crew, path }, out);
        }
    }

    /// Takes a view over that is ahead of its own, or helps whoever is behind.
    pub(super) fn compare(&mut self, now: Instant, from: NodeId, crew: Crew, out: Out<'_>) {
        match self.crew.clone() {
            Some(mine) if mine.id > crew.id => {
                if from != self.own.me {
                    self.tell(from, Message::Stale { crew: mine }, now, out);
                }
            }
            Some(_) | None => self.install(now, crew, out),
        }
    }

    /// From now on this view holds, if it is ahead of the one that held.
    pub(super) fn install(&mut self, now: Instant, crew: Crew, out: Out<'_>) {
        if self.crew.as_ref().is_some_and(|mine| mine.id >= crew.id) {
            return;
        }
        self.see(crew.id.num, out);
        if self.seen.0 <= crew.id.num {
            self.watchdog = Instant::NEVER;
        }
        self.probing = None;
        self.answered = crew.members.iter().map(|member| (*member, now)).collect();
        let member = crew.members.contains(&self.own.me);
        if member && crew.leader == self.own.me {
            out.push(Output::Note(Note::Leads));
            self.beat = self.beat.min(now + self.own.timing.delay);
        } else if member {
            out.push(Output::Note(Note::Follows(crew.leader)));
        }
        self.heard = now;
        self.links.drop_overtaken(&crew);
        self.crew = Some(crew);
        self.become_patient(now);
    }
}
