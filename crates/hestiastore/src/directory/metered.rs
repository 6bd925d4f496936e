//! A directory whose traffic is counted: every byte that an index reads and writes goes through it.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::{Directory, DirectoryLock, File, LockMode, OpenMode};
use crate::metrics::{FileKind, IoCounters};

/// See the module.
#[derive(Debug)]
pub(crate) struct MeteredDirectory {
    directory: Arc<dyn Directory>,
    io: Arc<IoCounters>,
}

impl MeteredDirectory {
    pub(crate) fn new(directory: Arc<dyn Directory>, io: Arc<IoCounters>) -> Self {
        Self { directory, io }
    }

    fn metered(&self, name: &str, file: Arc<dyn File>) -> Arc<dyn File> {
        Arc::new(MeteredFile { file, kind: kind_of(name), io: Arc::clone(&self.io) })
    }
}

fn kind_of(name: &str) -> FileKind {
    if name.starts_with("run-") {
        FileKind::Run
    } else if name.starts_with("log-") {
        FileKind::Log
    } else {
        FileKind::Manifest
    }
}

impl Directory for MeteredDirectory {
    fn location(&self) -> String {
        self.directory.location()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        Ok(self.metered(name, self.directory.create(name)?))
    }

    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        Ok(self.metered(name, self.directory.open(name, mode)?))
    }

    fn open_log(&self, name: &str) -> io::Result<Arc<dyn File>> {
        Ok(self.metered(name, self.directory.open_log(name)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.directory.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.directory.remove(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.directory.list()
    }

    fn create_folder(&self, name: &str) -> io::Result<()> {
        self.directory.create_folder(name)
    }

    fn sync(&self) -> io::Result<()> {
        self.directory.sync()
    }

    fn lock(&self, mode: LockMode) -> io::Result<Box<dyn DirectoryLock>> {
        self.directory.lock(mode)
    }
}

#[derive(Debug)]
struct MeteredFile {
    file: Arc<dyn File>,
    kind: FileKind,
    io: Arc<IoCounters>,
}

impl File for MeteredFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(offset, buffer)?;
        self.io.note_read(self.kind, read as u64);
        Ok(read)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.io.note_write(self.kind, bytes.len() as u64);
        self.file.write_at(offset, bytes)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.file.allocate(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.io.note_sync(self.kind);
        self.file.sync()
    }

    fn make_ready(&self, range: Range<u64>) {
        self.file.make_ready(range);
    }

    fn ready_bytes(&self) -> u64 {
        self.file.ready_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::MemoryDirectory;

    #[test]
    fn what_passes_is_counted_by_kind() {
        let io = Arc::new(IoCounters::default());
        let directory = MeteredDirectory::new(Arc::new(MemoryDirectory::new()), Arc::clone(&io));
        for (name, bytes) in [("run-1.sst", 5u64), ("log-1.wal", 7), ("MANIFEST", 11)] {
            let file = directory.create(name).unwrap();
            file.write_at(100, &vec![1; bytes as usize]).unwrap();
            file.sync().unwrap();
            let file = directory.open(name, OpenMode::Read).unwrap();
            assert_eq!(file.read_at(99, &mut [0; 50]).unwrap() as u64, bytes + 1);
            let traffic = io.traffic(kind_of(name));
            assert_eq!((traffic.read_bytes, traffic.reads), (bytes + 1, 1), "{name}");
            assert_eq!((traffic.written_bytes, traffic.syncs), (bytes, 1), "{name}");
        }
    }
}
