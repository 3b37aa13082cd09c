//! What machines claim to lead, and that no two of them lead one job.

use super::court::{Article, Verdict};
use super::instance::Claim;
use super::world::World;
use crate::machine::{Leadership, Machine};
use crate::time::Instant;

impl World {
    /// Sees what a machine claims after a step. An overlap can begin only then: between two steps,
    /// claims only end.
    pub(super) fn claim(&mut self, index: usize, now: Instant) -> Verdict {
        (0..self.jobs.len()).try_for_each(|job| self.claim_one(index, job, now))
    }

    fn claim_one(&mut self, index: usize, job: usize, now: Instant) -> Verdict {
        let Some(process) = &mut self.crew[index].process else { return Ok(()) };
        let before = process.claims[job];
        let ended = before.filter(|before| now >= before.until);
        let claim = match process.machine.leadership(&self.jobs[job], now) {
            Leadership::Leader { term, until: Some(until) } => Claim { term, until },
            Leadership::Leader { until: None, .. } => {
                let forever = || format!("{index} leads job {job} for ever");
                return self.court.require(Article::Manners, false, forever);
            }
            Leadership::Follower { .. } => {
                process.claims[job] = ended;
                return Ok(());
            }
        };
        let Claim { term, until } = claim;
        process.claims[job] = Some(claim);
        if let Some(work) = process.desks[job].work.as_mut().filter(|work| work.term == term) {
            work.until = until;
        }
        self.court.require(Article::OneLeader, now < until, || {
            format!("{index} leads job {job} although its lease ended at {until:?}")
        })?;
        self.court.require(Article::TermsRise, ended.is_none_or(|ended| ended.term < term), || {
            format!("{index} leads job {job} at term {term}, which had ended, again")
        })?;
        if self.crew[index].may_err(until) { Ok(()) } else { self.claim_surely(index, job, claim, before) }
    }

    /// A machine claims what cannot be an error.
    fn claim_surely(&mut self, index: usize, job: usize, claim: Claim, before: Option<Claim>) -> Verdict {
        let (Claim { term, .. }, instance) = (claim, &self.crew[index]);
        let goes_on = before.is_some_and(|before| before.term == term && !instance.may_err(before.until));
        let me = instance.process.as_ref().and_then(|process| process.machine.incarnation());
        if let (false, Some(me)) = (goes_on, me) {
            self.law.begun(&self.court, &self.jobs[job], term, me)?;
        }
        for other in (0..self.crew.len()).filter(|other| *other != index) {
            self.court.require(
                Article::OneLeader,
                self.crew[other].surely_leads(job, self.now).is_none(),
                || format!("{index} leads job {job} at term {term} while {other} still leads it"),
            )?;
        }
        Ok(())
    }

    /// Until when a process may rely on leading, on its own clock.
    pub(super) fn horizon(&self, index: usize, job: usize) -> Instant {
        let claim = self.crew[index].process.as_ref().and_then(|process| process.claims[job]);
        claim.map_or(Instant::LONG_AGO, |claim| claim.until)
    }
}
