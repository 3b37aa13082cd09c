//! placeholder
#![allow(missing_docs)]
use crate::handle::Handle;
use crate::lease::About;
use crate::machine::JobName;
use crate::schedulers::Every;
use crate::time::Clock;
use std::collections::BTreeMap;
use std::sync::Arc;
#[derive(Clone, Debug)]
pub struct App {
    pub handle: Handle,
    pub about: About,
    pub stage: String,
    pub cluster: String,
    pub store: String,
    pub jobs: BTreeMap<JobName, Every>,
    pub clock: Arc<dyn Clock>,
}
pub async fn serve(_l: tokio::net::TcpListener, _a: App, until: impl Future<Output = ()>) {
    until.await;
}
