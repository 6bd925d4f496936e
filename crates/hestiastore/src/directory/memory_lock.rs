//! The lock of a directory in memory, which only handles of one process can contend for.

use std::io;
use std::sync::Arc;

use super::lock::{READERS, held_by, holder_lines, sentence};
use super::{DirectoryLock, LockMode};
use crate::sync::Mutex;

/// Who holds the lock. Clones are handles to the same lock.
#[derive(Debug, Clone, Default)]
pub(super) struct MemoryLocks {
    holders: Arc<Mutex<Holders>>,
}

#[derive(Debug, Default)]
enum Holders {
    #[default]
    Nobody,
    Readers(usize),
    Writer(String),
}

impl MemoryLocks {
    /// `WouldBlock` with the holder's text if the lock is held.
    pub(super) fn take(&self, mode: LockMode) -> io::Result<Box<dyn DirectoryLock>> {
        let mut holders = self.holders.lock();
        *holders = match (&*holders, mode) {
            (Holders::Nobody, LockMode::Shared) => Holders::Readers(1),
            (Holders::Readers(count), LockMode::Shared) => Holders::Readers(count + 1),
            (Holders::Nobody, LockMode::Exclusive) => Holders::Writer(sentence(holder_lines().as_bytes())),
            (Holders::Readers(_), LockMode::Exclusive) => return Err(held_by(READERS)),
            (Holders::Writer(text), _) => return Err(held_by(text)),
        };
        Ok(Box::new(MemoryLock { locks: self.clone() }))
    }
}

#[derive(Debug)]
struct MemoryLock {
    locks: MemoryLocks,
}

impl DirectoryLock for MemoryLock {}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        let mut holders = self.locks.holders.lock();
        *holders = match &*holders {
            Holders::Readers(count @ 2..) => Holders::Readers(count - 1),
            _ => Holders::Nobody,
        };
    }
}
