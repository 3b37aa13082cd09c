//! A state of the model, and what can happen in it.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use tenure::lease::{Answer, Ask, Input, Output, RequestId};
use tenure::machine::JobName;
use tenure::time::Instant;

use super::Hole;
use super::instance::{Instance, Plight, Text};
use super::rows::Rows;

/// How fast the clocks of the instances go: as far apart as `ttl / (ttl - margin)` allows.
const RATES: [i64; 3] = [9, 10, 10];

/// How long a time-to-live lasts on the fastest clock, in nanoseconds of true time.
pub(super) const LIFE: i64 = 1_000_000_000;
/// From one due time to the next.
const INTERVAL: i64 = LIFE / 2;
/// How long a prompt answer takes.
const LATENCY: i64 = 1_000;

/// Everything there is at one moment.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) hole: Hole,
    pub(super) jobs: Arc<[JobName]>,
    /// True time.
    pub(super) now: i64,
    crew: Vec<Arc<Instance>>,
    /// When each fell asleep, and for how long its clock has stood still in all.
    naps: Vec<(i64, i64)>,
    pub(super) rows: Arc<Rows>,
    /// Requests that are carried out in this order, now.
    prompt: VecDeque<Letter>,
    /// Requests and answers that may come at any time, or never.
    late: Vec<Letter>,
    /// How many things may still go wrong, and up to when.
    pub(super) surprises: u8,
    pub(super) quiet_from: i64,
    started: Arc<BTreeSet<(JobName, i64)>>,
    /// Something was started twice.
    pub(super) repeated: bool,
}

/// On its way to the store or back.
#[derive(Clone, Debug)]
struct Letter {
    of: usize,
    process: u64,
    id: RequestId,
    what: Parcel,
}

#[derive(Clone, Debug)]
enum Parcel {
    Question(Ask),
    Answer(Answer),
}

/// What can happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The next request is carried out and answered.
    Serve,
    /// It is late, or lost. A surprise.
    Delay,
    /// It is carried out, and its answer is late or lost. A surprise.
    DelayAnswer,
    /// It is carried out and answered, and carried out again later. A surprise.
    Repeat,
    /// Time goes on to when something is due next.
    Pass,
    /// Something late comes after all.
    Arrive(usize),
    /// A surprise.
    Strike(usize, Plight),
    /// An instance is told to give everything away and stop. A surprise.
    Drain(usize),
    /// An instance is well again.
    Mend(usize),
}

impl World {
    pub(super) fn new(instances: usize, jobs: &[&str], hole: Hole) -> Self {
        let jobs: Arc<[_]> = jobs.iter().map(|job| JobName::new(job).unwrap()).collect();
        let processes = (0..).step_by(100);
        let crew =
            (0..instances).zip(processes).map(|(index, process)| Instance::new(index, process, &jobs, hole));
        let crew = crew.map(Arc::new).collect();
        let mut world = Self {
            hole,
            jobs,
            now: 0,
            crew,
            naps: vec![(0, 0); instances],
            rows: Arc::default(),
            prompt: VecDeque::new(),
            late: Vec::new(),
            surprises: 0,
            quiet_from: i64::MAX,
            started: Arc::default(),
            repeated: false,
        };
        (0..instances).for_each(|index| world.tell(index, None));
        world
    }

    /// Lets time pass up to `moment` without any surprise.
    pub(super) fn settle(mut self, moment: i64) -> Self {
        while self.now < moment {
            let event = if self.prompt.is_empty() { Event::Pass } else { Event::Serve };
            self = self.after(event).unwrap();
        }
        self
    }

    /// Everything that can happen now.
    pub(super) fn events(&self, events: &mut Vec<Event>) {
        let surprise = self.surprises > 0 && self.now < self.quiet_from;
        if let Some(letter) = self.prompt.front() {
            events.push(Event::Serve);
            if surprise {
                events.extend([Event::Delay, Event::DelayAnswer]);
                events
                    .extend(matches!(letter.what, Parcel::Question(Ask::Write(_))).then_some(Event::Repeat));
            }
            return;
        }
        events.push(Event::Pass);
        events.extend((0..self.late.len()).map(Event::Arrive));
        for (index, instance) in self.crew.iter().enumerate() {
            if instance.plight != Plight::Well {
                events.push(Event::Mend(index));
            } else if surprise {
                let plights = [Plight::Frozen, Plight::Cut, Plight::Deaf, Plight::Down];
                events.extend(plights.map(|plight| Event::Strike(index, plight)));
                events.push(Event::Drain(index));
            }
        }
    }

