//! A live log file: made ready in the background, then written to at the places that the commit section
//! assigns.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::{Begin, LOG_HEADER_BYTES, LogHeader, log_file_name};
use crate::config::{LOG_WINDOW_BYTES, LogIo};
use crate::directory::{Directory, File, OpenMode};
use crate::error::{Error, Result};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A log is made ready for writes in steps of so many bytes: the one in use and the one behind it.
const READY_STEP_BYTES: u64 = LOG_WINDOW_BYTES / 2;

/// An open log file. Its places are handed out by the commit section; writes to them run side by side.
#[derive(Debug)]
pub(crate) struct LogFile {
    pub(crate) number: u64,
    /// The random identity that salts every check in the file.
    pub(crate) uid: u64,
    /// Records store their seq as the difference from this one.
    pub(crate) base_seq: u64,
    pub(crate) capacity_bytes: u64,
    /// The manifest edit that listed the log.
    pub(crate) edit_number: u64,
    name: String,
    file: Arc<dyn File>,
    /// Greatest seq in the log; `u64::MAX` while it is in use or was not used yet.
    last_seq: AtomicU64,
    /// Records have been placed in it.
    in_use: AtomicBool,
    /// Everything in it is on disk and nothing more will come.
    sealed_and_synced: AtomicBool,
}

/// A log file made ready, not listed in the manifest yet.
#[derive(Debug)]
pub(crate) struct PreparedLog {
    pub(crate) number: u64,
    pub(crate) uid: u64,
    base_seq: u64,
    capacity_bytes: u64,
    file: Arc<dyn File>,
}

/// What a new log is to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogPlan {
    pub(crate) index_uuid: u128,
    pub(crate) number: u64,
    pub(crate) uid: u64,
    pub(crate) base_seq: u64,
    pub(crate) capacity_bytes: u64,
    pub(crate) io: LogIo,
}

impl LogPlan {
    /// Makes the file: a new one, or `recycled` under another identity and name. In the order of
    /// PROTOCOL L6: header with the new identity, rename; the caller syncs the directory next, and lists
    /// the file then.
    ///
    /// # Errors
    /// I/O; then no file of either name is left, as far as it can be helped.
    pub(crate) fn prepare(
        &self,
        directory: &Arc<dyn Directory>,
        recycled: Option<&str>,
    ) -> Result<PreparedLog> {
        self.make(directory, recycled).inspect_err(|_| {
            self.abandon(directory);
            if let Some(old_name) = recycled {
                let _ = directory.remove(old_name);
            }
        })
    }

    /// Removes a file that was made and not listed. What stays is deleted by the next writing open.
    pub(crate) fn abandon(&self, directory: &Arc<dyn Directory>) {
        let _ = directory.remove(&log_file_name(self.number));
    }

    fn make(&self, directory: &Arc<dyn Directory>, recycled: Option<&str>) -> Result<PreparedLog> {
        let name = log_file_name(self.number);
        let header = LogHeader::new(self.number, self.index_uuid, self.uid, self.base_seq).encode();
        let io = |operation, file: &str| {
            let file = file.to_owned();
            move |source| Error::io(operation, file, source)
        };
        match recycled {
            Some(old_name) => {
                let old = directory.open(old_name, OpenMode::ReadWrite).map_err(io("open", old_name))?;
                old.write_at(0, &header).map_err(io("write", old_name))?;
                old.sync().map_err(io("sync", old_name))?;
                drop(old);
                directory.rename(old_name, &name).map_err(io("rename", old_name))?;
            }
            None => {
                directory.create(&name).map_err(io("create", &name))?;
            }
        }
        let file = open(&**directory, &name, self.io).map_err(io("open", &name))?;
        // Of a recycled one too: a file-size limit may have come to lie below its length.
        file.allocate(self.capacity_bytes).map_err(io("extend", &name))?;
        if recycled.is_none() {
            file.write_at(0, &header).map_err(io("write", &name))?;
            file.sync().map_err(io("sync", &name))?;
        }
        file.make_ready(0..LOG_WINDOW_BYTES);
        Ok(PreparedLog {
            number: self.number,
            uid: self.uid,
            base_seq: self.base_seq,
            capacity_bytes: self.capacity_bytes,
            file,
        })
    }
}

fn open(directory: &dyn Directory, name: &str, io: LogIo) -> io::Result<Arc<dyn File>> {
    match io {
        LogIo::Mapped => directory.open_log(name),
        LogIo::Written => directory.open(name, OpenMode::ReadWrite),
    }
}

impl PreparedLog {
    /// The log, listed in the manifest by the edit of that number.
    pub(crate) fn listed(self, edit_number: u64) -> Arc<LogFile> {
        Arc::new(LogFile {
            number: self.number,
            uid: self.uid,
            base_seq: self.base_seq,
            capacity_bytes: self.capacity_bytes,
            edit_number,
            name: log_file_name(self.number),
            file: self.file,
            last_seq: AtomicU64::new(u64::MAX),
            in_use: AtomicBool::new(false),
            sealed_and_synced: AtomicBool::new(false),
        })
    }
}

