//! What strikes now and then.

use std::time::Duration;

use super::court::{Article, Verdict};
use super::coverage::Strike;
use super::instance::{Instance, Process};
use super::weather::{Fault, part, pick};
use super::world::{Event, Whom, World};
use crate::lease::{Input, RowWrite, Write};
use crate::rows::{Cluster, Lease, Orders, Pause, Wish};
use crate::time::{Instant, Wall};

/// How many times the time-to-live a pause, a cut or an absence may last.
const LONGEST: u32 = 4;
/// No more machines come of copies.
const MOST_MACHINES: usize = 8;

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
            Fault::Aside => self.set_aside(),
            Fault::Revise => return self.revise(victim),
            Fault::Wipe => self.wipe(victim, lasting),
            Fault::Rollback => self.store.roll_back(),
            Fault::Clone => self.twin(victim),
        }
        Ok(())
    }

    /// A process stands still. What was under way may be lost, as when a machine is suspended.
    fn pause(&mut self, index: usize, lasting: Duration) {
        let who = self.whom(index);
        let until = self.now + lasting;
        if !self.awake(who) {
            return;
        }
        let frozen = self.crew[index].frozen.is_some();
        self.struck(if frozen { Strike::Freeze } else { Strike::Pause }, index);
        if let Some(process) = self.process(who) {
            process.asleep = Some(until);
        }
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
            if self.weather.pardons {
                self.crew[index].misled = Instant::NEVER;
            }
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
        if self.weather.pardons {
            instance.misled = before + trust;
        }
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
        self.struck(Strike::Crash, index);
        if self.bury(index).is_some() {
            self.thaw(index);
            self.figures.crashes += 1;
            self.schedule(lasting, Event::Start(index));
        }
    }

    /// A process is told to stop.
    pub(super) fn drain(&mut self, index: usize) -> Verdict {
        self.struck(Strike::Drain, index);
        let (who, now) = (self.whom(index), self.now);
        if let Some(process) = self.process(who) {
            process.draining.get_or_insert(now);
        }
        self.deliver(who, Input::Drain)
    }

    /// A machine says that it will do nothing more.
    pub(super) fn stopped(&mut self, index: usize) -> Verdict {
        let Some(process) = self.bury(index) else { return Ok(()) };
        self.court
            .require(Article::Manners, process.draining.is_some(), || format!("{index} stopped unasked"))?;
        self.court.require(Article::Manners, process.desks.iter().all(|desk| desk.work.is_none()), || {
            format!("{index} stopped with work")
        })?;
        self.figures.drained += 1;
        let absent = part(&mut self.random, self.weather.timing.ttl);
        self.schedule(absent, Event::Start(index));
        Ok(())
    }

    /// An instance cannot reach the store, or hears nothing from it, or both.
    fn cut(&mut self, index: usize, lasting: Duration) {
        self.struck(Strike::Cut, index);
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
        self.accounts.written(&self.court, &job, &wished, self.now)?;
        let row = RowWrite::Lease(job, Box::new(wished));
        let wishes = RowWrite::Cluster(Cluster { wishes: cluster.wishes + 1, ..cluster });
        self.store.commit(self.now, &[Write { base: version, row }, Write { base, row: wishes }]);
        Ok(())
    }

    /// A person drains an instance, or undrains it, and may tell it so.
    fn set_aside(&mut self) {
        let members: Vec<_> = self.store.incarnations().collect();
        let (Some(who), Some((base, cluster))) = (self.random.choice(&members), self.store.founding()) else {
            return;
        };
        let drained = cluster.drained.contains(who);
        let row = if drained { cluster.undrain(*who, &members) } else { cluster.drain(*who, &members) };
        self.figures.asides += u64::from(!drained);
        self.store.commit(self.now, &[Write { base, row: RowWrite::Cluster(row) }]);
        let told = self.random.usize(..self.crew.len());
        self.schedule(Duration::ZERO, Event::Wake(told, Vec::new()));
    }

    /// Everybody takes part again; in every other world only if nobody does.
    pub(super) fn undrain(&mut self) {
        let someone = self.crew.iter().any(|instance| !instance.stands_aside(&self.store.drained()));
        let Some((base, cluster)) = self.store.founding() else { return };
        if !someone || self.seed.is_multiple_of(2) {
            let row = RowWrite::Cluster(Cluster { drained: Vec::new(), ..cluster });
            self.store.commit(self.now, &[Write { base, row }]);
        }
    }

    /// An instance gets another list of jobs, which lacks some.
    fn revise(&mut self, index: usize) -> Verdict {
        let random = &mut self.random;
        let listed = self.jobs.iter().filter(|_| random.u8(..4) > 0).cloned().collect();
        self.deliver(self.whom(index), Input::Jobs(listed))
    }

    /// The store loses everything, and somebody may not see it for a while.
    fn wipe(&mut self, index: usize, lasting: Duration) {
        (0..self.crew.len()).for_each(|index| self.struck(Strike::Wipe, index));
        if self.weather.forgetful {
            self.cut(index, lasting);
        }
        self.store.wipe();
        self.law.forget_rows();
        self.accounts.forget();
    }

    /// A machine is copied while it runs. The copy has all that the machine has but its connections.
    fn twin(&mut self, index: usize) {
        let copied = self.crew[index].process.as_ref().filter(|process| process.asleep.is_none());
        let (Some(process), true) = (copied.cloned(), self.crew.len() < MOST_MACHINES) else { return };
        let twin = self.crew.len();
        let Instance { name, clock, lucky, wall, life, cut, misled, .. } = &self.crew[index];
        let (name, url) = (name.clone(), format!("http://{twin}"));
        let frozen = None;
        self.crew.push(Instance {
            name,
            url,
            clock: *clock,
            lucky: *lucky,
            wall: *wall,
            life: *life,
            process: None,
            cut: *cut,
            frozen,
            misled: *misled,
        });
        let who = self.whom(twin);
        for id in process.pending.keys() {
            self.schedule(self.weather.timing.request, Event::Timeout(who, *id));
        }
        for (job, desk) in process.desks.iter().enumerate() {
            if let Some(term) = desk.led {
                self.schedule(self.weather.interval, Event::Due { who, job, term });
            }
            if let Some(work) = desk.work {
                self.schedule(self.weather.run, Event::Ended { who, job, run: work.run });
            }
        }
        self.schedule(Duration::ZERO, Event::Alarm(who));
        self.crew[twin].process = Some(Process { born: self.now, alarm: Instant::NEVER, ..process });
    }

    /// Counts what strikes an instance.
    fn struck(&mut self, strike: Strike, index: usize) {
        let states = self.crew[index].states(self.now);
        self.saw(strike, &states);
    }
}
