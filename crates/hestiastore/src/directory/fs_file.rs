//! A file of the file system, read and written at offsets.
//!
//! There is no position and no lock: calls on different ranges run side by side in the kernel.
//!
//! Whoever goes beyond the process's file-size limit is killed by SIGXFSZ unless the process ignores
//! it, so the limit is looked at first: it is an error like any other, in every process.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::fs::FallocateFlags;
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Resource, getrlimit};

use super::name::{check_range, check_writable};
use super::read_fully::read_fully;
use super::{File, OpenMode};
use crate::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug)]
pub(super) struct FsFile {
    file: fs::File,
    writable: bool,
    /// The file-size limit was found to be no lower than this.
    allowed_bytes: AtomicU64,
}

impl FsFile {
    pub(super) fn new(file: fs::File, mode: OpenMode) -> Self {
        let writable = mode == OpenMode::ReadWrite;
        let allowed_bytes = if writable { allowed_length(&file) } else { 0 };
        Self { file, writable, allowed_bytes: AtomicU64::new(allowed_bytes) }
    }

    pub(super) fn file(&self) -> &fs::File {
        &self.file
    }

    /// Looks at the limit when the file is written to further out than before.
    fn check_size(&self, end: u64) -> io::Result<()> {
        if end > self.allowed_bytes.load(Ordering::Relaxed) {
            check_size_limit(end)?;
            self.allowed_bytes.fetch_max(end, Ordering::Relaxed);
        }
        Ok(())
    }

    /// As [`File::allocate`]; says whether the system has promised that there is space for all of it.
    pub(super) fn reserve(&self, length: u64) -> io::Result<bool> {
        check_writable(self.writable)?;
        check_range(length, 0)?;
        if length == 0 {
            return Ok(true);
        }
        // Also within what is reserved already: a lowered limit is to be met here rather than in a write.
        check_size_limit(length)?;
        self.allowed_bytes.fetch_max(length, Ordering::Relaxed);
        let flags = FallocateFlags::empty();
        let reserved = match retry_on_intr(|| rustix::fs::fallocate(&self.file, flags, 0, length)) {
            Ok(()) => true,
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => false,
            Err(error) => return Err(error.into()),
        };
        // Some systems reserve without extending.
        self.extend(length)?;
        Ok(reserved)
    }

    /// For systems that cannot reserve. A zero as the last byte extends the file as a truncation
    /// would, but never shortens it below what another thread writes behind `length` meanwhile.
    fn extend(&self, length: u64) -> io::Result<()> {
        if length <= self.len()? {
            return Ok(());
        }
        self.file.write_all_at(&[0], length - 1)
    }
}

impl File for FsFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        check_range(offset, buffer.len())?;
        read_fully(offset, buffer, |offset, rest| self.file.read_at(rest, offset))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        check_writable(self.writable)?;
        check_range(offset, bytes.len())?;
        self.check_size(offset + bytes.len() as u64)?;
        self.file.write_all_at(bytes, offset)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.reserve(length).map(|_| ())
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// The file's length, if the limit allows it: writes into what is reserved need not look again, or each
/// record of a log would cost a system call more.
fn allowed_length(file: &fs::File) -> u64 {
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    check_size_limit(length).map_or(0, |()| length)
}

/// [`io::ErrorKind::FileTooLarge`] if no file of the process may have `length` bytes.
pub(super) fn check_size_limit(length: u64) -> io::Result<()> {
    match getrlimit(Resource::Fsize).current {
        Some(limit) if length > limit => Err(Errno::FBIG.into()),
        _ => Ok(()),
    }
}
