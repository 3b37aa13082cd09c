//! The lease: one leader per job, on any store that has a compare-and-set.
//!
//! # In one paragraph
//!
//! Every running instance keeps one *member row* alive with a heartbeat. Every job has one *lease
//! row* that names the instance which leads it, and the *term* of that leadership. A lease holds for
//! as long as its holder's member row does, so one heartbeat keeps any number of leases. When a
//! member row has not changed for its time-to-live, somebody deletes it, and its jobs are free;
//! whoever takes one does so by one compare-and-set that raises the term. The term never falls and
//! the row is never deleted, so the term is a fencing token.
//!
//! ```text
//!   Meeting --> Registering --> Live --> Leaving --> Over
//!      ^             |            |
//!      +-------------+------------+   not confirmed in time, horizon passed, row gone
//! ```
//!
//! # Rules
//!
//! 1. *Register once.* A life (an [`Incarnation`]) begins with one insertion of its member row by
//!    one request. Not confirmed within `ttl - margin` of leaving: that life never was, draw another.
//! 2. *Horizon.* A heartbeat that is confirmed before the horizon passed moves the horizon to
//!    `ttl - margin` after the moment that it *left*. A heartbeat found by reading counts likewise.
//!    A heartbeat never creates a row: an absent row means that the life is over.
//! 3. *Leading.* This instance leads a job while the newest version that it knows of the job's row
//!    names its life, that version was not surrendered, and the horizon has not passed.
//! 4. *Lapse.* When the horizon passes the life is over, even if it led nothing. No late answer
//!    revives it. A job whose work from the old life still runs here is not competed for.
//! 5. *Reap, then take.* A member row that stood unchanged for its whole time-to-live, counted on
//!    the rival's own clock from the arrival of the answer that first showed it to the send of the
//!    last read that still shows it, is deleted by compare-and-set on that version. A job is free
//!    when its row has no holder, or names a life whose row was missing at a moment after the job's
//!    row was known. Taking raises the term. It rests on a version of the job's row, so one that is
//!    not there is made first, and on the cluster's row, read after that: else a store might have
//!    been lost, and the row restored, while its leader goes on until his horizon.
//! 6. *Hand over* only when the work is joined. From sending it this instance leads no more,
//!    whatever becomes of the write, until a higher version names it again.
//! 7. *At most once.* An attempt at an occurrence is recorded in the lease row, by compare-and-set, on a
//!    row that names this life and term, before it starts. No attempt at or before the record starts
//!    again. *Exactly one account*: what became of a due time that the record passes, or of the run
//!    that it names, is written into the row by that same change of it. It leaves the row when it
//!    stands in the history, under a key that the due time makes.
//! 8. *Three answers*: done, conflict, unknown. The last two mean: read again, and derive the next
//!    write from what the row shows.
//! 9. *A lost store.* An instance that knew the cluster's row and finds it gone or another, or finds
//!    a lease row older than it was, leads nothing more. In a volatile store everybody waits a full
//!    time-to-live, restores terms and cursors from memory, and goes on above them.
//! 10. *Drained.* A life that the cluster's row lists as drained hands over what it leads as if it were to
//!     stop, and takes nothing until it is listed no more. No safety rests on this: before it reads the
//!     row it leads as ever.
//!
//! # Why two instances never lead one job
//!
//! Take a life and the chain of its confirmed heartbeats. By rule 2 each next one was confirmed,
//! hence applied, less than `ttl - margin` after the one before it left. A rival's silence (rule 5)
//! begins after some heartbeat of the chain was applied and is a full `ttl` long on the rival's
//! clock, that is more than `ttl - margin` on the holder's as long as their rates differ by less than
//! `ttl / (ttl - margin)`. So if a later heartbeat belonged to the chain, it would have been applied
//! within the silence and changed the row, and the deletion, which names the version, would fail.
//! Hence when the deletion is applied, the horizon that the last heartbeat of the chain gave has
//! passed, no later heartbeat can be confirmed, because there is no row, and by rule 1 none comes
//! back. A job is taken only from a life whose row was missing, so from one that no longer leads;
//! and the compare-and-set on the lease row picks one among the takers. A hand-over is a
//! compare-and-set too, by a holder that stopped before it was sent.
//!
//! # What is not guaranteed
//!
//! * *Clocks.* `CLOCK_BOOTTIME` must run, at rates no further apart than rule 5 allows. It stops while
//!   a hypervisor pauses the machine; a leader may then believe in its lease for up to a `ttl` after it
//!   resumes. Even so no occurrence starts twice (rule 7 needs no clock), and terms do not repeat.
//! * *Work that cannot be stopped.* A leader can be paused between the check of its lease and an effect
//!   on something else. Only that something can refuse the effect, by comparing terms; what is in the same
//!   store can, behind a [fence](crate::fence).
//! * *The store.* It must apply a change if and only if the version matches, and must not go back in
//!   time. Instances notice when it does and stop, but what happened in between has happened.
//! * *An occurrence that was recorded and whose leader vanished* may or may not have run. It is not run
//!   again unless the job wants that; it leaves an account and an event.

