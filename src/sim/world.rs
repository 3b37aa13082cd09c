//! The simulated world: true time, which nobody in it knows, and the order in which things happen.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use fastrand::Rng;

use super::accounts::Accounts;
use super::clock::BootClock;
use super::court::{Breach, Court, Verdict};
use super::coverage::Coverage;
use super::fence::{Effect, Mark};
use super::instance::{Instance, Process};
use super::law::Law;
use super::mail::Letter;
use super::store::Store;
use super::weather::{Fault, Weather, part};
use super::{Figures, Outcome, Violation};
use crate::lease::{About, Answer, Input, Lease, RequestId};
use crate::machine::{JobName, Machine, RunId, Term};
use crate::time::{Instant, Wall};

/// How many lines of its story a violation shows.
const LONGEST_STORY: usize = 60;
/// Wall clocks begin about here: in the autumn of 2001.
const EPOCH: i64 = 1_000_000_000_000_000_000;

/// A seed's world.
#[derive(Debug)]
pub(super) struct World {
    pub(super) seed: u64,
    pub(super) weather: Weather,
    pub(super) random: Rng,
    /// The true time.
    pub(super) now: Instant,
    agenda: BinaryHeap<Reverse<Appointment>>,
    appointments: u64,
    pub(super) jobs: Vec<JobName>,
    pub(super) store: Store,
    pub(super) crew: Vec<Instance>,
    pub(super) court: Court,
    pub(super) law: Law,
    pub(super) accounts: Accounts,
    /// What the things that jobs write to have seen.
    pub(super) marks: Vec<Mark>,
    pub(super) figures: Figures,
    pub(super) coverage: Coverage,
    /// The faults are over.
    pub(super) quiet: bool,
    /// How many storms are to come.
    pub(super) storms: u32,
    /// Changes with everything that happens.
    pub(super) fingerprint: u64,
    /// The last lines of the story, if anybody wants to read it.
    story: Option<VecDeque<String>>,
}

/// Something that will happen, in the order of time and then of planning.
#[derive(Debug)]
struct Appointment {
    at: Instant,
    number: u64,
    event: Event,
}

/// A process of an instance; what is meant for an earlier one finds nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Whom {
    pub(super) index: usize,
    pub(super) life: u64,
}

/// What can happen.
#[derive(Debug)]
pub(super) enum Event {
    /// A timer fires.
    Alarm(Whom),
    /// A request reaches the store.
    Arrive(Box<Letter>),
    /// An answer comes back.
    Reply(Whom, RequestId, Box<Answer>),
    /// A request has gone unanswered for too long.
    Timeout(Whom, RequestId),
    /// Another instance sent a word.
    Wake(usize, Vec<JobName>),
    /// A scheduler looks at what is due.
    Due { who: Whom, job: usize, term: Term },
    /// A run comes to its end.
    Ended { who: Whom, job: usize, run: RunId },
    /// Something goes wrong.
    Strike(Fault, Duration),
    /// A person stops a process.
    Drain(usize),
    /// A process that stood still goes on.
    Resume(Whom),
    /// A process starts where there is none.
    Start(usize),
    /// The faults end.
    Quiet,
    /// Those who stand aside take part again.
    Undrain,
    /// They have ended long ago.
    Judge,
    /// Who has just begun is in for a surprise.
    Ambush(Whom),
    /// A run is about to write to what its job is about.
    Intend(Effect),
    /// What it wrote arrives there.
    Land(Effect),
}

impl World {
    pub(super) fn new(seed: u64, weather: Weather, random: Rng) -> Self {
        let jobs = (0..weather.jobs).filter_map(|job| JobName::new(&format!("job-{job}")).ok()).collect();
        let mut world = Self {
            seed,
            store: Store::new(weather.brittle),
            storms: weather.storms,
            marks: vec![None; weather.jobs],
            court: Court::new(weather.excused),
            weather,
            random,
            now: Instant::default(),
            agenda: BinaryHeap::new(),
            appointments: 0,
            jobs,
            crew: Vec::new(),
            law: Law::default(),
            accounts: Accounts::default(),
            figures: Figures::default(),
            coverage: Coverage::default(),
            quiet: false,
            fingerprint: seed,
            story: None,
        };
        world.populate();
        world
    }

