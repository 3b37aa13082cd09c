//! One job, as one instance sees it: the newest row it knows, and what it wants of it.
//!
//! A seat never remembers *that* it leads; it is asked, with the session's word on whether this
//! instance may rely on its member row. Every wish is a field, and [`Seat::compose`] derives the one
//! write that brings the row nearer to the wishes. Whatever a store answers, the row is looked at
//! again and the next write derived anew, so there is no path for "the write came back like that".

use super::filing::Filing;
use super::messages::{End, Found, Launch};
use super::recall::{lacks, recall};
use crate::machine::{Incarnation, RunId, Term};
use crate::rows::{Cursor, Lease, RowError, RunState};
use crate::stores::Version;
use crate::time::{Instant, Wall};

/// What one instance knows and wants of one job. What most jobs lack most of the time is boxed: there
/// may be ten thousand seats.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    /// The row, as last seen.
    pub(super) row: Lease,
    /// The row that an earlier store lost: its term and cursor must come back.
    pub(super) lost: Option<Box<Lease>>,
    /// The highest version seen, with the arrival of the first answer that showed it.
    pub(super) known: Option<(Version, Instant)>,
    /// Why the row cannot be understood, if so: it is left alone.
    pub(super) illegible: Option<RowError>,
    /// The version at which a hand-over was sent: from then on it gives us nothing.
    pub(super) surrendered: Option<Version>,
    /// The write that is under way.
    pub(super) writing: Option<Box<Writing>>,
    /// Since when only a read can tell what the row shows.
    pub(super) unsure: Option<Instant>,
    /// The job is on the list no more: it is given up between two runs, and never taken.
    pub(super) retired: bool,
    /// It waits in line to be composed.
    pub(super) queued: bool,
    /// Since when the job has been free.
    pub(super) free: Option<Instant>,
    /// The job shall leave.
    pub(super) exit: Option<Exit>,
    /// The scheduler was asked to wind up for the sake of `exit`.
    pub(super) winding: bool,
    /// An occurrence that shall start.
    pub(super) launch: Option<Box<Launch>>,
    /// Who here wants the job led.
    pub(super) demand: Demand,
    /// A run that goes on in this process, and the incarnation that started it.
    pub(super) work: Option<(RunId, Incarnation)>,
    /// How a run ended, until the row says so.
    pub(super) ended: Option<Box<(RunId, End)>>,
    /// How far the entries of the row are filed.
    pub(super) filing: Filing,
    /// The leadership that the scheduler was told of, and since when.
    pub(super) told: Option<(Term, Instant)>,
    /// The leader that people were told of.
    pub(super) heard: Option<Incarnation>,
}

/// Who here wants a job led.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Demand {
    /// Its schedule, always.
    Schedule,
    /// Nobody: it is left to others.
    Nobody,
    /// A caller, for one leadership.
    Caller(RunId),
}

/// Where a job shall go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// To whom the plan says by then, between two runs.
    Balance,
    /// To whom a person wants, or to anybody.
    Wish(Option<Incarnation>),
    /// To anybody, between two runs: the job is on the list no more.
    Retired,
    /// To anybody: this instance stops, or stands aside.
    Drain,
    /// To whoever wants it: nobody here does.
    Unwanted,
}

/// A write that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Writing {
    pub(super) row: Lease,
    /// The successor to wake once it is done.
    pub(super) successor: Option<Incarnation>,
}

/// What composing a write needs to know of the instance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hand<'a> {
    pub(super) me: Incarnation,
    pub(super) name: &'a str,
    pub(super) wall: Wall,
    /// The hash of the crew.
    pub(super) crew: &'a str,
}

impl Seat {
    pub(super) fn new() -> Self {
        Self {
            row: Lease::unborn(),
            lost: None,
            known: None,
            illegible: None,
            surrendered: None,
            writing: None,
            unsure: None,
            retired: false,
            queued: false,
            free: None,
            exit: None,
            winding: false,
            launch: None,
            demand: Demand::Schedule,
            work: None,
            ended: None,
            filing: Filing::default(),
            told: None,
            heard: None,
        }
    }

    /// The version to base a write on.
    pub(super) fn version(&self) -> Option<Version> {
        self.known.map(|(version, _)| version)
    }

    /// Whether the newest row names `me`, at a version that was not surrendered, and misses nothing.
    pub(super) fn names(&self, me: Incarnation) -> bool {
        self.illegible.is_none()
            && self.row.holder == Some(me)
            && self.surrendered != self.version()
            && !self.lost.as_ref().is_some_and(|lost| lacks(&self.row, lost))
    }

    /// Whether a hand-over is in doubt.
    pub(super) fn surrendering(&self) -> bool {
        self.surrendered.is_some() && self.surrendered == self.version()
    }

    /// Whether a read that left at `sent` shows less than was known by then.
    pub(super) fn has_lost(&self, sent: Instant, found: &Found<Lease>) -> bool {
        self.known.is_some_and(|(_, learned)| sent > learned) && self.exceeds(found)
    }

    /// Whether more is known than was found: no version is lower than one before it, and in none from
    /// there on is the term or the cursor.
    pub(super) fn exceeds(&self, found: &Found<Lease>) -> bool {
        let fallen = |row: &Lease| row.term < self.row.term || row.position() < self.row.position();
        self.version().is_some_and(|known| found.version < known || found.row.as_ref().is_ok_and(fallen))
    }

