//! What struck whom doing what: a world in which no launch is ever under way when its machine crashes
//! proves nothing about that.

use std::collections::BTreeMap;
use std::ops::AddAssign;

/// What may strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strike {
    /// A process stands still.
    Pause,
    /// A machine stands still, and its clock with it.
    Freeze,
    /// A process vanishes.
    Crash,
    /// A process is told to stop.
    Drain,
    /// An instance cannot reach the store, or hears nothing from it.
    Cut,
    /// The store loses everything.
    Wipe,
    /// A request is lost.
    LostRequest,
    /// An answer is lost.
    LostReply,
    /// A request is carried out late.
    Late,
    /// A request is carried out twice.
    Twice,
    /// Nobody knows what became of a row in it.
    Unknown,
    /// Somebody else was faster with a row in it.
    Conflict,
}

/// What an instance is at, or what a request of it is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It has no life that may lead.
    Joining,
    /// It leads nothing.
    StandingBy,
    /// It leads a job.
    Leading,
    /// A run goes on.
    Running,
    /// It was told to stop.
    Draining,
    /// Write the cluster's row.
    Founding,
    /// Insert its member row.
    Registering,
    /// Send a heartbeat.
    Beating,
    /// Delete a member row.
    Reaping,
    /// Take a job.
    Claiming,
    /// Record a launch.
    Recording,
    /// Say something else in the row of a job that it leads.
    Amending,
    /// Give a job to another.
    Giving,
    /// Give a job to nobody.
    Releasing,
    /// Insert an entry into the history.
    Filing,
    /// Write several rows at once.
    Batch,
}

/// How often each strike came in each state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage(BTreeMap<(State, Strike), u64>);

const STRIKES: [(Strike, &str); 12] = [
    (Strike::Pause, "pause"),
    (Strike::Freeze, "freeze"),
    (Strike::Crash, "crash"),
    (Strike::Drain, "drain"),
    (Strike::Cut, "cut off"),
    (Strike::Wipe, "wipe"),
    (Strike::LostRequest, "request lost"),
    (Strike::LostReply, "reply lost"),
    (Strike::Late, "late"),
    (Strike::Twice, "twice"),
    (Strike::Unknown, "unknown"),
    (Strike::Conflict, "conflict"),
];
const STATES: [(State, &str); 16] = [
    (State::Joining, "joining"),
    (State::StandingBy, "standing by"),
    (State::Leading, "leading"),
    (State::Running, "running"),
    (State::Draining, "draining"),
    (State::Founding, "founding"),
    (State::Registering, "registering"),
    (State::Beating, "heartbeat"),
    (State::Reaping, "reaping"),
    (State::Claiming, "claiming"),
    (State::Recording, "recording a launch"),
    (State::Amending, "amending a row"),
    (State::Giving, "handing over"),
    (State::Releasing, "releasing"),
    (State::Filing, "filing"),
    (State::Batch, "in a batch"),
];

impl Strike {
    /// Whether it is sure to come in that state some day: what becomes of requests needs one, and a
    /// cluster is founded too seldom for anything else.
    fn fits(self, state: State) -> bool {
        if self < Self::LostRequest { state != State::Founding } else { state >= State::Founding }
    }
}

impl Coverage {
    /// Something struck in that state.
    pub(super) fn saw(&mut self, strike: Strike, state: State) {
        *self.0.entry((state, strike)).or_default() += 1;
    }

    /// What never happened, and how many pairs there are.
    pub fn gaps(&self) -> (Vec<String>, usize) {
        let pairs = STATES.iter().flat_map(|state| STRIKES.iter().map(move |strike| (strike, state)));
        let pairs: Vec<_> = pairs.filter(|((strike, _), (state, _))| strike.fits(*state)).collect();
        let missing = pairs.iter().filter(|((strike, _), (state, _))| self.count(*state, *strike) == 0);
        (missing.map(|((_, strike), (_, state))| format!("{strike} while {state}")).collect(), pairs.len())
    }

    /// The whole table, as Markdown.
    pub fn table(&self) -> String {
        let heads = STRIKES.iter().map(|(_, strike)| format!(" {strike} |"));
        let cell = |state, strike: Strike| {
            if strike.fits(state) { format!(" {} |", self.count(state, strike)) } else { " |".to_owned() }
        };
        let row = |(state, name): (State, &str)| {
            let cells = STRIKES.iter().map(|(strike, _)| cell(state, *strike));
            format!("| {name} |{}\n", cells.collect::<String>())
        };
        let rows: String = STATES.into_iter().map(row).collect();
        format!("| |{}\n|---|{}\n{rows}", heads.collect::<String>(), "--:|".repeat(STRIKES.len()))
    }

    fn count(&self, state: State, strike: Strike) -> u64 {
        self.0.get(&(state, strike)).copied().unwrap_or_default()
    }
}

impl AddAssign for Coverage {
    fn add_assign(&mut self, other: Self) {
        for (pair, count) in other.0 {
            *self.0.entry(pair).or_default() += count;
        }
    }
}
