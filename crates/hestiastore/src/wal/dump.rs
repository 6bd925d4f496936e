//! What a log file holds, one thing after the other, for tools and people.

use std::ops::ControlFlow;

use crate::directory::Directory;
use crate::error::{Error, Result};

use super::format::LogHeader;
use super::marks::{Begin, SyncMark};
use super::operations::{BodyError, OperationRef, Operations};
use super::reader::{LogReader, Record, Step, Stop};
use super::record::RecordKind;
use super::search::Search;

/// What [`crate::inspect::read_log`] meets in a log file.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum LogItem<'a> {
    /// The first 64 bytes. Comes first.
    Header(LogFileHeader),
    /// The next record in order.
    Record(LogRecord<'a>),
    /// A valid record behind the place where reading in order stopped.
    Later(LaterRecord),
}

/// What a log's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogFileHeader {
    /// The index that the log belongs to.
    pub index_uuid: u128,
    /// The log's random identity.
    pub log_uid: u64,
    /// At most the first seq in the log.
    pub first_seq: u64,
    /// Length of the file.
    pub file_bytes: u64,
}

/// A record that was checked, all of it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LogRecord<'a> {
    /// Where it begins in the file.
    pub offset: u64,
    /// Where the next one begins.
    pub end: u64,
    /// Seq of the first operation; of a mark, that of the next operation.
    pub first_seq: u64,
    /// What it says.
    pub content: LogContent<'a>,
}

/// What a record of a log says.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum LogContent<'a> {
    /// The operations of one commit.
    Operations(LogOperations<'a>),
    /// Everything through `synced_seq` was on disk when this was written.
    Sync {
        /// The last seq that had been synced.
        synced_seq: u64,
        /// Wall-clock time in microseconds since 1970-01-01 UTC.
        wall_micros: u64,
    },
    /// The first record of a log: what it follows.
    Begin {
        /// Identity of the log before; 0 if there is none.
        predecessor_uid: u64,
        /// Where that one ends.
        predecessor_end: u64,
        /// The last seq in it.
        predecessor_last_seq: u64,
        /// The manifest's lineage.
        lineage: u64,
        /// The manifest's last edit when the log was first used.
        edit_number: u64,
    },
}

/// The operations of a record with their seqs.
#[derive(Debug, Clone)]
pub struct LogOperations<'a> {
    operations: Operations<'a>,
    next_seq: u64,
}

/// An operation as it was logged: encoded key and value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogOperation<'a> {
    /// A value was stored.
    Put {
        /// The encoded key.
        key: &'a [u8],
        /// The encoded value.
        value: &'a [u8],
    },
    /// A key was deleted.
    Delete {
        /// The encoded key.
        key: &'a [u8],
    },
}

impl LogOperations<'_> {
    /// How many are still to come.
    pub fn remaining(&self) -> u64 {
        self.operations.remaining()
    }
}

impl<'a> Iterator for LogOperations<'a> {
    type Item = (u64, LogOperation<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let seq = self.next_seq;
        // All were checked before the record was shown.
        let operation = match self.operations.next()?.ok()? {
            OperationRef::Put { key, value } => LogOperation::Put { key, value },
            OperationRef::Delete { key } => LogOperation::Delete { key },
        };
        self.next_seq += 1;
        Some((seq, operation))
    }
}

/// A valid record that cannot be reached in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LaterRecord {
    /// Where it begins in the file.
    pub offset: u64,
    /// As in [`LogRecord`].
    pub first_seq: u64,
    /// Of a SYNC mark: everything through this seq had been synced.
    pub synced_seq: Option<u64>,
}

/// Where reading a log in order ended, and that this is no damage.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogFileEnd {
    /// The place behind the last record.
    pub offset: u64,
    /// Why nothing is read there.
    pub reason: String,
    /// The seq of the next operation; `None` if there was no record.
    pub next_seq: Option<u64>,
}

/// How the visitor says whether it wants more.
pub type Visit<'v> = dyn FnMut(LogItem<'_>) -> Result<ControlFlow<()>> + 'v;

