//! The common ledger, and the jobs that sign it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use crate::jobs::{Action, Run, Work};
use crate::machine::{JobName, Term};
use crate::time::Wall;

/// How often each run signs the ledger.
const STEPS: u32 = 4;
/// From one signature to the next.
const STEP: Duration = Duration::from_millis(15);

/// Where jobs sign, and where it shows when two lead at once.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    jobs: BTreeMap<JobName, Page>,
    pub(super) runs: u64,
    pub(super) steps: u64,
    pub(super) terms: u64,
    pub(super) violations: Vec<String>,
}

#[derive(Debug, Default)]
struct Page {
    term: Term,
    due: Option<Wall>,
    leader: String,
}

impl Ledger {
    /// An occurrence starts.
    fn open(&mut self, run: &Run, node: &str) {
        self.runs += 1;
        let last = self.jobs.entry(run.job.clone()).or_default().due.replace(run.due);
        if last.is_some_and(|last| last >= run.due) {
            self.violation(format!(
                "{} due {} started on {node} after a later or equal one",
                run.job, run.due
            ));
        }
        self.step(run, node);
    }

    /// A run does something.
    fn step(&mut self, run: &Run, node: &str) {
        self.steps += 1;
        let page = self.jobs.entry(run.job.clone()).or_default();
        if run.term > page.term {
            page.term = run.term;
            node.clone_into(&mut page.leader);
            self.terms += 1;
        } else if run.term < page.term {
            let (term, leader) = (page.term, page.leader.clone());
            self.violation(format!(
                "{} was run by {node} at term {} while {leader} led at term {term}",
                run.job, run.term
            ));
        } else if page.leader != node {
            let leader = page.leader.clone();
            self.violation(format!("{} was led by {node} and {leader} at one term, {}", run.job, run.term));
        }
    }

    fn violation(&mut self, what: String) {
        self.violations.push(what);
    }
}

/// A job that signs.
#[derive(Clone, Debug)]
pub(super) struct Witness {
    pub(super) ledger: Arc<Mutex<Ledger>>,
    pub(super) node: String,
}

impl Action for Witness {
    fn run<'a>(&'a self, run: &'a Run) -> Work<'a> {
        Box::pin(async move {
            self.ledger.lock().unwrap_or_else(PoisonError::into_inner).open(run, &self.node);
            for _ in 1..STEPS {
                sleep(STEP).await;
                self.ledger.lock().unwrap_or_else(PoisonError::into_inner).step(run, &self.node);
            }
            Ok(())
        })
    }
}
