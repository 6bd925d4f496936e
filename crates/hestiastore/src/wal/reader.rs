//! Reads the records of one log in order, until a place where no valid record stands.
//!
//! The file is read in pieces; more than a piece is held only for a record that is longer.

use std::fmt;
use std::sync::Arc;

use crc32fast::Hasher;

use crate::directory::{Directory, File, OpenMode};
use crate::error::{Error, Result};

use super::format::{LOG_HEADER_BYTES, LogHeader, log_file_name};
use super::operations::Operations;
use super::record::{
    HEADER_LENGTH, MAX_RECORD_BYTES, RECORD_ALIGNMENT_BYTES, RECORD_HEADER_BYTES, RecordHeader, RecordKind,
};

/// How much is read at once.
const PIECE_BYTES: u64 = 256 << 10;

/// A record whose checks hold and whose seq is the expected one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) offset: u64,
    /// Where the next record begins.
    pub(crate) end: u64,
    /// Seq of the first operation; for SYNC and BEGIN that of the next operation.
    pub(crate) first_seq: u64,
    /// How many operations it holds, and so how many seqs it takes.
    pub(crate) operation_count: u64,
    pub(crate) kind: RecordKind,
    pub(crate) body: &'a [u8],
}

/// What [`LogReader::next`] finds.
#[derive(Debug)]
pub(crate) enum Step<'a> {
    Record(Record<'a>),
    /// No valid record stands here. Asking again gives the same answer.
    Stop(Stop),
}

/// The place where reading in order ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stop {
    pub(crate) offset: u64,
    pub(crate) reason: StopReason,
}

/// Why no record stands at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// Not even a record's header fits before the end of the file.
    EndOfFile,
    /// Zeros: nothing was ever written here.
    Zeros,
    /// The header's own check fails.
    HeaderCheck,
    /// The record would end beyond the file.
    TooLong {
        record_bytes: u64,
    },
    Crc {
        stored: u32,
        computed: u32,
    },
    /// A valid record, but not the next one.
    Seq {
        expected: u64,
        found: u64,
    },
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EndOfFile => f.write_str("the file ends"),
            Self::Zeros => f.write_str("nothing but zeros"),
            Self::HeaderCheck => f.write_str("no record header"),
            Self::TooLong { record_bytes } => {
                write!(f, "a record of {record_bytes} bytes would run past the end of the file")
            }
            Self::Crc { stored, computed } => {
                write!(f, "the record says CRC {stored:08x}, its bytes have {computed:08x}")
            }
            Self::Seq { expected, found } => write!(f, "expected seq {expected}, found {found}"),
        }
    }
}

/// One open log file and the place that reading has come to.
#[derive(Debug)]
pub(crate) struct LogReader {
    file: Arc<dyn File>,
    name: Arc<str>,
    log_uid: u64,
    base_seq: u64,
    file_bytes: u64,
    window: Vec<u8>,
    window_start: u64,
    offset: u64,
    next_seq: Option<u64>,
}

impl LogReader {
    /// Opens a log at its first record, with what its header says.
    pub(crate) fn open(dir: &dyn Directory, number: u64) -> Result<(Self, LogHeader)> {
        Self::open_named(dir, &log_file_name(number))
    }

    /// [`LogReader::open`] under any file name.
    pub(crate) fn open_named(dir: &dyn Directory, name: &str) -> Result<(Self, LogHeader)> {
        let mut reader = Self::open_headless(dir, name, 0)?;
        let header = LogHeader::decode(reader.header_bytes()?, name)?;
        reader.log_uid = header.log_uid;
        reader.base_seq = header.first_seq;
        Ok((reader, header))
    }

    /// Opens a log whose header says nothing; its identity is known from elsewhere. Only good for a
    /// search: seqs count from 0.
    pub(super) fn open_headless(dir: &dyn Directory, name: &str, log_uid: u64) -> Result<Self> {
        let cannot = |operation| move |source| Error::io(operation, name, source);
        let file = dir.open(name, OpenMode::Read).map_err(cannot("open"))?;
        let file_bytes = file.len().map_err(cannot("measure"))?;
        Ok(Self {
            file,
            name: name.into(),
            log_uid,
            base_seq: 0,
            file_bytes,
            window: Vec::new(),
            window_start: 0,
            offset: LOG_HEADER_BYTES,
            next_seq: None,
        })
    }

