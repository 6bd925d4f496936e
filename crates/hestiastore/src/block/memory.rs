//! A directory in memory for the tests of this layer and those above it.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use crate::directory::{Directory, DirectoryLock, File, LockMode, OpenMode};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Mutex, RwLock};

#[derive(Debug, Default)]
pub(crate) struct MemoryFiles {
    files: Mutex<HashMap<String, Arc<MemoryFile>>>,
}

#[derive(Debug, Default)]
pub(crate) struct MemoryFile {
    content: RwLock<Vec<u8>>,
    reads: AtomicUsize,
}

impl MemoryFiles {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn content(&self, name: &str) -> Vec<u8> {
        self.files.lock()[name].content.read().clone()
    }

    pub(crate) fn set_content(&self, name: &str, content: Vec<u8>) {
        let file = MemoryFile { content: RwLock::new(content), reads: AtomicUsize::new(0) };
        self.files.lock().insert(name.into(), Arc::new(file));
    }

    pub(crate) fn reads(&self, name: &str) -> usize {
        self.files.lock()[name].reads.load(Ordering::Relaxed)
    }
}

impl Directory for MemoryFiles {
    fn location(&self) -> String {
        "memory".into()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let file = Arc::new(MemoryFile::default());
        match self.files.lock().insert(name.into(), Arc::clone(&file)) {
            None => Ok(file),
            Some(_) => Err(io::ErrorKind::AlreadyExists.into()),
        }
    }

    fn open(&self, name: &str, _mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let file = self.files.lock().get(name).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(file)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = self.files.lock();
        let file = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.into(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.files.lock().remove(name).map(|_| ()).ok_or(io::ErrorKind::NotFound.into())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.files.lock().keys().cloned().collect())
    }

    fn create_folder(&self, _name: &str) -> io::Result<()> {
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, _mode: LockMode) -> io::Result<Box<dyn DirectoryLock>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl File for MemoryFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.content.read().len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let content = self.content.read();
        let rest = content.get(offset as usize..).unwrap_or(&[]);
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut content = self.content.write();
        let end = offset as usize + bytes.len();
        if content.len() < end {
            content.resize(end, 0);
        }
        content[offset as usize..end].copy_from_slice(bytes);
        Ok(())
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        let mut content = self.content.write();
        let length = content.len().max(length as usize);
        content.resize(length, 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
