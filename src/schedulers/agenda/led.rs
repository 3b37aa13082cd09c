//! One job of the agenda: what was before, where its next occurrence stands, and what follows from that.

use std::time::Duration;

use super::Plan;
use crate::lease::Launch;
use crate::machine::{RunId, Term};
use crate::rows::{Cursor, Orders, Since, Verdict};
use crate::schedulers::policy::{Orphan, Policy};
use crate::schedulers::reckoning::{Next, Watch};
use crate::time::Wall;

/// The shortest time there is.
const MOMENT: Duration = Duration::from_nanos(1);

/// A job that this instance leads.
#[derive(Debug)]
pub(super) struct Led {
    pub(super) term: Term,
    /// When the job was first led.
    pub(super) born: Wall,
    pub(super) watch: Watch,
    /// How long it rested before its last run, or rests after it.
    pub(super) rest: Duration,
    pub(super) orders: Orders,
    /// The due time of its cursor.
    pub(super) last: Option<Wall>,
    pub(super) past: Past,
    pub(super) step: Step,
}

/// What was before.
#[derive(Debug)]
pub(super) enum Past {
    /// Everything is accounted for up to there.
    Settled(Since),
    /// A run has started, and what becomes of its due time is not settled.
    Unsettled(Box<Cursor>),
}

/// Where its next occurrence stands.
#[derive(Debug)]
pub(super) enum Step {
    /// In the queue, under this time.
    Waits(Wall),
    /// Being recorded.
    Recording(Box<Launch>),
    /// Started.
    Runs(RunId),
    /// There is none.
    Rests,
}

impl Led {
    /// When a run is due that a person asked for: not in the future, and after everything else.
    pub(super) fn extra(&self, since: Since, now: Wall) -> Option<Wall> {
        self.orders.extra.map(|asked| asked.min(now).max(self.after(since)))
    }

    /// The moment after everything else.
    fn after(&self, since: Since) -> Wall {
        let (Since::Birth(after) | Since::Due(after) | Since::Change(after)) = since;
        self.last.unwrap_or(after).max(after) + MOMENT
    }

    /// What is next for a job that is due whenever it does not run.
    pub(super) fn go_on(&self, since: Since) -> Option<Next> {
        let due = self.rested().max(self.after(since));
        (!self.orders.is_paused()).then(|| Next { due, runs: true, passed: Vec::new() })
    }

    /// When it has rested since its last run here.
    pub(super) fn rested(&self) -> Wall {
        self.watch.ended.map_or(self.watch.began, |ended| ended + self.rest)
    }

    /// The plan that runs the job at `due`, which its schedule did not ask for.
    pub(super) fn bring_forward(&self, due: Wall, since: Since) -> Plan {
        let obeyed = Orders { extra: self.orders.extra, ..Orders::default() };
        Plan { at: due, due, attempt: 1, runs: true, entries: Vec::new(), extra: Some(since), obeyed }
    }

    /// What a person said shall become of a run, or else what the job wants.
    pub(super) fn fate_of(&self, cursor: &Cursor, policy: &Policy) -> Orphan {
        match self.obeys(cursor).verdict {
            Some(Verdict { rerun: true, .. }) => Orphan::Rerun,
            Some(Verdict { rerun: false, .. }) => Orphan::Skip,
            None => policy.on_orphan,
        }
    }

    /// The orders that are about a run.
    pub(super) fn obeys(&self, cursor: &Cursor) -> Orders {
        let verdict = self.orders.verdict.filter(|verdict| verdict.run == cursor.run);
        Orders { verdict, ..Orders::default() }
    }

    /// The plan that moves nothing but the cursor, which says from then on by which schedule the job is
    /// due, and since when: a later one must not make up for what it would have done before.
    pub(super) fn mark(&self, since: Since, now: Wall) -> Plan {
        let due = self.last.map_or(now, |last| now.max(last + MOMENT));
        let (entries, obeyed) = (Vec::new(), Orders::default());
        Plan { at: now, due, attempt: 1, runs: false, entries, extra: Some(since), obeyed }
    }

    /// Which schedule wanted what is attempted again, if this attempt is not the first.
    pub(super) fn attempted(&self, attempt: u32) -> Option<String> {
        match &self.past {
            Past::Unsettled(cursor) if attempt > 1 => Some(cursor.schedule.clone()),
            Past::Unsettled(_) | Past::Settled(_) => None,
        }
    }
}

impl Past {
    /// The schedule is another one than before.
    pub(super) fn change(&mut self) {
        if let Self::Settled(Since::Birth(last) | Since::Due(last)) = *self {
            *self = Self::Settled(Since::Change(last));
        }
    }
}
