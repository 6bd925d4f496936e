//! Files of an index as text, for people who want to know what is in them.
//!
//! Nothing here takes a lock or changes anything, and each file is read by itself: a file that was copied
//! away, or that belongs to an index that cannot be opened, can be looked at as well as any other.
//! The text is for reading, not for programs; it may change. Keys and values are shown as they are stored,
//! escaped, and cut where they are long.
//!
//! All three write what stands before damage, and then return the damage with its place.

use std::io::Write;
use std::sync::Arc;

use crate::directory::Directory;
use crate::error::Result;

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

/// Writes a write-ahead log: every record with its operations, where reading stops and why, and what valid
/// records lie behind that place.
///
/// ```
/// use std::sync::Arc;
///
/// use hestiastore::directory::{Directory, MemoryDirectory};
/// use hestiastore::{SegmentIndex, inspect};
///
/// let directory = Arc::new(MemoryDirectory::new());
/// let index = SegmentIndex::<String, u8>::builder_in(directory.clone()).create()?;
/// index.put("apple", &1)?;
///
/// let names = directory.list().unwrap();
/// let log = names.iter().filter(|name| name.ends_with(".wal")).min().unwrap();
/// let mut text = Vec::new();
/// inspect::dump_log(&*directory, log, &mut text)?;
/// assert!(String::from_utf8(text).unwrap().contains(r#"put "apple" = "\x01""#));
/// # Ok::<(), hestiastore::Error>(())
/// ```
///
/// # Errors
/// `Corruption`, `Unsupported`, I/O of the file or of `out`.
pub fn dump_log(directory: &dyn Directory, name: &str, out: &mut dyn Write) -> Result<()> {
    crate::wal::dump_log(directory, name, out)
}
