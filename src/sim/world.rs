//! The simulated world: true time, which nobody in it knows, and the order in which things happen.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use fastrand::Rng;

use super::accounts::Accounts;
use super::clock::BootClock;
use super::instance::{Instance, Process};
use super::law::{Law, Verdict, require};
use super::mail::Letter;
use super::store::Store;
use super::weather::{Fault, Weather, part};
use super::{Figures, Violation};
use crate::lease::{About, Answer, Input, Lease, Note, Output, RequestId};
use crate::machine::{JobName, Machine, RunId, Term};
use crate::time::{Instant, Wall};

/// How many lines of its story a violation shows.
const LONGEST_STORY: usize = 60;
/// How many requests a machine may make in one time-to-live, and how many more for each thing that
/// happens to it: fifty times what it needs in fair weather.
const MOST_REQUESTS: usize = 50 * 10;
const REQUESTS_A_REASON: usize = 4;
/// Wall clocks begin about here: in the autumn of 2001.
const EPOCH: i64 = 1_000_000_000_000_000_000;

/// A seed's world.
#[derive(Debug)]
pub(super) struct World {
    seed: u64,
    pub(super) weather: Weather,
    pub(super) random: Rng,
    /// The true time.
    pub(super) now: Instant,
    agenda: BinaryHeap<Reverse<Appointment>>,
    appointments: u64,
    pub(super) jobs: Vec<JobName>,
    pub(super) store: Store,
    pub(super) crew: Vec<Instance>,
    pub(super) law: Law,
    pub(super) accounts: Accounts,
    pub(super) figures: Figures,
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
    /// They have ended long ago.
    Judge,
    /// Who has just begun is in for a surprise.
    Ambush(Whom),
}

