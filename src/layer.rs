//! A [`tower`](https://docs.rs/tower) layer that lets requests through only while this instance leads.
//!
//! On the leader a handler finds the [`Fence`] of the term among the request's extensions: a request that takes long
//! may outlive the term, and its writes should then be refused. Everybody else answers 503 at once, and says who
//! leads and where, as far as is known. So it suits whatever several copies serve and one may change.
//!
//! ```
//! # fn routes() -> axum::Router { axum::Router::new() }
//! # fn serve(tenure: &tenure::Tenure) -> Result<(), tenure::machine::NameError> {
//! use tenure::layer::WhileLeading;
//! let app = routes().layer(WhileLeading::new(tenure, "billing".parse()?));
//! # Ok(())
//! # }
//! ```

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Request, Response, StatusCode};
use tokio::sync::Mutex;
use tower_layer::Layer;
use tower_service::Service;

use crate::fence::Fence;
use crate::handle::Handle;
use crate::lease::Input;
use crate::machine::JobName;
use crate::time::{Clock, Instant, SystemClock};

/// The header that says what people call the leader.
pub const LEADER: HeaderName = HeaderName::from_static("tenure-leader");
/// The header that says where the leader's HTTP is.
pub const LEADER_URL: HeaderName = HeaderName::from_static("tenure-leader-url");
/// In how many seconds it is worth while to ask again.
const LATER: HeaderValue = HeaderValue::from_static("1");
/// Who leads is looked up again after this long: a look costs a read of the store.
const LOOK_SPACING: Duration = Duration::from_secs(1);

/// Lets requests through only while this instance leads a job or role.
#[derive(Clone, Debug)]
pub struct WhileLeading {
    handle: Handle,
    job: JobName,
    clock: Arc<dyn Clock>,
    known: Arc<Mutex<Known>>,
}

/// A service behind [`WhileLeading`].
#[derive(Clone, Debug)]
pub struct Led<S> {
    inner: S,
    layer: WhileLeading,
}

/// Who led when that was last looked up.
#[derive(Debug)]
struct Known {
    at: Instant,
    leader: Option<Leader>,
}

#[derive(Clone, Debug)]
struct Leader {
    name: String,
    url: String,
}

impl WhileLeading {
    /// Asks the instance behind `handle` whether it leads `job`.
    pub fn new(handle: &Handle, job: JobName) -> Self {
        let known = Arc::new(Mutex::new(Known { at: Instant::LONG_AGO, leader: None }));
        Self { handle: handle.clone(), job, clock: Arc::new(SystemClock), known }
    }

    /// What lets a request through now, if anything does.
    fn fence(&self) -> Option<Fence> {
        let term = self.handle.term_led(&self.job, self.clock.now())?;
        Some(Fence { job: self.job.clone(), term })
    }

    async fn refusal<R: From<String>>(self) -> Response<R> {
        let leader = self.leader().await;
        let said = match &leader {
            Some(Leader { name, url }) if url.is_empty() => format!("{name} leads {}\n", self.job),
            Some(Leader { name, url }) => format!("{name} leads {}, at {url}\n", self.job),
            None => format!("nobody leads {}, as far as is known\n", self.job),
        };
        let mut response = Response::new(R::from(said));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        let headers = response.headers_mut();
        headers.insert(RETRY_AFTER, LATER);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        if let Some(Leader { name, url }) = leader {
            let said = [(LEADER, name), (LEADER_URL, url)].into_iter().filter(|(_, value)| !value.is_empty());
            // What cannot stand in a header stands in the body.
            headers.extend(said.filter_map(|(name, value)| Some((name, HeaderValue::try_from(value).ok()?))));
        }
        response
    }

    /// Who leads, as this instance knew it a moment ago.
    async fn leader(&self) -> Option<Leader> {
        let mut known = self.known.lock().await;
        if self.clock.now() >= known.at + LOOK_SPACING {
            *known = Known { leader: self.look().await, at: self.clock.now() };
        }
        known.leader.clone()
    }

    /// What this instance knows, which it refreshes because somebody asked: a role that nobody here wants to lead
    /// is of no interest to it otherwise.
    async fn look(&self) -> Option<Leader> {
        self.handle.tell(Input::Woken(vec![self.job.clone()])).await;
        let snapshot = self.handle.snapshot().await?;
        let seat = snapshot.seats.into_iter().find(|seat| seat.job == self.job)?;
        let holder = seat.row.holder?;
        let member = snapshot.members.into_iter().find(|(id, _)| *id == holder).map(|(_, row)| row.url);
        let url = member.or_else(|| (snapshot.incarnation == Some(holder)).then_some(snapshot.url));
        Some(Leader { name: seat.row.leader?, url: url.unwrap_or_default() })
    }
}

impl<S> Layer<S> for WhileLeading {
    type Service = Led<S>;

    fn layer(&self, inner: S) -> Led<S> {
        Led { inner, layer: self.clone() }
    }
}

impl<S, B, R> Service<Request<B>> for Led<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    R: From<String> + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if let Some(fence) = self.layer.fence() {
            request.extensions_mut().insert(fence);
            Box::pin(self.inner.call(request))
        } else {
            let refusal = self.layer.clone().refusal();
            Box::pin(async move { Ok(refusal.await) })
        }
    }
}
