//! Staying alive: meeting the store, registering, heartbeats, lapse and departure.

use super::messages::{Answer, Ending, Found, Note, Output, RequestId, RowWrite, View, Wanted};
use super::session::{Live, Session};
use super::{Asked, Balance, Lease, MOST_PAST, Met};
use crate::machine::{ClusterId, Incarnation};
use crate::rows::{CLUSTER, Cluster, Member, RowError, SCHEMA, row_of_instance};
use crate::stores::{Outcome, Version};
use crate::time::{Instant, Wall};

/// Wall clocks that differ by less are taken for the same.
const SMALL_SKEW_NS: i64 = 2_000_000_000;

impl Lease {
    /// What the passing of time does to this life.
    pub(super) fn live_on(&mut self, now: Instant, out: &mut Vec<Output>) {
        match &self.session {
            Session::Registering { me, sent } if now >= *sent + self.timing.trust() => self.abandon(now, *me),
            Session::Live(live) if now >= live.horizon => self.lapse(now, out),
            Session::Live(live) => {
                if now >= live.beat_at && !live.beating && live.unsure.is_none() {
                    self.beat(now, out);
                }
                self.settle(now, out);
            }
            Session::Meeting
            | Session::Registering { .. }
            | Session::Barred
            | Session::Leaving
            | Session::Over => {}
        }
    }

    /// The store answered.
    pub(super) fn answered(&mut self, now: Instant, id: RequestId, answer: Answer, out: &mut Vec<Output>) {
        let Some((sent, asked)) = self.asked.remove(&id) else { return };
        match asked {
            Asked::Read(wanted) => {
                self.reads -= 1;
                self.looks -= usize::from(wanted.members);
                self.adapt(wanted.leases.len(), &answer);
                match answer {
                    Answer::Read(view) => self.take_in(now, sent, &wanted, view, out),
                    Answer::Written(_) | Answer::Silence => {
                        self.want.merge(wanted);
                        self.want_at = now + self.backoff();
                    }
                }
            }
            Asked::Cluster => {
                self.want.cluster = true;
                self.pause_after(&answer, now);
            }
            Asked::Register(me) => self.registered(now, me, &answer, out),
            Asked::Beat(me, beat) => self.beaten(now, me, beat, &answer),
            Asked::Reap(id) => self.reaped(now, sent, id, &answer, out),
            Asked::Leases(seats) => {
                self.adapt(seats.len(), &answer);
                self.leases_written(now, &seats, &answer, out);
            }
            Asked::Entries(entries) => self.filed(now, &entries, &answer),
            Asked::Farewell => {
                self.session = Session::Over;
                out.push(Output::Stopped);
            }
        }
    }

    /// Takes in what a read that left at `sent` found.
    fn take_in(&mut self, now: Instant, sent: Instant, wanted: &Wanted, view: View, out: &mut Vec<Output>) {
        if self.order.is_none() && wanted.members {
            let orders = view.members.iter().filter_map(|(_, found)| Some(found.row.as_ref().ok()?.order));
            self.order = Some(orders.max().unwrap_or(0).saturating_add(1));
        }
        if wanted.cluster {
            self.meet(now, sent, view.cluster, out);
        }
        if wanted.members {
            self.take_in_members(now, sent, view.members, out);
        }
        self.take_in_leases(now, sent, &wanted.leases, view.leases, out);
    }

    /// Learns which store this is. An absent or different row is innocent only at the first meeting.
    fn meet(&mut self, now: Instant, sent: Instant, found: Option<Found<Cluster>>, out: &mut Vec<Output>) {
        let known = self.cluster.as_ref().map(|met| (met.row.id, met.row.wishes, met.seen));
        let stale = known.is_some_and(|(_, _, seen)| sent < seen);
        match (found, known) {
            _ if stale => {}
            (None, Some(_)) => self.regress(now, "the row of the cluster is gone", out),
            (None, None) => {
                let id = ClusterId(self.random.u128(1..));
                // Whoever has led anything remembers a term: then this is a store that was lost.
                let alone = self.traits.alone && self.settled.is_none();
                let row = Cluster { schema: SCHEMA, id, settled: alone, wishes: 0, drained: Vec::new() };
                self.write(now, Asked::Cluster, Version::ABSENT, RowWrite::Cluster(row), out);
            }
            (Some(Found { row: Err(why), .. }), _) => self.puzzle(now, why, out),
            (Some(Found { row: Ok(row), .. }), Some((id, ..))) if row.id != id => {
                self.regress(now, "the row of the cluster is another one", out);
            }
            (Some(Found { row: Ok(row), version, .. }), known) => {
                self.puzzled = None;
                if known.is_some_and(|(_, wishes, _)| wishes != row.wishes) {
                    self.want.leases = self.all_jobs();
                }
                if row.settled {
                    self.settling = None;
                    self.settled = Some(row.id);
                } else if self.settling.is_none() && self.settled != Some(row.id) {
                    self.settling = Some(now + self.timing.ttl);
                    out.push(Output::Note(Note::Settling(self.timing.ttl)));
                }
                self.cluster = Some(Met { version, row, sent, seen: now });
                self.heed(now, out);
                if matches!(self.session, Session::Meeting) && !self.draining {
                    self.register(now, out);
                }
            }
        }
    }