    /// The first 64 bytes, or fewer in a shorter file.
    pub(super) fn header_bytes(&mut self) -> Result<&[u8]> {
        let length = self.file_bytes.min(LOG_HEADER_BYTES) as usize;
        Ok(self.bytes_at(0, length)?.unwrap_or(&[]))
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// Where [`LogReader::next`] looks.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Goes on at `offset`, where a record begins. Its seq must be `next_seq`; `None` takes any.
    pub(crate) fn seek(&mut self, offset: u64, next_seq: Option<u64>) {
        self.offset = offset;
        self.next_seq = next_seq;
    }

    /// The record at the current place, and goes behind it.
    ///
    /// [`Error::Unsupported`] for a valid record that this version does not know (F1), and
    /// [`Error::Corruption`] for a valid one that contradicts itself; neither is ever a tail.
    pub(crate) fn next(&mut self) -> Result<Step<'_>> {
        let offset = self.offset;
        let header = match self.header_at(offset)? {
            Ok(header) => header,
            Err(reason) => return Ok(Step::Stop(Stop { offset, reason })),
        };
        let (log_uid, name) = (self.log_uid, self.name.clone());
        let Some(bytes) = self.bytes_at(offset, header.record_bytes() as usize)? else {
            return Err(truncated(&name, offset));
        };
        let padded = bytes.get(HEADER_LENGTH..).unwrap_or(&[]);
        if let Some(reason) = crc_mismatch(&header, padded, log_uid, offset) {
            return Ok(Step::Stop(Stop { offset, reason }));
        }
        let kind = known_kind(&header, &name, offset)?;
        let body = padded.get(..header.length as usize).unwrap_or(padded);
        let operation_count = match kind {
            RecordKind::Operations => {
                Operations::new(body).map_err(|error| error.at(&name, offset))?.remaining()
            }
            RecordKind::Sync | RecordKind::Begin => 0,
        };
        self.accept(&header, kind, operation_count, &name)
    }

