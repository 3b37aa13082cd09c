//! Leading: taking free jobs, recording launches, handing over.

use std::collections::{BTreeMap, BTreeSet};

use super::filing::MOST_UNFILED;
use super::messages::{
    Answer, Ask, End, Ending, Found, Launch, Note, Output, Refusal, RowWrite, Wanted, Write,
};
use super::seat::{Demand, Exit, Seat, Writing};
use super::session::Session;
use super::{Asked, Lease};
use crate::machine::{Incarnation, JobName, RunId, Term};
use crate::rows::{self, RunState, Wish, row_of_job};
use crate::stores::{Outcome, Version};
use crate::time::Instant;

impl Lease {
    /// The term at which this instance leads the job of a seat: it is named, and the job is on its list or
    /// was when it began to lead it.
    pub(super) fn term_led(&self, seat: usize, now: Instant) -> Option<Term> {
        let Seat { retired, told, .. } = &self.seats[seat];
        self.term_named(seat, now).filter(|_| !retired || told.is_some())
    }

    /// The term at which the newest row names this life, was not surrendered, and the horizon has not passed.
    fn term_named(&self, seat: usize, now: Instant) -> Option<Term> {
        match &self.session {
            Session::Live(live) if now < live.horizon && self.seats[seat].names(live.me) => {
                Some(self.seats[seat].row.term)
            }
            Session::Live(_)
            | Session::Meeting
            | Session::Registering { .. }
            | Session::Barred
            | Session::Leaving
            | Session::Over => None,
        }
    }

    /// Tells the scheduler when a leadership began or ended.
    pub(super) fn announce(&mut self, index: usize, now: Instant, why: &Ending, out: &mut Vec<Output>) {
        let led = self.term_led(index, now);
        let (job, seat) = (&self.jobs[index], &mut self.seats[index]);
        let told = seat.told.map(|(term, _)| term);
        if told == led {
            return;
        }
        if let Some(launch) = seat.launch.take() {
            out.push(Output::Refuse { job: job.clone(), run: launch.cursor.run, why: Refusal::NotLeading });
        }
        if let Some(term) = told {
            seat.told = None;
            out.push(Output::Leave { job: job.clone(), term, why: why.clone() });
        }
        // Work of an earlier term must be over before the next term begins in this process.
        if let (Some(term), None) = (led, seat.work) {
            seat.told = Some((term, now));
            seat.heard = None;
            out.push(Output::Lead { job: job.clone(), term, row: Box::new(seat.newest()) });
            self.engage(index, out);
        }
    }

    /// Looks at every seat again, because something that concerns many has changed.
    pub(super) fn reconsider_all(&mut self, now: Instant, out: &mut Vec<Output>) {
        self.campaign_at = Instant::NEVER;
        for index in 0..self.seats.len() {
            self.announce(index, now, &Ending::Lost, out);
            self.enqueue(index);
        }
    }

    /// Puts a seat in line to be composed.
    pub(super) fn enqueue(&mut self, index: usize) {
        let seat = &mut self.seats[index];
        if !seat.queued && seat.writing.is_none() && seat.unsure.is_none() {
            seat.queued = true;
            self.ready.push_back(index);
        }
    }

    /// Sends what there is to write, many rows to a commit and one commit at a time: Datastore's
    /// emulators make two wait for each other longer than for one after the other. Lease rows and
    /// entries take turns: in some stores one row that stands there already fails all of a commit.
    pub(super) fn commit(&mut self, now: Instant, out: &mut Vec<Output>) {
        let turns = if self.filing_next {
            [Self::file, Self::write_leases]
        } else {
            [Self::write_leases, Self::file]
        };
        if !self.committing {
            self.committing = turns.into_iter().any(|turn| turn(self, now, out));
        }
    }

    /// Sends what the seats in line have to write, if anything.
    fn write_leases(&mut self, now: Instant, out: &mut Vec<Output>) -> bool {
        self.filing_next = true;
        let (mut seats, mut writes) = (Vec::new(), Vec::new());
        while writes.len() < self.portion
            && let Some(index) = self.ready.pop_front()
        {
            self.seats[index].queued = false;
            let Some(writing) = self.compose(index, now, out) else { continue };
            let base = self.seats[index].version().unwrap_or(Version::ABSENT);
            let row = RowWrite::Lease(self.jobs[index].clone(), Box::new(writing.row.clone()));
            self.seats[index].writing = Some(Box::new(writing));
            seats.push(index);
            writes.push(Write { base, row });
        }
        let any = !writes.is_empty();
        if any {
            self.ask(now, Asked::Leases(seats), Ask::Write(writes), out);
        }
        any
    }