    /// The cluster's row cannot be understood, so nobody can say which store this is. What is led stays
    /// led, as that rests on other rows; nothing is taken before the row can be read again.
    fn puzzle(&mut self, now: Instant, why: RowError, out: &mut Vec<Output>) {
        if self.puzzled.as_ref() != Some(&why) {
            out.push(Output::Note(Note::Illegible { row: CLUSTER.to_owned(), why: why.clone() }));
        }
        self.puzzled = Some(why);
        self.want.cluster = true;
        self.want_at = now + self.backoff();
    }

    /// Says so once the store has been quiet for a whole time-to-live.
    fn settle(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.settling.is_none_or(|until| now < until) {
            return;
        }
        self.settling = None;
        if let Some(Met { version, row, .. }) = &self.cluster {
            self.settled = Some(row.id);
            let row = Cluster { settled: true, ..row.clone() };
            let base = *version;
            self.write(now, Asked::Cluster, base, RowWrite::Cluster(row), out);
        }
        self.reconsider_all(now, out);
    }

    /// The store shows less than it has shown before. A volatile one is rebuilt from what its
    /// instances remember; any other needs a person.
    pub(super) fn regress(&mut self, now: Instant, what: &str, out: &mut Vec<Output>) {
        let rebuilding = self.traits.volatile;
        out.push(Output::Note(Note::Regressed { what: what.to_owned(), rebuilding }));
        if rebuilding {
            self.stop_leading(now, out);
        } else {
            self.bar(now, out);
        }
        self.cluster = None;
        self.settling = None;
        self.seats.iter_mut().for_each(super::seat::Seat::forget_version);
    }

    /// Leads nothing and asks for nothing until it is stopped.
    fn bar(&mut self, now: Instant, out: &mut Vec<Output>) {
        self.stop_leading(now, out);
        self.session = Session::Barred;
        self.want = Wanted::default();
    }

    fn register(&mut self, now: Instant, out: &mut Vec<Output>) {
        let me = Incarnation(self.random.u128(1..));
        self.session = Session::Registering { me, sent: now };
        let row = self.member_row(now, 0);
        self.write(now, Asked::Register(me), Version::ABSENT, RowWrite::Member(me, Some(row)), out);
    }

    fn registered(&mut self, now: Instant, me: Incarnation, answer: &Answer, out: &mut Vec<Output>) {
        let Session::Registering { me: current, sent } = self.session else { return };
        if current != me {
            return;
        }
        let Some(Outcome::Done(version)) = first(answer) else { return self.abandon(now, me) };
        self.session = Session::Live(Live::new(me, version, sent, now, &self.timing));
        self.sweep_at = now + self.timing.sweep;
        self.members = super::Members::new();
        self.want.merge(Wanted { cluster: false, members: true, leases: self.all_jobs() });
        out.push(Output::Note(Note::Registered(me)));
    }

    /// A life that was not confirmed in time is never taken up again: its row may land any moment.
    fn abandon(&mut self, now: Instant, me: Incarnation) {
        self.bury(me);
        self.session = Session::Meeting;
        self.want.cluster = true;
        self.want_at = now + self.backoff();
    }

    fn bury(&mut self, me: Incarnation) {
        self.past.push(me);
        if self.past.len() > MOST_PAST {
            self.past.remove(0);
        }
    }

    fn beat(&mut self, now: Instant, out: &mut Vec<Output>) {
        self.rebalance(now);
        let Session::Live(live) = &mut self.session else { return };
        let beat = live.beat(now, &self.timing);
        let (me, base) = (live.me, live.version);
        let row = self.member_row(now, beat);
        self.write(now, Asked::Beat(me, beat), base, RowWrite::Member(me, Some(row)), out);
    }

    fn beaten(&mut self, now: Instant, me: Incarnation, beat: u64, answer: &Answer) {
        let Session::Live(live) = &mut self.session else { return };
        if live.me != me {
            return;
        }
        live.beating = false;
        match first(answer) {
            Some(Outcome::Done(version)) => {
                live.confirm(beat, version, now, &self.timing);
            }
            Some(Outcome::Conflict | Outcome::Unknown) | None => {
                live.doubt(now);
                self.want.members = true;
            }
        }
    }