    /// The same, which keeps the last lines of its story.
    pub(super) fn told(mut self) -> Self {
        self.story = Some(VecDeque::new());
        self.tell(|world| format!("{:?}", world.weather));
        self
    }

    fn populate(&mut self) {
        self.store.clock = self.weather.aged.then(|| self.boot_clock());
        for index in 0..self.weather.instances {
            let name =
                if self.weather.namesakes { "namesake".to_owned() } else { format!("instance-{index}") };
            let wrong = if self.random.bool() { 0 } else { self.random.i64(-86_400..86_400) * 1_000_000_000 };
            let clock = self.boot_clock();
            let wall = Wall::from_nanos(EPOCH - clock.offset + wrong);
            let cut = (Instant::LONG_AGO, Instant::LONG_AGO);
            let url = if self.weather.deaf { String::new() } else { format!("http://{index}") };
            let misled = Instant::LONG_AGO;
            self.crew.push(Instance {
                name,
                url,
                clock,
                lucky: self.weather.lopsided && index % 2 == 1,
                wall,
                life: 0,
                process: None,
                cut,
                frozen: None,
                misled,
            });
            let late = part(&mut self.random, self.weather.timing.ttl);
            self.schedule(late, Event::Start(index));
        }
        for (fault, mean) in self.weather.faults.clone() {
            self.schedule(mean, Event::Strike(fault, mean));
        }
        self.schedule(self.weather.storm, Event::Quiet);
    }

    fn boot_clock(&mut self) -> BootClock {
        let most = self.weather.drift;
        let drift = match (self.weather.extreme, self.random.bool()) {
            (true, true) => most,
            (true, false) => -most,
            (false, _) => self.random.i64(-most..=most),
        };
        BootClock { offset: self.random.i64(0..1 << 50), drift }
    }

    /// Lets everything happen, up to the end or to the first violation.
    pub(super) fn run(mut self) -> Outcome {
        while let Some(Reverse(next)) = self.agenda.pop() {
            self.now = next.at;
            if let Err(breach) = self.happen(next.event) {
                return self.ended(Some(breach));
            }
            if self.storms == 0 {
                break;
            }
        }
        self.ended(None)
    }

    fn ended(mut self, breach: Option<Breach>) -> Outcome {
        (0..self.crew.len()).for_each(|index| drop(self.bury(index)));
        let Self { seed, now, weather, fingerprint, .. } = self;
        let simulated = now.since(Instant::default());
        let lifetimes = u64::try_from(self.figures.lived.as_nanos() / weather.timing.ttl.as_nanos());
        let figures =
            Figures { seeds: 1, simulated, lifetimes: lifetimes.unwrap_or_default(), ..self.figures };
        let story = self.story.unwrap_or_default().into();
        let violation =
            breach.map(|Breach { article, what }| Violation { seed, at: now, article, what, story });
        Outcome { figures, coverage: self.coverage, excused: self.court.excused(), fingerprint, violation }
    }

    fn happen(&mut self, event: Event) -> Verdict {
        match event {
            Event::Alarm(who) => self.alarm(who),
            Event::Arrive(letter) => self.arrive(*letter),
            Event::Reply(who, id, answer) => self.reply(who, id, *answer),
            Event::Timeout(who, id) => self.timeout(who, id),
            Event::Wake(index, jobs) => self.deliver(self.whom(index), Input::Woken(jobs)),
            Event::Due { who, job, term } if self.awake(who) => self.due(who.index, job, term),
            Event::Ended { who, job, run } if self.awake(who) => {
                self.end(who.index, job, run).map_or(Ok(()), |input| self.step(who.index, Some(input)))
            }
            Event::Due { who, .. } | Event::Ended { who, .. } => {
                self.postpone(who, event);
                Ok(())
            }
            Event::Strike(fault, mean) => self.strike(fault, mean),
            Event::Drain(index) => self.drain(index),
            Event::Resume(who) => self.resume(who),
            Event::Start(index) => self.start(index),
            Event::Quiet => self.calm(),
            Event::Undrain => {
                self.undrain();
                Ok(())
            }
            Event::Judge => self.judge(),
            Event::Ambush(who) => {
                self.ambush(who);
                Ok(())
            }
            Event::Intend(effect) => {
                self.intend(effect);
                Ok(())
            }
            Event::Land(effect) => self.land(effect),
        }
    }