mod aside;
mod filing;
mod leading;
mod living;
mod members;
mod messages;
pub(crate) mod placement;
mod recall;
mod revising;
mod seat;
mod session;
mod timing;
mod wanting;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use self::messages::{
    Answer, Ask, End, Ending, Found, Input, Launch, Life, Note, Output, Refusal, RequestId, RowWrite,
    SeatView, View, Wanted, Write,
};
pub use self::timing::Timing;

use self::members::Members;
use self::placement::Plan;
use self::seat::{Hand, Seat};
use self::session::Session;
use crate::machine::{ClusterId, Incarnation, JobName, Leadership, Machine};
use crate::rows::{CLUSTER, Cluster, Member, RowError, row_of_instance, row_of_job};
use crate::stores::{MOST_CHANGES, Traits, Version};
use crate::time::{Instant, Wall};

/// Reads under way at the same time: one that hangs must not block the next.
const MOST_READS: usize = 2;
/// Ended lives of this process that are remembered, to delete their rows.
const MOST_PAST: usize = 32;

/// What an instance is, for the others.
#[derive(Clone, Debug)]
pub struct About {
    /// Its human name.
    pub name: String,
    /// Where its HTTP listens; empty if nowhere.
    pub url: String,
    /// The version of the program.
    pub version: String,
}

/// How jobs are placed on instances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// A job moves to the instance that should lead it, between two runs.
    #[default]
    Spread,
    /// A job stays where it is until its leader goes.
    Sticky,
}

/// The lease machine of one instance, for all of its jobs.
#[derive(Clone, Debug)]
pub struct Lease {
    timing: Timing,
    about: About,
    balance: Balance,
    traits: Traits,
    random: fastrand::Rng,

    /// How many nanoseconds the wall clock is ahead of the boot clock.
    wall: i64,
    /// How many nanoseconds the clock that the cluster goes by is ahead of that.
    skew: i64,
    /// Its place among the members by age: the eldest sets that clock.
    order: Option<u64>,

    session: Session,
    /// Ended lives whose rows may still stand.
    past: Vec<Incarnation>,
    /// Leases that have left this instance so far.
    moved: u64,
    draining: bool,
    /// The life that the cluster's row listed as drained, if it did.
    aside: Option<Incarnation>,

    cluster: Option<Met>,
    /// Why the cluster's row cannot be understood, if so.
    puzzled: Option<RowError>,
    /// Until when nobody may campaign, because leaders of a lost store may still trust theirs.
    settling: Option<Instant>,
    /// The store whose settling this process has waited for.
    settled: Option<ClusterId>,

    members: Members,
    plan: Plan,
    /// Hash of the list of jobs.
    placement: String,
    /// Sorted; `seats` runs parallel. Those that left the list stay: somebody who does not know may yet hand
    /// them over.
    jobs: Vec<JobName>,
    seats: Vec<Seat>,

    next_id: RequestId,
    asked: BTreeMap<RequestId, (Instant, Asked)>,
    /// What the next read must bring, and when it may leave.
    want: Wanted,
    want_at: Instant,
    reads: usize,
    /// Reads of the members under way.
    looks: usize,
    /// How many lease rows a request may carry: fewer after a silence, in case they were too many.
    portion: usize,
    /// Rows are being written; what comes meanwhile travels together.
    committing: bool,
    /// It is the entries' turn.
    filing_next: bool,
    /// Seats that may have something to write.
    ready: VecDeque<usize>,
    /// Seats that may have entries to file.
    unfiled: VecDeque<usize>,
    /// When the next campaign for a free job begins.
    campaign_at: Instant,
    /// When all lease rows are read again.
    sweep_at: Instant,
}

/// The cluster's row, as it was last read.
#[derive(Clone, Debug)]
struct Met {
    version: Version,
    row: Cluster,
    /// When that read left, and when it came back.
    sent: Instant,
    seen: Instant,
}

/// What a request was for.
#[derive(Clone, Debug)]
enum Asked {
    Read(Wanted),
    /// To create or settle the cluster's row.
    Cluster,
    Register(Incarnation),
    Beat(Incarnation, u64),
    Reap(Incarnation),
    /// Lease rows, by seat.
    Leases(Vec<usize>),
    /// Entries, by seat and due time.
    Entries(Vec<(usize, Wall)>),
    Farewell,
}

