//! A directory of the file system.
//!
//! Everything goes through one open descriptor of the folder, so an index stays with its folder when
//! that is renamed, when the process changes its working directory, or when another folder takes
//! the path. A name becomes durable by an fsync of the folder that it stands in.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

use super::fs_file::FsFile;
use super::lock::FsLock;
use super::name::{LOCK_NAME, check_folder, check_name};
use super::{Directory, DirectoryLock, File, LockMode, OpenMode};
use crate::sync::Mutex;

/// To note the time of access is a write to the file system's journal, so a reader would wait for whoever syncs.
#[cfg(target_os = "linux")]
const NO_ACCESS_TIME: OFlags = OFlags::NOATIME;
#[cfg(not(target_os = "linux"))]
const NO_ACCESS_TIME: OFlags = OFlags::empty();

/// A folder of the file system.
///
/// Files that have names which are no UTF-8 are not listed, and `.lock` belongs to the lock: it is
/// neither listed nor opened. A full disk gives [`io::ErrorKind::StorageFull`], an exhausted quota
/// [`io::ErrorKind::QuotaExceeded`]; a write or allocation that fails so may have been done in part,
/// and its space comes back when the file is removed.
///
/// ```
/// use hestiastore::directory::{Directory, FsDirectory, OpenMode};
///
/// # fn main() -> std::io::Result<()> {
/// let place = tempfile::tempdir()?;
/// let directory = FsDirectory::create(place.path().join("index"))?;
/// let file = directory.create("run")?;
/// file.write_at(0, b"content")?;
/// file.sync()?; // the content is durable
/// directory.sync()?; // and so is the name
///
/// let mut bytes = [0; 7];
/// directory.open("run", OpenMode::Read)?.read_at(0, &mut bytes)?;
/// assert_eq!(&bytes, b"content");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FsDirectory {
    path: PathBuf,
    root: fs::File,
    /// Every folder that this handle has changed. Entries stay, and each sync goes over all of
    /// them: a sync that finds nothing to do must not overtake one that is under way.
    folders: Mutex<BTreeMap<String, Arc<fs::File>>>,
}

impl FsDirectory {
    /// Opens a folder that exists; `NotFound` or `NotADirectory` otherwise. Makes nothing.
    ///
    /// # Errors
    /// What the system says of the path.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        let root = open_folder(rustix::fs::CWD, &path)?;
        Ok(Self { path, root, folders: Mutex::new(BTreeMap::new()) })
    }

    /// Opens a folder, and makes it and its parents where they do not exist. What it makes is
    /// durable when this returns.
    ///
    /// # Errors
    /// What the system says of the path, or of the fsync of a parent.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        let missing: Vec<&Path> = path.ancestors().take_while(|path| !path.is_dir()).collect();
        for folder in missing.into_iter().rev() {
            match fs::create_dir(folder) {
                Err(error) if !folder.is_dir() => return Err(error),
                _ => {}
            }
            if let Some(parent) = folder.parent() {
                open_folder(rustix::fs::CWD, parent)?.sync_all()?;
            }
        }
        Self::open(path)
    }

    fn open_at(&self, name: &str, flags: OFlags) -> io::Result<fs::File> {
        // Without NONBLOCK the opening of a pipe that somebody left here would wait for ever.
        let flags = flags | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let mode = Mode::from_raw_mode(0o666);
        let file: fs::File = retry_on_intr(|| rustix::fs::openat(&self.root, name, flags, mode))?.into();
        let kind = file.metadata()?.file_type();
        if kind.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if !kind.is_file() {
            let message = format!("{name} is not a regular file");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        Ok(file)
    }

    fn open_to_read(&self, name: &str) -> io::Result<fs::File> {
        match self.open_at(name, OFlags::RDONLY | NO_ACCESS_TIME) {
            // The file is somebody else's.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                self.open_at(name, OFlags::RDONLY)
            }
            outcome => outcome,
        }
    }

    /// To be called before a change in a folder, so that no change can miss the next sync.
    fn remember(&self, folder: Option<&str>) -> io::Result<()> {
        let Some(folder) = folder else { return Ok(()) };
        let mut folders = self.folders.lock();
        if !folders.contains_key(folder) {
            let handle = open_folder(&self.root, folder)?;
            folders.insert(folder.to_owned(), Arc::new(handle));
        }
        Ok(())
    }

    fn is_folder(&self, name: &str) -> io::Result<bool> {
        let stat = rustix::fs::statat(&self.root, name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
    }

    fn open_lock_file(&self, mode: LockMode) -> io::Result<fs::File> {
        if mode == LockMode::Shared {
            // Reading is enough for a reader, and all that a read-only directory gives.
            match self.open_at(LOCK_NAME, OFlags::RDONLY) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                outcome => return outcome,
            }
        }
        self.open_at(LOCK_NAME, OFlags::RDWR | OFlags::CREATE)
    }
}

impl Directory for FsDirectory {
    fn location(&self) -> String {
        self.path.display().to_string()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        self.remember(check_name(name)?)?;
        let file = self.open_at(name, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL)?;
        Ok(Arc::new(FsFile::new(file, OpenMode::ReadWrite)))
    }

    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        check_name(name)?;
        let file = match mode {
            OpenMode::Read => self.open_to_read(name)?,
            OpenMode::ReadWrite => self.open_at(name, OFlags::RDWR)?,
        };
        Ok(Arc::new(FsFile::new(file, mode)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from_folder, to_folder) = (check_name(from)?, check_name(to)?);
        if self.is_folder(from)? {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        self.remember(from_folder)?;
        self.remember(to_folder)?;
        match rustix::fs::renameat(&self.root, from, &self.root, to) {
            // What Linux says when the target is the folder that the file is in.
            Err(Errno::NOTEMPTY) => Err(io::ErrorKind::IsADirectory.into()),
            outcome => Ok(outcome?),
        }
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.remember(check_name(name)?)?;
        Ok(rustix::fs::unlinkat(&self.root, name, AtFlags::empty())?)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.root)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            if matches!(name, "." | ".." | LOCK_NAME) {
                continue;
            }
            let folder = match entry.file_type() {
                FileType::Directory => true,
                FileType::Unknown => match self.is_folder(name) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    outcome => outcome?,
                },
                _ => false,
            };
            if !folder {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    fn create_folder(&self, name: &str) -> io::Result<()> {
        check_folder(name)?;
        match rustix::fs::mkdirat(&self.root, name, Mode::from_raw_mode(0o777)) {
            Err(Errno::EXIST) if self.is_folder(name)? => Ok(()),
            outcome => Ok(outcome?),
        }
    }

    fn sync(&self) -> io::Result<()> {
        let folders: Vec<Arc<fs::File>> = self.folders.lock().values().cloned().collect();
        for folder in folders {
            folder.sync_all()?;
        }
        self.root.sync_all()
    }

    fn lock(&self, mode: LockMode) -> io::Result<Box<dyn DirectoryLock>> {
        let file = self.open_lock_file(mode).map_err(|error| {
            let message = format!("{LOCK_NAME} in {} cannot be opened or made: {error}", self.location());
            io::Error::new(error.kind(), message)
        })?;
        Ok(Box::new(FsLock::take(file, mode)?))
    }
}

fn open_folder(at: impl std::os::fd::AsFd, path: impl rustix::path::Arg + Copy) -> io::Result<fs::File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(retry_on_intr(|| rustix::fs::openat(&at, path, flags, Mode::empty()))?.into())
}
