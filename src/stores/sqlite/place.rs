//! Where the file is: its directory's lock, and whether it still is the same file.

use std::fs::{File, metadata, read_dir};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock, fstatfs};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use crate::stores::StoreError;
use crate::time::{Clock, Instant, SystemClock};

/// How often a directory that another process is just locking is tried again.
const RETRY: Duration = Duration::from_millis(5);

/// How many files an open store takes, and its queries for a moment.
const FILES: u64 = 8;

/// The kernel's numbers for NFS, SMB (three of them), Ceph and AFS.
const REMOTE_DISKS: [u64; 6] = [0x6969, 0x517b, 0xfe53_4d42, 0xff53_4d42, 0x00c3_6400, 0x5346_414f];

/// A place in use.
#[derive(Debug)]
pub(super) struct Place {
    /// As it was asked for, links included.
    named: PathBuf,
    /// As it stands on the disk.
    pub(super) real: PathBuf,
    directory: File,
    /// No other process used the directory when this one came.
    pub(super) alone: bool,
    files: Option<[FileId; 3]>,
}

/// Device and inode.
type FileId = (u64, u64);

impl Place {
    /// Comes to a place, with its directory locked: exclusively if it is free, until [`Self::settle`].
    pub(super) fn enter(named: &Path, until: Instant) -> Result<Self, StoreError> {
        let real = resolve(named)?;
        let parent = real.parent().unwrap_or(&real);
        let directory = File::open(parent).map_err(|error| {
            let parent = parent.display();
            if let Some(why) = too_few_files() {
                return StoreError::Denied(format!("{parent} cannot be read: {why}"));
            }
            StoreError::Denied(format!("{parent} cannot be read ({error}): let this user read it"))
        })?;
        if fstatfs(&directory)
            .is_ok_and(|disk| REMOTE_DISKS.contains(&u64::try_from(disk.f_type).unwrap_or(0)))
        {
            return Err(StoreError::Unfit(format!(
                "{} is on a network disk, where SQLite cannot keep two machines apart: use a local disk",
                named.display()
            )));
        }
        let alone = flock(&directory, FlockOperation::NonBlockingLockExclusive).is_ok();
        let place = Self { named: named.to_owned(), directory, alone, files: None, real };
        if !alone {
            place.share(until)?;
        }
        Ok(place)
    }

    /// The path as it was asked for.
    pub(super) fn named(&self) -> &Path {
        &self.named
    }

    /// Which file there is already, if any.
    pub(super) fn database(&self) -> Option<FileId> {
        identify(&self.named).ok()
    }

    /// Keeps in mind which files are in use, and lets others in.
    pub(super) fn settle(&mut self, until: Instant) -> Result<(), StoreError> {
        self.files = Some(self.present().map_err(|error| self.moved(&error.to_string()))?);
        // Changing a lock lets others slip in between. That does no harm: they open the file before
        // they let this one go on, and whoever then finds it replaced stops.
        self.share(until)
    }

    /// Makes sure that the files in use are the ones under their names.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match self.present() {
            Ok(files) if Some(files) == self.files => Ok(()),
            Ok(_) => Err(self.moved("other files have taken their names")),
            Err(error) => Err(self.moved(&error.to_string())),
        }
    }

    /// That what is open here is not, or no longer, what others find.
    pub(super) fn moved(&self, why: &str) -> StoreError {
        StoreError::Denied(format!(
            "{} or its -wal or -shm file was deleted or replaced while in use ({why}): stop every instance \
             that uses it, restore the files or let them go, and start again",
            self.named.display()
        ))
    }

    fn present(&self) -> io::Result<[FileId; 3]> {
        let beside = |suffix: &str| {
            let mut path = self.real.clone().into_os_string();
            path.push(suffix);
            identify(Path::new(&path))
        };
        Ok([identify(&self.named)?, beside("-wal")?, beside("-shm")?])
    }

    fn share(&self, until: Instant) -> Result<(), StoreError> {
        loop {
            match flock(&self.directory, FlockOperation::NonBlockingLockShared) {
                Ok(()) => return Ok(()),
                Err(Errno::WOULDBLOCK | Errno::INTR) if SystemClock.now() < until => {
                    std::thread::sleep(RETRY);
                }
                Err(error) => {
                    return Err(StoreError::Unreachable(format!(
                        "the directory of {} cannot be locked ({error}): is another instance stuck while it \
                         starts, or is this no local disk?",
                        self.real.display()
                    )));
                }
            }
        }
    }
}

fn resolve(named: &Path) -> Result<PathBuf, StoreError> {
    let path = named.display();
    let (Some(parent), Some(name)) = (named.parent(), named.file_name()) else {
        return Err(StoreError::Denied(format!("{path} is a directory: name a file in it")));
    };
    match metadata(named) {
        Ok(found) if found.is_file() => named.canonicalize(),
        Ok(_) => return Err(StoreError::Denied(format!("{path} is not a file: name one"))),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            parent.canonicalize().map(|parent| parent.join(name))
        }
        Err(error) => Err(error),
    }
    .map_err(|error| {
        let missing = matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
        StoreError::Denied(if missing {
            format!("there is no directory {}: create it", parent.display())
        } else {
            format!("{path} cannot be reached ({error}): give this user access to it")
        })
    })
}

/// That this process may open too few files, and what to do about it, if that is so.
pub(super) fn too_few_files() -> Option<String> {
    let most = getrlimit(Resource::Nofile).current?;
    let open = read_dir("/proc/self/fd").map_or(most, |files| u64::try_from(files.count()).unwrap_or(most));
    (open + FILES > most).then(|| {
        format!(
            "this process may open {most} files and needs more: raise the limit (ulimit -n, LimitNOFILE=)"
        )
    })
}

fn identify(path: &Path) -> io::Result<FileId> {
    metadata(path).map(|found| (found.dev(), found.ino()))
}