impl Machine for Lease {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Output>) {
        // Time first: an answer that comes after the horizon finds the incarnation over.
        self.live_on(now, out);
        match input {
            Input::Answer { id, answer } => self.answered(now, id, answer, out),
            Input::Woken(jobs) => self.woken(now, jobs),
            Input::Launch(launch) => self.launch(now, launch, out),
            Input::Want { job, run } => self.want(&job, run, out),
            Input::Ended { job, run, end } => self.ended(now, &job, run, end, out),
            Input::Clock(wall) => self.set_clock(now, wall, out),
            Input::Jobs(jobs) => self.revise(now, jobs, out),
            Input::Drain => self.drain(now, out),
        }
        self.tick(now, out);
    }

    fn tick(&mut self, now: Instant, out: &mut Vec<Output>) {
        self.live_on(now, out);
        if now >= self.campaign_at {
            self.reconsider_all(now, out);
        }
        self.commit(now, out);
        self.depart(now, out);
        self.look(now);
        self.read(now, out);
    }

    fn deadline(&self) -> Instant {
        let session = match &self.session {
            Session::Registering { sent, .. } => *sent + self.timing.trust(),
            Session::Live(live) => {
                let look = if self.looking() { Instant::NEVER } else { self.members.next_look(&self.timing) };
                let settled = self.settling.unwrap_or(Instant::NEVER);
                live.deadline().min(look).min(settled).min(self.campaign_at).min(self.sweep_at)
            }
            Session::Meeting | Session::Barred | Session::Leaving | Session::Over => Instant::NEVER,
        };
        let read =
            if self.want.is_empty() || self.reads >= MOST_READS { Instant::NEVER } else { self.want_at };
        session.min(read)
    }

    fn leadership(&self, job: &JobName, now: Instant) -> Leadership {
        let Some(seat) = self.seat_of(job) else { return Leadership::Follower { leader: None } };
        match self.term_led(seat, now) {
            Some(term) => Leadership::Leader { term, until: self.horizon() },
            None => Leadership::Follower { leader: self.seats[seat].row.leader.clone() },
        }
    }
}

impl Lease {
    /// A machine that competes for `jobs`.
    pub fn new(
        timing: Timing,
        about: About,
        balance: Balance,
        traits: Traits,
        mut jobs: Vec<JobName>,
        random: fastrand::Rng,
    ) -> Self {
        jobs.sort_unstable();
        jobs.dedup();
        Self {
            timing,
            about,
            balance,
            traits,
            random,
            wall: 0,
            skew: 0,
            order: None,
            session: Session::Meeting,
            past: Vec::new(),
            moved: 0,
            draining: false,
            aside: None,
            cluster: None,
            puzzled: None,
            settling: None,
            settled: None,
            members: Members::new(),
            plan: Plan::default(),
            placement: placement::of_list(jobs.iter()),
            seats: jobs.iter().map(|_| Seat::new()).collect(),
            jobs,
            next_id: 0,
            asked: BTreeMap::new(),
            want: Wanted { cluster: true, members: true, leases: BTreeSet::new() },
            want_at: Instant::LONG_AGO,
            reads: 0,
            looks: 0,
            portion: MOST_CHANGES,
            committing: false,
            filing_next: false,
            ready: VecDeque::new(),
            unfiled: VecDeque::new(),
            campaign_at: Instant::NEVER,
            sweep_at: Instant::NEVER,
        }
    }

    /// The life that may lead now, and until when.
    pub fn life(&self) -> Option<Life> {
        match &self.session {
            Session::Live(live) => Some(Life { incarnation: live.me, horizon: live.horizon }),
            Session::Meeting
            | Session::Registering { .. }
            | Session::Barred
            | Session::Leaving
            | Session::Over => None,
        }
    }

    /// The life that may lead now.
    pub fn incarnation(&self) -> Option<Incarnation> {
        self.life().map(|life| life.incarnation)
    }

    /// Until when this instance may lead whatever names it.
    pub fn horizon(&self) -> Option<Instant> {
        self.life().map(|life| life.horizon)
    }

    /// All jobs, as this instance knows them at `now`: those on its list, and those that it has yet to give
    /// up.
    pub fn seats(&self, now: Instant) -> impl Iterator<Item = SeatView> {
        let seats = self.jobs.iter().zip(&self.seats).enumerate();
        let seats = seats.filter(|(_, (_, seat))| !seat.retired || seat.told.is_some());
        seats.map(move |(index, (job, seat))| SeatView {
            job: job.clone(),
            row: seat.row.clone(),
            until: self.term_led(index, now).and_then(|_| self.horizon()),
        })
    }