    /// Plans something.
    pub(super) fn schedule(&mut self, after: Duration, event: Event) {
        self.schedule_at(self.now + after, event);
    }

    pub(super) fn schedule_at(&mut self, at: Instant, event: Event) {
        self.appointments += 1;
        self.agenda.push(Reverse(Appointment { at: at.max(self.now), number: self.appointments, event }));
    }

    /// Plans again, for when its process wakes up, what came while it stood still.
    pub(super) fn postpone(&mut self, who: Whom, event: Event) {
        if let Some(until) = self.process(who).and_then(|process| process.asleep) {
            self.schedule_at(until, event);
        }
    }

    /// The process that runs on an instance now.
    pub(super) fn whom(&self, index: usize) -> Whom {
        Whom { index, life: self.crew[index].life }
    }

    /// The process meant, if it is still there.
    pub(super) fn process(&mut self, who: Whom) -> Option<&mut Process> {
        let instance = &mut self.crew[who.index];
        instance.process.as_mut().filter(|_| instance.life == who.life)
    }

    pub(super) fn awake(&mut self, who: Whom) -> bool {
        self.process(who).is_some_and(|process| process.asleep.is_none())
    }

    /// Starts a process where there is none.
    fn start(&mut self, index: usize) -> Verdict {
        let instance = &mut self.crew[index];
        if instance.process.is_some() {
            return Ok(());
        }
        instance.life += 1;
        let about = About { name: instance.name.clone(), url: instance.url.clone(), version: String::new() };
        let weather = &self.weather;
        let random = self.random.fork();
        let machine =
            Lease::new(weather.timing, about, weather.balance, weather.traits, self.jobs.clone(), random);
        instance.process = Some(Process::new(machine, self.jobs.clone(), self.now));
        let wall = instance.wall_at(self.now);
        self.step(index, Some(Input::Clock(wall)))
    }

    /// Takes away the process of an instance, if there is one.
    pub(super) fn bury(&mut self, index: usize) -> Option<Process> {
        let process = self.crew[index].process.take();
        self.figures.lived += process.as_ref().map_or(Duration::ZERO, |process| self.now.since(process.born));
        process
    }

    /// Hands a process what came for it.
    pub(super) fn deliver(&mut self, who: Whom, input: Input) -> Verdict {
        match self.process(who) {
            Some(process) if process.asleep.is_some() => process.inbox.push(input),
            Some(_) => return self.step(who.index, Some(input)),
            None => {}
        }
        Ok(())
    }

    /// A timer fires. One that was meant for an earlier deadline finds nothing to do.
    fn alarm(&mut self, who: Whom) -> Verdict {
        let (now, local) = (self.now, self.crew[who.index].clock.shows(self.now));
        let Some(process) = self.process(who).filter(|process| process.asleep.is_none()) else {
            return Ok(());
        };
        if process.alarm <= now {
            process.alarm = Instant::NEVER;
        }
        let deadline = process.machine.deadline();
        if deadline > local {
            self.set_alarm(who.index, deadline);
            return self.tick_for_nothing(who.index);
        }
        self.step(who.index, None)
    }

    /// Adds a line to the story, if anybody wants to read it.
    pub(super) fn tell(&mut self, line: impl FnOnce(&Self) -> String) {
        if self.story.is_none() {
            return;
        }
        let line = line(self);
        let story = self.story.get_or_insert_default();
        if story.len() == LONGEST_STORY {
            story.pop_front();
        }
        story.push_back(line);
    }
}

impl PartialEq for Appointment {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Appointment {}

impl PartialOrd for Appointment {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Appointment {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}