    /// The write that brings a job's row nearer to what this instance wants of it, if any.
    fn compose(&mut self, index: usize, now: Instant, out: &mut Vec<Output>) -> Option<Writing> {
        let Session::Live(live) = &self.session else { return None };
        let me = live.me;
        let seat = &self.seats[index];
        if seat.writing.is_some() || seat.unsure.is_some() || seat.illegible.is_some() {
            return None;
        }
        if let Some(row) = seat.restore().filter(|_| seat.known.is_some() && !seat.surrendering()) {
            return Some(Writing { row, successor: None });
        }
        if seat.surrendering() || self.term_named(index, now).is_some() {
            self.compose_as_leader(index, me, now, out)
        } else {
            self.compose_claim(index, me, now)
        }
    }

    fn compose_as_leader(
        &mut self,
        index: usize,
        me: Incarnation,
        now: Instant,
        out: &mut Vec<Output>,
    ) -> Option<Writing> {
        self.stay(index);
        let gives_up = self.gives_up();
        let seat = &mut self.seats[index];
        if gives_up {
            seat.exit = Some(Exit::Drain);
        } else if seat.retired {
            seat.exit = Some(Exit::Retired);
        } else if let Some(Wish::StepDown { to }) = seat.row.wish {
            seat.exit = Some(Exit::Wish(to));
        } else if seat.demand == Demand::Nobody {
            seat.exit = Some(Exit::Unwanted);
        }
        let keep = |row| Writing { row, successor: None };
        if let Some(row) = seat.record() {
            return Some(keep(row));
        }
        let Some(exit) = seat.exit else { return seat.report().map(keep) };
        if seat.work.is_some() {
            if !seat.winding && matches!(exit, Exit::Wish(_) | Exit::Drain) {
                seat.winding = true;
                out.push(Output::Wind { job: self.jobs[index].clone() });
            }
            return None;
        }
        let successor = self.successor(index, exit, me);
        let seat = &mut self.seats[index];
        match (exit, successor) {
            // A hand-over in doubt cannot be taken back, only be followed by a release.
            _ if seat.surrendering() => {}
            (Exit::Balance, None) => {
                seat.exit = None;
                return seat.report().map(keep);
            }
            (Exit::Wish(to), None) => {
                seat.exit = None;
                let to = to.unwrap_or(me);
                out.push(Output::Note(Note::Unwilling { job: self.jobs[index].clone(), to }));
                return Some(keep(seat.decline()));
            }
            (Exit::Balance | Exit::Wish(_), Some(_)) | (Exit::Drain | Exit::Retired | Exit::Unwanted, _) => {}
        }
        let name = successor.and_then(|id| Some((id, self.members.row(id)?.name.clone())));
        let hand = self.hand(me, now);
        let row = self.seats[index].give(name.as_ref().map(|(id, name)| (*id, name.as_str())), hand);
        // From here on this instance leads the job no more, whatever becomes of the write.
        self.seats[index].surrendered = self.seats[index].version();
        let why = match name {
            Some((_, name)) => Ending::HandedOver(name),
            None if exit == Exit::Retired => Ending::Retired,
            None => Ending::Released,
        };
        self.announce(index, now, &why, out);
        Some(Writing { row, successor })
    }

    fn successor(&self, index: usize, exit: Exit, me: Incarnation) -> Option<Incarnation> {
        let choice = match exit {
            Exit::Wish(Some(to)) => Some(to),
            Exit::Wish(None) => self.plan.best_but(&self.jobs[index], me),
            Exit::Balance | Exit::Drain => self.plan.owner(index),
            // Whoever has the same list does not know it either, and who wants a role is told that it is free.
            Exit::Retired | Exit::Unwanted => None,
        };
        choice.filter(|to| *to != me && self.plan.crew().contains(to) && self.members.row(*to).is_some())
    }

    /// The write that takes a free job, when it is our turn.
    fn compose_claim(&mut self, index: usize, me: Incarnation, now: Instant) -> Option<Writing> {
        let seat = &self.seats[index];
        let unwanted = seat.retired || seat.demand == Demand::Nobody;
        let idle = unwanted || self.gives_up() || self.settling.is_some() || seat.work.is_some();
        if idle || !self.is_free(index) {
            self.seats[index].free = None;
            return None;
        }
        let rank = self.plan.rank(index, &self.jobs[index], me);
        let free = *self.seats[index].free.get_or_insert(now);
        let turn = free + self.timing.stagger * rank;
        if now < turn {
            self.campaign_at = self.campaign_at.min(turn);
            return None;
        }
        let seat = &self.seats[index];
        // A row that is not there looks the same in every store: it is made first, and taken then.
        let born = seat.version() != Some(Version::ABSENT);
        let row = if born { seat.take(self.hand(me, now)) } else { seat.row.clone() };
        Some(Writing { row, successor: None })
    }