impl World {
    pub(super) fn new(seed: u64, told: bool) -> Self {
        let mut random = Rng::with_seed(seed);
        let weather = Weather::draw(&mut random);
        let jobs = (0..weather.jobs).filter_map(|job| JobName::new(&format!("job-{job}")).ok()).collect();
        let mut world = Self {
            seed,
            store: Store::new(weather.brittle),
            storms: weather.storms,
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
            quiet: false,
            fingerprint: seed,
            story: told.then(VecDeque::new),
        };
        world.tell(|world| format!("{:?}", world.weather));
        world.populate();
        world
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
        self.law.lenient = self.weather.forgetful;
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
    pub(super) fn run(mut self) -> (Figures, u64, Option<Violation>) {
        while let Some(Reverse(next)) = self.agenda.pop() {
            self.now = next.at;
            if let Err(what) = self.happen(next.event) {
                return self.condemned(what);
            }
            if self.storms == 0 {
                break;
            }
        }
        (self.closed(), self.fingerprint, None)
    }

    fn condemned(mut self, what: String) -> (Figures, u64, Option<Violation>) {
        let story = self.story.take().unwrap_or_default().into();
        let violation = Violation { seed: self.seed, at: self.now, what, story };
        (self.closed(), self.fingerprint, Some(violation))
    }

    fn closed(&self) -> Figures {
        Figures { seeds: 1, simulated: self.now.since(Instant::default()), ..self.figures.clone() }
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
            Event::Judge => self.judge(),
            Event::Ambush(who) => {
                self.ambush(who);
                Ok(())
            }
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
        instance.process = Some(Process::new(machine, self.jobs.clone()));
        let wall = instance.wall_at(self.now);
        self.step(index, Some(Input::Clock(wall)))
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

    /// One step of a machine, and all that must hold after it.
    pub(super) fn step(&mut self, index: usize, input: Option<Input>) -> Verdict {
        let now = self.crew[index].clock.shows(self.now);
        self.tell(|world| {
            format!(
                "{:?} {index} at {now:?}: {}",
                world.now,
                input.as_ref().map_or_else(|| "tick".to_owned(), |input| format!("{input:?}"))
            )
        });
        let Some(process) = &mut self.crew[index].process else { return Ok(()) };
        let mut outputs = Vec::new();
        match input {
            Some(input) => {
                let reason = !matches!(input, Input::Answer { .. });
                if let Input::Jobs(listed) = &input {
                    process.listed.clone_from(listed);
                }
                process.thrift.allowed += if reason { REQUESTS_A_REASON } else { 0 };
                process.machine.handle(now, input, &mut outputs);
            }
            None => process.machine.tick(now, &mut outputs),
        }
        let deadline = process.machine.deadline();
        require(deadline > now, || format!("{index} was told the time and still wants it at {deadline:?}"))?;
        self.mark(index, outputs.len(), deadline);
        self.tell(|_| format!("    {outputs:?}"));
        self.claim(index, now)?;
        for output in outputs {
            self.obey(index, output)?;
        }
        self.set_alarm(index, deadline);
        if self.random.u8(..8) == 0 { self.tick_for_nothing(index) } else { Ok(()) }
    }

    /// Folds a step into the fingerprint.
    fn mark(&mut self, index: usize, outputs: usize, deadline: Instant) {
        for word in [self.now.as_nanos().unsigned_abs(), deadline.as_nanos().unsigned_abs()] {
            self.fingerprint = (self.fingerprint ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
        }
        for word in [index, outputs] {
            self.fingerprint ^= u64::try_from(word).unwrap_or(u64::MAX);
            self.fingerprint = self.fingerprint.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
        self.figures.steps += 1;
    }

    /// A tick that is early or repeated does nothing.
    fn tick_for_nothing(&mut self, index: usize) -> Verdict {
        let now = self.crew[index].clock.shows(self.now);
        let Some(process) = &mut self.crew[index].process else { return Ok(()) };
        let (deadline, mut outputs) = (process.machine.deadline(), Vec::new());
        process.machine.tick(now, &mut outputs);
        require(outputs.is_empty(), || {
            format!("{index} answered a tick before {deadline:?} with {outputs:?}")
        })?;
        let after = process.machine.deadline();
        require(after == deadline, || {
            format!("{index} moved its deadline from {deadline:?} to {after:?} in a tick before it")
        })
    }

    /// Does what a machine says.
    fn obey(&mut self, index: usize, output: Output) -> Verdict {
        let seat = |world: &Self, job: &JobName| world.jobs.binary_search(job).unwrap_or_default();
        match output {
            Output::Ask { id, ask } => return self.send(index, id, ask),
            Output::Wake { url, jobs } => self.send_word(&url, jobs),
            Output::Lead { job, term, row } => {
                return self.lead(index, seat(self, &job), term, *row);
            }
            Output::Orders { job, orders } => self.order(index, seat(self, &job), orders),
            Output::Leave { job, term, why } => return self.leave(index, seat(self, &job), term, &why),
            Output::Wind { job } => self.wind(index, seat(self, &job)),
            Output::Grant { job, run, term } => return self.grant(index, seat(self, &job), run, term),
            Output::Refuse { job, run, .. } => return self.refuse(index, seat(self, &job), run),
            Output::Clock(ahead) => {
                self.crew[index].process.iter_mut().for_each(|process| process.ahead = ahead);
            }
            Output::Note(Note::Lapsed(_)) => self.figures.lapses += 1,
            Output::Note(Note::Registered(_)) => self.beset(index),
            Output::Note(Note::Regressed { rebuilding, .. }) => {
                self.figures.regressions += 1;
                if !rebuilding {
                    // A person has looked after the store, and starts the instance again.
                    let later = part(&mut self.random, self.weather.timing.ttl);
                    self.schedule(later, Event::Drain(index));
                }
            }
            Output::Note(_) => {}
            Output::Stopped => return self.stopped(index),
        }
        Ok(())
    }

    /// Sets the timer that a machine wants, a little late as timers are.
    fn set_alarm(&mut self, index: usize, deadline: Instant) {
        let sloth = part(&mut self.random, self.weather.sloth);
        let at = self.crew[index].clock.reaches(deadline) + sloth;
        let who = self.whom(index);
        let Some(process) = self.process(who) else { return };
        if deadline < Instant::NEVER && at < process.alarm {
            process.alarm = at;
            self.schedule_at(at, Event::Alarm(who));
        }
    }

    /// Counts a request, and finds fault with too many.
    pub(super) fn ration(&mut self, index: usize) -> Verdict {
        let (now, ttl) = (self.crew[index].clock.shows(self.now), self.weather.timing.ttl);
        let Some(process) = &mut self.crew[index].process else { return Ok(()) };
        let thrift = &mut process.thrift;
        if now >= thrift.since + ttl {
            (thrift.since, thrift.requests, thrift.allowed) = (now, 0, MOST_REQUESTS);
        }
        thrift.requests += 1;
        require(thrift.requests <= thrift.allowed, || {
            format!("{index} made {} requests in a ttl", thrift.requests)
        })
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
