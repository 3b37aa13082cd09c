//! A store that answers whatever comes to its mind, with what a real one might have said among it.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use serde_json::{Map, Value, json};
use tenure::lease::{
    About, Answer, Ask, Balance, End, Found, Input, Launch, Lease as LeaseMachine, Output, RequestId,
    RowWrite, Timing, View, Wanted, Write,
};
use tenure::machine::{ClusterId, Incarnation, JobName, Machine, RunId, Term};
use tenure::rows::{
    Cluster, Cursor, Entry, Fate, Lease, Member, Orders, Pause, RowError, Run, RunState, SCHEMA, Verdict,
    Wish,
};
use tenure::stores::{Outcome, Traits, Version};
use tenure::time::{Instant, Wall};

/// A machine, and the liar that it asks.
pub(super) struct Liar {
    pub(super) machine: LeaseMachine,
    pub(super) timing: Timing,
    pub(super) jobs: Vec<JobName>,
    pub(super) now: Instant,
    /// When the last request left.
    pub(super) sent: Instant,
    random: Rng,
    /// What it has been asked, and what it was last told of each row.
    asked: BTreeMap<RequestId, Ask>,
    told: BTreeMap<String, (Version, RowWrite)>,
    ids: Vec<Incarnation>,
    clusters: Vec<ClusterId>,
    runs: Vec<(JobName, RunId)>,
}

impl Liar {
    /// So many requests at a time are enough for anybody: one of each kind, and one more for each row
    /// that is deleted.
    pub(super) const MOST: usize = 64;