    /// Whether a job may be taken at the version known: it has no holder, or its holder is a life
    /// that is provably over.
    fn is_free(&mut self, index: usize) -> bool {
        let seat = &self.seats[index];
        let (Some((_, learned)), holder) = (seat.known, seat.row.holder) else { return false };
        let over = |holder| self.past.contains(&holder) || self.members.gone_since(holder, learned);
        if holder.is_none_or(over) {
            return self.is_same_store_since(learned);
        }
        if holder != self.incarnation() && holder.is_none_or(|holder| self.members.met(holder).is_none()) {
            self.want.members = true;
        }
        false
    }

    /// Whether the store still was the one we met at a moment after `moment`. If it may have been lost,
    /// the row may be one that others restored, while a leader who knows of no loss goes on.
    fn is_same_store_since(&mut self, moment: Instant) -> bool {
        let same = self.cluster.as_ref().is_some_and(|met| met.sent > moment);
        if !same {
            self.want.cluster = true;
            self.want.members = true;
        }
        same
    }

    /// What became of writes of lease rows.
    pub(super) fn leases_written(
        &mut self,
        now: Instant,
        seats: &[usize],
        answer: &Answer,
        out: &mut Vec<Output>,
    ) {
        self.committing = false;
        let outcomes = if let Answer::Written(outcomes) = answer { outcomes.as_slice() } else { &[] };
        let mut doubtful = BTreeSet::new();
        let mut wakes: BTreeMap<String, Vec<JobName>> = BTreeMap::new();
        for (position, &index) in seats.iter().enumerate() {
            let Some(writing) = self.seats[index].writing.take() else { continue };
            match outcomes.get(position) {
                Some(Outcome::Done(version)) => {
                    // What nobody here wants is for whoever does.
                    let given_up = self.seats[index].exit == Some(Exit::Unwanted);
                    let heirs =
                        self.members.rows().filter(|(id, _)| given_up || writing.successor == Some(*id));
                    for (_, row) in heirs {
                        wakes.entry(row.url.clone()).or_default().push(self.jobs[index].clone());
                    }
                    self.adopt(index, *version, Ok(writing.row), now, out);
                    self.enqueue(index);
                }
                Some(Outcome::Conflict | Outcome::Unknown) | None => {
                    self.seats[index].unsure = Some(now);
                    doubtful.insert(self.jobs[index].clone());
                }
            }
        }
        out.extend(
            wakes
                .into_iter()
                .filter(|(url, _)| !url.is_empty())
                .map(|(url, jobs)| Output::Wake { url, jobs }),
        );
        self.read_again(doubtful, answer, now);
    }

    /// Only a read can tell what the rows of these jobs show.
    pub(super) fn read_again(&mut self, doubtful: BTreeSet<JobName>, answer: &Answer, now: Instant) {
        if !doubtful.is_empty() {
            self.want.merge(Wanted { leases: doubtful, ..Wanted::default() });
            self.pause_after(answer, now);
        }
    }

    /// Takes in the lease rows of a read that left at `sent`.
    pub(super) fn take_in_leases(
        &mut self,
        now: Instant,
        sent: Instant,
        wanted: &BTreeSet<JobName>,
        rows: Vec<(JobName, Found<rows::Lease>)>,
        out: &mut Vec<Output>,
    ) {
        if self.incarnation().is_none() {
            return;
        }
        let mut rows: BTreeMap<_, _> = rows.into_iter().collect();
        let asked = wanted.iter().filter_map(|job| self.seat_of(job));
        let absent = || Found { version: Version::ABSENT, age: None, row: Ok(rows::Lease::unborn()) };
        let found: Vec<_> =
            asked.map(|index| (index, rows.remove(&self.jobs[index]).unwrap_or_else(absent))).collect();
        if let Some((lost, _)) = found.iter().find(|(index, found)| self.seats[*index].has_lost(sent, found))
        {
            let what = format!("the row of job {} is older than it was", self.jobs[*lost]);
            return self.regress(now, &what, out);
        }
        for (index, found) in found {
            let seat = &mut self.seats[index];
            seat.unsure.take_if(|since| sent >= *since);
            if !seat.exceeds(&found) {
                self.adopt(index, found.version, found.row, now, out);
            }
            self.enqueue(index);
            self.enqueue_entries(index);
        }
    }