impl LogFile {
    /// A log that a clean close left to go on with, or one that only waits for its end of service.
    pub(crate) fn reopen(
        directory: &Arc<dyn Directory>,
        number: u64,
        header: &LogHeader,
        edit_number: u64,
        io: LogIo,
    ) -> Result<Arc<Self>> {
        let name = log_file_name(number);
        let file = open(&**directory, &name, io).map_err(|source| Error::io("open", &name, source))?;
        let capacity_bytes = file.len().map_err(|source| Error::io("measure", &name, source))?;
        Ok(Arc::new(Self {
            number,
            uid: header.log_uid,
            base_seq: header.first_seq,
            capacity_bytes,
            edit_number,
            name,
            file,
            last_seq: AtomicU64::new(u64::MAX),
            in_use: AtomicBool::new(false),
            sealed_and_synced: AtomicBool::new(false),
        }))
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Writes record bytes at their place.
    pub(crate) fn write(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.file.write_at(offset, bytes).map_err(|source| Error::io("write", &self.name, source))
    }

    /// After records were written to `written`, makes ready what follows them. Takes its time now and then, so nobody should wait for
    /// the caller.
    pub(crate) fn make_ready_behind(&self, written: Range<u64>) {
        let step = written.end / READY_STEP_BYTES;
        if step == written.start / READY_STEP_BYTES || self.is_retired() {
            return;
        }
        let start = step * READY_STEP_BYTES;
        self.file.make_ready(start..start + LOG_WINDOW_BYTES);
        // Others may have filled, sealed and synced it while the caller stood still.
        if self.is_retired() {
            self.retire();
        }
    }

    /// Memory held for writes to come.
    pub(crate) fn ready_bytes(&self) -> u64 {
        self.file.ready_bytes()
    }

    /// Makes sure that writes within the capacity meet neither a full disk nor a file-size limit: a
    /// log that is gone on with may have been copied without its unused part since.
    pub(crate) fn reserve(&self) -> Result<()> {
        let reserved = self.file.allocate(self.capacity_bytes);
        reserved.map_err(|source| Error::io("extend", &self.name, source))
    }

    pub(crate) fn sync(&self) -> Result<()> {
        self.file.sync().map_err(|source| Error::io("sync", &self.name, source))
    }

    /// The first records are being placed. Called in the commit section.
    pub(crate) fn begin_use(&self) {
        self.in_use.store(true, Ordering::Release);
    }

    /// Whether a sync is to take it in.
    pub(crate) fn awaits_sync(&self) -> bool {
        self.is_in_use() && !self.is_retired()
    }

    pub(crate) fn is_in_use(&self) -> bool {
        self.in_use.load(Ordering::Acquire)
    }

    /// No more records come; `last_seq` is the last one in it. Called in the commit section.
    pub(crate) fn seal(&self, last_seq: u64) {
        self.last_seq.store(last_seq, Ordering::Release);
    }

    fn is_retired(&self) -> bool {
        self.sealed_and_synced.load(Ordering::Acquire)
    }

    /// Everything in it is on disk and nothing more will come.
    pub(crate) fn retire(&self) {
        self.sealed_and_synced.store(true, Ordering::Release);
        self.file.make_ready(0..0);
    }

    /// The same for a log that was synced before a clean close.
    pub(crate) fn seal_synced(&self, last_seq: u64) {
        self.begin_use();
        self.seal(last_seq);
        self.retire();
    }

    /// The last seq in the log, once it is sealed.
    pub(crate) fn sealed_at(&self) -> Option<u64> {
        let last_seq = self.last_seq.load(Ordering::Acquire);
        (last_seq != u64::MAX).then_some(last_seq)
    }

    /// The difference that a record stores for `seq`.
    pub(crate) fn seq_delta(&self, seq: u64) -> u32 {
        // A log is replaced long before four billion operations: see `LogTail::fits`.
        (seq - self.base_seq) as u32
    }
}

/// Where the log goes on. Part of the commit section.
#[derive(Debug)]
pub(crate) struct LogTail {
    pub(crate) log: Arc<LogFile>,
    pub(crate) offset: u64,
    full: bool,
}

impl LogTail {
    pub(crate) fn new(log: Arc<LogFile>, offset: u64) -> Self {
        Self { log, offset, full: false }
    }

    /// Leaves the rest of the log empty: whatever comes next goes to the next log.
    pub(crate) fn close_rest(&mut self) {
        self.full = true;
    }

    /// Whether a record of `bytes` and `operations` fits behind the last one.
    pub(crate) fn fits(&self, bytes: u64, next_seq: u64, operations: u64) -> bool {
        let seq_fits = next_seq + operations - self.log.base_seq < u64::from(u32::MAX);
        !self.full && self.offset + bytes <= self.log.capacity_bytes && seq_fits
    }
}

/// The end that the next log's BEGIN names (PROTOCOL L4).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Predecessor {
    pub(crate) uid: u64,
    pub(crate) end: u64,
    pub(crate) last_seq: u64,
}

/// The place in the log that a commit was given, and the BEGIN that it writes with it, if it is the
/// first in its log.
#[derive(Debug)]
pub(crate) struct LogPlace {
    pub(crate) log: Arc<LogFile>,
    pub(crate) offset: u64,
    pub(crate) begin: Option<Begin>,
}

impl LogPlace {
    /// Writes `record`, sealed for [`LogPlace::offset`], and BEGIN before it.
    pub(crate) fn write(&self, first_seq: u64, record: &[u8]) -> Result<()> {
        let Some(begin) = &self.begin else {
            return self.log.write(self.offset, record);
        };
        let begin_record = begin.record(self.log.uid, LOG_HEADER_BYTES, self.log.seq_delta(first_seq));
        let both = [&begin_record[..], record].concat();
        self.log.write(LOG_HEADER_BYTES, &both)
    }

    /// After that: see [`LogFile::make_ready_behind`].
    pub(crate) fn make_ready_behind(&self, record_bytes: u64) {
        self.log.make_ready_behind(self.offset..self.offset + record_bytes);
    }
}
