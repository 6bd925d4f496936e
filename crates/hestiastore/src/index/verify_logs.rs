//! Going through the listed logs as recovery would, to say what they hold and whether they are sound.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::open::{confirm_end, refuse_foreign, take_lock};
use crate::counted::Counted;
use crate::directory::{Directory, LockMode};
use crate::error::{Error, Result};
use crate::manifest::{ManifestState, read_manifest};
use crate::wal::{
    Begin, Expectations, ListedLog, LogContent, LogItem, RecoveryPolicy, ReplayEnd, listed_logs,
    log_file_name, read_begin, read_log, replay,
};

/// What the logs of an index hold, and whether recovery would take them.
///
/// Its text form is a line for each log.
///
/// ```
/// use std::sync::Arc;
///
/// use hestiastore::directory::{Directory, MemoryDirectory};
/// use hestiastore::{SegmentIndex, inspect};
///
/// let directory: Arc<dyn Directory> = Arc::new(MemoryDirectory::new());
/// let index = SegmentIndex::<String, u8>::builder_in(directory.clone()).create()?;
/// index.put("apple", &1)?;
/// index.close()?;
///
/// let report = inspect::verify_logs(&directory)?;
/// assert!(report.damage.is_none());
/// assert_eq!(report.logs[0].operations, 1);
/// # Ok::<(), hestiastore::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct LogsReport {
    /// In the order in which the manifest lists them.
    pub logs: Vec<LogFileReport>,
    /// Why recovery would refuse them.
    pub damage: Option<Error>,
}

/// What was found in one log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogFileReport {
    /// The file's name in the directory.
    pub name: String,
    /// The number that the manifest lists it by; `None` for a file that was looked at alone.
    pub number: Option<u64>,
    /// Its random identity.
    pub uid: u64,
    /// The identity of the log before it, if it follows one.
    pub predecessor_uid: Option<u64>,
    /// Length of the file, with what is reserved.
    pub file_bytes: u64,
    /// Records before the end, marks included.
    pub records: u64,
    /// Operations before the end.
    pub operations: u64,
    /// Seqs of the first and the last operation.
    pub seqs: Option<(u64, u64)>,
    /// SYNC marks before the end.
    pub sync_marks: u64,
    /// The greatest seq that one of them proves to have been synced.
    pub synced_seq: Option<u64>,
    /// Where it ends, and why.
    pub end: LogEnd,
}

/// Where a log ends, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogEnd {
    /// The next log goes on here.
    Followed {
        /// The place behind the last record.
        offset: u64,
    },
    /// An edit of the manifest ends it here.
    Named {
        /// The place behind the last record.
        offset: u64,
    },
    /// Nothing valid stands here, and nothing says that it was ever promised.
    Tail {
        /// The place behind the last record.
        offset: u64,
        /// Why nothing is read here.
        reason: String,
    },
    /// What stood here is lost, and is proven to have been on disk.
    Damage {
        /// Where reading ends.
        offset: u64,
        /// What was expected and what was found.
        detail: String,
    },
    /// It was made ready, and never used.
    Unused,
    /// Recovery ends in a log before it.
    NotReached,
}

/// A log that recovery reads, as the manifest lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListedLogFile {
    /// The file's name in the directory.
    pub name: String,
    /// Its number in the name.
    pub number: u64,
    /// The identity that its header must carry.
    pub uid: u64,
    /// Where an edit ends it.
    pub named_end: Option<u64>,
}

/// What the manifest says about the logs and what is in them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListedLogs {
    /// The index that they belong to.
    pub index_uuid: u128,
    /// The name of the type of keys.
    pub key_type: String,
    /// The name of the type of values.
    pub value_type: String,
    /// In the order of their numbers.
    pub logs: Vec<ListedLogFile>,
}

/// See [`crate::inspect::list_logs`].
pub(crate) fn list_logs(directory: &dyn Directory) -> Result<ListedLogs> {
    let state = read_manifest(directory)?.state;
    let logs = listed_logs(&state).into_iter().map(|log| ListedLogFile {
        name: log_file_name(log.number),
        number: log.number,
        uid: log.uid,
        named_end: log.end.map(|(offset, _)| offset),
    });
    let logs = logs.collect();
    let ManifestState { index_uuid, key_type, value_type, .. } = state;
    Ok(ListedLogs { index_uuid, key_type, value_type, logs })
}

