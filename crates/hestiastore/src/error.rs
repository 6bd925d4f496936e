//! The one error type of the engine: what went wrong, where, and what to do.
//!
//! Messages are sentences for people. A program decides by the variant.

use std::io;
use std::sync::Arc;

use crate::obstacle::{is_obstacle, is_out_of_descriptors};

/// What every fallible operation of the engine returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong.
///
/// `Corruption` names the file and the offset, and says what was expected and what was found. After
/// [`Error::Failed`] only `close` is useful: reopening recovers from what is on disk.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an operation on a file or directory.
    #[error("cannot {operation} {file}: {source}")]
    Io {
        /// What was tried, as a verb: `"read"`, `"sync"`.
        operation: &'static str,
        /// The file's name inside the directory, or the directory itself.
        file: String,
        /// What the operating system said.
        source: Arc<io::Error>,
    },
    /// Bytes on disk are not what was written. Nothing was changed.
    #[error("{file} is damaged at offset {offset}: {detail}")]
    Corruption {
        /// The damaged file's name inside the directory.
        file: String,
        /// Byte offset in that file, or of the structure that the damage was found in.
        offset: u64,
        /// What was expected and what was found.
        detail: String,
    },
    /// A file is of a later or foreign format. Use a version of the engine that knows it.
    #[error("{file} cannot be read by this version: {detail}")]
    Unsupported {
        /// The file's name inside the directory.
        file: String,
        /// The feature, kind or version that is not known here.
        detail: String,
    },
    /// The directory holds no index.
    #[error("{directory} is not a HestiaStore index: {detail}")]
    NotAnIndex {
        /// The directory.
        directory: String,
        /// What was found instead.
        detail: String,
    },
    /// `create` was called on a directory that holds an index already.
    #[error("{directory} holds an index already ({found}); open it, or choose an empty directory")]
    AlreadyExists {
        /// The directory.
        directory: String,
        /// The file that gave it away.
        found: String,
    },
    /// Another process, or another handle in this one, holds the directory.
    #[error("{directory} is in use by {holder}")]
    Locked {
        /// The directory.
        directory: String,
        /// Who holds it, as the holder wrote it into `.lock`.
        holder: String,
    },
    /// The index was created with another key or value type.
    #[error("the index holds {role}s of type {stored}, not {requested}")]
    TypeMismatch {
        /// `"key"` or `"value"`.
        role: &'static str,
        /// The name stored in the index.
        stored: String,
        /// The name of the type it was opened as.
        requested: String,
    },
    /// Settings that cannot work, all of them at once.
    #[error("invalid configuration: {}", .problems.join("; "))]
    InvalidConfig {
        /// One sentence a problem, each beginning with the knob's name.
        problems: Vec<String>,
    },
    /// A key is longer than the limit.
    #[error("a key of {length} bytes is longer than the limit of {limit} bytes")]
    KeyTooLong {
        /// Length of the encoded key in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A value is longer than the limit.
    #[error("a value of {length} bytes is longer than the limit of {limit} bytes")]
    ValueTooLong {
        /// Length of the encoded value in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A batch is larger than the limit. Split it.
    #[error("a batch of {bytes} bytes is larger than the limit of {limit} bytes")]
    BatchTooLarge {
        /// Size of the batch as a log record, in bytes.
        bytes: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A range whose start lies behind its end.
    #[error("the range starts behind its end")]
    InvalidRange,
    /// Stored bytes are no value of the type that they are read as.
    #[error("stored bytes are no {type_name}: {detail}")]
    Decode {
        /// The type's persisted name.
        type_name: String,
        /// What does not fit.
        detail: String,
    },
    /// A text given for a type's name, a key or a value cannot be read as one.
    #[error("the text is no {expected}: {detail}")]
    InvalidText {
        /// What the text was to be, for example a type's name.
        expected: String,
        /// What does not fit.
        detail: String,
    },
    /// The index was closed, or is closing.
    #[error("the index is closed")]
    Closed,
    /// The index was opened for reading only.
    #[error("the index was opened read-only")]
    ReadOnly,
    /// A write of the log or the manifest failed; nothing more is written. Reopen to recover.
    #[error("the index has failed and must be reopened: {cause}")]
    Failed {
        /// The first failure.
        cause: Arc<str>,
    },
    /// The outcome of a commit is unknown: it was begun, and the log failed before it was known to
    /// be safe. Reopen to see.
    #[error("the commit may or may not have happened: {cause}")]
    Indeterminate {
        /// The first failure.
        cause: Arc<str>,
    },
    /// Writes are refused for now; reads go on, and writes resume by themselves.
    #[error("writes are refused for now: {cause}")]
    WritesRefused {
        /// Why, for example a full disk.
        cause: Arc<str>,
    },
}

impl Error {
    /// An I/O error with its file and operation.
    pub(crate) fn io(operation: &'static str, file: impl Into<String>, source: io::Error) -> Self {
        Error::Io { operation, file: file.into(), source: Arc::new(source) }
    }

    /// Whether something outside stands in the way for now; see [`is_obstacle`].
    pub(crate) fn is_obstacle(&self) -> bool {
        matches!(self, Error::Io { source, .. } if is_obstacle(source))
    }

    /// Whether too many files are open.
    pub(crate) fn is_out_of_descriptors(&self) -> bool {
        matches!(self, Error::Io { source, .. } if is_out_of_descriptors(source))
    }

    /// Damage found in a file.
    pub(crate) fn corruption(file: impl Into<String>, offset: u64, detail: impl Into<String>) -> Self {
        Error::Corruption { file: file.into(), offset, detail: detail.into() }
    }
}