    fn member_row(&self, now: Instant, beat: u64) -> Box<Member> {
        Box::new(Member {
            schema: SCHEMA,
            name: self.about.name.clone(),
            beat,
            ttl: self.timing.ttl,
            url: self.about.url.clone(),
            draining: self.gives_up(),
            moved: self.moved,
            placement: self.placement.clone(),
            version: self.about.version.clone(),
            order: self.order.unwrap_or_default(),
            clock: self.wall_at(now),
        })
    }

    /// The horizon passed, or the row is gone: this life is over, even if it led nothing.
    fn lapse(&mut self, now: Instant, out: &mut Vec<Output>) {
        let Session::Live(live) = &self.session else { return };
        out.push(Output::Note(Note::Lapsed(live.me)));
        self.stop_leading(now, out);
    }

    /// Ends this life and begins to look for another.
    fn stop_leading(&mut self, now: Instant, out: &mut Vec<Output>) {
        if let Session::Live(Live { me, .. }) | Session::Registering { me, .. } = self.session {
            self.bury(me);
        }
        self.session = Session::Meeting;
        self.want = Wanted { cluster: true, ..Wanted::default() };
        self.want_at = now;
        for index in 0..self.seats.len() {
            self.announce(index, now, &Ending::Lapsed, out);
        }
    }

    fn take_in_members(
        &mut self,
        now: Instant,
        sent: Instant,
        mut rows: Vec<(Incarnation, Found<Member>)>,
        out: &mut Vec<Output>,
    ) {
        let Session::Live(live) = &mut self.session else { return };
        let me = live.me;
        let own = rows.iter().position(|(id, _)| *id == me).map(|index| rows.swap_remove(index).1);
        let own = own.and_then(|found| Some((found.version, found.row.ok()?.beat)));
        if !live.observe(sent, now, own, &self.timing) {
            return self.lapse(now, out);
        }
        let changes = self.members.observe(sent, now, rows);
        if changes.leases {
            self.want.leases = self.all_jobs();
        }
        for (id, why) in changes.illegible {
            out.push(Output::Note(Note::Illegible { row: row_of_instance(id), why }));
        }
        for (id, at) in changes.beats {
            self.compare_clocks(id, at, out);
        }
        self.reap(now, out);
        self.replan();
        self.reconsider_all(now, out);
    }

    /// Deletes the rows of members that were silent for their whole time-to-live, and those of our
    /// own past lives once nothing that they started is left.
    fn reap(&mut self, now: Instant, out: &mut Vec<Output>) {
        let mut dead = self.members.overdue();
        let unfinished =
            |id: &Incarnation| self.seats.iter().any(|seat| seat.work.is_some_and(|(_, by)| by == *id));
        dead.extend(self.past.iter().copied().filter(|id| !unfinished(id)));
        for id in dead {
            if let Some(base) = self.members.condemn(id) {
                self.write(now, Asked::Reap(id), base, RowWrite::Member(id, None), out);
            }
        }
    }

    fn reaped(
        &mut self,
        now: Instant,
        sent: Instant,
        id: Incarnation,
        answer: &Answer,
        out: &mut Vec<Output>,
    ) {
        if let Some(Outcome::Done(_)) = first(answer) {
            if let Some(name) = self.members.reaped(id, sent).filter(|_| !self.past.contains(&id)) {
                out.push(Output::Note(Note::Reaped(name)));
            }
            self.want.leases = self.all_jobs();
            self.replan();
            self.reconsider_all(now, out);
        } else {
            self.members.spared(id);
            self.want.members = true;
            self.pause_after(answer, now);
        }
    }

    /// A store that refuses a write may well answer reads at once, and must not be asked without end.
    pub(super) fn pause_after(&mut self, answer: &Answer, now: Instant) {
        if *answer == Answer::Silence {
            self.want_at = self.want_at.max(now + self.backoff());
        }
    }

    /// The wall clock was set. A small correction is followed. A jump is followed only by the eldest
    /// member, by whose clock the cluster goes, so that a wrong wall clock moves no due time.
    pub(super) fn set_clock(&mut self, now: Instant, wall: Wall, out: &mut Vec<Output>) {
        let set = wall.as_nanos().saturating_sub(now.as_nanos());
        let jump = set.saturating_sub(self.wall);
        let leads_the_way = self.skew == 0 && self.is_eldest();
        self.wall = set;
        if jump.saturating_abs() > self.tolerance() && !leads_the_way {
            self.skew = self.skew_of(self.skew.saturating_sub(jump));
        }
        out.push(Output::Clock(self.wall.saturating_add(self.skew)));
    }

