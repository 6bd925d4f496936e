//! What is in the files of an index, for people and tools.
//!
//! Nothing here changes anything. Runs and manifests are written as text, which is for reading, not for
//! programs, and may change: keys and values as they are stored, escaped, and cut where they are long. Logs are
//! shown record by record.
//!
//! But for [`verify_logs`], nothing takes a lock, and each file is read by itself: a file that was copied
//! away, or that belongs to an index that cannot be opened, can be looked at as well as any other. What stands
//! before damage is shown, and then the damage is returned with its place.

use std::io::Write;
use std::sync::Arc;

use crate::directory::Directory;
use crate::error::Result;

pub use crate::index::{ListedLogFile, ListedLogs, LogEnd, LogFileReport, LogsReport};
pub use crate::wal::{
    LaterRecord, LogContent, LogFileEnd, LogFileHeader, LogItem, LogOperation, LogOperations, LogRecord,
    Visit,
};

/// Writes a run: header, properties, sections, and its entries, at most `limit` of them.
///
/// Costs one read of the part of the file that is shown.
///
/// ```
/// use std::sync::Arc;
///
/// use hestiastore::directory::{Directory, MemoryDirectory};
/// use hestiastore::{SegmentIndex, inspect};
///
/// let directory: Arc<dyn Directory> = Arc::new(MemoryDirectory::new());
/// let index = SegmentIndex::<String, u8>::builder_in(Arc::clone(&directory)).create()?;
/// index.put("apple", &1)?;
/// index.flush_and_wait()?;
///
/// let names = directory.list().unwrap();
/// let run = names.iter().find(|name| name.ends_with(".sst")).unwrap();
/// let mut text = Vec::new();
/// inspect::dump_run(&directory, run, None, &mut text)?;
/// assert!(String::from_utf8(text).unwrap().contains(r#"put "apple" = "\x01""#));
/// # Ok::<(), hestiastore::Error>(())
/// ```
///
/// # Errors
/// `Corruption`, `Unsupported`, I/O of the file or of `out`.
pub fn dump_run(
    directory: &Arc<dyn Directory>,
    name: &str,
    limit: Option<u64>,
    out: &mut dyn Write,
) -> Result<()> {
    crate::run::dump_run(directory, name, limit, out)
}

/// Writes a manifest: header, base state, every edit, and how it ends.
///
/// ```
/// use std::sync::Arc;
///
/// use hestiastore::directory::MemoryDirectory;
/// use hestiastore::{SegmentIndex, inspect};
///
/// let directory = Arc::new(MemoryDirectory::new());
/// let index = SegmentIndex::<String, u8>::builder_in(directory.clone()).create()?;
/// let mut text = Vec::new();
/// inspect::dump_manifest(&*directory, "MANIFEST", &mut text)?;
/// assert!(String::from_utf8(text).unwrap().contains(r#"types "string" -> "u8""#));
/// # Ok::<(), hestiastore::Error>(())
/// ```
///
/// # Errors
/// `Corruption`, `Unsupported`, I/O of the file or of `out`.
pub fn dump_manifest(directory: &dyn Directory, name: &str, out: &mut dyn Write) -> Result<()> {
    crate::manifest::dump_manifest(directory, name, out)
}

/// Shows `visit` what a log file holds: its header, each record in order up to a place where no valid one stands,
/// or up to `named_end` ([`ListedLogFile::named_end`]), and then what valid records stand behind that place.
/// Returns where reading in order ended; `None` if the visitor broke off.
///
/// ```
/// use std::ops::ControlFlow;
/// use std::sync::Arc;
///
/// use hestiastore::directory::MemoryDirectory;
/// use hestiastore::inspect::{LogContent, LogItem, LogOperation};
/// use hestiastore::{SegmentIndex, inspect};
///
/// let directory = Arc::new(MemoryDirectory::new());
/// let index = SegmentIndex::<String, u8>::builder_in(directory.clone()).create()?;
/// index.put("apple", &1)?;
///
/// let log = &inspect::list_logs(&*directory)?.logs[0];
/// let mut puts = 0;
/// inspect::read_log(&*directory, &log.name, log.named_end, &mut |item| {
///     if let LogItem::Record(record) = item
///         && let LogContent::Operations(operations) = record.content
///     {
///         puts += operations.filter(|(_, operation)| matches!(operation, LogOperation::Put { .. })).count();
///     }
///     Ok(ControlFlow::Continue(()))
/// })?;
/// assert_eq!(puts, 1);
/// # Ok::<(), hestiastore::Error>(())
/// ```
///
/// # Errors
/// `Corruption` if the place where reading ended is no torn tail, as far as this file tells; `Unsupported`; I/O;
/// errors of `visit`.
pub fn read_log(
    directory: &dyn Directory,
    name: &str,
    named_end: Option<u64>,
    visit: &mut Visit<'_>,
) -> Result<Option<LogFileEnd>> {
    crate::wal::read_log(directory, name, named_end, visit)
}

/// The logs that recovery would read, and the types of what is in them.
///
/// # Errors
/// `NotAnIndex`, and what is wrong with the manifest.
pub fn list_logs(directory: &dyn Directory) -> Result<ListedLogs> {
    crate::index::list_logs(directory)
}

/// Goes through all listed logs as recovery would, and says what is in each and how it ends. Changes nothing;
/// holds a shared lock meanwhile. A torn tail is sound.
///
/// Costs two reads of the logs, three of damaged ones.
///
/// # Errors
/// What keeps recovery from beginning: a writer that holds the lock, a manifest that cannot be read. Damage of
/// logs is a part of the report.
pub fn verify_logs(directory: &Arc<dyn Directory>) -> Result<LogsReport> {
    crate::index::verify_logs(directory)
}

/// The same for a file alone, which may be a copy elsewhere: as far as it tells by itself.
///
/// # Errors
/// `Unsupported`, I/O. Damage is a part of the report.
pub fn verify_log_file(directory: &dyn Directory, name: &str) -> Result<LogFileReport> {
    crate::index::verify_log_file(directory, name)
}
