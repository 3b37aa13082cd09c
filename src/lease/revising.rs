//! Revising: another list of jobs, without another life.
//!
//! A seat stays when its job leaves the list, retired: what it leads is given up between two runs, and
//! whoever still hands it the job, because he has not heard, gets it back.

use std::collections::BTreeSet;

use super::messages::Output;
use super::seat::{Exit, Seat};
use super::session::Session;
use super::{Asked, Lease, Plan, Wanted, placement};
use crate::machine::JobName;
use crate::time::Instant;

impl Lease {
    /// These are the jobs from now on.
    pub(super) fn revise(&mut self, now: Instant, jobs: Vec<JobName>, out: &mut Vec<Output>) {
        let listed: BTreeSet<_> = jobs.into_iter().collect();
        let new: BTreeSet<_> = listed.iter().filter(|job| self.seat_of(job).is_none()).cloned().collect();
        self.seat(&new);
        for (job, seat) in self.jobs.iter().zip(&mut self.seats) {
            seat.retired = !listed.contains(job);
            // What is being given up has to go before it can be taken again.
            let stays = !seat.retired && !seat.surrendering();
            seat.exit.take_if(|exit| *exit == Exit::Retired && stays);
        }
        self.placement = placement::of_list(listed.iter());
        self.plan = Plan::new(self.listed(), self.plan.crew().to_vec());
        if let Session::Live(live) = &mut self.session {
            // The others place jobs by what our row says.
            live.beat_at = live.beat_at.min(now);
            self.want.merge(Wanted { members: true, leases: new, ..Wanted::default() });
        }
        self.replan();
        self.reconsider_all(now, out);
    }

    /// The jobs on the list, in the order of the seats.
    pub(super) fn listed(&self) -> impl Iterator<Item = Option<&JobName>> + Clone {
        self.jobs.iter().zip(&self.seats).map(|(job, seat)| (!seat.retired).then_some(job))
    }

    /// Makes room for new jobs. Everything that names a seat by its place follows it.
    fn seat(&mut self, new: &BTreeSet<JobName>) {
        let mut seats: Vec<_> =
            std::mem::take(&mut self.jobs).into_iter().zip(self.seats.drain(..)).collect();
        let before: Vec<_> = seats.iter().map(|(job, _)| job.clone()).collect();
        seats.extend(new.iter().map(|job| (job.clone(), Seat::new())));
        seats.sort_by(|(one, _), (other, _)| one.cmp(other));
        (self.jobs, self.seats) = seats.into_iter().unzip();
        let places: Vec<_> = before.iter().filter_map(|job| self.seat_of(job)).collect();
        let follow = |place: &mut usize| *place = places[*place];
        self.ready.iter_mut().for_each(follow);
        self.unfiled.iter_mut().for_each(follow);
        for (_, asked) in self.asked.values_mut() {
            match asked {
                Asked::Leases(seats) => seats.iter_mut().for_each(follow),
                Asked::Entries(entries) => entries.iter_mut().for_each(|(seat, _)| follow(seat)),
                Asked::Read(_)
                | Asked::Cluster
                | Asked::Register(_)
                | Asked::Beat(..)
                | Asked::Reap(_)
                | Asked::Farewell => {}
            }
        }
    }
}