    /// Follows the clock that the eldest member's row showed at `at`.
    fn compare_clocks(&mut self, id: Incarnation, at: Instant, out: &mut Vec<Output>) {
        let Some(row) = self.members.row(id).filter(|_| self.eldest() == Some(id)) else { return };
        let ours = at.as_nanos().saturating_add(self.wall);
        let skew = self.skew_of(row.clock.as_nanos().saturating_sub(ours));
        if skew.saturating_sub(self.skew).saturating_abs() > self.tolerance() {
            self.skew = skew;
            out.push(Output::Clock(self.wall.saturating_add(skew)));
            out.push(Output::Note(Note::Skewed(skew)));
        }
    }

    /// A small difference between clocks is none.
    fn skew_of(&self, difference: i64) -> i64 {
        if difference.saturating_abs() <= self.tolerance() { 0 } else { difference }
    }

    /// The life that has been here longest.
    fn eldest(&self) -> Option<Incarnation> {
        let others = self.members.rows().map(|(id, row)| (row.order, id));
        let me = self.incarnation().map(|me| (self.order.unwrap_or_default(), me));
        others.chain(me).min().map(|(_, id)| id)
    }

    /// Whether nobody is known who has been here longer.
    fn is_eldest(&self) -> bool {
        self.eldest().is_none_or(|eldest| Some(eldest) == self.incarnation())
    }

    /// By how many nanoseconds clocks may differ as if they did not.
    fn tolerance(&self) -> i64 {
        i64::try_from(self.timing.heartbeat.as_nanos()).unwrap_or(i64::MAX).max(SMALL_SKEW_NS)
    }

    pub(super) fn replan(&mut self) {
        let mut crew: Vec<_> =
            self.members.crew(&self.placement).filter(|id| !self.past.contains(id)).collect();
        crew.extend(self.incarnation().filter(|_| !self.gives_up()));
        crew.sort_unstable();
        if crew != self.plan.crew() {
            self.plan = super::Plan::new(self.listed(), crew);
        }
    }

    /// Marks jobs that others should lead for leaving, a few at a heartbeat.
    fn rebalance(&mut self, now: Instant) {
        let Some(me) = self.incarnation() else { return };
        if self.balance == Balance::Sticky || self.gives_up() || self.plan.crew().len() < 2 {
            return;
        }
        let settle = self.timing.settle;
        let led = |seat: &super::Seat| seat.told.is_some_and(|(_, since)| now >= since + settle);
        let mut room = 2.max(self.seats.iter().filter(|seat| seat.told.is_some()).count() / 8);
        for index in 0..self.seats.len() {
            let seat = &self.seats[index];
            let Some(owner) = self.plan.owner(index).filter(|owner| *owner != me) else { continue };
            let lived = self.members.met(owner).is_some_and(|met| now >= met + settle);
            let placed = seat.row.placed.as_deref() == Some(self.plan.hash());
            if lived && led(seat) && !placed && seat.exit.is_none() {
                self.seats[index].exit = Some(super::seat::Exit::Balance);
                self.enqueue(index);
                room -= 1;
                if room == 0 {
                    break;
                }
            }
        }
    }

    /// Gives everything away and stops.
    pub(super) fn drain(&mut self, now: Instant, out: &mut Vec<Output>) {
        self.draining = true;
        if let Session::Live(live) = &mut self.session {
            live.beat_at = live.beat_at.min(now);
        }
        self.replan();
        self.reconsider_all(now, out);
    }

    /// When drained and nothing is left to give, deletes the member row.
    pub(super) fn depart(&mut self, now: Instant, out: &mut Vec<Output>) {
        if !self.draining || self.seats.iter().any(|seat| seat.work.is_some()) {
            return;
        }
        match &self.session {
            Session::Live(live) if !live.beating => {
                let (me, base) = (live.me, live.version);
                if self
                    .seats
                    .iter()
                    .any(|seat| seat.writing.is_some() || seat.names(me) || seat.surrendering())
                {
                    return;
                }
                self.session = Session::Leaving;
                self.want = Wanted::default();
                self.write(now, Asked::Farewell, base, RowWrite::Member(me, None), out);
            }
            Session::Meeting | Session::Registering { .. } | Session::Barred => {
                self.session = Session::Over;
                self.want = Wanted::default();
                out.push(Output::Stopped);
            }
            Session::Live(_) | Session::Leaving | Session::Over => {}
        }
    }
}

/// What became of the only write of a request.
fn first(answer: &Answer) -> Option<Outcome> {
    match answer {
        Answer::Written(outcomes) => outcomes.first().copied(),
        Answer::Read(_) | Answer::Silence => None,
    }
}
