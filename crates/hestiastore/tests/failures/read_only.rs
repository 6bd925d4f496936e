//! A file system that lets nobody write any more.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hestiastore::directory::{Directory, DirectoryLock, File, LockMode, OpenMode, SimulatedDirectory};

use crate::support::{Index, quiet, small};

/// As after `mount -o remount,ro`: what exists can be opened for reading, listed and synced.
#[derive(Debug)]
struct Remounted {
    inner: SimulatedDirectory,
    read_only: AtomicBool,
}

impl Remounted {
    fn check(&self) -> io::Result<()> {
        match self.read_only.load(Ordering::Relaxed) {
            true => Err(io::ErrorKind::ReadOnlyFilesystem.into()),
            false => Ok(()),
        }
    }
}

impl Directory for Remounted {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        self.check()?;
        self.inner.create(name)
    }

    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        if mode == OpenMode::ReadWrite {
            self.check()?;
        }
        self.inner.open(name, mode)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.check()?;
        self.inner.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.check()?;
        self.inner.remove(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.inner.list()
    }

    fn create_folder(&self, name: &str) -> io::Result<()> {
        self.check()?;
        self.inner.create_folder(name)
    }

    fn sync(&self) -> io::Result<()> {
        self.inner.sync()
    }

    fn lock(&self, mode: LockMode) -> io::Result<Box<dyn DirectoryLock>> {
        self.inner.lock(mode)
    }
}

#[test]
fn d8_a_close_that_wrote_nothing_needs_no_file_that_can_be_written() {
    let directory = SimulatedDirectory::new();
    let index = quiet(&directory).create().unwrap();
    index.put(1, b"in the log").unwrap();
    let killed = directory.kill();
    let remounted = Arc::new(Remounted { inner: killed, read_only: AtomicBool::new(false) });
    let index = small(Index::builder_in(Arc::clone(&remounted) as Arc<dyn Directory>)).open().unwrap();
    remounted.read_only.store(true, Ordering::Relaxed);
    assert_eq!(index.get(1).unwrap().as_deref(), Some(&b"in the log"[..]));
    index.close().unwrap();
}
