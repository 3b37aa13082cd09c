//! Leadership without a schedule: a role that somebody asks to lead, holds, and gives up.
//!
//! ```text
//!   lead("indexer") ---> Leadership ---------------------------> dropped: another may lead
//!                           |            |                 |
//!                       is_held()     lost() fires     is_held() is false
//!                        is true    wind up and drop   nobody else leads yet
//! ```
//!
//! * **It ends by the clock, before anybody else can lead.** [`Token::is_held`] compares the boot clock with the end
//!   of the lease, so it is right even after a pause of the process in which nobody could be told anything.
//! * **[`Token::lost`] comes first**, a grace earlier, when the lease could not be renewed, when a person wants the role
//!   to move, or when the instance stops. It never turns back: a lease that is renewed after all begins a new term.
//! * **Dropped is given up.** A role moves on only when its [`Leadership`] is dropped, so never under work that goes
//!   on, unless the lease ends first. Its next leadership, here or elsewhere, has a higher term.
//! * **Between the check and the effect** a process may be paused. What must not happen twice belongs into a
//!   [fenced write](crate::fence).

mod steward;

use std::fmt;
use std::sync::Arc;

use tokio::sync::{SetOnce, watch};

pub(crate) use self::steward::{Asker, MOST_ASKERS, Steward};
use crate::fence::Fence;
use crate::jobs::Lifeline;
use crate::machine::{JobName, Term};
use crate::time::{Clock, Instant};

/// A term in which this instance leads a role. Dropped, it is given up.
#[derive(Debug)]
#[must_use = "a leadership that is dropped is given up"]
pub struct Leadership {
    token: Token,
    /// Its steward waits for the end of this.
    _hold: watch::Receiver<()>,
}

/// What the work of a leadership, or any part of it, needs to know. Clones tell the same, and hold nothing.
#[derive(Clone)]
pub struct Token(Arc<Inner>);

struct Inner {
    fence: Fence,
    lifeline: Lifeline,
    clock: Arc<dyn Clock>,
    /// Set when it is time to wind up.
    asked: Arc<SetOnce<()>>,
    /// Set when it is over, whatever the clock shows.
    over: SetOnce<()>,
    /// Set when the store is told.
    gone: SetOnce<()>,
}

/// Why nobody can lead a role here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeadError {
    /// Every instance of a cluster needs the same list of jobs and roles, so it is given at the start.
    #[error("this instance has no role called \"{0}\": name it with Builder::role before the start")]
    NoSuchRole(String),
    /// The instance leads nothing more.
    #[error("this instance has stopped: start another one")]
    Stopped,
}

impl Leadership {
    /// The term: it only rises, and belongs to this leadership alone.
    pub fn term(&self) -> Term {
        self.token.term()
    }

    /// See [`Token::until`].
    pub fn until(&self) -> Option<Instant> {
        self.token.until()
    }

    /// See [`Token::is_held`].
    pub fn is_held(&self) -> bool {
        self.token.is_held()
    }

    /// See [`Token::lost`].
    pub async fn lost(&self) {
        self.token.lost().await;
    }

    /// See [`Token::while_held`].
    pub async fn while_held<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.token.while_held(work).await
    }

    /// What a store checks before it writes in the name of this leadership.
    pub fn fence(&self) -> &Fence {
        self.token.fence()
    }

    /// For the parts of the work that do not own the leadership.
    pub fn token(&self) -> Token {
        self.token.clone()
    }

    /// Gives it up as dropping it does, and returns when the store is told.
    pub async fn release(self) {
        let token = self.token();
        drop(self);
        token.0.gone.wait().await;
    }
}

impl Drop for Leadership {
    fn drop(&mut self) {
        self.token.end();
    }
}

impl Token {
    /// The term: it only rises, and belongs to one leadership alone.
    pub fn term(&self) -> Term {
        self.0.fence.term
    }

    /// The role that is led.
    pub fn role(&self) -> &JobName {
        &self.0.fence.job
    }

    /// What a store checks before it writes in the name of this leadership.
    pub fn fence(&self) -> &Fence {
        &self.0.fence
    }

    /// When it ends unless the lease is renewed, which moves it on; `None` once it is over.
    pub fn until(&self) -> Option<Instant> {
        self.0.lifeline.cut().filter(|_| !self.0.over.initialized())
    }

    /// Whether it holds at this moment: nobody else leads.
    pub fn is_held(&self) -> bool {
        self.until().is_some_and(|until| self.0.clock.now() < until)
    }

    /// Waits until it is time to wind up: from now on no other can lead for a grace, or for as long as the
    /// [`Leadership`] is kept, whichever ends first.
    pub async fn lost(&self) {
        self.0.asked.wait().await;
    }

    /// Does `work` until it is lost: `None` if that came first, and `work` was dropped where it stood.
    pub async fn while_held<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.lost() => None,
            done = work => Some(done),
        }
    }

    /// Says that it is time to wind up.
    fn ask(&self) {
        // An error means that it was said before.
        drop(self.0.asked.set(()));
    }

    /// Says that it is over.
    fn end(&self) {
        // An error means that it was said before.
        drop(self.0.over.set(()));
        self.ask();
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { fence, .. } = &*self.0;
        f.debug_struct("Token")
            .field("fence", fence)
            .field("is_held", &self.is_held())
            .finish_non_exhaustive()
    }
}
