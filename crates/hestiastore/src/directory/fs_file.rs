//! A file of the file system, read and written at offsets.
//!
//! There is no position and no lock: calls on different ranges run side by side in the kernel.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::fs::FallocateFlags;
use rustix::io::{Errno, retry_on_intr};

use super::name::{check_range, check_writable};
use super::read_fully::read_fully;
use super::{File, OpenMode};

#[derive(Debug)]
pub(super) struct FsFile {
    file: fs::File,
    writable: bool,
}

impl FsFile {
    pub(super) fn new(file: fs::File, mode: OpenMode) -> Self {
        Self { file, writable: mode == OpenMode::ReadWrite }
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
        self.file.write_all_at(bytes, offset)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        check_writable(self.writable)?;
        check_range(length, 0)?;
        if length == 0 {
            return Ok(());
        }
        let flags = FallocateFlags::empty();
        match retry_on_intr(|| rustix::fs::fallocate(&self.file, flags, 0, length)) {
            // Some systems reserve without extending.
            Ok(()) => self.extend(length),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.extend(length),
            Err(error) => Err(error.into()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}
