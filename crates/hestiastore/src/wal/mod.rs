//! The write-ahead log: its files and records, how they are read, and how they are replayed.
//!
//! A log is a file of records behind a header of 64 bytes. Each record carries two checks that are
//! salted with the file's random identity and the record's own offset, so that no byte left over
//! from an earlier life of a recycled file, and no copy of a record inside a value, is ever taken
//! for a record. The layout is documented to the byte in `docs/format/wal.md`.
//!
//! Promises to its neighbours:
//! * [`replay()`] visits a prefix of what was written, in seq order, each record wholly or not at
//!   all, and tells a torn tail from the loss of something that had been synced (L3, L4, L5).
//! * A valid record of an unknown kind is [`crate::Error::Unsupported`], never a tail (F1).
//! * No bytes of a file make it panic, loop without end, or hold more memory than the file's length.

#[cfg(feature = "benching")]
pub(crate) mod benching;
mod dump;
mod evidence;
mod format;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod log;
mod marks;
mod operations;
mod reader;
mod record;
mod replay;
mod search;
mod set_aside;
mod survey;
mod sync;

#[cfg(test)]
mod test_support;
#[cfg(test)]
mod tests;

pub use self::dump::{
    LaterRecord, LogContent, LogFileEnd, LogFileHeader, LogItem, LogOperation, LogOperations, LogRecord,
    Visit,
};
pub(crate) use self::log::{LogFile, LogPlace, LogPlan, LogTail, Predecessor};
pub use self::replay::RecoveryPolicy;
pub(crate) use self::sync::SyncGate;
#[allow(unused_imports, reason = "for the folders above")]
pub(crate) use self::{
    dump::read_log,
    format::{LOG_HEADER_BYTES, LogHeader, log_file_name, parse_log_file_name},
    marks::{BEGIN_RECORD_BYTES, Begin, SYNC_RECORD_BYTES, SyncMark},
    operations::{BodyError, OperationRef, Operations},
    reader::{LogReader, Record, Step, Stop, StopReason},
    record::{MAX_RECORD_BYTES, RECORD_ALIGNMENT_BYTES, RECORD_HEADER_BYTES, RecordBuilder, RecordKind},
    replay::{DamageReport, Expectations, ListedLog, ReplayEnd, listed_logs, replay, replay_beside_writers},
    set_aside::logs_given_up,
    survey::{FirstRecord, damaged_logs, holds_records, read_begin, read_beginning},
};
