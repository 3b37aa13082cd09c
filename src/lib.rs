//! One leader per job, on the datastore you already have.
//!
//! Several copies of your program run; each job must be led by exactly one of them. Each copy starts an instance, which
//! competes for one lease row a job in a store that all of them reach: an SQLite file on one machine, or Google's
//! Datastore. There is no server to install, and one heartbeat keeps any number of leases.
//!
//! ```
//! # use std::time::Duration;
//! # use tenure::{Tenure, jobs::Run, stores::Place};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let tenure = Tenure::builder()
//!     .store(Place::Memory) // or Place::Sqlite, Place::Datastore
//!     .every("billing", Duration::from_mins(1), async |run: Run| {
//!         run.say("bills are sent");
//!         Ok(())
//!     })
//!     .role("indexer")
//!     .build()?
//!     .start()
//!     .await?;
//!
//! let leadership = tenure.lead("indexer").await?; // until this instance leads
//! if leadership.while_held(async { /* index */ }).await.is_none() {
//!     // lost: another one leads before long
//! }
//! drop(leadership); // given up
//! tenure.stop().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # A tour
//!
//! 1. **Start**: [`Builder`] describes an instance and refuses what cannot work, before anything is opened.
//!    [`Tenure`] runs it. A store that cannot carry leases is found out by [`stores::prove`].
//! 2. **Jobs** are due by a [schedule](schedulers), at most once each time, and do what an
//!    [`Action`](jobs::Action) does: a closure, a command, a request. What becomes of times that nobody was there for is
//!    their [`Policy`](schedulers::Policy).
//! 3. **Roles** have no schedule: a [`Leadership`] is held for as long as you like. It ends by the clock, before
//!    anybody else can lead, and says so a grace earlier.
//! 4. **Fences**: a leader can be paused between its last look and its next write. A [`Fence`] makes the store itself
//!    refuse the write of a leader of the past, together with your own data.
//! 5. **HTTP**: [`layer::WhileLeading`] lets requests through only on the leader, and says elsewhere who that is.
//! 6. **Look**: a [`Handle`](handle::Handle) shows what an instance knows, how its store does, and what it counted.
//!
//! # What holds
//!
//! [`lease`] is the protocol: pure, under an essay with its rules, its proof and what it does not guarantee.
//! [`machine`] is the trait that it implements, [`drive`](mod@drive) what runs it. [`stores`] has the alternatives, and
//! the suite that each of them passes. [`prove`](mod@prove) tries it all on a store of yours, [`sim`] in simulated worlds. [`elections`] has the classic
//! elections, which lead nothing here and have a laboratory of their own.
//!
//! # Features
//!
//! | feature | what it brings |
//! |---|---|
//! | `sqlite` | [`stores::sqlite`] |
//! | `datastore` | [`stores::datastore`] |
//! | `program` | the program `tenure`: its command line, configuration and pages; a library needs none of it |
//!
//! All are on by default: `default-features = false, features = ["sqlite"]` is a third of the dependencies. Tenure
//! needs Linux, whose boot clock goes on while a machine sleeps, and a Tokio runtime of either kind.

mod client;
#[cfg(feature = "program")]
pub mod commands;
#[cfg(feature = "program")]
pub mod config;
pub mod drive;
pub mod elections;
pub mod embed;
#[cfg(feature = "program")]
pub mod exec;
#[cfg(feature = "program")]
pub mod failure;
pub mod fence;
pub mod handle;
pub mod history;
#[cfg(feature = "program")]
pub mod http;
pub mod instance;
pub mod jobs;
#[cfg(feature = "program")]
pub mod lab;
pub mod layer;
pub mod leadership;
pub mod lease;
pub mod log;
pub mod machine;
pub mod ports;
pub mod prove;
#[cfg(feature = "program")]
mod reload;
pub mod report;
pub mod rows;
#[cfg(feature = "program")]
pub mod run;
pub mod schedulers;
pub mod secret;
#[cfg(feature = "program")]
mod service;
pub mod signals;
pub mod sim;
pub mod stores;
pub mod time;

pub use embed::{BuildError, Builder, Ready, StopError, Tenure};
pub use fence::{Fence, FenceError};
pub use leadership::{LeadError, Leadership, Token};

#[cfg(doctest)]
#[doc = "```"]
#[doc = include_str!("../examples/embed.rs")]
#[doc = "```"]
struct Embed;

#[cfg(doctest)]
#[doc = "```"]
#[doc = include_str!("../examples/fence.rs")]
#[doc = "```"]
struct Fenced;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