    pub(super) fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let timing = Timing::from_failover(Duration::from_secs(10));
        let jobs: Vec<_> = ["a", "b", "ü\n"].map(|name| JobName::new(name).unwrap()).into();
        let about = About { name: "liar's".to_owned(), url: String::new(), version: String::new() };
        let balance = if random.bool() { Balance::Spread } else { Balance::Sticky };
        let traits = Traits { volatile: random.bool(), alone: random.bool() };
        let machine = LeaseMachine::new(timing, about, balance, traits, jobs.clone(), random.fork());
        let ids = (0..3).map(|_| Incarnation(random.u128(1..))).collect();
        let clusters = (0..2).map(|_| ClusterId(random.u128(1..))).collect();
        let now = Instant::from_nanos(random.i64(0..1 << 50));
        let (asked, told, runs) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        let mut liar =
            Self { machine, timing, jobs, now, sent: now, random, asked, told, ids, clusters, runs };
        liar.tell(Input::Clock(Wall::default()));
        liar
    }

    /// Something happens.
    pub(super) fn step(&mut self) {
        if self.random.u8(..3) > 0 {
            let most = if self.random.u8(..16) == 0 { self.timing.ttl * 3 } else { self.timing.ttl / 8 };
            self.now = self.now + most.mul_f64(self.random.f64());
        }
        let input = match self.random.u8(..16) {
            0 => Some(Input::Woken(self.jobs.clone())),
            1 => Some(Input::Clock(self.wall())),
            2 => Some(Input::Launch(self.launch())),
            3 if !self.runs.is_empty() => {
                let (job, run) = self.runs.swap_remove(self.random.usize(..self.runs.len()));
                let entry = self.random.bool().then(|| self.entry());
                let end = End { state: self.state(), again: None, entry };
                Some(Input::Ended { job, run, end })
            }
            4 => {
                // An answer to nothing, or a second one.
                let id = self.random.u64(..50);
                (!self.asked.contains_key(&id)).then_some(Input::Answer { id, answer: Answer::Silence })
            }
            5 if self.random.u8(..100) == 0 => Some(Input::Drain),
            6 => None,
            _ => self.answer(),
        };
        match input {
            Some(input) => self.tell(input),
            None => self.act(LeaseMachine::tick),
        }
    }

    pub(super) fn unanswered(&self) -> usize {
        self.asked.len()
    }

    fn tell(&mut self, input: Input) {
        self.act(|machine, now, out| machine.handle(now, input, out));
    }

    fn act(&mut self, what: impl FnOnce(&mut LeaseMachine, Instant, &mut Vec<Output>)) {
        let mut outputs = Vec::new();
        what(&mut self.machine, self.now, &mut outputs);
        for output in outputs {
            match output {
                Output::Ask { id, ask } => {
                    self.sent = self.now;
                    self.asked.insert(id, ask);
                }
                Output::Grant { job, run, .. } => self.runs.push((job, run)),
                Output::Wake { .. }
                | Output::Lead { .. }
                | Output::Leave { .. }
                | Output::Wind { .. }
                | Output::Refuse { .. }
                | Output::Orders { .. }
                | Output::Clock(_)
                | Output::Note(_)
                | Output::Stopped => {}
            }
        }
    }

    /// Answers some request.
    fn answer(&mut self) -> Option<Input> {
        let ids: Vec<_> = self.asked.keys().copied().collect();
        let id = self.random.choice(ids)?;
        let answer = match self.asked.remove(&id)? {
            _ if self.random.u8(..8) == 0 => Answer::Silence,
            Ask::Read(wanted) => Answer::Read(self.view(&wanted)),
            Ask::Write(writes) => self.written(writes),
        };
        Some(Input::Answer { id, answer })
    }

    fn written(&mut self, writes: Vec<Write>) -> Answer {
        let mut outcomes = Vec::new();
        for write in writes {
            let version = if self.lies() { self.version() } else { Version(write.base.0.saturating_add(1)) };
            outcomes.push(match self.random.u8(..8) {
                0 => Outcome::Conflict,
                1 => Outcome::Unknown,
                _ => Outcome::Done(version),
            });
            if let RowWrite::Member(id, _) = &write.row {
                self.ids.push(*id);
            }
            if self.random.u8(..8) > 0 {
                self.told.insert(key(&write.row), (version, write.row));
            }
        }
        if self.lies() {
            outcomes.truncate(self.random.usize(..3));
        }
        Answer::Written(outcomes)
    }

    /// What a read finds: what was written, something else, or nothing.
    fn view(&mut self, wanted: &Wanted) -> View {
        let mut view = View::default();
        let told: Vec<_> = self.told.values().cloned().collect();
        for (version, row) in told {
            let version = if self.lies() { self.version() } else { version };
            match row {
                RowWrite::Cluster(row) if wanted.cluster => view.cluster = self.found(version, row),
                RowWrite::Member(id, Some(row)) if wanted.members => {
                    view.members.extend(self.found(version, *row).map(|found| (id, found)));
                }
                RowWrite::Lease(job, row) => {
                    view.leases.extend(self.found(version, *row).map(|found| (job, found)));
                }
                RowWrite::Cluster(_) | RowWrite::Member(..) | RowWrite::Run(..) => {}
            }
        }
        if self.lies() {
            self.embellish(&mut view);
        }
        view
    }

    fn embellish(&mut self, view: &mut View) {
        let (id, job) = (self.id(), self.random.choice(self.jobs.clone()).unwrap());
        let (cluster, member, lease) = (self.cluster(), self.member(), self.lease());
        let version = self.version();
        match self.random.u8(..3) {
            0 => view.cluster = self.found(version, cluster),
            1 => view.members.extend(self.found(version, member).map(|found| (id, found))),
            _ => view.leases.extend(self.found(version, lease).map(|found| (job, found))),
        }
    }

    fn found<T>(&mut self, version: Version, row: T) -> Option<Found<T>> {
        let row = match self.random.u8(..40) {
            0 => return None,
            1 => Err(RowError::Newer(self.random.u64(..))),
            2 => Err(RowError::Corrupt("lies".to_owned())),
            _ => Ok(row),
        };
        let age = self.random.bool().then(|| Duration::from_millis(self.random.u64(..20_000)));
        Some(Found { version, age, row })
    }

    fn cluster(&mut self) -> Cluster {
        let id = self.random.choice(self.clusters.clone()).unwrap();
        let drained = if self.random.u8(..8) == 0 { vec![self.id()] } else { Vec::new() };
        Cluster { schema: SCHEMA, id, settled: self.random.bool(), wishes: self.random.u64(..3), drained }
    }

    fn member(&mut self) -> Member {
        Member {
            schema: SCHEMA,
            name: "other".to_owned(),
            beat: self.number(),
            ttl: Duration::from_millis(self.number()),
            url: "http://other".to_owned(),
            draining: self.random.bool(),
            moved: self.number(),
            placement: if self.random.bool() { String::new() } else { self.placement() },
            version: String::new(),
            order: self.number(),
            clock: self.wall(),
        }
    }

    fn lease(&mut self) -> Lease {
        Lease {
            schema: SCHEMA,
            holder: self.random.bool().then(|| self.id()),
            leader: self.random.bool().then(|| "other".to_owned()),
            term: Term(self.number()),
            since: self.wall(),
            born: self.wall(),
            cursor: self.random.bool().then(|| self.cursor()),
            ledger: (0..self.random.usize(..3)).map(|_| self.entry()).collect(),
            orders: self.orders(),
            wish: self.random.bool().then(|| Wish::StepDown { to: self.random.bool().then(|| self.id()) }),
            placed: self.random.bool().then(|| self.placement()),
        }
    }

    fn cursor(&mut self) -> Cursor {
        Cursor {
            due: self.wall(),
            attempt: self.random.u32(..3),
            run: RunId(self.random.u128(..4)),
            term: Term(self.number()),
            node: "other".to_owned(),
            at: self.wall(),
            state: self.state(),
            again: self.random.bool().then(|| self.wall()),
            schedule: String::new(),
            extra: None,
        }
    }

    fn orders(&mut self) -> Orders {
        let pause = self.random.bool().then(|| Pause { from: self.wall(), to: None });
        let verdict = self.random.bool().then(|| Verdict { run: RunId(self.random.u128(..4)), rerun: true });
        Orders { pause, verdict, skip: self.random.bool(), extra: self.random.bool().then(|| self.wall()) }
    }

    fn entry(&mut self) -> Entry {
        let fate = if self.lies() { Fate::Superseded } else { Fate::Ran };
        Entry { last: self.wall(), count: self.number(), ..self.cursor().entry(fate, "lies", None) }
    }

    fn launch(&mut self) -> Launch {
        Launch {
            job: self.random.choice(self.jobs.clone()).unwrap(),
            cursor: Cursor { run: RunId(self.random.u128(..)), ..self.cursor() },
            entries: (0..self.random.usize(..3)).map(|_| self.entry()).collect(),
            obeyed: self.orders(),
        }
    }

    /// The list of jobs as some member wrote it.
    fn placement(&self) -> String {
        let written = self.told.values().find_map(|(_, row)| match row {
            RowWrite::Member(_, Some(row)) => Some(row.placement.clone()),
            RowWrite::Member(_, None) | RowWrite::Cluster(_) | RowWrite::Lease(..) | RowWrite::Run(..) => {
                None
            }
        });
        written.unwrap_or_default()
    }

    fn state(&mut self) -> RunState {
        use RunState::{Failed, Finished, Passed, Started, Waiting};
        self.random.choice([Started, Finished, Failed, Waiting, Passed]).unwrap()
    }

    fn id(&mut self) -> Incarnation {
        self.random.choice(self.ids.clone()).unwrap()
    }

    fn version(&mut self) -> Version {
        Version(self.number())
    }

    fn wall(&mut self) -> Wall {
        Wall::from_nanos(any_i64(&mut self.random))
    }

    /// Small, or as large as a row may hold.
    fn number(&mut self) -> u64 {
        match self.random.u8(..10) {
            0 => self.random.u64(..1 << 53),
            1 => (1 << 53) - 1,
            _ => self.random.u64(..8),
        }
    }

    fn lies(&mut self) -> bool {
        self.random.u8(..8) == 0
    }
}

