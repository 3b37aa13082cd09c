//! Which Datastore, and where in it.

use std::fmt;
use std::time::Duration;

use crate::stores::DatastorePlace;

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
    /// `place`, with what the configuration says elsewhere.
    #[must_use]
    pub fn new(place: &DatastorePlace, cluster: &str, deadline: Duration) -> Self {
        let DatastorePlace { project, database, namespace, emulator } = place.clone();
        Self { project, database, namespace, emulator, cluster: cluster.to_owned(), deadline }
    }

    pub(super) fn url(&self) -> String {
        self.emulator.as_ref().map_or_else(|| GOOGLE.to_owned(), |address| format!("http://{address}"))
    }
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

    fn options(emulator: Option<&str>, database: &str, namespace: &str) -> Options {
        let place = DatastorePlace {
            project: "acme".to_owned(),
            database: database.to_owned(),
            namespace: namespace.to_owned(),
            emulator: emulator.map(str::to_owned),
        };
        Options::new(&place, "blue", Duration::from_secs(1))
    }

    #[test]
    fn without_an_emulator_google_is_called() {
        let options = options(None, "jobs", "eu");
        assert_eq!(options.url(), GOOGLE);
        assert_eq!(
            options.to_string(),
            "Datastore (project acme, database jobs, namespace eu, cluster blue)"
        );
    }

    #[test]
    fn an_emulator_is_called_without_encryption() {
        let options = options(Some("localhost:8081"), "", "");
        assert_eq!(options.url(), "http://localhost:8081");
        assert_eq!(
            options.to_string(),
            "the Datastore emulator at localhost:8081 (project acme, cluster blue)"
        );
    }
}
