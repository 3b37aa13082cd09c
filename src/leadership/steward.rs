//! Leads one role of an instance, for one caller after the other.

use std::sync::Arc;

use tokio::sync::{SetOnce, mpsc, oneshot, watch};

use super::{Inner, Leadership, Token};
use crate::fence::Fence;
use crate::handle::{Handle, Signal};
use crate::jobs::Lifeline;
use crate::lease::{End, Input, Timing};
use crate::machine::{JobName, RunId, Term};
use crate::rows::RunState;
use crate::schedulers::watchdog::Watchdog;
use crate::time::Clock;

/// Callers that may wait for one role at the same time; more wait to be in line.
pub(crate) const MOST_ASKERS: usize = 64;

/// Somebody who waits to lead.
pub(crate) type Asker = oneshot::Sender<Leadership>;

/// Leads one role for whoever asks.
#[derive(Debug)]
pub(crate) struct Steward {
    pub(crate) role: JobName,
    pub(crate) handle: Handle,
    pub(crate) signals: mpsc::UnboundedReceiver<Signal>,
    pub(crate) asked: mpsc::Receiver<Asker>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) timing: Timing,
    pub(crate) random: fastrand::Rng,
}

/// The instance has stopped.
struct Stopped;

/// A leadership that ends, at the latest, with this.
struct Held(Token);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.end();
        // It is told once.
        drop(self.0.0.gone.set(()));
    }
}

impl Steward {
    /// Runs until the instance has stopped.
    pub(crate) async fn run(mut self) {
        let handle = self.handle.clone();
        tokio::select! {
            _ = self.serve() => {}
            () = handle.stopped() => {}
        }
    }

    async fn serve(&mut self) -> Result<(), Stopped> {
        loop {
            let mut asker = self.next().await?;
            let run = RunId(self.random.u128(1..));
            self.handle.tell(Input::Want { job: self.role.clone(), run }).await;
            let term = tokio::select! {
                term = self.granted(run) => Some(term?),
                () = asker.closed() => None,
            };
            let held = match term {
                Some(term) => self.hold(term, asker).await?,
                None => None,
            };
            let end = End { state: RunState::Finished, again: None, entry: None };
            self.handle.tell(Input::Ended { job: self.role.clone(), run, end }).await;
            if held.is_some() {
                self.left().await?;
            }
        }
    }

    /// The next one who asks, and still waits.
    async fn next(&mut self) -> Result<Asker, Stopped> {
        loop {
            tokio::select! {
                asker = self.asked.recv() => match asker {
                    Some(asker) if asker.is_closed() => {}
                    Some(asker) => return Ok(asker),
                    None => return Err(Stopped),
                },
                // Nobody here wanted it: it is given up already.
                signal = self.signals.recv() => drop(signal.ok_or(Stopped)?),
            }
        }
    }

    /// The term of the leadership that was wanted as `run`.
    async fn granted(&mut self, run: RunId) -> Result<Term, Stopped> {
        loop {
            if let Signal::Grant { run: granted, term, .. } = self.signals.recv().await.ok_or(Stopped)?
                && granted == run
            {
                return Ok(term);
            }
        }
    }

    /// Leads until the leadership is dropped. What is left to give up, if anything.
    async fn hold(&mut self, term: Term, asker: Asker) -> Result<Option<Held>, Stopped> {
        let (hold, held) = watch::channel(());
        let token = self.token(term);
        let watchdog = self.watchdog(&token);
        let leadership = Leadership { token: token.clone(), _hold: held };
        let mut led = Some(Held(token.clone()));
        // Whoever finds another life than the one that was granted finds the end of that here.
        while let Ok(signal) = self.signals.try_recv() {
            hear(&signal, &mut led);
        }
        // An error means that the asker has gone, and the leadership with it.
        drop(asker.send(leadership));
        let watch = async {
            watchdog.bite().await;
            token.end();
            std::future::pending().await
        };
        let listen = async {
            loop {
                hear(&self.signals.recv().await.ok_or(Stopped)?, &mut led);
            }
        };
        tokio::select! {
            () = hold.closed() => {}
            never = watch => return never,
            stopped = listen => return stopped,
        }
        Ok(led)
    }

    /// Waits until the machine leads the role no more.
    async fn left(&mut self) -> Result<(), Stopped> {
        loop {
            if let Signal::Leave(_) = self.signals.recv().await.ok_or(Stopped)? {
                return Ok(());
            }
        }
    }

    fn token(&self, term: Term) -> Token {
        let life = self.handle.life();
        let born = life.borrow().map(|life| life.incarnation);
        Token(Arc::new(Inner {
            fence: Fence { job: self.role.clone(), term },
            lifeline: Lifeline { life, born, kill: self.timing.kill },
            clock: Arc::clone(&self.clock),
            asked: Arc::default(),
            over: SetOnce::new(),
            gone: SetOnce::new(),
        }))
    }

    /// Whoever says in time that it ends.
    fn watchdog(&self, token: &Token) -> Watchdog {
        let Inner { lifeline, asked, .. } = &*token.0;
        Watchdog {
            clock: Arc::clone(&self.clock),
            timing: self.timing,
            life: lifeline.life.clone(),
            born: lifeline.born,
            asked: Arc::clone(asked),
            timeout: None,
            overdue: Arc::default(),
        }
    }
}

/// What a signal means for a leadership that is held.
fn hear(signal: &Signal, led: &mut Option<Held>) {
    match (signal, &led) {
        (Signal::Wind(_), Some(held)) => held.0.ask(),
        (Signal::Leave(_), _) => *led = None,
        _ => {}
    }
}