/// See [`crate::inspect::verify_logs`].
pub(crate) fn verify_logs(directory: &Arc<dyn Directory>) -> Result<LogsReport> {
    refuse_foreign(&**directory)?;
    let _lock = take_lock(&**directory, LockMode::Shared)?;
    let read = read_manifest(&**directory)?;
    confirm_end(directory, &read)?;
    let listed = listed_logs(&read.state);
    let proven_synced_seq = read.state.proven_synced_seq();
    let replayed = |policy| {
        let expectations = Expectations { proven_synced_seq, policy };
        replay(&**directory, &listed, expectations, &mut |_, _| Ok(()))
    };
    let (end, damage) = match replayed(RecoveryPolicy::Fail) {
        Ok(end) => (end, None),
        Err(damage @ Error::Corruption { .. }) => (replayed(RecoveryPolicy::CutAtDamage)?, Some(damage)),
        Err(other) => return Err(other),
    };
    let logs = describe(&**directory, &listed, &end, damage.as_ref())?;
    Ok(LogsReport { logs, damage })
}

/// See [`crate::inspect::verify_log_file`].
pub(crate) fn verify_log_file(directory: &dyn Directory, name: &str) -> Result<LogFileReport> {
    let mut report = LogFileReport::of_nothing(name, None, 0);
    match report.read(directory, None) {
        Ok(()) => Ok(report),
        Err(Error::Corruption { offset, detail, .. }) => {
            report.end = LogEnd::Damage { offset, detail };
            Ok(report)
        }
        Err(other) => Err(other),
    }
}

fn describe(
    directory: &dyn Directory,
    listed: &[ListedLog],
    end: &ReplayEnd,
    damage: Option<&Error>,
) -> Result<Vec<LogFileReport>> {
    let entered = entered(directory, listed, end);
    let mut reports = Vec::with_capacity(listed.len());
    for log in listed {
        let mut report = LogFileReport::of_nothing(&log_file_name(log.number), Some(log.number), log.uid);
        let passage = entered.iter().find(|passage| passage.number == log.number);
        let read = match passage {
            Some(passage) => report.read(directory, passage.left_at.or(log.end.map(|(offset, _)| offset))),
            None => report.read_whether_used(directory, log.number),
        };
        match (read, damage) {
            (_, Some(Error::Corruption { file, offset, detail })) if *file == report.name => {
                report.end = LogEnd::Damage { offset: *offset, detail: detail.clone() };
            }
            (Ok(()), _) if passage.is_some() => report.say_end(log, end),
            (Ok(()), _) => {}
            // Another log's damage was told; this one's has its place.
            (Err(Error::Corruption { offset, detail, .. }), _) => {
                report.end = LogEnd::Damage { offset, detail };
            }
            (Err(Error::Io { .. }), Some(_)) => {}
            (Err(other), _) => return Err(other),
        }
        reports.push(report);
    }
    Ok(reports)
}

/// A log that replay went through.
struct Passage {
    number: u64,
    /// Where the next log's BEGIN says that it was left; `None` of the last.
    left_at: Option<u64>,
}

/// The logs that replay went through, in order.
fn entered(directory: &dyn Directory, listed: &[ListedLog], end: &ReplayEnd) -> Vec<Passage> {
    let begins: Vec<_> = listed.iter().map(|log| read_begin(directory, log.number).ok().flatten()).collect();
    let mut entered: Vec<Passage> = Vec::new();
    let mut log = listed.first();
    while let Some(current) = log {
        let is_last = current.number == end.log_number || entered.len() == listed.len();
        let follows = |begin: &Begin| !is_last && begin.predecessor_uid == current.uid;
        let mut logs = listed.iter().zip(&begins).filter_map(|(log, begin)| Some((log, begin.as_ref()?)));
        let next = logs.find(|(_, begin)| follows(begin));
        entered
            .push(Passage { number: current.number, left_at: next.map(|(_, begin)| begin.predecessor_end) });
        log = next.map(|(next, _)| next);
    }
    entered
}

impl LogFileReport {
    fn of_nothing(name: &str, number: Option<u64>, uid: u64) -> Self {
        Self {
            name: name.to_owned(),
            number,
            uid,
            predecessor_uid: None,
            file_bytes: 0,
            records: 0,
            operations: 0,
            seqs: None,
            sync_marks: 0,
            synced_seq: None,
            end: LogEnd::NotReached,
        }
    }

