//! The line to the server: dialling, deadlines, and hanging up on silence.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gcloud_sdk::google::datastore::v1::datastore_client::DatastoreClient;
use gcloud_sdk::tonic::metadata::AsciiMetadataValue;
use gcloud_sdk::tonic::service::Interceptor;
use gcloud_sdk::tonic::service::interceptor::InterceptedService;
use gcloud_sdk::tonic::transport::{ClientTlsConfig, Endpoint};
use gcloud_sdk::tonic::{Code, Request, Status};
use gcloud_sdk::{GCP_DEFAULT_SCOPES, GoogleAuthHeaders, GoogleAuthMiddleware};
use google_cloud_auth::credentials::{Builder, Credentials, anonymous};

use super::{Options, verdict};
use crate::stores::StoreError;

/// An idle line is tried this often, so that nothing between us and the server forgets it.
const KEEP_ALIVE: Duration = Duration::from_mins(1);
/// Largest answer that is read. The default of 4 MiB is less than a thousand full rows.
const LARGEST_ANSWER: usize = 64 << 20;

/// What calls go through. Cheap to clone.
pub(super) type Client = DatastoreClient<InterceptedService<GoogleAuthMiddleware, Header>>;

/// The line to the server. It connects when it is first used, and again whenever it has to.
pub(super) struct Line {
    server: String,
    deadline: Duration,
    endpoint: Endpoint,
    auth: Arc<GoogleAuthHeaders>,
    header: Header,
    dialled: Mutex<Dialled>,
}

/// What is in use now, and how many were before.
struct Dialled {
    count: u64,
    client: Client,
}

impl Line {
    pub(super) fn new(options: &Options) -> Result<Self, StoreError> {
        let credentials = match options.emulator {
            Some(_) => anonymous::Builder::new().build(),
            None => Builder::default().with_scopes(GCP_DEFAULT_SCOPES.iter()).build().map_err(|error| {
                StoreError::Denied(format!("{options} cannot be called ({error}): {}", verdict::LOG_IN))
            })?,
        };
        Self::with_credentials(options, credentials)
    }

    fn with_credentials(options: &Options, credentials: Credentials) -> Result<Self, StoreError> {
        let wrong = |error: String| StoreError::Denied(format!("{options} cannot be called ({error})"));
        let endpoint = endpoint(options).map_err(|error| wrong(verdict::root(&error)))?;
        let header = Header::new(options).map_err(wrong)?;
        let auth = Arc::new(GoogleAuthHeaders::from(credentials));
        let client = dial(&endpoint, &auth, &header).map_err(|error| wrong(error.to_string()))?;
        Ok(Self {
            server: options.to_string(),
            deadline: options.deadline,
            endpoint,
            auth,
            header,
            dialled: Mutex::new(Dialled { count: 0, client }),
        })
    }

    /// Does `work`, which may be several requests, within the deadline.
    pub(super) async fn call<T, F>(&self, work: impl FnOnce(Client) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let (count, client) = {
            let dialled = self.dialled();
            (dialled.count, dialled.client.clone())
        };
        let answer = tokio::time::timeout(self.deadline, work(client)).await;
        let status = match answer {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(status)) if !matches!(status.code(), Code::Cancelled | Code::DeadlineExceeded) => status,
            Ok(Err(_)) | Err(_) => {
                self.redial(count);
                Status::deadline_exceeded(format!("no answer within {:?}", self.deadline))
            }
        };
        Err(verdict::of(&self.server, &status))
    }

    /// Replaces the connection number `count`, unless another call has done so.
    fn redial(&self, count: u64) {
        let mut dialled = self.dialled();
        if dialled.count == count
            && let Ok(client) = dial(&self.endpoint, &self.auth, &self.header)
        {
            *dialled = Dialled { count: count + 1, client };
        }
    }

    fn dialled(&self) -> MutexGuard<'_, Dialled> {
        self.dialled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn endpoint(options: &Options) -> Result<Endpoint, gcloud_sdk::tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(options.url())?
        .connect_timeout(options.deadline)
        .tcp_keepalive(Some(KEEP_ALIVE))
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(options.deadline)
        .keep_alive_while_idle(true);
    match options.emulator {
        Some(_) => Ok(endpoint),
        None => endpoint.tls_config(ClientTlsConfig::new().with_webpki_roots()),
    }
}

fn dial(
    endpoint: &Endpoint,
    auth: &Arc<GoogleAuthHeaders>,
    header: &Header,
) -> gcloud_sdk::error::Result<Client> {
    let service = GoogleAuthMiddleware::new(endpoint.connect_lazy(), Arc::clone(auth), None)?;
    Ok(DatastoreClient::with_interceptor(service, header.clone()).max_decoding_message_size(LARGEST_ANSWER))
}

/// What every request says besides its content.
#[derive(Clone)]
pub(super) struct Header {
    /// After this long the server need not go on.
    deadline: Duration,
    /// By this, Google finds a database that is not the default one.
    route: AsciiMetadataValue,
}

impl Header {
    fn new(options: &Options) -> Result<Self, String> {
        let route = format!("project_id={}&database_id={}", options.project, options.database);
        let invalid = |_| format!("\"{}\" cannot stand in a header", route.escape_debug());
        Ok(Self { deadline: options.deadline, route: route.parse().map_err(invalid)? })
    }
}

impl Interceptor for Header {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.set_timeout(self.deadline);
        request.metadata_mut().insert("x-goog-request-params", self.route.clone());
        Ok(request)
    }
}
