//! Which Datastore, and where in it.

use std::fmt;
use std::time::Duration;

use crate::stores::StoreError;

/// Where Google's own servers answer.
const GOOGLE: &str = "https://datastore.googleapis.com";

/// Which Datastore, and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The Google Cloud project.
    pub project: String,
    /// The database in it; empty for the default one.
    pub database: String,
    /// The namespace in that; empty for the default one.
    pub namespace: String,
    /// `host:port` of an emulator; `None` for Google's own servers, which are called with the
    /// Application Default Credentials.
    pub emulator: Option<String>,
    /// The cluster, under which all rows are.
    pub cluster: String,
    /// No call takes longer.
    pub deadline: Duration,
}

impl Options {
    /// What the environment says, by the names that Google's clients and
    /// `gcloud beta emulators datastore env-init` use. `lookup` finds a variable; an empty one is
    /// none.
    pub fn from_env(
        lookup: impl Fn(&str) -> Option<String>,
        cluster: impl Into<String>,
        deadline: Duration,
    ) -> Result<Self, StoreError> {
        let find =
            |names: &[&str]| names.iter().filter_map(|name| lookup(name)).find(|value| !value.is_empty());
        let project = find(&["DATASTORE_PROJECT_ID", "DATASTORE_DATASET"]);
        let emulator = find(&["DATASTORE_EMULATOR_HOST", "DATASTORE_EMULATOR_HOST_PATH", "DATASTORE_HOST"]);
        Ok(Self {
            project: project.ok_or_else(|| StoreError::Denied(NO_PROJECT.to_owned()))?,
            database: find(&["DATASTORE_DATABASE"]).unwrap_or_default(),
            namespace: find(&["DATASTORE_NAMESPACE"]).unwrap_or_default(),
            emulator: emulator.map(|address| host_and_port(&address).to_owned()),
            cluster: cluster.into(),
            deadline,
        })
    }

    pub(super) fn url(&self) -> String {
        self.emulator.as_ref().map_or_else(|| GOOGLE.to_owned(), |address| format!("http://{address}"))
    }
}

const NO_PROJECT: &str = "Datastore needs a project: set DATASTORE_PROJECT_ID";

/// `http://localhost:8081/datastore` and the like, as `env-init` prints them.
fn host_and_port(address: &str) -> &str {
    let address = address.strip_prefix("http://").unwrap_or(address);
    // An `https://` is left to be refused: it must not pass for a host.
    if address.contains("://") { address } else { address.split('/').next().unwrap_or_default() }
}

/// For people, at the beginning of a sentence or within one.
impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.emulator {
            None => write!(f, "Datastore")?,
            Some(address) => write!(f, "the Datastore emulator at {address}")?,
        }
        write!(f, " (project {}", self.project)?;
        for (name, value) in [("database", &self.database), ("namespace", &self.namespace)] {
            if !value.is_empty() {
                write!(f, ", {name} {value}")?;
            }
        }
        write!(f, ", cluster {})", self.cluster)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(variables: &[(&str, &str)]) -> Result<Options, StoreError> {
        let lookup = |name: &str| {
            variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
        };
        Options::from_env(lookup, "blue", Duration::from_secs(1))
    }

    #[test]
    fn the_environment_names_a_place_at_google() {
        let options = options(&[
            ("DATASTORE_PROJECT_ID", "acme"),
            ("DATASTORE_DATABASE", "jobs"),
            ("DATASTORE_NAMESPACE", "eu"),
            ("DATASTORE_EMULATOR_HOST", ""),
        ])
        .unwrap();
        assert_eq!(options.emulator, None);
        assert_eq!(options.url(), GOOGLE);
        assert_eq!(
            options.to_string(),
            "Datastore (project acme, database jobs, namespace eu, cluster blue)"
        );
    }

    #[test]
    fn every_spelling_of_an_emulator_is_understood() {
        for (name, value) in [
            ("DATASTORE_EMULATOR_HOST", "localhost:8081"),
            ("DATASTORE_EMULATOR_HOST", "http://localhost:8081"),
            ("DATASTORE_EMULATOR_HOST", "http://localhost:8081/"),
            ("DATASTORE_EMULATOR_HOST_PATH", "localhost:8081/datastore"),
            ("DATASTORE_HOST", "http://localhost:8081"),
        ] {
            let options = options(&[("DATASTORE_DATASET", "acme"), (name, value)]).unwrap();
            assert_eq!(options.url(), "http://localhost:8081", "{name}={value}");
            assert_eq!(
                options.to_string(),
                "the Datastore emulator at localhost:8081 (project acme, cluster blue)"
            );
        }
    }

    #[test]
    fn a_missing_project_is_said() {
        assert_eq!(options(&[]), Err(StoreError::Denied(NO_PROJECT.to_owned())));
    }
}