    /// Moves behind a verified record that stands in the window, unless its seq is the wrong one.
    fn accept(
        &mut self,
        header: &RecordHeader,
        kind: RecordKind,
        operation_count: u64,
        name: &str,
    ) -> Result<Step<'_>> {
        let offset = self.offset;
        let first_seq = self.base_seq.checked_add(u64::from(header.seq_delta));
        let next_seq = first_seq.and_then(|first| first.checked_add(operation_count));
        let (Some(first_seq), Some(next_seq)) = (first_seq, next_seq) else {
            return Err(Error::corruption(name, offset, "seqs beyond 64 bits"));
        };
        if let Some(expected) = self.next_seq.filter(|&expected| expected != first_seq) {
            let reason = StopReason::Seq { expected, found: first_seq };
            return Ok(Step::Stop(Stop { offset, reason }));
        }
        self.offset = offset + header.record_bytes();
        self.next_seq = Some(next_seq);
        let end = self.offset;
        let bytes = self.bytes_at(offset, header.record_bytes() as usize)?.unwrap_or(&[]);
        let body = bytes.get(HEADER_LENGTH..).and_then(|padded| padded.get(..header.length as usize));
        Ok(Step::Record(Record { offset, end, first_seq, operation_count, kind, body: body.unwrap_or(&[]) }))
    }

    /// The header at `offset`, if its check holds and the record ends within the file.
    pub(super) fn header_at(&mut self, offset: u64) -> Result<std::result::Result<RecordHeader, StopReason>> {
        let (log_uid, file_bytes) = (self.log_uid, self.file_bytes);
        let Some(bytes) = self.bytes_at(offset, HEADER_LENGTH)? else {
            return Ok(Err(StopReason::EndOfFile));
        };
        let Some(bytes) = bytes.first_chunk::<HEADER_LENGTH>() else {
            return Ok(Err(StopReason::EndOfFile));
        };
        let header = RecordHeader::decode(bytes);
        let record_bytes = header.record_bytes();
        Ok(if *bytes == [0; HEADER_LENGTH] {
            Err(StopReason::Zeros)
        } else if header.kind == 0 || !header.check_holds(log_uid, offset) {
            Err(StopReason::HeaderCheck)
        } else if record_bytes > MAX_RECORD_BYTES || record_bytes > file_bytes - offset {
            Err(StopReason::TooLong { record_bytes })
        } else {
            Ok(header)
        })
    }

    /// Whether the CRC of the record at `offset` holds, read piece by piece.
    pub(super) fn crc_holds(&mut self, header: &RecordHeader, offset: u64) -> Result<bool> {
        let end = offset + header.record_bytes();
        let mut at = offset + RECORD_HEADER_BYTES;
        let mut hash = Hasher::new();
        while at < end {
            let piece = (end - at).min(PIECE_BYTES);
            match self.bytes_at(at, piece as usize)? {
                Some(bytes) => hash.update(bytes),
                None => return Ok(false),
            }
            at += piece;
        }
        Ok(header.crc == header.expected_crc(hash, self.log_uid, offset))
    }

    /// All that is held from `offset` on: at least a record's header, or `None` at the file's end.
    pub(super) fn window_from(&mut self, offset: u64) -> Result<Option<(&[u8], u64, u64)>> {
        let (log_uid, file_bytes) = (self.log_uid, self.file_bytes);
        if self.bytes_at(offset, HEADER_LENGTH)?.is_none() {
            return Ok(None);
        }
        let skipped = (offset - self.window_start) as usize;
        Ok(self.window.get(skipped..).map(|rest| (rest, log_uid, file_bytes)))
    }

    pub(super) fn base_seq(&self) -> u64 {
        self.base_seq
    }

    /// Exactly `length` bytes; `None` if the file ends before.
    pub(super) fn bytes_at(&mut self, offset: u64, length: usize) -> Result<Option<&[u8]>> {
        let Some(left) = self.file_bytes.checked_sub(offset).filter(|&left| left >= length as u64) else {
            return Ok(None);
        };
        let held = |window: &[u8], start: u64| {
            let skipped = usize::try_from(offset.checked_sub(start)?).ok()?;
            let end = skipped.checked_add(length)?;
            (end <= window.len()).then_some(skipped..end)
        };
        if held(&self.window, self.window_start).is_none() {
            self.refill(offset, left.min(PIECE_BYTES.max(length as u64)) as usize)?;
        }
        Ok(held(&self.window, self.window_start).and_then(|range| self.window.get(range)))
    }

    fn refill(&mut self, offset: u64, length: usize) -> Result<()> {
        self.window.resize(length, 0);
        self.window_start = offset;
        let read = self
            .file
            .read_at(offset, &mut self.window)
            .inspect_err(|_| self.window.clear())
            .map_err(|source| Error::io("read", &*self.name, source))?;
        self.window.truncate(read);
        Ok(())
    }
}

fn crc_mismatch(header: &RecordHeader, padded: &[u8], log_uid: u64, offset: u64) -> Option<StopReason> {
    let mut hash = Hasher::new();
    hash.update(padded);
    let computed = header.expected_crc(hash, log_uid, offset);
    let stored = header.crc;
    (stored != computed).then_some(StopReason::Crc { stored, computed })
}

/// Refuses what a valid record of a later version may say.
pub(super) fn known_kind(header: &RecordHeader, file: &str, offset: u64) -> Result<RecordKind> {
    let unknown = match RecordKind::from_byte(header.kind) {
        Some(kind) if header.keyspace == 0 => return Ok(kind),
        Some(_) => format!("keyspace {}", header.keyspace),
        None => format!("unknown record kind {}", header.kind),
    };
    Err(Error::Unsupported {
        file: file.into(),
        detail: format!("{unknown} in the record at offset {offset}"),
    })
}

fn truncated(file: &str, offset: u64) -> Error {
    Error::corruption(file, offset, "the file became shorter while it was read")
}

/// The first place at or behind `offset` where a record may begin.
pub(super) fn align_up(offset: u64) -> u64 {
    offset.checked_next_multiple_of(RECORD_ALIGNMENT_BYTES).unwrap_or(u64::MAX)
}
