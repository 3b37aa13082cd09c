//! What strikes now and then, and the calm after it.

use std::time::Duration;

use super::law::{Verdict, require};
use super::weather::{Fault, part, pick};
use super::world::{Event, Whom, World};
use crate::lease::{Balance, Input, RowWrite, Write};
use crate::rows::{Cluster, Lease, Orders, Pause, Wish};
use crate::time::{Instant, Wall};

/// How many times the time-to-live a pause, a cut or an absence may last.
const LONGEST: u32 = 4;

impl World {
    /// Something goes wrong, and will again.
    pub(super) fn strike(&mut self, fault: Fault, mean: Duration) -> Verdict {
        let again = part(&mut self.random, mean * 2);
        self.schedule(again, Event::Strike(fault, mean));
        if self.quiet {
            return Ok(());
        }
        let victim = self.random.usize(..self.crew.len());
        let most = self.weather.timing.ttl / pick(&mut self.random, &[20, 4, 1]) * LONGEST;
        let lasting = part(&mut self.random, most);
        self.tell(|world| format!("{:?} {fault:?} strikes {victim} for {lasting:?}", world.now));
        match fault {
            Fault::Pause => self.pause(victim, lasting),
            Fault::Freeze => self.freeze(victim, lasting),
            Fault::Crash => self.crash(victim, lasting),
            Fault::Drain => return self.drain(victim),
            Fault::Cut => self.cut(victim, lasting),
            Fault::Outage => (0..self.crew.len()).for_each(|index| self.cut(index, lasting)),
            Fault::Jump => return self.jump(victim),
            Fault::Wish => return self.wish(),
            Fault::Revise => return self.revise(victim),
            Fault::Wipe => self.wipe(victim, lasting),
        }
        Ok(())
    }

    /// A process stands still. What was under way may be lost, as when a machine is suspended.
    fn pause(&mut self, index: usize, lasting: Duration) {
        let who = self.whom(index);
        let until = self.now + lasting;
        let Some(process) = self.process(who).filter(|process| process.asleep.is_none()) else { return };
        process.asleep = Some(until);
        if self.random.bool() {
            self.crew[index].cut.1 = until;
        }
        self.figures.pauses += u64::from(lasting > self.weather.timing.ttl);
        self.schedule_at(until, Event::Resume(who));
    }

    /// Something may soon strike who has just begun.
    pub(super) fn beset(&mut self, index: usize) {
        if self.weather.ambush.strikes(&mut self.random) {
            let soon = part(&mut self.random, self.weather.timing.heartbeat);
            self.schedule(soon, Event::Ambush(self.whom(index)));
        }
    }

    /// Who has just begun is not heard of for a while.
    pub(super) fn ambush(&mut self, who: Whom) {
        let ttl = self.weather.timing.ttl;
        let lasting = ttl + part(&mut self.random, ttl);
        if self.awake(who) && !self.quiet {
            if self.random.bool() { self.pause(who.index, lasting) } else { self.cut(who.index, lasting) }
        }
    }

    /// A machine stands still, its clock too. From now on it may be wrong about all that it knows.
    fn freeze(&mut self, index: usize, lasting: Duration) {
        if self.awake(self.whom(index)) {
            self.crew[index].frozen = Some(self.now);
            self.crew[index].misled = Instant::NEVER;
            self.pause(index, lasting);
        }
    }

    /// A machine that stood still goes on, if it did. What rests on a heartbeat sent from now on is right.
    fn thaw(&mut self, index: usize) {
        let (now, trust) = (self.now, self.weather.timing.trust());
        let instance = &mut self.crew[index];
        let Some(since) = instance.frozen.take() else { return };
        let (before, after) = (instance.clock.shows(since), instance.clock.shows(now));
        instance.clock.offset -= after.as_nanos() - before.as_nanos();
        instance.misled = before + trust;
    }

    /// A process that stood still goes on: with what came meanwhile, or with its timers.
    pub(super) fn resume(&mut self, who: Whom) -> Verdict {
        let tick_first = self.random.bool();
        let Some(process) = self.process(who).filter(|process| process.asleep.is_some()) else {
            return Ok(());
        };
        process.asleep = None;
        process.alarm = Instant::NEVER;
        let inbox = std::mem::take(&mut process.inbox);
        self.thaw(who.index);
        if tick_first {
            self.step(who.index, None)?;
        }
        for input in inbox {
            self.step(who.index, Some(input))?;
        }
        self.step(who.index, None)
    }

    fn crash(&mut self, index: usize, lasting: Duration) {
        if self.crew[index].process.take().is_some() {
            self.thaw(index);
            self.figures.crashes += 1;
            self.schedule(lasting, Event::Start(index));
        }
    }

    /// A process is told to stop.
    pub(super) fn drain(&mut self, index: usize) -> Verdict {
        let (who, now) = (self.whom(index), self.now);
        if let Some(process) = self.process(who) {
            process.draining.get_or_insert(now);
        }
        self.deliver(who, Input::Drain)
    }

