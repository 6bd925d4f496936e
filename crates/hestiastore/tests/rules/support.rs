//! What several of these tests need.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use std::sync::Mutex;

use hestiastore::directory::{Directory, DirectoryLock, File, LockMode, OpenMode, SimulatedDirectory};
use hestiastore::{IndexBuilder, SegmentIndex};

pub type Index = SegmentIndex<u64, Vec<u8>>;

/// Small files, no merge by itself, no sync by itself.
pub fn quiet(directory: &SimulatedDirectory) -> IndexBuilder<u64, Vec<u8>> {
    Index::builder_in(Arc::new(directory.clone()))
        .write_buffer(|w| w.budget_bytes(1 << 20))
        .chunk(|c| c.max_keys(16).max_bytes(1 << 10))
        .segment(|s| s.target_bytes(16 << 10))
        .maintenance(|m| m.automatic(false))
        .log(|l| {
            l.first_file_bytes(16 << 10).max_file_bytes(16 << 10).sync_interval(Duration::from_secs(3_600))
        })
}

/// Small segments that are split.
pub fn splitting(directory: &SimulatedDirectory) -> IndexBuilder<u64, Vec<u8>> {
    quiet(directory).write_buffer(|w| w.budget_bytes(8 << 20)).maintenance(|m| m.automatic(true))
}

pub fn spread(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

pub fn all(index: &Index) -> Vec<(u64, Vec<u8>)> {
    index.iter().unwrap().map(Result::unwrap).collect()
}

/// Every file with its content.
pub fn bytes_of(directory: &SimulatedDirectory) -> BTreeMap<String, Vec<u8>> {
    let names = directory.list().unwrap();
    names.into_iter().map(|name| (name.clone(), directory.read_all(&name).unwrap())).collect()
}

pub fn count_of(directory: &SimulatedDirectory, prefix: &str) -> usize {
    directory.list().unwrap().iter().filter(|name| name.starts_with(prefix)).count()
}

/// Notes every change of names.
#[derive(Debug, Clone)]
pub struct Watched {
    pub inner: SimulatedDirectory,
    pub created: Arc<Mutex<Vec<String>>>,
    pub renamed: Arc<Mutex<Vec<(String, String)>>>,
}

impl Watched {
    pub fn new(inner: &SimulatedDirectory) -> Self {
        Self { inner: inner.clone(), created: Arc::default(), renamed: Arc::default() }
    }
}

impl Directory for Watched {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        self.created.lock().unwrap().push(name.to_owned());
        self.inner.create(name)
    }

    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        self.inner.open(name, mode)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.renamed.lock().unwrap().push((from.to_owned(), to.to_owned()));
        self.inner.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.inner.list()
    }

    fn create_folder(&self, name: &str) -> io::Result<()> {
        self.inner.create_folder(name)
    }

    fn sync(&self) -> io::Result<()> {
        self.inner.sync()
    }

    fn lock(&self, mode: LockMode) -> io::Result<Box<dyn DirectoryLock>> {
        self.inner.lock(mode)
    }
}
