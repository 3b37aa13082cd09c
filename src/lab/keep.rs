//! What a node keeps when it crashes, in a small file of its own.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::LabError;
use crate::elections::Stable;

/// The file.
#[derive(Debug)]
pub(super) struct Keep {
    folder: PathBuf,
    name: String,
}

impl Keep {
    /// The file called `name`, in a folder that is made if it is not there.
    pub(super) fn open(folder: &Path, name: String) -> Result<Self, LabError> {
        let problem = |error: io::Error| LabError::Keep { path: folder.to_owned(), why: error.to_string() };
        fs::create_dir_all(folder).map_err(problem)?;
        Ok(Self { folder: folder.to_owned(), name })
    }

    fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// What was kept; zeros if nothing ever was.
    pub(super) fn load(&self) -> Result<Stable, LabError> {
        let problem = |why| LabError::Keep { path: self.path(), why };
        match fs::read(self.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Stable::default()),
            Err(error) => Err(problem(error.to_string())),
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| problem(error.to_string())),
        }
    }

    /// Keeps it: when this returns, no crash of the machine takes it away.
    pub(super) fn save(&self, stable: Stable) -> Result<(), LabError> {
        let save = || -> io::Result<()> {
            let draft = self.folder.join(format!("{}.new", self.name));
            let mut file = File::create(&draft)?;
            file.write_all(&serde_json::to_vec(&stable)?)?;
            file.sync_all()?;
            fs::rename(&draft, self.path())?;
            File::open(&self.folder)?.sync_all()
        };
        save().map_err(|error| LabError::Keep { path: self.path(), why: error.to_string() })
    }
}