    /// The other members, as this instance knows them.
    pub fn members(&self) -> impl Iterator<Item = (Incarnation, &Member)> {
        self.members.rows()
    }

    /// The rows that cannot be understood, and why: they are left alone.
    pub fn illegible(&self) -> impl Iterator<Item = (String, &RowError)> {
        let seats = self.jobs.iter().zip(&self.seats);
        let leases = seats.filter_map(|(job, seat)| Some((row_of_job(job), seat.illegible.as_ref()?)));
        let members = self.members.illegible().map(|(id, why)| (row_of_instance(id), why));
        self.puzzled().map(|why| (CLUSTER.to_owned(), why)).into_iter().chain(members).chain(leases)
    }

    /// Why nobody can say which store this is, if so: nothing is taken meanwhile.
    pub fn puzzled(&self) -> Option<&RowError> {
        self.puzzled.as_ref()
    }

    /// This instance, as it describes itself.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// What the clock that the cluster goes by shows at `now`.
    fn wall_at(&self, now: Instant) -> Wall {
        Wall::from_nanos(now.as_nanos()).shifted(self.wall).shifted(self.skew)
    }

    fn hand(&self, me: Incarnation, now: Instant) -> Hand<'_> {
        Hand { me, name: &self.about.name, wall: self.wall_at(now), crew: self.plan.hash() }
    }

    fn seat_of(&self, job: &JobName) -> Option<usize> {
        self.jobs.binary_search(job).ok()
    }

    fn all_jobs(&self) -> BTreeSet<JobName> {
        self.jobs.iter().cloned().collect()
    }

    /// Whether a look at the members is under way or about to be.
    fn looking(&self) -> bool {
        self.looks > 0 || self.want.members
    }

    /// A wait before asking again, different each time so that instances do not march in step.
    fn backoff(&mut self) -> std::time::Duration {
        self.timing.retry.mul_f64(0.5 + self.random.f64() / 2.0)
    }

    /// Wants the members looked at when that is due, with the cluster's row once a heartbeat.
    fn look(&mut self, now: Instant) {
        if self.incarnation().is_none() {
            return;
        }
        if now >= self.sweep_at {
            self.sweep_at = now + self.timing.sweep.mul_f64(0.75 + self.random.f64() / 2.0);
            self.want.leases = self.all_jobs();
        }
        if !self.looking() && now >= self.members.next_look(&self.timing) {
            self.want.members = true;
            if self.cluster.as_ref().is_none_or(|met| now >= met.seen + self.timing.heartbeat / 2) {
                // A row that a person has to repair tells nobody when that is done.
                let jobs = self.jobs.iter().zip(&self.seats);
                let broken = jobs.filter(|(_, seat)| seat.illegible.is_some()).map(|(job, _)| job.clone());
                self.want.merge(Wanted { cluster: true, members: true, leases: broken.collect() });
            }
        }
    }

    /// Sends what is wanted.
    fn read(&mut self, now: Instant, out: &mut Vec<Output>) {
        while !self.want.is_empty() && self.reads < MOST_READS && now >= self.want_at {
            let wanted = self.want.take(self.portion);
            self.reads += 1;
            self.looks += usize::from(wanted.members);
            self.ask(now, Asked::Read(wanted.clone()), Ask::Read(wanted), out);
        }
    }

    /// Learns from the answer to a request that carried lease rows how many the store takes at once.
    fn adapt(&mut self, rows: usize, answer: &Answer) {
        match answer {
            Answer::Silence if rows > 0 => self.portion = (self.portion / 2).max(1),
            Answer::Read(_) | Answer::Written(_) if rows >= self.portion => {
                self.portion = (self.portion * 2).min(MOST_CHANGES);
            }
            Answer::Silence | Answer::Read(_) | Answer::Written(_) => {}
        }
    }

    fn ask(&mut self, now: Instant, why: Asked, ask: Ask, out: &mut Vec<Output>) {
        let id = self.next_id;
        self.next_id += 1;
        self.asked.insert(id, (now, why));
        out.push(Output::Ask { id, ask });
    }

    fn write(&mut self, now: Instant, why: Asked, base: Version, row: RowWrite, out: &mut Vec<Output>) {
        self.ask(now, why, Ask::Write(vec![Write { base, row }]), out);
    }

    /// Somebody says that the rows of some jobs are worth reading; of none, that the cluster's is.
    fn woken(&mut self, now: Instant, jobs: Vec<JobName>) {
        let cluster = jobs.is_empty();
        let leases: BTreeSet<_> = jobs.into_iter().filter(|job| self.seat_of(job).is_some()).collect();
        if (cluster || !leases.is_empty()) && self.incarnation().is_some() {
            self.want.merge(Wanted { cluster, members: false, leases });
            self.want_at = now;
        }
    }
}