    /// A machine says that it will do nothing more.
    pub(super) fn stopped(&mut self, index: usize) -> Verdict {
        let Some(process) = self.crew[index].process.take() else { return Ok(()) };
        require(process.draining.is_some(), || format!("{index} stopped unasked"))?;
        require(process.desks.iter().all(|desk| desk.work.is_none()), || {
            format!("{index} stopped with work")
        })?;
        self.figures.drained += 1;
        let absent = part(&mut self.random, self.weather.timing.ttl);
        self.schedule(absent, Event::Start(index));
        Ok(())
    }

    /// An instance cannot reach the store, or hears nothing from it, or both.
    fn cut(&mut self, index: usize, lasting: Duration) {
        let (until, cut) = (self.now + lasting, &mut self.crew[index].cut);
        match self.random.u8(..3) {
            0 => cut.0 = until,
            1 => cut.1 = until,
            _ => *cut = (until, until),
        }
    }

    fn jump(&mut self, index: usize) -> Verdict {
        let leap = self.random.i64(-7200..7200) * 1_000_000_000;
        let instance = &mut self.crew[index];
        instance.wall = instance.wall.shifted(leap);
        let wall = instance.wall_at(self.now);
        if self.awake(self.whom(index)) { self.step(index, Some(Input::Clock(wall))) } else { Ok(()) }
    }

    /// A person wants a job to move, to somebody who may well be gone, or to pause or go on.
    fn wish(&mut self) -> Verdict {
        let job = self.random.usize(..self.jobs.len());
        let job = self.jobs[job].clone();
        let members: Vec<_> = self.store.incarnations().collect();
        let to = self.random.choice(members).filter(|_| self.random.bool());
        let Some(((version, lease), (base, cluster))) = self.store.wishing(&job) else { return Ok(()) };
        let moves = Lease { wish: Some(Wish::StepDown { to }), ..lease.clone() };
        let now = Wall::from_nanos(self.now.as_nanos());
        let pause = match lease.orders.pause {
            Some(pause) => Pause { to: Some(now), ..pause },
            None => Pause { from: now, to: None },
        };
        let pauses = Lease { orders: Orders { pause: Some(pause), ..lease.orders }, ..lease };
        let wished = if self.random.bool() { moves } else { pauses };
        self.accounts.written(&job, &wished, self.now)?;
        let row = RowWrite::Lease(job, Box::new(wished));
        let wishes = RowWrite::Cluster(Cluster { wishes: cluster.wishes + 1, ..cluster });
        self.store.commit(self.now, &[Write { base: version, row }, Write { base, row: wishes }]);
        Ok(())
    }

    /// An instance gets another list of jobs, which lacks some.
    fn revise(&mut self, index: usize) -> Verdict {
        let random = &mut self.random;
        let listed = self.jobs.iter().filter(|_| random.u8(..4) > 0).cloned().collect();
        self.deliver(self.whom(index), Input::Jobs(listed))
    }

    /// The store loses everything, and somebody may not see it for a while.
    fn wipe(&mut self, index: usize, lasting: Duration) {
        if self.law.lenient {
            self.cut(index, lasting);
        }
        self.store.wipe();
        self.law.forget_rows();
        self.accounts.forget();
    }

    /// The faults end: everybody is there, knows all jobs and hears everybody.
    pub(super) fn calm(&mut self) -> Verdict {
        self.quiet = true;
        self.tell(|world| format!("{:?} all is quiet", world.now));
        for index in 0..self.crew.len() {
            self.crew[index].cut = (Instant::LONG_AGO, Instant::LONG_AGO);
            self.resume(self.whom(index))?;
            self.deliver(self.whom(index), Input::Jobs(self.jobs.clone()))?;
            self.schedule(Duration::ZERO, Event::Start(index));
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
            let Some(process) = &instance.process else { return Err(format!("{index} is gone")) };
            let overdue = process.draining.is_some_and(|since| now.since(since) > patience);
            require(!overdue, || format!("{index} was told to stop and has not"))?;
            let forgotten = |desk: &super::desk::Desk| {
                desk.launch.as_ref().is_some_and(|(_, since)| now.since(*since) > patience)
            };
            require(!process.desks.iter().any(forgotten), || format!("{index} never heard of its launch"))?;
        }
        self.accounts.settled(now, patience)?;
        for job in 0..self.jobs.len() {
            let leaders = self.crew.iter().filter(|instance| instance.leads(job, now).is_some()).count();
            require(leaders == 1, || format!("after a long calm job {job} has {leaders} leaders"))?;
        }
        let spread = self.weather.balance == Balance::Spread && !self.weather.has(Fault::Wish);
        let share = self.jobs.len().div_ceil(self.crew.len());
        for (index, instance) in self.crew.iter().enumerate().filter(|_| spread) {
            let load = (0..self.jobs.len()).filter(|job| instance.leads(*job, now).is_some()).count();
            require(load <= share, || format!("after a long calm {index} leads {load} jobs, not {share}"))?;
        }
        Ok(())
    }
}