    /// Takes in a row that was read or written. Only a higher version is news, or one that can be
    /// understood where it could not: a hand that repairs a row may well leave its version.
    pub(super) fn adopt(&mut self, version: Version, row: Result<Lease, RowError>, now: Instant) -> bool {
        let repaired = self.illegible.is_some() && row.is_ok() && self.version() == Some(version);
        if !repaired && self.version().is_some_and(|known| version <= known) {
            return false;
        }
        self.known = Some((version, now));
        self.free = None;
        match row {
            Ok(row) => {
                if row.holder != self.row.holder || row.term != self.row.term {
                    self.exit = None;
                    self.winding = false;
                }
                self.row = row;
                self.row.ledger.shrink_to_fit();
                self.illegible = None;
                self.filing.keep_to(&self.row.ledger);
                let ended = self.ended.take();
                self.ended = ended.filter(|ended| self.is_running(ended.0));
            }
            Err(why) => self.illegible = Some(why),
        }
        true
    }

    /// Forgets the row, because the store is another one now, but not what it held.
    pub(super) fn forget_version(&mut self) {
        self.known = None;
        self.surrendered = None;
        self.illegible = None;
        self.unsure = None;
        self.free = None;
        self.exit = None;
        self.winding = false;
        self.filing.forget();
        // A store may be lost before all is back that an earlier one held.
        let all = self.restore().unwrap_or_else(|| self.row.clone());
        self.lost = Some(Box::new(all));
        self.row = Lease::unborn();
    }

    /// The row that brings back what an earlier store lost, or `None` when nothing is missing.
    pub(super) fn restore(&self) -> Option<Lease> {
        self.lost.as_ref().filter(|lost| lacks(&self.row, lost)).map(|lost| recall(&self.row, lost))
    }

    /// The row that makes `hand` the leader.
    pub(super) fn take(&self, hand: Hand<'_>) -> Lease {
        Lease {
            holder: Some(hand.me),
            leader: Some(hand.name.to_owned()),
            term: self.row.term.next(),
            since: hand.wall,
            born: if self.row.term == Term::default() { hand.wall } else { self.row.born },
            placed: None,
            ..self.newest()
        }
    }

    /// The row that gives the job to `successor`, or frees it.
    pub(super) fn give(&self, successor: Option<(Incarnation, &str)>, hand: Hand<'_>) -> Lease {
        Lease {
            holder: successor.map(|(id, _)| id),
            leader: successor.map(|(_, name)| name.to_owned()),
            // A release is no leadership: the next leader's claim raises the term.
            term: if successor.is_some() { self.row.term.next() } else { self.row.term },
            since: hand.wall,
            wish: None,
            placed: Some(hand.crew.to_owned()),
            ..self.newest()
        }
    }

    /// The row that records the launch, or `None` when there is none to record.
    pub(super) fn record(&self) -> Option<Lease> {
        let launch = self.launch.as_ref()?;
        let mut row = self.newest();
        row.cursor = Some(launch.cursor.clone());
        row.orders = row.orders.without(launch.obeyed);
        row.ledger.extend(launch.entries.iter().cloned());
        Some(row)
    }

    /// Whether a pause forbids that `launch` starts.
    pub(super) fn bars(&self, launch: &Launch) -> bool {
        let Cursor { state, extra, .. } = &launch.cursor;
        self.row.orders.is_paused() && *state == RunState::Started && extra.is_none()
    }

    /// The row that says how the last run ended, or `None` when it says so already.
    pub(super) fn report(&self) -> Option<Lease> {
        self.ended.as_ref().filter(|ended| self.is_running(ended.0)).map(|_| self.newest())
    }

    /// The row without the wish of a person that cannot be granted.
    pub(super) fn decline(&self) -> Lease {
        Lease { wish: None, ..self.newest() }
    }

    /// The row with what it does not say yet, and without what stands in the history.
    pub(super) fn newest(&self) -> Lease {
        let mut row = self.row.clone();
        row.ledger.retain(|entry| !self.filing.is_done(entry));
        if let (Some(cursor), Some((run, end))) = (&mut row.cursor, self.ended.as_deref())
            && self.is_running(*run)
        {
            cursor.state = end.state;
            cursor.again = end.again;
            row.ledger.extend(end.entry.clone());
        }
        row
    }

    /// Whether the row says that `run` started and nothing more.
    fn is_running(&self, run: RunId) -> bool {
        let cursor = self.row.cursor.as_ref();
        cursor.is_some_and(|cursor| cursor.run == run && cursor.state == RunState::Started)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Cursor;
    use crate::rows::Fate;

    fn row(term: u64, due: i64) -> Lease {
        let due = Wall::from_nanos(due);
        let cursor = Cursor {
            due,
            attempt: 1,
            run: RunId(1),
            term: Term(term),
            node: String::new(),
            at: due,
            state: RunState::Finished,
            again: None,
            schedule: String::new(),
            extra: None,
        };
        Lease { term: Term(term), cursor: Some(cursor), ..Lease::unborn() }
    }

    #[test]
    fn a_lost_store_is_given_back_what_became_of_due_times() {
        let (mut seat, mut row) = (Seat::new(), row(5, 300));
        row.ledger.extend(row.cursor.as_ref().map(|cursor| cursor.entry(Fate::Ran, "", None)));
        assert!(seat.adopt(Version(1), Ok(row.clone()), Instant::default()));
        seat.forget_version();
        assert_eq!(seat.restore().map(|restored| restored.ledger), Some(row.ledger));
    }

    #[test]
    fn two_losses_forget_no_more_than_one() {
        let mut seat = Seat::new();
        // The second store was led by somebody who knew less, and lost before we came.
        for (version, row) in [row(5, 300), row(6, 200)].into_iter().enumerate() {
            let version = Version(u64::try_from(version).unwrap() + 1);
            assert!(seat.adopt(version, Ok(row), Instant::default()));
            seat.forget_version();
        }
        let restored = seat.restore().unwrap();
        assert_eq!(restored.position(), row(5, 300).position());
        assert_eq!(restored.term, Term(6));
    }
}
