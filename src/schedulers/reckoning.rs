//! The reckoning: which due time of a job is next, and what becomes of those that have passed.

use std::time::Duration;

use super::Schedule;
use super::policy::{Missed, Policy};
use crate::rows::{Cursor, Fate, Lease, Pause, Since};
use crate::time::Wall;

/// The shortest time there is.
const MOMENT: Duration = Duration::from_nanos(1);

const UNLED: &str = "nobody led the job then";
const JUMPED: &str = "the clock was set, or the machine slept";
const PAUSED: &str = "the job was paused";
const HELD: &str = "the job waited for a person to answer";
const BUSY: &str = "the run before had not ended";

/// What its leader knows of a job besides its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Watch {
    /// Since when it leads.
    pub(super) began: Wall,
    /// When its last run ended.
    pub(super) ended: Option<Wall>,
    /// Until when it waited for a person to say what becomes of a run whose leader vanished.
    pub(super) held: Option<Wall>,
    /// When people did not want it to run.
    pub(super) pause: Option<Pause>,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Next {
    /// The due time to which the cursor goes.
    pub(super) due: Wall,
    /// The job runs then; otherwise that due time is among those that are passed.
    pub(super) runs: bool,
    /// What is passed.
    pub(super) passed: Vec<Passed>,
}

/// Due times in a row that nothing runs for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passed {
    pub(super) first: Wall,
    pub(super) last: Wall,
    pub(super) count: u64,
    pub(super) fate: Fate,
    pub(super) reason: &'static str,
}

