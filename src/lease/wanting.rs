//! Roles: jobs without a schedule, which an instance competes for only while somebody in it wants to lead.
//!
//! Nothing is recorded before such a leadership begins, because it is no occurrence and may begin again. In
//! all else it is a run like any other: while it goes on the job stays, and a new term begins here only
//! when it is over. Each leadership has a term of its own, so a job is given up after each, even if somebody
//! else here waits for it.

use super::messages::Output;
use super::seat::{Demand, Exit};
use super::{Lease, Seat};
use crate::machine::{JobName, RunId};

impl Lease {
    /// The same machine, which leads these of its jobs only while they are wanted.
    #[must_use]
    pub fn with_roles<'a>(mut self, roles: impl IntoIterator<Item = &'a JobName>) -> Self {
        for index in roles.into_iter().filter_map(|role| self.seat_of(role)).collect::<Vec<_>>() {
            self.seats[index].demand = Demand::Nobody;
        }
        self
    }

    /// Somebody here wants to lead a role.
    pub(super) fn want(&mut self, job: &JobName, run: RunId, out: &mut Vec<Output>) {
        let role = self.seat_of(job).filter(|index| self.seats[*index].demand == Demand::Nobody);
        if let Some(index) = role {
            self.seats[index].demand = Demand::Caller(run);
            self.engage(index, out);
            self.enqueue(index);
        }
    }

    /// Grants a leadership to whoever wants it, if it has begun and nothing ends it already.
    pub(super) fn engage(&mut self, index: usize, out: &mut Vec<Output>) {
        let (me, gives_up) = (self.incarnation(), self.gives_up());
        let (job, seat) = (&self.jobs[index], &mut self.seats[index]);
        let Seat { demand: Demand::Caller(run), told: Some((term, _)), work: None, exit: None, .. } = *seat
        else {
            return;
        };
        if let Some(me) = me.filter(|_| !gives_up) {
            seat.work = Some((run, me));
            out.push(Output::Grant { job: job.clone(), run, term });
        }
    }

    /// A run is wanted no more. If its job is led, it is given up: the next leadership needs a term of its own.
    pub(super) fn unwant(&mut self, index: usize, run: RunId) {
        let seat = &mut self.seats[index];
        if seat.demand == Demand::Caller(run) {
            seat.demand = Demand::Nobody;
            if seat.told.is_some() && matches!(seat.exit, None | Some(Exit::Balance)) {
                seat.exit = Some(Exit::Unwanted);
            }
            self.enqueue(index);
        }
    }
}