    /// Takes in what stands before `end`, or before the place where reading in order stops.
    fn read(&mut self, directory: &dyn Directory, end: Option<u64>) -> Result<()> {
        let name = self.name.clone();
        let stopped = read_log(directory, &name, end, &mut |item| {
            self.take(&item);
            Ok(ControlFlow::Continue(()))
        })?;
        if let Some(stopped) = stopped {
            self.end = LogEnd::Tail { offset: stopped.offset, reason: stopped.reason };
        }
        Ok(())
    }

    /// Of a log that replay did not enter: whether it was ever used.
    fn read_whether_used(&mut self, directory: &dyn Directory, number: u64) -> Result<()> {
        let name = self.name.clone();
        let _ = read_log(directory, &name, None, &mut |item| {
            if let LogItem::Header(header) = item {
                self.file_bytes = header.file_bytes;
            }
            Ok(ControlFlow::Break(()))
        })?;
        match read_begin(directory, number)? {
            Some(begin) => self.predecessor_uid = Some(begin.predecessor_uid).filter(|uid| *uid != 0),
            None => self.end = LogEnd::Unused,
        }
        Ok(())
    }

    fn take(&mut self, item: &LogItem<'_>) {
        let record = match item {
            LogItem::Header(header) => {
                self.file_bytes = header.file_bytes;
                self.uid = header.log_uid;
                return;
            }
            LogItem::Record(record) => record,
            LogItem::Later(_) => return,
        };
        self.records += 1;
        match &record.content {
            LogContent::Operations(operations) if operations.remaining() > 0 => {
                self.operations += operations.remaining();
                let last = record.first_seq + (operations.remaining() - 1);
                self.seqs = Some((self.seqs.map_or(record.first_seq, |(first, _)| first), last));
            }
            LogContent::Operations(_) => {}
            LogContent::Sync { synced_seq, .. } => {
                self.sync_marks += 1;
                self.synced_seq = self.synced_seq.max(Some(*synced_seq));
            }
            LogContent::Begin { predecessor_uid, .. } => {
                self.predecessor_uid = Some(*predecessor_uid).filter(|uid| *uid != 0);
            }
        }
    }

    /// Of a log that was read to the end that replay found.
    fn say_end(&mut self, log: &ListedLog, end: &ReplayEnd) {
        let LogEnd::Tail { offset, .. } = self.end else { return };
        if log.end.is_some_and(|(named, _)| named == offset) {
            self.end = LogEnd::Named { offset };
        } else if log.number != end.log_number {
            self.end = LogEnd::Followed { offset };
        }
    }
}

/// A line for each log.
impl fmt::Display for LogsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.logs.is_empty() {
            writeln!(f, "no log is listed")?;
        }
        self.logs.iter().try_for_each(|log| writeln!(f, "{log}"))
    }
}

/// One line, without its end.
impl fmt::Display for LogFileReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:016x}", self.name, self.uid)?;
        if let Some(predecessor) = self.predecessor_uid {
            write!(f, " after {predecessor:016x}")?;
        }
        write!(f, ": {} bytes", self.file_bytes)?;
        // Nothing of it was counted.
        if self.end == LogEnd::NotReached {
            return write!(f, "; {}", self.end);
        }
        let records = Counted(self.records, "record", "records");
        write!(f, ", {records}, {}", Counted(self.operations, "operation", "operations"))?;
        if let Some((first, last)) = self.seqs {
            write!(f, ", seqs {first} to {last}")?;
        }
        write!(f, ", {}", Counted(self.sync_marks, "SYNC mark", "SYNC marks"))?;
        if let Some(synced) = self.synced_seq {
            write!(f, " through {synced}")?;
        }
        write!(f, "; {}", self.end)
    }
}

impl fmt::Display for LogEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Followed { offset } => write!(f, "ends at {offset}, where the next log goes on"),
            Self::Named { offset } => write!(f, "ends at {offset}, as the manifest says"),
            Self::Tail { offset, reason } => write!(f, "ends at {offset}, the tail: {reason}"),
            Self::Damage { offset, detail } => write!(f, "is damaged at {offset}: {detail}"),
            Self::Unused => f.write_str("not used yet"),
            Self::NotReached => f.write_str("not reached"),
        }
    }
}
