//! What each listed log is, before any of them is replayed: its header and its BEGIN.
//!
//! Replay goes by the chain of BEGIN records, so it has to know all of them first. Files are closed
//! again; a floor that was pinned for long may leave hundreds of logs.

use std::io;

use crate::directory::Directory;
use crate::error::{Error, Result};

use super::format::{LOG_HEADER_BYTES, LogHeader, log_file_name};
use super::marks::Begin;
use super::reader::{LogReader, Step};
use super::record::RecordKind;
use super::replay::ListedLog;
use super::search::Search;

/// A valid BEGIN as the first record of its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FirstRecord {
    pub(crate) begin: Begin,
    /// Seq of the log's first operation.
    pub(crate) first_seq: u64,
}

/// What was found under a listed log's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    /// A valid header. Without a BEGIN the log was never used, or its beginning is lost.
    Readable { base_seq: u64, first: Option<FirstRecord> },
    /// No header, or not that of the log: no crash does that, for the header is durable before the log is
    /// listed (L6).
    Damaged { offset: u64, detail: String },
    /// No such file.
    Missing,
}

/// A listed log and what it is.
#[derive(Debug, Clone)]
pub(super) struct Surveyed {
    pub(super) listed: ListedLog,
    pub(super) file: String,
    pub(super) condition: Condition,
}

impl Surveyed {
    pub(super) fn first(&self) -> Option<&FirstRecord> {
        match &self.condition {
            Condition::Readable { first, .. } => first.as_ref(),
            Condition::Damaged { .. } | Condition::Missing => None,
        }
    }

    /// No operation of this log has a lower seq. Seqs begin at 1.
    pub(super) fn least_seq(&self) -> u64 {
        match &self.condition {
            Condition::Readable { base_seq, .. } => (*base_seq).max(1),
            Condition::Damaged { .. } | Condition::Missing => 1,
        }
    }

    /// What is wrong whatever replay finds.
    pub(super) fn damage(&self) -> Option<(u64, String)> {
        match &self.condition {
            Condition::Readable { .. } => None,
            Condition::Damaged { offset, detail } => Some((*offset, detail.clone())),
            Condition::Missing => Some((0, "the manifest lists this log, but it is missing".into())),
        }
    }
}

pub(super) fn survey(dir: &dyn Directory, logs: &[ListedLog]) -> Result<Vec<Surveyed>> {
    logs.iter()
        .map(|listed| {
            let file = log_file_name(listed.number);
            let condition = match examine(dir, listed, &file) {
                Ok(condition) => condition,
                Err(Error::Corruption { offset, detail, .. }) => Condition::Damaged { offset, detail },
                Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                    Condition::Missing
                }
                Err(other) => return Err(other),
            };
            let listed = *listed;
            Ok(Surveyed { listed, file, condition })
        })
        .collect()
}

/// Every listed log that is missing, or whose beginning is damaged.
pub(crate) fn damaged_logs(dir: &dyn Directory, logs: &[ListedLog]) -> Result<Vec<Error>> {
    let surveyed = survey(dir, logs)?;
    let damage = surveyed.iter().filter_map(|log| Some((&log.file, log.damage()?)));
    Ok(damage.map(|(file, (offset, detail))| Error::corruption(file, offset, detail)).collect())
}

fn examine(dir: &dyn Directory, listed: &ListedLog, file: &str) -> Result<Condition> {
    let (mut reader, header) = LogReader::open_named(dir, file)?;
    if header.log_uid != listed.uid {
        let (expected, found) = (listed.uid, header.log_uid);
        let detail = format!("the manifest lists log uid {expected:016x}, found {found:016x}");
        return Err(Error::corruption(file, 0, detail));
    }
    Ok(Condition::Readable { base_seq: header.first_seq, first: first_record(&mut reader, &header)? })
}

/// The BEGIN of a log file; `None` if it was never used or its beginning is lost.
///
/// For the manifest, which must know whether any log follows an edit that it cannot read (D6).
pub(crate) fn read_begin(dir: &dyn Directory, number: u64) -> Result<Option<Begin>> {
    let (mut reader, header) = LogReader::open(dir, number)?;
    Ok(first_record(&mut reader, &header)?.map(|first| first.begin))
}

/// The header and the BEGIN of the file `name`, whatever it is called.
pub(crate) fn read_beginning(dir: &dyn Directory, name: &str) -> Result<(LogHeader, Option<FirstRecord>)> {
    let (mut reader, header) = LogReader::open_named(dir, name)?;
    let first = first_record(&mut reader, &header)?;
    Ok((header, first))
}

/// Whether a log without a BEGIN holds records all the same.
pub(crate) fn holds_records(dir: &dyn Directory, name: &str) -> Result<bool> {
    let (mut reader, _) = LogReader::open_named(dir, name)?;
    Ok(Search::new(&mut reader, LOG_HEADER_BYTES).next()?.is_some())
}

fn first_record(reader: &mut LogReader, header: &LogHeader) -> Result<Option<FirstRecord>> {
    reader.seek(LOG_HEADER_BYTES, None);
    let file = reader.name().to_owned();
    let wrong = |detail: String| Err(Error::corruption(&*file, LOG_HEADER_BYTES, detail));
    let record = match reader.next()? {
        Step::Record(record) => record,
        Step::Stop(_) => return Ok(None),
    };
    if record.kind != RecordKind::Begin {
        return wrong(format!("expected BEGIN, found a record of kind {:?}", record.kind));
    }
    let begin = Begin::decode(record.body).map_err(|error| error.at(&file, LOG_HEADER_BYTES))?;
    if begin.log_uid != header.log_uid || begin.index_uuid != header.index_uuid {
        return wrong(format!(
            "the header is of log {:016x} of index {:032x}, BEGIN of log {:016x} of index {:032x}",
            header.log_uid, header.index_uuid, begin.log_uid, begin.index_uuid
        ));
    }
    let first_seq = record.first_seq;
    Ok(Some(FirstRecord { begin, first_seq }))
}
