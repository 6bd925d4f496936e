//! What several of these tests need.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use hestiastore::directory::{
    CrashPolicy, Directory, DirectoryLock, File, LockMode, OpenMode, SimulatedDirectory,
};
use hestiastore::{IndexBuilder, Result, SegmentIndex};

pub type Bytes = Vec<u8>;
pub type Index = SegmentIndex<Bytes, Bytes>;

/// An index of a few KiB: small chunks, so that a run has several.
pub fn small(directory: &SimulatedDirectory) -> IndexBuilder<Bytes, Bytes> {
    Index::builder_in(Arc::new(directory.clone()))
        .chunk(|c| c.max_keys(8).max_bytes(512))
        .log(|l| l.first_file_bytes(16 << 10).max_file_bytes(16 << 10))
        .write_buffer(|w| w.budget_bytes(1 << 20))
        .maintenance(|m| m.automatic(false))
}

/// A copy that goes its own way.
pub fn copy(directory: &SimulatedDirectory) -> SimulatedDirectory {
    directory.crash(CrashPolicy::KeepAll, 0)
}

pub fn entries(index: &Index) -> Result<Vec<(Bytes, Bytes)>> {
    index.iter()?.collect()
}

pub fn file_with<'a>(names: &'a [String], prefix: &str) -> &'a str {
    names.iter().find(|name| name.starts_with(prefix)).unwrap_or_else(|| panic!("{prefix} in {names:?}"))
}

/// What the tests put in: keys and values of different lengths.
pub fn model(count: u32) -> BTreeMap<Bytes, Bytes> {
    (0..count)
        .map(|n| {
            let key = format!("key {:05}", n * 7919 % 100_000).into_bytes();
            (key, format!("value {n} {}", "x".repeat(n as usize % 40)).into_bytes())
        })
        .collect()
}

/// A directory that may be read and not changed, as one on read-only media. (The owner of a folder, or
/// root, is not stopped by its permissions.)
#[derive(Debug)]
pub struct ReadOnlyMedia(pub SimulatedDirectory);

fn refused<T>() -> io::Result<T> {
    Err(io::ErrorKind::ReadOnlyFilesystem.into())
}

impl Directory for ReadOnlyMedia {
    fn location(&self) -> String {
        "/media/read-only".to_owned()
    }

    fn create(&self, _name: &str) -> io::Result<Arc<dyn File>> {
        refused()
    }

    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        if mode == OpenMode::ReadWrite { refused() } else { self.0.open(name, mode) }
    }

    fn rename(&self, _from: &str, _to: &str) -> io::Result<()> {
        refused()
    }

    fn remove(&self, _name: &str) -> io::Result<()> {
        refused()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.0.list()
    }

    fn create_folder(&self, _name: &str) -> io::Result<()> {
        refused()
    }

    fn sync(&self) -> io::Result<()> {
        refused()
    }

    fn lock(&self, mode: LockMode) -> io::Result<Box<dyn DirectoryLock>> {
        if mode == LockMode::Exclusive { refused() } else { self.0.lock(mode) }
    }
}
