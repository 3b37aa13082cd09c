//! Every setting there is: its key in the file, its flag, its variables, its default, its meaning.

/// One thing that can be set.
#[derive(Debug)]
pub struct Setting {
    /// In the file; a dot leads into a table.
    pub key: &'static str,
    /// On the command line, without its dashes.
    pub flag: Option<&'static str>,
    /// In the environment, the most important first.
    pub env: &'static [&'static str],
    /// When nobody says anything; empty for none.
    pub default: &'static str,
    /// What a value looks like.
    pub value: &'static str,
    /// What it means.
    pub help: &'static str,
}

/// Where the file is; the one setting that it cannot hold itself.
pub const CONFIG: Setting = Setting {
    key: "config",
    flag: Some("config"),
    env: &["TENURE_CONFIG"],
    default: "tenure.toml",
    value: "FILE",
    help: "The configuration file; the default one need not be there",
};

pub(super) const STORE: Setting = Setting {
    key: "store.kind",
    flag: Some("store"),
    env: &["TENURE_STORE"],
    default: "sqlite",
    value: "sqlite|datastore|memory",
    help: "Where the leases live; datastore if one is named, else sqlite",
};

pub(super) const PATH: Setting = Setting {
    key: "store.path",
    flag: Some("path"),
    env: &["TENURE_PATH"],
    default: "tenure.db",
    value: "FILE",
    help: "The file of the sqlite store",
};

pub(super) const PROJECT: Setting = Setting {
    key: "store.project",
    flag: None,
    env: &["DATASTORE_PROJECT_ID", "DATASTORE_DATASET"],
    default: "",
    value: "ID",
    help: "The Google Cloud project of the datastore store",
};

pub(super) const DATABASE: Setting = Setting {
    key: "store.database",
    flag: None,
    env: &["DATASTORE_DATABASE"],
    default: "",
    value: "ID",
    help: "The database in the project; none is the default database",
};

pub(super) const NAMESPACE: Setting = Setting {
    key: "store.namespace",
    flag: None,
    env: &["DATASTORE_NAMESPACE"],
    default: "",
    value: "ID",
    help: "The namespace in the database; none is the default namespace",
};

pub(super) const EMULATOR: Setting = Setting {
    key: "store.emulator",
    flag: None,
    env: &["DATASTORE_EMULATOR_HOST", "DATASTORE_EMULATOR_HOST_PATH", "DATASTORE_HOST"],
    default: "",
    value: "HOST:PORT",
    help: "The emulator to use instead of Google's datastore",
};

pub(super) const CLUSTER: Setting = Setting {
    key: "cluster",
    flag: Some("cluster"),
    env: &["TENURE_CLUSTER"],
    default: "default",
    value: "NAME",
    help: "Which instances in the store belong together",
};

pub(super) const NAME: Setting = Setting {
    key: "name",
    flag: Some("name"),
    env: &["TENURE_NAME"],
    default: "",
    value: "NAME",
    help: "What people call this instance; drawn at random if not given",
};

pub(super) const FAILOVER: Setting = Setting {
    key: "failover",
    flag: Some("failover"),
    env: &["TENURE_FAILOVER"],
    default: "10s",
    value: "DURATION",
    help: "How long a crash may leave a job without a leader",
};

pub(super) const GRACE: Setting = Setting {
    key: "grace",
    flag: Some("grace"),
    env: &["TENURE_GRACE"],
    default: "",
    value: "DURATION",
    help: "How long a running job may take to end when asked; a fifth of the failover",
};

pub(super) const BALANCE: Setting = Setting {
    key: "balance",
    flag: Some("balance"),
    env: &["TENURE_BALANCE"],
    default: "spread",
    value: "spread|sticky",
    help: "Share jobs out evenly, or leave each where it is",
};

pub(super) const LISTEN: Setting = Setting {
    key: "listen",
    flag: Some("listen"),
    env: &["TENURE_LISTEN"],
    default: "127.0.0.1",
    value: "ADDRESS",
    help: "The address on which HTTP is served; 0.0.0.0 for all, as containers need",
};

pub(super) const ADVERTISE: Setting = Setting {
    key: "advertise",
    flag: Some("advertise"),
    env: &["TENURE_ADVERTISE"],
    default: "",
    value: "URL",
    help: "Where other instances reach this one, such as http://host:3000; found out if not given",
};

/// Not `TENURE_PORT`: Kubernetes sets that to a URL for a service called tenure.
pub(super) const PORT: Setting = Setting {
    key: "port",
    flag: Some("port"),
    env: &["APP_PORT", "PORT"],
    default: "3000",
    value: "PORT",
    help: "The port on which HTTP is served; 0 for any free one",
};

pub(super) const APPLICATION: Setting = Setting {
    key: "application",
    flag: None,
    env: &["APP_NAME"],
    default: "tenure",
    value: "NAME",
    help: "What log lines call this program",
};

pub(super) const STAGE: Setting = Setting {
    key: "stage",
    flag: None,
    env: &["APP_STAGE"],
    default: "local",
    value: "NAME",
    help: "What log lines call this environment",
};

pub(super) const JOB_OUTPUT: Setting = Setting {
    key: "job_output",
    flag: Some("job-output"),
    env: &["TENURE_JOB_OUTPUT"],
    default: "json",
    value: "json|raw",
    help: "Write what jobs say as log lines, or as it is",
};

pub(super) const LOG_FORMAT: Setting = Setting {
    key: "log_format",
    flag: Some("log-format"),
    env: &["TENURE_LOG_FORMAT"],
    default: "json",
    value: "json|gcp|text",
    help: "Log for programs, for Google Cloud only, or for people",
};

pub(super) const LOG: Setting = Setting {
    key: "log",
    flag: None,
    env: &["TENURE_LOG", "RUST_LOG"],
    // Google's library logs as errors what we log as an unreachable store.
    default: "info,gcloud_sdk=off",
    value: "FILTER",
    help: "What is logged, such as \"debug\" or \"info,tenure::drive=debug\"",
};

/// All of them, in the order in which people read about them.
pub const ALL: [&Setting; 20] = [
    &CONFIG,
    &STORE,
    &PATH,
    &PROJECT,
    &DATABASE,
    &NAMESPACE,
    &EMULATOR,
    &CLUSTER,
    &NAME,
    &FAILOVER,
    &GRACE,
    &BALANCE,
    &LISTEN,
    &ADVERTISE,
    &PORT,
    &APPLICATION,
    &STAGE,
    &JOB_OUTPUT,
    &LOG_FORMAT,
    &LOG,
];