    /// The world after `event`, if that changes anything.
    pub(super) fn after(&self, event: Event) -> Option<Self> {
        let mut world = self.clone();
        match event {
            Event::Serve => world.serve(),
            Event::Delay => {
                let letter = world.prompt.pop_front()?;
                world.late.push(letter);
                world.surprises -= 1;
            }
            Event::DelayAnswer => {
                let mut letter = world.prompt.pop_front()?;
                world.carry_out(&mut letter);
                world.late.push(letter);
                world.surprises -= 1;
            }
            Event::Repeat => {
                world.late.extend(world.prompt.front().cloned());
                world.serve();
                world.surprises -= 1;
            }
            Event::Pass => world.pass()?,
            Event::Arrive(which) => world.arrive(which)?,
            Event::Strike(index, plight) => {
                Arc::make_mut(&mut world.crew[index]).plight = plight;
                world.naps[index].0 = world.now;
                world.surprises -= 1;
            }
            Event::Drain(index) => {
                world.tell(index, Some(Input::Drain));
                world.surprises -= 1;
            }
            Event::Mend(index) => world.mend(index),
        }
        world.forget_what_nobody_awaits();
        Some(world)
    }

    /// How many instances lead the job that most lead.
    pub(super) fn leaders(&self) -> usize {
        let leaders = |job: &JobName| {
            (0..self.crew.len()).filter(|index| self.crew[*index].leads(job, self.clock(*index))).count()
        };
        self.jobs.iter().map(leaders).max().unwrap_or_default()
    }

    /// What the clock of an instance shows.
    fn clock(&self, index: usize) -> Instant {
        let (since, stood) = self.naps[index];
        let asleep = self.hole == Hole::ClockStops && self.crew[index].plight == Plight::Frozen;
        let ran = if asleep { since } else { self.now } - stood;
        Instant::from_nanos(ran * RATES[index])
    }

    /// When the clock of an instance will show that.
    fn when(&self, index: usize, shown: Instant) -> i64 {
        let left = shown.as_nanos() - self.clock(index).as_nanos();
        self.now + (left + RATES[index] - 1).div_euclid(RATES[index])
    }

    fn mend(&mut self, index: usize) {
        let instance = Arc::make_mut(&mut self.crew[index]);
        let before = std::mem::replace(&mut instance.plight, Plight::Well);
        if before == Plight::Down {
            *instance = Instance::new(index, instance.process + 1, &self.jobs, self.hole);
            self.tell(index, None);
        } else if before == Plight::Frozen && self.hole == Hole::ClockStops {
            self.naps[index].1 += self.now - self.naps[index].0;
        }
    }

    /// Time goes on to when something is due, or has its last chance to come, and what is due happens.
    fn pass(&mut self) -> Option<()> {
        let due =
            (0..self.crew.len()).filter_map(|index| Some(self.when(index, self.crew[index].deadline()?)));
        let last = self.late.iter().filter_map(|Letter { of, process, id, .. }| {
            Some(self.when(*of, self.crew[*of].waits_for(*process, *id)?) - 2 * LATENCY)
        });
        let last = last.filter(|moment| *moment > self.now);
        self.now = due.map(|moment| moment.max(self.now)).chain(last).min()?;
        for index in 0..self.crew.len() {
            let now = self.clock(index);
            if self.crew[index].deadline().is_some_and(|deadline| now >= deadline) {
                let due = self.now / INTERVAL;
                for input in Arc::make_mut(&mut self.crew[index]).wake(now, due) {
                    self.tell(index, input);
                }
            }
        }
        Some(())
    }

