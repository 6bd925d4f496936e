//! A log file that is written to by stores into memory, where that is known to be safe and is made ready (PROTOCOL L7).
//!
//! Three things stand before a store; without them it is a positioned write:
//! 1. The file system keeps what it promises when it reserves blocks ([`keeps_reservations`]), and has promised it for the
//!    whole file through this handle: a full disk is met there, and not by a signal.
//! 2. The range was made ready: its pages are in memory and writable. So what they need is had or refused there,
//!    and stores seldom fault.
//! 3. The range was not given up since.
//!
//! Both ways meet in the page cache, so that it does not matter which bytes went which way, and `fdatasync` covers both: before
//! the system writes a page out it makes it read-only in all mappings, and has noted by then that it was stored
//! to. What a mapping has of its own for this, `msync`, calls the very same.

use std::fs;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use rustix::fs::FsWord;

use super::File;
use super::fs_file::FsFile;
use super::mapping::Mapping;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, OnceLock};

#[derive(Debug)]
pub(super) struct MappedFile {
    file: FsFile,
    reserved_bytes: AtomicU64,
    mapping: OnceLock<Mapping>,
    /// The range that is ready. Whoever raises both raises the start first.
    ready_start: AtomicU64,
    ready_end: AtomicU64,
    /// Held by the one who changes the range.
    changing: Mutex<()>,
}

impl MappedFile {
    /// A file that is open for reading and writing; as it is, if it must not be mapped.
    pub(super) fn wrap(file: FsFile) -> Arc<dyn File> {
        if !keeps_reservations(file.file()) {
            return Arc::new(file);
        }
        Arc::new(Self {
            file,
            reserved_bytes: AtomicU64::new(0),
            mapping: OnceLock::new(),
            ready_start: AtomicU64::new(0),
            ready_end: AtomicU64::new(0),
            changing: Mutex::new(()),
        })
    }

    fn ready(&self) -> Range<u64> {
        let end = self.ready_end.load(Ordering::Acquire);
        self.ready_start.load(Ordering::Acquire)..end
    }

    /// The mapping, made where it may be.
    fn mapping(&self) -> Option<&Mapping> {
        let reserved = usize::try_from(self.reserved_bytes.load(Ordering::Relaxed)).ok()?;
        if self.mapping.get().is_none() && reserved > 0 {
            let _ = self.mapping.set(Mapping::new(self.file.file(), reserved).ok()?);
        }
        self.mapping.get()
    }

    fn give_up(&self, mapping: &Mapping, range: Range<u64>) {
        // Refused, they are held for longer.
        let _ = mapping.release(range.start as usize..range.end as usize);
    }
}

impl File for MappedFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let ready = self.ready();
        let is_ready = ready.start <= offset && offset.saturating_add(bytes.len() as u64) <= ready.end;
        match self.mapping.get().filter(|_| is_ready) {
            Some(mapping) => {
                mapping.write(offset as usize, bytes);
                Ok(())
            }
            None => self.file.write_at(offset, bytes),
        }
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        if self.file.reserve(length)? {
            self.reserved_bytes.fetch_max(length, Ordering::Relaxed);
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn make_ready(&self, range: Range<u64>) {
        let _only_one = self.changing.lock();
        let before = self.ready();
        if range.is_empty() {
            self.ready_end.store(0, Ordering::Release);
            self.mapping.get().into_iter().for_each(|mapping| self.give_up(mapping, before.clone()));
            return;
        }
        let Some(mapping) = self.mapping() else { return };
        let end = range.end.min(mapping.length() as u64);
        let start = range.start.max(before.end);
        // If not, another call came earlier that asked for more.
        if start < end && mapping.populate(start as usize..end as usize).is_ok() {
            self.ready_start.store(range.start, Ordering::Release);
            self.ready_end.store(end, Ordering::Release);
            self.give_up(mapping, before.start..range.start.min(before.end));
        }
    }

    fn ready_bytes(&self) -> u64 {
        let ready = self.ready();
        ready.end.saturating_sub(ready.start)
    }
}

/// Whether stores to blocks that were reserved in this file cannot meet a full disk. Elsewhere they may: where each write goes to
/// new blocks (btrfs, ZFS), where the server has the last word (NFS), where another file system lies below (overlayfs).
/// On xfs also where the blocks have come to be shared by a copy (`cp --reflink`) since: see docs/durability.md.
fn keeps_reservations(file: &fs::File) -> bool {
    const EXT4: FsWord = 0xef53;
    const XFS: FsWord = 0x5846_5342;
    const TMPFS: FsWord = 0x0102_1994;
    rustix::fs::fstatfs(file).is_ok_and(|stat| matches!(stat.f_type, EXT4 | XFS | TMPFS))
}
