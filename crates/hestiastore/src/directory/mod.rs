//! Files and their directory: everything that the engine asks of storage.
//!
//! An index lives in one [`Directory`]: a flat set of named files (and folders one level deep, for
//! quarantined files, named `folder/file`). Three facts are kept apart, as a crash keeps them apart:
//! the *content* of a file is durable after [`File::sync`], its *name* after [`Directory::sync`],
//! and neither follows from the other.
//!
//! Thread safety: both traits are shared by all threads; calls on different ranges of one file may
//! run side by side.

mod entries;
mod fs;
mod fs_file;
mod image;
mod lock;
#[cfg(test)]
mod lock_tests;
#[cfg(target_os = "linux")]
mod mapped_file;
#[cfg(target_os = "linux")]
mod mapping;
mod memory;
mod memory_lock;
mod metered;
mod name;
mod quarantine;
mod read_fully;
#[cfg(any(test, feature = "simulation"))]
mod simulated;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;

pub use self::fs::FsDirectory;
pub use self::memory::MemoryDirectory;
pub(crate) use self::metered::MeteredDirectory;
pub(crate) use self::quarantine::{free_place, move_to_quarantine, quarantined};
#[cfg(any(test, feature = "simulation"))]
pub use self::simulated::{CrashPolicy, Fault, FaultRule, Operation, OperationKind, SimulatedDirectory};

/// What a file is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// Reading only.
    Read,
    /// Reading and writing.
    ReadWrite,
}

/// Who else may hold the directory's lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockMode {
    /// Other readers.
    Shared,
    /// Nobody.
    Exclusive,
}

/// A set of named files with durable names.
pub trait Directory: Send + Sync + fmt::Debug {
    /// Where this is, for messages.
    fn location(&self) -> String;

    /// Makes a new empty file for reading and writing; `AlreadyExists` if the name is taken.
    fn create(&self, name: &str) -> io::Result<Arc<dyn File>>;

    /// Opens a file that exists; `NotFound` otherwise.
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn File>>;

    /// Opens an existing file for many small writes one behind the other. A directory may serve those by another
    /// mechanism than [`Directory::open`], within what is then allocated and [made ready](File::make_ready).
    fn open_log(&self, name: &str) -> io::Result<Arc<dyn File>> {
        self.open(name, OpenMode::ReadWrite)
    }

    /// Gives a file another name, replacing the file that has it, in one step.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a name; the file lives on while it is open. `NotFound` if there is none.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// The names of the files directly in this directory, in no particular order.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes a folder for names of the form `folder/file`; fine if it exists.
    fn create_folder(&self, name: &str) -> io::Result<()>;

    /// Makes all created, renamed and removed names durable.
    fn sync(&self) -> io::Result<()>;

    /// Takes the advisory lock on `.lock`, without waiting: `WouldBlock` if somebody holds it, with
    /// a message that carries what the holder wrote about itself. Dropping it gives it up.
    fn lock(&self, mode: LockMode) -> io::Result<Box<dyn DirectoryLock>>;
}

/// The lock of a directory, held until it is dropped. The death of the process gives it up too.
pub trait DirectoryLock: Send + Sync + fmt::Debug {}

/// A file with reads and writes at offsets.
#[expect(clippy::len_without_is_empty, reason = "a file's length is an I/O call, not a property")]
pub trait File: Send + Sync + fmt::Debug {
    /// The length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Fills `buffer`; fewer bytes than that mean the end of the file, and nothing else. Where the
    /// system gives fewer, the file asks again.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes all of `bytes`, extending the file (with zeros in between) where needed.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Extends the file to `length` with zeros and reserves the space where the system can.
    /// A file that is longer stays as it is.
    fn allocate(&self, length: u64) -> io::Result<()>;

    /// Makes content and length durable.
    fn sync(&self) -> io::Result<()>;

    /// Says that small writes to `range`, and nowhere else, come next; none at all if it is empty. Whatever makes
    /// them cheaper may be done now, and takes time now. No promise: writes work everywhere as before.
    fn make_ready(&self, range: Range<u64>) {
        let _ = range;
    }

    /// How much memory is held for that.
    fn ready_bytes(&self) -> u64 {
        0
    }
}