    fn serve(&mut self) {
        let Some(mut letter) = self.prompt.pop_front() else { return };
        self.carry_out(&mut letter);
        if self.crew[letter.of].plight != Plight::Deaf {
            self.hand_over(letter);
        }
    }

    /// Something late arrives, unless its instance is asleep.
    fn arrive(&mut self, which: usize) -> Option<()> {
        let mut letter = self.late.remove(which);
        let plight = self.crew[letter.of].plight;
        let hears = matches!(plight, Plight::Well | Plight::Cut);
        match letter.what {
            Parcel::Answer(_) if !hears => return None,
            Parcel::Answer(_) => self.hand_over(letter),
            Parcel::Question(_) => {
                self.carry_out(&mut letter);
                if hears { self.hand_over(letter) } else { self.late.push(letter) }
            }
        }
        Some(())
    }

    /// The store does what a request asks, which becomes its answer.
    fn carry_out(&mut self, letter: &mut Letter) {
        if let Parcel::Question(ask) = &letter.what {
            letter.what = Parcel::Answer(Arc::make_mut(&mut self.rows).answer(ask.clone(), self.hole));
        }
    }

    fn hand_over(&mut self, letter: Letter) {
        self.now += LATENCY;
        let Letter { of, process, id, what: Parcel::Answer(answer) } = letter else { return };
        if Arc::make_mut(&mut self.crew[of]).takes(process, id) {
            self.tell(of, Some(Input::Answer { id, answer }));
        }
    }

    fn forget_what_nobody_awaits(&mut self) {
        let Self { late, crew, .. } = self;
        late.retain(|letter| match letter.what {
            Parcel::Question(Ask::Write(_)) => true,
            Parcel::Question(Ask::Read(_)) | Parcel::Answer(_) => {
                crew[letter.of].waits_for(letter.process, letter.id).is_some()
            }
        });
    }

    /// Tells an instance something, and does what it says, and what follows from that at once.
    fn tell(&mut self, index: usize, input: Option<Input>) {
        let mut errands = VecDeque::from([(index, input)]);
        while let Some((index, input)) = errands.pop_front() {
            let now = self.clock(index);
            let outputs = Arc::make_mut(&mut self.crew[index]).tell(now, input);
            for output in outputs {
                errands.extend(self.obey(index, now, output).map(|(index, input)| (index, Some(input))));
            }
        }
    }

    /// Does what an instance says, and returns what somebody is to be told in consequence.
    fn obey(&mut self, index: usize, now: Instant, output: Output) -> Option<(usize, Input)> {
        let instance = Arc::make_mut(&mut self.crew[index]);
        if let Output::Ask { id, ask } = output {
            instance.await_answer(id, now);
            if instance.plight != Plight::Cut {
                let process = instance.process;
                self.prompt.push_back(Letter { of: index, process, id, what: Parcel::Question(ask) });
            }
        } else if let Output::Lead { job, term, .. } = output {
            instance.lead(&job, term, self.now / INTERVAL);
        } else if let Output::Leave { job, .. } = output {
            instance.leave(&job);
        } else if let Output::Refuse { job, .. } = output {
            instance.refused(&job);
        } else if let Output::Grant { job, run, .. } = output {
            let due = instance.granted(&job, run);
            self.repeated |= !Arc::make_mut(&mut self.started).insert((job, due));
        } else if let Output::Wake { url, jobs } = output {
            let listener: usize = url.parse().unwrap();
            let hears = self.crew[listener].plight == Plight::Well;
            return hears.then_some((listener, Input::Woken(jobs)));
        } else if let Output::Stopped = output {
            instance.plight = Plight::Down;
        }
        None
    }
}

/// Two worlds are the same when the same has happened to the same instances, and the same may follow.
impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.now, &self.naps, self.surprises).hash(state);
        for instance in &self.crew {
            (instance.plight, instance.process, instance.past).hash(state);
        }
        let mut text = Text(state);
        write!(text, "{:?} {:?} {:?}", self.rows, self.prompt, self.late).unwrap();
    }
}

impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        let hash = |world: &Self| {
            let mut hasher = DefaultHasher::new();
            world.hash(&mut hasher);
            hasher.finish()
        };
        hash(self) == hash(other)
    }
}