/// Shows `visit` the log in the file `name`: header, records in order up to `named_end` or to a place where no
/// valid one stands, and what valid records stand behind that. `None`: the visitor broke off.
///
/// A SYNC mark behind that place which says that the lost records had been synced makes it damage (L3). Other
/// records there do not: the system writes pages in any order.
pub(crate) fn read_log(
    dir: &dyn Directory,
    name: &str,
    named_end: Option<u64>,
    visit: &mut Visit<'_>,
) -> Result<Option<LogFileEnd>> {
    let (mut reader, header) = LogReader::open_named(dir, name)?;
    if visit(LogItem::Header(describe_header(&header, reader.file_bytes())))?.is_break() {
        return Ok(None);
    }
    let mut next_seq = None;
    let stop = loop {
        if named_end == Some(reader.offset()) {
            let reason = "an edit of the manifest ends the log here".to_owned();
            return Ok(Some(LogFileEnd { offset: reader.offset(), reason, next_seq }));
        }
        match reader.next()? {
            Step::Stop(stop) => break stop,
            Step::Record(record) => {
                if named_end.is_some_and(|end| record.end > end) {
                    let detail = "a record runs past the end that an edit names";
                    return Err(Error::corruption(name, record.offset, detail));
                }
                let shown = describe(&record).map_err(|error| error.at(name, record.offset))?;
                next_seq = Some(record.first_seq + record.operation_count);
                if visit(LogItem::Record(shown))?.is_break() {
                    return Ok(None);
                }
            }
        }
    };
    behind(&mut reader, stop, next_seq, visit)
}

fn describe_header(header: &LogHeader, file_bytes: u64) -> LogFileHeader {
    let LogHeader { index_uuid, log_uid, first_seq, .. } = *header;
    LogFileHeader { index_uuid, log_uid, first_seq, file_bytes }
}

fn describe<'a>(record: &Record<'a>) -> Result<LogRecord<'a>, BodyError> {
    let content = match record.kind {
        RecordKind::Operations => {
            let operations = Operations::new(record.body)?;
            operations.check()?;
            LogContent::Operations(LogOperations { operations, next_seq: record.first_seq })
        }
        RecordKind::Sync => {
            let SyncMark { synced_seq, wall_micros } = SyncMark::decode(record.body)?;
            LogContent::Sync { synced_seq, wall_micros }
        }
        RecordKind::Begin => {
            let begin = Begin::decode(record.body)?;
            LogContent::Begin {
                predecessor_uid: begin.predecessor_uid,
                predecessor_end: begin.predecessor_end,
                predecessor_last_seq: begin.predecessor_last_seq,
                lineage: begin.lineage,
                edit_number: begin.edit_number,
            }
        }
    };
    let Record { offset, end, first_seq, .. } = *record;
    Ok(LogRecord { offset, end, first_seq, content })
}

/// What stands behind the place where reading stopped, and the judgement on it.
fn behind(
    reader: &mut LogReader,
    stop: Stop,
    next_seq: Option<u64>,
    visit: &mut Visit<'_>,
) -> Result<Option<LogFileEnd>> {
    let name = reader.name().to_owned();
    let mut witness = None;
    let mut search = Search::new(reader, stop.offset);
    while let Some(found) = search.next()? {
        let synced_seq = found.sync.map(|mark| mark.synced_seq);
        if synced_seq.is_some_and(|synced| synced >= next_seq.unwrap_or(1)) {
            witness.get_or_insert(found.offset);
        }
        let later = LaterRecord { offset: found.offset, first_seq: found.first_seq, synced_seq };
        if visit(LogItem::Later(later))?.is_break() {
            return Ok(None);
        }
    }
    if let Some(witness) = witness {
        let detail = format!(
            "no valid record stands here ({}), but the SYNC mark at offset {witness} says that one had been synced",
            stop.reason
        );
        return Err(Error::corruption(name, stop.offset, detail));
    }
    Ok(Some(LogFileEnd { offset: stop.offset, reason: stop.reason.to_string(), next_seq }))
}