    /// Takes in a newer row, whoever wrote it, and draws the consequences.
    fn adopt(
        &mut self,
        index: usize,
        version: Version,
        row: Result<rows::Lease, rows::RowError>,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        let me = self.incarnation();
        let ours = |seat: &Seat| seat.row.holder.is_some() && seat.row.holder == me;
        let seat = &mut self.seats[index];
        let (was_ours, orders, told) = (ours(seat), seat.row.orders, seat.told);
        if !seat.adopt(version, row, now) {
            return;
        }
        // Said only now: whoever looks because of it must find the row as it has become.
        self.moved += u64::from(was_ours && !ours(seat));
        self.conclude_launch(index, now, out);
        self.announce(index, now, &Ending::Lost, out);
        let (job, seat) = (&self.jobs[index], &mut self.seats[index]);
        if seat.row.orders != orders && seat.told.is_some() && seat.told == told {
            out.push(Output::Orders { job: job.clone(), orders: seat.row.orders });
        }
        if let Some(why) = &seat.illegible {
            // Whoever restores it must not go below that.
            let row = format!("{}, last known at term {}", row_of_job(job), seat.row.term);
            out.push(Output::Note(Note::Illegible { row, why: why.clone() }));
        } else if seat.row.holder.is_some() && seat.row.holder != me && seat.row.holder != seat.heard {
            seat.heard = seat.row.holder;
            let leader = seat.row.leader.clone().unwrap_or_default();
            out.push(Output::Note(Note::Idle { job: job.clone(), leader }));
        }
        self.enqueue(index);
        self.enqueue_entries(index);
    }

    /// Starts the run that the row now records, if it is ours and we still lead.
    fn conclude_launch(&mut self, index: usize, now: Instant, out: &mut Vec<Output>) {
        let led = self.term_led(index, now);
        let (job, seat) = (&self.jobs[index], &mut self.seats[index]);
        let Some(launch) = seat.launch.take() else { return };
        let (run, term) = (launch.cursor.run, launch.cursor.term);
        let recorded = seat.row.cursor.as_ref().is_some_and(|cursor| cursor.run == run);
        match (led == Some(term), recorded, self.session.me()) {
            (true, true, Some(me)) => {
                if launch.cursor.state == RunState::Started {
                    seat.work = Some((run, me));
                }
                out.push(Output::Grant { job: job.clone(), run, term });
            }
            (true, false, _) if seat.bars(&launch) => {
                out.push(Output::Refuse { job: job.clone(), run, why: Refusal::Paused });
            }
            (true, false, _) => seat.launch = Some(launch),
            _ => out.push(Output::Refuse { job: job.clone(), run, why: Refusal::NotLeading }),
        }
    }

    /// A scheduler wants a cursor to move: that is recorded before anything starts.
    pub(super) fn launch(&mut self, now: Instant, launch: Launch, out: &mut Vec<Output>) {
        let gives_up = self.gives_up();
        let refusal = match self.seat_of(&launch.job) {
            Some(index) if self.term_led(index, now) == Some(launch.cursor.term) => {
                let seat = &mut self.seats[index];
                if seat.exit.is_some() || gives_up {
                    Refusal::Leaving
                } else if seat.work.is_some() || seat.launch.is_some() {
                    Refusal::Busy
                } else if seat.row.position() >= Some(launch.cursor.position()) {
                    Refusal::Past
                } else if seat.bars(&launch) {
                    Refusal::Paused
                } else if seat.row.ledger.len() >= MOST_UNFILED {
                    Refusal::Unfiled
                } else {
                    seat.launch = Some(Box::new(launch));
                    return self.enqueue(index);
                }
            }
            _ => Refusal::NotLeading,
        };
        out.push(Output::Refuse { job: launch.job, run: launch.cursor.run, why: refusal });
    }

    /// A run has ended, and nothing of it is left.
    pub(super) fn ended(&mut self, now: Instant, job: &JobName, run: RunId, end: End, out: &mut Vec<Output>) {
        let Some(index) = self.seat_of(job) else { return };
        self.unwant(index, run);
        let seat = &mut self.seats[index];
        if seat.work.is_some_and(|(current, _)| current == run) {
            seat.work = None;
            seat.winding = false;
            seat.ended = Some(Box::new((run, end)));
            self.announce(index, now, &Ending::Lost, out);
            self.enqueue(index);
        }
    }
}