fn key(row: &RowWrite) -> String {
    match row {
        RowWrite::Cluster(_) => "cluster".to_owned(),
        RowWrite::Member(id, _) => id.to_string(),
        RowWrite::Lease(job, _) => job.to_string(),
        RowWrite::Run(job, run) => format!("{job} {}", run.entry.due),
    }
}

fn any_i64(random: &mut Rng) -> i64 {
    match random.u8(..8) {
        0 => i64::MIN,
        1 => i64::MAX,
        2 => random.i64(..),
        _ => random.i64(0..1 << 60),
    }
}

pub(super) fn any_char(random: &mut Rng) -> char {
    match random.u8(..8) {
        0 => random.char(..),
        1 => random.choice(['\0', '\n', '"', '\u{202e}', '/', '.']).unwrap(),
        _ => random.choice(*b"0123456789abcdefABCDEF-_xyz").unwrap().into(),
    }
}

/// The fields of a row that somebody wrote, or broke.
pub(super) fn any_row(random: &mut Rng) -> Map<String, Value> {
    let mut liar = Liar::new(random.u64(..));
    let Value::Object(mut fields) = (match random.u8(..4) {
        0 => json!(liar.cluster()),
        1 => json!(liar.member()),
        2 => json!(Run::new(liar.entry())),
        _ => json!(liar.lease()),
    }) else {
        unreachable!("rows are objects")
    };
    for _ in 0..random.usize(..3) {
        let names: Vec<_> = fields.keys().cloned().collect();
        let Some(name) = random.choice(names) else { break };
        match random.u8(..4) {
            0 => drop(fields.remove(&name)),
            1 => drop(fields.insert("surprise".to_owned(), any_value(random, 3))),
            _ => drop(fields.insert(name, any_value(random, 3))),
        }
    }
    fields
}

fn any_value(random: &mut Rng, depth: u32) -> Value {
    match random.u8(..if depth == 0 { 6 } else { 8 }) {
        0 => Value::Null,
        1 => json!(random.bool()),
        2 => json!(any_i64(random)),
        3 => json!(random.u64(..)),
        4 => json!(f64::from_bits(random.u64(..))),
        5 => (0..random.usize(..20)).map(|_| any_char(random)).collect::<String>().into(),
        6 => (0..random.usize(..4)).map(|_| any_value(random, depth - 1)).collect(),
        _ => json!({ "due": any_value(random, depth - 1), "StepDown": any_value(random, depth - 1) }),
    }
}
