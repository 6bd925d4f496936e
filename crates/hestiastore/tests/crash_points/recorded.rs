//! A directory that keeps an image of itself before each change.

use std::io;
use std::sync::{Arc, Mutex};

use hestiastore::directory::{Directory, DirectoryLock, File, LockMode, OpenMode, SimulatedDirectory};

use crate::history::Promised;

/// A moment at which the power can go.
pub struct Point {
    /// What is written, and of it what is pending.
    pub image: SimulatedDirectory,
    /// The first state that is legal after it.
    pub durable: usize,
    /// The last one.
    pub issued: usize,
}

#[derive(Clone)]
pub struct Recorded {
    directory: SimulatedDirectory,
    promised: Arc<Promised>,
    points: Arc<Mutex<Vec<Point>>>,
}

impl Recorded {
    pub fn new(directory: &SimulatedDirectory, promised: &Arc<Promised>) -> Self {
        Self { directory: directory.clone(), promised: Arc::clone(promised), points: Arc::default() }
    }

    /// What is durable is asked before the image is made, and what is issued after it, so that writes
    /// beside this one do no harm.
    pub fn note(&self) {
        let durable = self.promised.durable();
        let image = self.directory.kill();
        let issued = self.promised.issued();
        self.points.lock().unwrap().push(Point { image, durable, issued });
    }

    /// All points, the end included.
    pub fn points(&self) -> Vec<Point> {
        self.note();
        std::mem::take(&mut self.points.lock().unwrap())
    }

    fn file(&self, inner: Arc<dyn File>) -> Arc<dyn File> {
        Arc::new(RecordedFile { inner, directory: self.clone() })
    }
}

impl std::fmt::Debug for Recorded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.directory.fmt(f)
    }
}

impl Directory for Recorded {
    fn location(&self) -> String {
        self.directory.location()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        self.note();
        self.directory.create(name).map(|file| self.file(file))
    }

    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        self.directory.open(name, mode).map(|file| self.file(file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.note();
        self.directory.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.note();
        self.directory.remove(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.directory.list()
    }

    fn create_folder(&self, name: &str) -> io::Result<()> {
        self.note();
        self.directory.create_folder(name)
    }

    fn sync(&self) -> io::Result<()> {
        self.note();
        self.directory.sync()
    }

    fn lock(&self, mode: LockMode) -> io::Result<Box<dyn DirectoryLock>> {
        self.directory.lock(mode)
    }
}

#[derive(Debug)]
struct RecordedFile {
    inner: Arc<dyn File>,
    directory: Recorded,
}

impl File for RecordedFile {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.directory.note();
        self.inner.write_at(offset, bytes)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.directory.note();
        self.inner.allocate(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.directory.note();
        self.inner.sync()
    }
}