impl dyn Schedule + '_ {
    /// From where the next due time of the job of `row` counts.
    pub fn since(&self, row: &Lease) -> Since {
        row.cursor.as_ref().map_or(Since::Birth(row.born), |cursor| self.since_cursor(cursor))
    }

    pub(super) fn since_cursor(&self, cursor: &Cursor) -> Since {
        match cursor.since() {
            Since::Due(last) | Since::Birth(last) if cursor.schedule != self.fingerprint() => {
                Since::Change(last)
            }
            since @ (Since::Birth(_) | Since::Due(_) | Since::Change(_)) => since,
        }
    }

    /// The first due time after that, passed or not; `None` if the job is due no more.
    pub fn due(&self, since: Since, now: Wall) -> Option<Wall> {
        match since {
            Since::Birth(born) => self.first(born),
            Since::Due(last) => self.next(last),
            Since::Change(last) => self.next(self.latest(last, now).0),
        }
    }

    /// What is next for a job, and what becomes of the due times that have passed by `now`.
    pub(super) fn reckon(&self, policy: &Policy, since: Since, watch: Watch, now: Wall) -> Option<Next> {
        let mut due = self.due(since, now)?;
        let mut passed = Vec::new();
        if let Some(Pause { to, .. }) = watch.pause
            && let to = to?
            && due <= to
        {
            let paused = self.stretch(due, to, Fate::Skipped, PAUSED);
            passed.push(paused);
            let Some(next) = self.next(paused.last) else {
                return Some(Next { due: paused.last, runs: false, passed });
            };
            due = next;
        }
        // All means all: there, runs follow one another until the last is made up for.
        if let Some(ended) = watch.ended.filter(|ended| due <= *ended && policy.missed != Missed::All) {
            let busy = self.stretch(due, ended, Fate::Superseded, BUSY);
            passed.push(busy);
            let Some(next) = self.next(busy.last) else {
                return Some(Next { due: busy.last, runs: false, passed });
            };
            due = next;
        }
        if due > now {
            return Some(Next { due, runs: true, passed });
        }
        // From here on at least one has passed.
        let (latest, _) = self.latest(due, now);
        let too_old = now - policy.missed_within - MOMENT;
        let give_up = match policy.missed {
            Missed::All => Some(too_old),
            Missed::Latest => Some(too_old.max(latest - MOMENT)),
            Missed::Skip if latest <= watch.began => Some(latest),
            Missed::Skip => Some(latest - MOMENT),
        };
        let Some(upto) = give_up.filter(|upto| due <= *upto) else {
            return Some(Next { due, runs: true, passed });
        };
        let reason = match watch.held {
            Some(until) if due <= until => HELD,
            _ if due <= watch.began => UNLED,
            _ => JUMPED,
        };
        let missed = self.stretch(due, upto, Fate::Missed, reason);
        passed.push(missed);
        Some(match self.next(missed.last).filter(|next| *next <= now) {
            Some(due) => Next { due, runs: true, passed },
            None => Next { due: missed.last, runs: false, passed },
        })
    }

    fn stretch(&self, first: Wall, upto: Wall, fate: Fate, reason: &'static str) -> Passed {
        let (last, between) = self.latest(first, upto);
        Passed { first, last, count: between + 1, fate, reason }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{At, Every};
    use super::*;

    const MINUTE: Every = match Every::new(Duration::from_mins(1)) {
        Some(every) => every,
        None => unreachable!(),
    };

    fn at(seconds: i64) -> Wall {
        Wall::from_nanos(seconds * 1_000_000_000)
    }

    fn led_since(seconds: i64) -> Watch {
        Watch { began: at(seconds), ended: None, held: None, pause: None }
    }

    fn missed(missed: Missed) -> Policy {
        Policy { missed, missed_within: Duration::from_mins(10), ..Policy::default() }
    }

    /// The due time that is next, whether it runs, and of what is passed the first, the last and the count.
    type Short = (i64, bool, Vec<(i64, i64, u64, Fate)>);

    fn reckon(
        schedule: &dyn Schedule,
        policy: &Policy,
        since: Since,
        watch: Watch,
        now: i64,
    ) -> Option<Short> {
        let seconds = |wall: Wall| wall.as_nanos() / 1_000_000_000;
        let short = |p: &Passed| (seconds(p.first), seconds(p.last), p.count, p.fate);
        let next = schedule.reckon(policy, since, watch, at(now))?;
        Some((seconds(next.due), next.runs, next.passed.iter().map(short).collect()))
    }

    fn after_outage(policy: Missed, now: i64) -> Short {
        reckon(&MINUTE, &missed(policy), Since::Due(at(0)), led_since(now), now).unwrap()
    }

    #[test]
    fn what_is_on_time_runs_whatever_the_policy() {
        for policy in [Missed::Latest, Missed::All, Missed::Skip] {
            for now in [59, 60, 61] {
                let next = reckon(&MINUTE, &missed(policy), Since::Due(at(0)), led_since(1), now);
                assert_eq!(next, Some((60, true, vec![])), "{policy:?} at {now}");
            }
        }
    }

    #[test]
    fn of_what_was_missed_the_latest_runs_unless_it_is_too_old() {
        assert_eq!(after_outage(Missed::Latest, 70), (60, true, vec![]));
        assert_eq!(after_outage(Missed::Latest, 301), (300, true, vec![(60, 240, 4, Fate::Missed)]));
        let at_noon = At(at(60));
        let reckon =
            |now| reckon(&at_noon, &missed(Missed::Latest), Since::Birth(at(0)), led_since(now), now);
        assert_eq!(reckon(660), Some((60, true, vec![])));
        assert_eq!(reckon(661), Some((60, false, vec![(60, 60, 1, Fate::Missed)])));
    }

    #[test]
    fn all_that_was_missed_runs_in_order_unless_it_is_too_old() {
        assert_eq!(after_outage(Missed::All, 301), (60, true, vec![]));
        assert_eq!(after_outage(Missed::All, 901), (360, true, vec![(60, 300, 5, Fate::Missed)]));
    }

    #[test]
    fn nothing_that_was_missed_runs() {
        assert_eq!(after_outage(Missed::Skip, 70), (60, false, vec![(60, 60, 1, Fate::Missed)]));
        assert_eq!(after_outage(Missed::Skip, 301), (300, false, vec![(60, 300, 5, Fate::Missed)]));
        let awake = reckon(&MINUTE, &missed(Missed::Skip), Since::Due(at(0)), led_since(250), 301);
        assert_eq!(awake, Some((300, true, vec![(60, 240, 4, Fate::Missed)])));
    }

    #[test]
    fn what_falls_due_during_a_run_is_superseded() {
        let watch = Watch { ended: Some(at(150)), ..led_since(0) };
        let next = reckon(&MINUTE, &missed(Missed::Latest), Since::Due(at(0)), watch, 150);
        assert_eq!(next, Some((180, true, vec![(60, 120, 2, Fate::Superseded)])));
        let all = reckon(&MINUTE, &missed(Missed::All), Since::Due(at(0)), watch, 150);
        assert_eq!(all, Some((60, true, vec![])));
    }

    #[test]
    fn what_falls_due_during_a_pause_is_skipped_and_nothing_runs_before_its_end() {
        let paused = |to| Watch { pause: Some(Pause { from: at(70), to }), ..led_since(0) };
        let next = |to, now| reckon(&MINUTE, &missed(Missed::All), Since::Due(at(60)), paused(to), now);
        assert_eq!(next(None, 500), None);
        assert_eq!(next(Some(at(250)), 250), Some((300, true, vec![(120, 240, 3, Fate::Skipped)])));
        assert_eq!(next(Some(at(80)), 80), Some((120, true, vec![])));
    }

    #[test]
    fn a_clock_that_jumps_ahead_runs_the_latest_and_says_why() {
        let watch = Watch { ended: Some(at(1)), ..led_since(0) };
        let schedule: &dyn Schedule = &MINUTE;
        let next = schedule.reckon(&missed(Missed::Latest), Since::Due(at(0)), watch, at(86_401)).unwrap();
        assert_eq!((next.due, next.runs), (at(86_400), true));
        assert_eq!((next.passed[0].count, next.passed[0].reason), (1439, JUMPED));
    }

    #[test]
    fn a_changed_schedule_makes_up_for_nothing() {
        let next = |since| reckon(&MINUTE, &missed(Missed::All), since, led_since(359), 359);
        assert_eq!(next(Since::Change(at(0))), Some((360, true, vec![])));
        let once = |since| reckon(&At(at(100)), &missed(Missed::All), since, led_since(120), 120);
        assert_eq!(once(Since::Change(at(60))), None);
        assert_eq!(once(Since::Due(at(100))), None);
    }

    #[test]
    fn a_clock_that_went_back_repeats_nothing() {
        let next = reckon(&MINUTE, &missed(Missed::All), Since::Due(at(100)), led_since(10), 10);
        assert_eq!(next, Some((160, true, vec![])));
    }
}
