//! A directory in memory that knows what a power cut would leave of it.
//!
//! It keeps apart what is visible and what is durable, for the content of each file and for the
//! names, and the pending changes between the two in order. Content belongs to the file and not to
//! its name. Unsynced writes are held twice, once as content and once as pending change.
//!
//! Thread safety: a file operation takes the lock of its file alone. Whoever needs several takes
//! the names first and files after.

mod crash;
mod gate;
#[cfg(test)]
mod hook_tests;
mod inode;
mod names;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;

use parking_lot::{Mutex, RwLockReadGuard};

pub use self::crash::CrashPolicy;
use self::gate::Gate;
use self::inode::{Content, Inode, MemoryFile};
use self::names::{Entries, NameChange, Names, Node};
use super::entries;
use super::image::Image;
use super::memory_lock::MemoryLocks;
use super::name::{check_folder, check_name};
use super::{Directory, DirectoryLock, File, LockMode, OpenMode};

/// A directory in memory that knows what a power cut would leave of it, for tests. It is there only
/// with the crate's feature `simulation`.
///
/// Clones are handles to the same directory. Besides what a [`Directory`] does it can be copied as it
/// would be found after a power cut ([`SimulatedDirectory::crash`]) or the death of the process
/// ([`SimulatedDirectory::kill`]), stopped at a chosen operation, filled up, and damaged.
///
/// ```
/// use hestiastore::directory::{CrashPolicy, Directory, SimulatedDirectory};
///
/// # fn main() -> std::io::Result<()> {
/// let directory = SimulatedDirectory::new();
/// let file = directory.create("log")?;
/// file.write_at(0, b"synced")?;
/// file.sync()?;
/// directory.sync()?;
/// file.write_at(6, b" or not")?;
///
/// let after = directory.crash(CrashPolicy::LoseAll, 1);
/// assert_eq!(after.read_all("log"), Some(b"synced".to_vec()));
/// assert_eq!(directory.read_all("log"), Some(b"synced or not".to_vec()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SimulatedDirectory {
    shared: Arc<Shared>,
}

struct Shared {
    gate: Arc<Gate>,
    names: Mutex<Names>,
    locks: MemoryLocks,
}

impl Default for SimulatedDirectory {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SimulatedDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedDirectory").field("gate", &self.shared.gate).finish_non_exhaustive()
    }
}

impl SimulatedDirectory {
    /// An empty directory without limits.
    pub fn new() -> Self {
        Self::with(Gate::new(), Names::default())
    }

    fn with(gate: Gate, names: Names) -> Self {
        Self {
            shared: Arc::new(Shared {
                gate: Arc::new(gate),
                names: Mutex::new(names),
                locks: MemoryLocks::default(),
            }),
        }
    }

    /// The directory as it would be found after a power cut now: everything in it is durable,
    /// nobody holds its lock, no operation is counted or refused; the capacity is the same. This
    /// directory goes on unharmed. The same changes, policy and seed give the same result.
    ///
    /// Costs a reference for each page of 4 KiB, and a copy of the pending writes that survive.
    pub fn crash(&self, policy: CrashPolicy, seed: u64) -> SimulatedDirectory {
        let names = self.shared.names.lock();
        let entries = crash::survivors(&names, policy, seed);
        let copy = Names {
            durable: entries.clone(),
            current: entries,
            pending: Vec::new(),
            next_inode: names.next_inode,
        };
        Self::with(charged(self.shared.gate.successor(), &copy.current), copy)
    }

    /// The directory as it would be found after the death of the process now: everything written
    /// is there, and what was pending is pending still. Otherwise as [`SimulatedDirectory::crash`].
    pub fn kill(&self) -> SimulatedDirectory {
        let names = self.shared.names.lock();
        let files = names.reachable();
        // All at once, so that the copy is of one moment.
        let contents: Vec<(u64, RwLockReadGuard<'_, Content>)> =
            files.iter().map(|(id, inode)| (*id, inode.content.read())).collect();
        let copies: BTreeMap<u64, Arc<Inode>> =
            contents.iter().map(|(id, content)| (*id, Inode::new(*id, content.without_handles()))).collect();
        let copy = names.with_files(&copies);
        Self::with(charged(self.shared.gate.successor(), &copy.current), copy)
    }

    /// How many changing operations were begun: create, write, allocate, sync of a file, rename,
    /// remove, create folder, sync of the directory, also those that then failed.
    pub fn operation_count(&self) -> u64 {
        self.shared.gate.count()
    }

    /// Simulates a crash at the changing operation that would be counted after the first `count`
    /// of this directory: it has no effect and fails, and so does every operation of any kind
    /// after it. `None` ends this. [`SimulatedDirectory::crash`] works at all times.
    ///
    /// ```
    /// use hestiastore::directory::{Directory, SimulatedDirectory};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let directory = SimulatedDirectory::new();
    /// directory.fail_after(Some(1));
    /// let file = directory.create("a")?;
    /// assert!(file.write_at(0, b"x").is_err());
    /// assert!(directory.list().is_err());
    /// assert_eq!(directory.operation_count(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn fail_after(&self, count: Option<u64>) {
        self.shared.gate.stop_after(count);
    }

    /// Limits the sum of the lengths of all files that have a name or are open. What would exceed
    /// it fails with [`io::ErrorKind::StorageFull`] and changes nothing. `None` lifts the limit.
    pub fn set_capacity_bytes(&self, capacity_bytes: Option<u64>) {
        self.shared.gate.set_capacity(capacity_bytes);
    }

