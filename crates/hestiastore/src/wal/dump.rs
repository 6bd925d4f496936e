//! Writes a log file out for people: every record, where reading stops and why, and what lies behind.

use std::fmt::Display;
use std::io::{self, Write};

use crate::directory::Directory;
use crate::error::{Error, Result};

use super::marks::{Begin, SyncMark};
use super::operations::{OperationRef, Operations};
use super::reader::{LogReader, Record, Step, Stop};
use super::record::RecordKind;
use super::search::Search;

/// Longer keys and values are cut.
const SHOWN_BYTES: usize = 64;

/// Writes the log in the file `name`, up to the end of the file whatever stands in it. Damage and unknown
/// kinds are part of what is written, and are also the error at the end. A tail without valid records
/// behind it is no damage.
pub(crate) fn dump_log(dir: &dyn Directory, name: &str, out: &mut dyn Write) -> Result<()> {
    let (mut reader, header) = LogReader::open_named(dir, name)?;
    let mut out = Output { out };
    out.line(format_args!(
        "{name}: {} bytes, index {:032x}, log uid {:016x}, number ..{}, seqs from {}",
        reader.file_bytes(),
        header.index_uuid,
        header.log_uid,
        header.number_low,
        header.first_seq
    ))?;
    let offset = loop {
        match reader.next() {
            Ok(Step::Record(record)) => out.record(&record)?,
            Ok(Step::Stop(Stop { offset, reason })) => {
                out.line(format_args!("{offset:>10}  stops here: {reason}"))?;
                break offset;
            }
            Err(error @ (Error::Corruption { .. } | Error::Unsupported { .. })) => {
                out.line(format_args!("{:>10}  stops here: {error}", reader.offset()))?;
                return Err(error);
            }
            Err(other) => return Err(other),
        }
    };
    match out.later_records(&mut reader, offset)? {
        0 => Ok(()),
        count => {
            let detail = format!("no valid record stands here, but {count} valid ones behind it");
            Err(Error::corruption(name, offset, detail))
        }
    }
}

struct Output<'a> {
    out: &'a mut dyn Write,
}

impl Output<'_> {
    fn line(&mut self, line: impl Display) -> Result<()> {
        writeln!(self.out, "{line}").map_err(cannot_write)
    }

    fn record(&mut self, record: &Record<'_>) -> Result<()> {
        let (offset, seq) = (record.offset, record.first_seq);
        match record.kind {
            RecordKind::Operations => {
                let count = record.operation_count;
                self.line(format_args!("{offset:>10}  seq {seq}  operations {count}"))?;
                self.operations(record)
            }
            RecordKind::Sync => match SyncMark::decode(record.body) {
                Ok(mark) => self.line(format_args!(
                    "{offset:>10}  seq {seq}  SYNC through {} at {} us",
                    mark.synced_seq, mark.wall_micros
                )),
                Err(error) => self.line(format_args!("{offset:>10}  seq {seq}  SYNC: {error}")),
            },
            RecordKind::Begin => match Begin::decode(record.body) {
                Ok(begin) => self.begin(record, &begin),
                Err(error) => self.line(format_args!("{offset:>10}  seq {seq}  BEGIN: {error}")),
            },
        }
    }

    fn begin(&mut self, record: &Record<'_>, begin: &Begin) -> Result<()> {
        self.line(format_args!(
            "{:>10}  seq {}  BEGIN log {:016x} of index {:032x}, after log {:016x} to offset {} and seq {}, \
             lineage {}, edit {}",
            record.offset,
            record.first_seq,
            begin.log_uid,
            begin.index_uuid,
            begin.predecessor_uid,
            begin.predecessor_end,
            begin.predecessor_last_seq,
            begin.lineage,
            begin.edit_number
        ))
    }

    fn operations(&mut self, record: &Record<'_>) -> Result<()> {
        let operations = match Operations::new(record.body) {
            Ok(operations) => operations,
            Err(error) => return self.line(format_args!("{:>12}{error}", "")),
        };
        for (seq, operation) in (record.first_seq..).zip(operations) {
            match operation {
                Ok(OperationRef::Put { key, value }) => {
                    let (key, value) = (shown(key), shown(value));
                    self.line(format_args!("{:>12}{seq}  put {key} = {value}", ""))?;
                }
                Ok(OperationRef::Delete { key }) => {
                    self.line(format_args!("{:>12}{seq}  delete {}", "", shown(key)))?;
                }
                Err(error) => self.line(format_args!("{:>12}{seq}  {error}", ""))?,
            }
        }
        Ok(())
    }

    /// How many valid records stand behind the place where reading stopped.
    fn later_records(&mut self, reader: &mut LogReader, from: u64) -> Result<u64> {
        let mut search = Search::new(reader, from);
        let mut count = 0;
        loop {
            match search.next() {
                Ok(Some(found)) => {
                    count += 1;
                    let (offset, seq, kind) = (found.offset, found.first_seq, found.kind);
                    let mark = found.sync.map(|mark| format!(" through {}", mark.synced_seq));
                    let mark = mark.unwrap_or_default();
                    self.line(format_args!("{offset:>10}  behind: seq {seq}  {kind:?}{mark}"))?;
                }
                Ok(None) => return Ok(count),
                Err(error @ Error::Unsupported { .. }) => {
                    self.line(format_args!("            behind: {error}"))?;
                    return Err(error);
                }
                Err(other) => return Err(other),
            }
        }
    }
}

fn cannot_write(source: io::Error) -> Error {
    Error::io("write", "the dump", source)
}

/// Escaped, cut, and told how long it is where it was cut.
fn shown(bytes: &[u8]) -> String {
    let cut = bytes.get(..SHOWN_BYTES).unwrap_or(bytes);
    let rest = match bytes.len() - cut.len() {
        0 => String::new(),
        _ => format!("... ({} bytes)", bytes.len()),
    };
    format!("\"{}\"{rest}", cut.escape_ascii())
}
