//! A directory in memory. Nothing in it outlives its last handle, so nothing is ever pending and a
//! sync does nothing.
//!
//! Thread safety: a file operation takes the lock of its file alone, a name operation that of the
//! names alone.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::entries::{self, Entries, Node};
use super::image::Image;
use super::memory_lock::MemoryLocks;
use super::name::{check_folder, check_name, check_range, check_writable};
use super::{Directory, DirectoryLock, File, LockMode, OpenMode};
use crate::sync::{Mutex, RwLock};

/// A directory in memory, for indexes that need not outlive the process.
///
/// Clones are handles to the same directory. Allocated space that was never written costs nothing.
///
/// ```
/// use hestiastore::directory::{Directory, MemoryDirectory, OpenMode};
///
/// # fn main() -> std::io::Result<()> {
/// let directory = MemoryDirectory::new();
/// directory.create("run")?.write_at(0, b"content")?;
///
/// let mut bytes = [0; 7];
/// directory.clone().open("run", OpenMode::Read)?.read_at(0, &mut bytes)?;
/// assert_eq!(&bytes, b"content");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct MemoryDirectory {
    names: Arc<Mutex<Entries<Content>>>,
    locks: MemoryLocks,
}

type Content = Arc<RwLock<Image>>;

impl MemoryDirectory {
    /// An empty directory.
    pub fn new() -> Self {
        Self::default()
    }
}

impl fmt::Debug for MemoryDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryDirectory").finish_non_exhaustive()
    }
}

impl Directory for MemoryDirectory {
    fn location(&self) -> String {
        "memory".to_owned()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        check_name(name)?;
        let mut names = self.names.lock();
        entries::check_free(&names, name)?;
        let content = Content::default();
        names.insert(name.to_owned(), Node::File(Arc::clone(&content)));
        Ok(Arc::new(MemoryFile { content, writable: true }))
    }

    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let content = Arc::clone(entries::file(&self.names.lock(), name)?);
        Ok(Arc::new(MemoryFile { content, writable: mode == OpenMode::ReadWrite }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        check_name(from)?;
        check_name(to)?;
        let mut names = self.names.lock();
        if !entries::rename_changes(&names, from, to)? {
            return Ok(());
        }
        if let Some(node) = names.remove(from) {
            names.insert(to.to_owned(), node);
        }
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut names = self.names.lock();
        entries::file(&names, name)?;
        names.remove(name);
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(entries::top_files(&self.names.lock()))
    }

    fn create_folder(&self, name: &str) -> io::Result<()> {
        check_folder(name)?;
        let mut names = self.names.lock();
        if entries::folder_is_new(&names, name)? {
            names.insert(name.to_owned(), Node::Folder);
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, mode: LockMode) -> io::Result<Box<dyn DirectoryLock>> {
        self.locks.take(mode)
    }
}

struct MemoryFile {
    content: Content,
    writable: bool,
}

impl fmt::Debug for MemoryFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryFile").field("writable", &self.writable).finish_non_exhaustive()
    }
}

impl File for MemoryFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.content.read().length())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        check_range(offset, buffer.len())?;
        Ok(self.content.read().read(offset, buffer))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        check_writable(self.writable)?;
        check_range(offset, bytes.len())?;
        self.content.write().write(offset, bytes);
        Ok(())
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        check_writable(self.writable)?;
        check_range(length, 0)?;
        self.content.write().extend(length);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
