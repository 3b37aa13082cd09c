//! The calm after a storm, and what must be so at its end.

use std::time::Duration;

use super::court::{Article, Verdict};
use super::weather::Fault;
use super::world::{Event, World};
use crate::lease::{Balance, Input};
use crate::time::Instant;

impl World {
    /// The faults end: everybody is there and hears everybody.
    pub(super) fn calm(&mut self) -> Verdict {
        self.quiet = true;
        self.tell(|world| format!("{:?} all is quiet", world.now));
        for index in 0..self.crew.len() {
            self.crew[index].cut = (Instant::LONG_AGO, Instant::LONG_AGO);
            self.resume(self.whom(index))?;
            self.deliver(self.whom(index), Input::Jobs(self.jobs.clone()))?;
            self.schedule(Duration::ZERO, Event::Start(index));
        }
        if self.weather.has(Fault::Aside) {
            // Whoever is between two lives now puts himself on the list again.
            self.undrain();
            self.schedule(self.weather.quiet / 3, Event::Undrain);
        }
        self.schedule(self.weather.quiet, Event::Judge);
        Ok(())
    }

    /// It has been calm for long, and the next storm begins, if any.
    pub(super) fn judge(&mut self) -> Verdict {
        self.judge_calm()?;
        self.storms -= 1;
        self.quiet = false;
        self.schedule(self.weather.storm, Event::Quiet);
        Ok(())
    }

    /// What must be so after a long calm: every job has one leader, nobody leads more than his
    /// share, the past is filed, and whoever was told to stop has stopped.
    pub(super) fn judge_calm(&mut self) -> Verdict {
        let (now, patience) = (self.now, self.weather.quiet / 3);
        for (index, instance) in self.crew.iter().enumerate() {
            let Some(process) = &instance.process else {
                return self.court.require(Article::Recovery, false, || format!("{index} is gone"));
            };
            let overdue = process.draining.is_some_and(|since| now.since(since) > patience);
            self.court
                .require(Article::Recovery, !overdue, || format!("{index} was told to stop and has not"))?;
            let forgotten = |desk: &super::desk::Desk| {
                desk.launch.as_ref().is_some_and(|(_, since)| now.since(*since) > patience)
            };
            let heard = self.weather.is_overloaded() || !process.desks.iter().any(forgotten);
            self.court.require(Article::Recovery, heard, || format!("{index} never heard of its launch"))?;
        }
        self.accounts.settled(&self.court, now, patience)?;
        for job in 0..self.jobs.len() {
            let leaders = self.crew.iter().filter(|instance| instance.leads(job, now).is_some()).count();
            self.court.require(Article::Recovery, leaders == 1, || {
                format!("after a long calm job {job} has {leaders} leaders")
            })?;
        }
        let drained = self.store.drained();
        for (index, instance) in self.crew.iter().enumerate().filter(|(_, one)| one.stands_aside(&drained)) {
            let led = (0..self.jobs.len()).find(|job| instance.leads(*job, now).is_some());
            self.court.require(Article::Recovery, led.is_none(), || {
                format!("after a long calm {index} leads job {led:?}, and was drained")
            })?;
        }
        let spread = self.weather.balance == Balance::Spread && !self.weather.has(Fault::Wish);
        let active = self.crew.iter().filter(|instance| !instance.stands_aside(&drained)).count();
        let share = self.jobs.len().div_ceil(active.max(1));
        for (index, instance) in self.crew.iter().enumerate().filter(|_| spread) {
            let load = (0..self.jobs.len()).filter(|job| instance.leads(*job, now).is_some()).count();
            self.court.require(Article::Recovery, load <= share, || {
                format!("after a long calm {index} leads {load} jobs, not {share}")
            })?;
        }
        Ok(())
    }
}
