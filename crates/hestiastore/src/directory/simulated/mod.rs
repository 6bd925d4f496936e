//! A directory in memory that knows what a power cut would leave of it.
//!
//! It keeps apart what is visible and what is durable, for the content of each file and for the
//! names, and the pending changes between the two in order. Content belongs to the file and not to
//! its name. Unsynced writes are held twice, once as content and once as pending change.
//!
//! Thread safety: a file operation takes the lock of its file alone. Whoever needs several takes
//! the names first and files after.

mod chance;
mod crash;
mod damage;
mod fault;
#[cfg(test)]
mod fault_tests;
mod file;
mod gate;
#[cfg(test)]
mod hook_tests;
mod hooks;
mod inode;
mod names;
mod operation;
mod policy;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::sync::Arc;

pub use self::fault::{Fault, FaultRule};
use self::file::SimulatedFile;
use self::gate::{Gate, injected};
use self::inode::{Content, Inode};
use self::names::{NameChange, Names, Node};
use self::operation::Request;
pub use self::operation::{Operation, OperationKind};
pub use self::policy::CrashPolicy;
use super::entries;
use super::image::Image;
use super::memory_lock::MemoryLocks;
use super::name::{check_folder, check_name};
use super::{Directory, DirectoryLock, File, LockMode, OpenMode};
use crate::sync::Mutex;

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

    fn handle(&self, inode: &Arc<Inode>, name: &str, mode: OpenMode) -> Arc<dyn File> {
        let writable = mode == OpenMode::ReadWrite;
        Arc::new(SimulatedFile::new(Arc::clone(inode), Arc::clone(&self.shared.gate), name, writable))
    }
}

impl Directory for SimulatedDirectory {
    fn location(&self) -> String {
        "memory".to_owned()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        check_name(name)?;
        let mut names = self.shared.names.lock();
        let pass = self.shared.gate.admit(Request::on(OperationKind::Create, name))?;
        entries::check_free(&names.current, name)?;
        let inode = Inode::new(names.next_inode(), Content::of(Image::default()));
        let node = Node::File(Arc::clone(&inode));
        names.change(pass.stamp, NameChange::Put { name: name.to_owned(), node });
        pass.outcome(self.handle(&inode, name, OpenMode::ReadWrite))
    }

    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let pass = self.shared.gate.admit(Request::on(OperationKind::Open, name))?;
        let names = self.shared.names.lock();
        pass.outcome(self.handle(entries::file(&names.current, name)?, name, mode))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        check_name(from)?;
        check_name(to)?;
        let mut names = self.shared.names.lock();
        let pass = self.shared.gate.admit(Request::on(OperationKind::Rename, from))?;
        if !entries::rename_changes(&names.current, from, to)? {
            return Ok(());
        }
        if let Ok(replaced) = entries::file(&names.current, to) {
            replaced.unlink(&self.shared.gate);
        }
        let (from, to) = (from.to_owned(), to.to_owned());
        names.change(pass.stamp, NameChange::Rename { from, to });
        pass.outcome(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        check_name(name)?;
        let mut names = self.shared.names.lock();
        let pass = self.shared.gate.admit(Request::on(OperationKind::Remove, name))?;
        entries::file(&names.current, name)?.unlink(&self.shared.gate);
        names.change(pass.stamp, NameChange::Remove { name: name.to_owned() });
        pass.outcome(())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let pass = self.shared.gate.admit(Request::on(OperationKind::List, ""))?;
        pass.outcome(entries::top_files(&self.shared.names.lock().current))
    }

    fn create_folder(&self, name: &str) -> io::Result<()> {
        check_folder(name)?;
        let mut names = self.shared.names.lock();
        let pass = self.shared.gate.admit(Request::on(OperationKind::CreateFolder, name))?;
        if !entries::folder_is_new(&names.current, name)? {
            return Ok(());
        }
        let (name, node) = (name.to_owned(), Node::Folder);
        names.change(pass.stamp, NameChange::Put { name, node });
        pass.outcome(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut names = self.shared.names.lock();
        let pass = self.shared.gate.admit(Request::on(OperationKind::SyncNames, ""))?;
        match pass.fault {
            Some(Fault::LieAboutSync) => {}
            Some(Fault::FailSyncAndForget) => {
                names.forget_pending();
                return Err(injected(io::ErrorKind::Other));
            }
            _ => names.sync(),
        }
        pass.outcome(())
    }

    fn lock(&self, mode: LockMode) -> io::Result<Box<dyn DirectoryLock>> {
        let pass = self.shared.gate.admit(Request::on(OperationKind::Lock, ""))?;
        pass.outcome(self.shared.locks.take(mode)?)
    }
}