    /// For tests: the whole content of a file, or `None` if there is no such file. Works at all
    /// times, and allocates the length of the file.
    pub fn read_all(&self, name: &str) -> Option<Vec<u8>> {
        let inode = Arc::clone(entries::file(&self.shared.names.lock().current, name).ok()?);
        let content = inode.content.read();
        let mut bytes = vec![0; usize::try_from(content.current().length()).ok()?];
        content.current().read(0, &mut bytes);
        Some(bytes)
    }

    /// For tests: inverts the bits of `mask` in one byte, as a failing disk would. What the file
    /// holds is durable after this. Not counted, not refused.
    ///
    /// # Errors
    /// `NotFound`, or `InvalidInput` if the file has no such byte.
    pub fn flip_bit(&self, name: &str, offset: u64, mask: u8) -> io::Result<()> {
        let inode = Arc::clone(entries::file(&self.shared.names.lock().current, name)?);
        let mut content = inode.content.write();
        let mut byte = [0];
        if content.current().read(offset, &mut byte) == 0 {
            let message = format!("{name} has no byte {offset}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        content.tamper(&self.shared.gate, |image| image.write(offset, &[byte[0] ^ mask]));
        Ok(())
    }

    /// For tests: sets the length of a file; a longer one is filled with zeros. What the file holds
    /// is durable after this. Not counted, not refused.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn truncate(&self, name: &str, length: u64) -> io::Result<()> {
        super::name::check_range(length, 0)?;
        let inode = Arc::clone(entries::file(&self.shared.names.lock().current, name)?);
        let mut content = inode.content.write();
        content.tamper(&self.shared.gate, |image| image.set_length(length));
        Ok(())
    }

    /// For tests: gives a file this content, and makes the file if there is none. The file and all
    /// names of the directory are durable after this. Not counted, not refused.
    ///
    /// # Errors
    /// As [`Directory::create`], without `AlreadyExists`.
    pub fn write_all(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut names = self.shared.names.lock();
        let inode = match entries::file(&names.current, name) {
            Ok(inode) => Arc::clone(inode),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                entries::check_folder_of(&names.current, name)?;
                let inode = Inode::new(names.next_inode(), Content::of(Image::default()));
                let node = Node::File(Arc::clone(&inode));
                names.change(0, NameChange::Put { name: name.to_owned(), node });
                inode
            }
            Err(error) => return Err(error),
        };
        names.sync();
        inode.content.write().tamper(&self.shared.gate, |image| {
            image.set_length(0);
            image.write(0, bytes);
        });
        Ok(())
    }

    fn handle(&self, inode: &Arc<Inode>, mode: OpenMode) -> Arc<dyn File> {
        let writable = mode == OpenMode::ReadWrite;
        Arc::new(MemoryFile::new(Arc::clone(inode), Arc::clone(&self.shared.gate), writable))
    }
}

/// Charges a copy with the files in it.
fn charged(gate: Gate, entries: &Entries) -> Gate {
    for node in entries.values() {
        if let Node::File(inode) = node {
            gate.charge(inode.content.read().current().length());
        }
    }
    gate
}

impl Directory for SimulatedDirectory {
    fn location(&self) -> String {
        "memory".to_owned()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        check_name(name)?;
        let mut names = self.shared.names.lock();
        let stamp = self.shared.gate.admit()?;
        entries::check_free(&names.current, name)?;
        let inode = Inode::new(names.next_inode(), Content::of(Image::default()));
        let node = Node::File(Arc::clone(&inode));
        names.change(stamp, NameChange::Put { name: name.to_owned(), node });
        Ok(self.handle(&inode, OpenMode::ReadWrite))
    }

    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        self.shared.gate.check()?;
        let names = self.shared.names.lock();
        Ok(self.handle(entries::file(&names.current, name)?, mode))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        check_name(from)?;
        check_name(to)?;
        let mut names = self.shared.names.lock();
        let stamp = self.shared.gate.admit()?;
        if !entries::rename_changes(&names.current, from, to)? {
            return Ok(());
        }
        if let Ok(replaced) = entries::file(&names.current, to) {
            replaced.unlink(&self.shared.gate);
        }
        let (from, to) = (from.to_owned(), to.to_owned());
        names.change(stamp, NameChange::Rename { from, to });
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        check_name(name)?;
        let mut names = self.shared.names.lock();
        let stamp = self.shared.gate.admit()?;
        entries::file(&names.current, name)?.unlink(&self.shared.gate);
        names.change(stamp, NameChange::Remove { name: name.to_owned() });
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.shared.gate.check()?;
        Ok(entries::top_files(&self.shared.names.lock().current))
    }

    fn create_folder(&self, name: &str) -> io::Result<()> {
        check_folder(name)?;
        let mut names = self.shared.names.lock();
        let stamp = self.shared.gate.admit()?;
        if !entries::folder_is_new(&names.current, name)? {
            return Ok(());
        }
        let (name, node) = (name.to_owned(), Node::Folder);
        names.change(stamp, NameChange::Put { name, node });
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut names = self.shared.names.lock();
        self.shared.gate.admit()?;
        names.sync();
        Ok(())
    }

    fn lock(&self, mode: LockMode) -> io::Result<Box<dyn DirectoryLock>> {
        self.shared.gate.check()?;
        self.shared.locks.take(mode)
    }
}
