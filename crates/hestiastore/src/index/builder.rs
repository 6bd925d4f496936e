//! Opening and creating an index.

use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::SegmentIndex;
use super::open::{Existence, OpenRequest, open};
use super::runtime::Runtime;
use crate::config::{
    BloomPatch, CachePatch, ChunkPatch, ConfigPatch, IoPatch, LogPatch, MaintenancePatch, MemoryPatch,
    SegmentPatch, WriteBufferPatch,
};
use crate::directory::{Directory, FsDirectory, MemoryDirectory};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::repair::{RepairOptions, RepairReport, plan_repair, repair};
use crate::types::{KeyType, ValueType};
use crate::wal::RecoveryPolicy;

/// Where an index is to live.
#[derive(Debug)]
enum Place {
    Path(PathBuf),
    Directory(Arc<dyn Directory>),
}

/// Settings and place of an index that is about to be opened or created.
///
/// What is not set keeps its default in a new index, and its stored value in an existing one. Bad
/// settings are reported all at once, before anything is touched.
///
/// ```
/// use hestiastore::SegmentIndex;
/// use hestiastore::config::Durability;
///
/// # let folder = tempfile::tempdir().unwrap();
/// let index = SegmentIndex::<u64, String>::builder(folder.path().join("songs"))
///     .write_buffer(|w| w.budget_bytes(16 << 20))
///     .log(|l| l.durability(Durability::Sync))
///     .open_or_create()?;
/// index.put(&7, "Seven Nation Army")?;
/// index.close()?;
/// # Ok::<(), hestiastore::Error>(())
/// ```
#[derive(Debug)]
pub struct IndexBuilder<K, V> {
    place: Place,
    environment: Environment,
    patch: ConfigPatch,
    type_names: Option<(String, String)>,
    recovery: RecoveryPolicy,
    runtime: Option<Runtime>,
    types: PhantomData<fn() -> (K, V)>,
}

macro_rules! groups {
    ($($(#[$doc:meta])* $group:ident($patch:ty);)+) => {$(
        $(#[$doc])*
        pub fn $group(mut self, change: impl FnOnce($patch) -> $patch) -> Self {
            self.patch = self.patch.$group(change);
            self
        }
    )+};
}

impl<K: KeyType, V: ValueType> IndexBuilder<K, V> {
    pub(super) fn at_path(path: &Path) -> Self {
        Self::new(Place::Path(path.to_owned()))
    }

    pub(super) fn in_directory(directory: Arc<dyn Directory>) -> Self {
        Self::new(Place::Directory(directory))
    }

    pub(super) fn in_memory() -> Self {
        Self::in_directory(Arc::new(MemoryDirectory::new()))
    }

    fn new(place: Place) -> Self {
        Self {
            place,
            environment: Environment::default(),
            patch: ConfigPatch::default(),
            type_names: None,
            recovery: RecoveryPolicy::default(),
            runtime: None,
            types: PhantomData,
        }
    }

    groups! {
        /// Settings of the write buffers.
        write_buffer(WriteBufferPatch);
        /// Settings of segments and merges.
        segment(SegmentPatch);
        /// Settings of entry chunks.
        chunk(ChunkPatch);
        /// Settings of Bloom filters.
        bloom(BloomPatch);
        /// Settings of file I/O.
        io(IoPatch);
        /// Settings of caches.
        cache(CachePatch);
        /// Settings of background work.
        maintenance(MaintenancePatch);
        /// Settings of the write-ahead log.
        log(LogPatch);
        /// Settings of memory as a whole.
        memory(MemoryPatch);
    }

    /// Settings by name, as in `"write_buffer.budget_bytes"`. Later calls of the group methods add to it.
    pub fn settings(mut self, patch: ConfigPatch) -> Self {
        self.patch = patch;
        self
    }

    /// Time and randomness from elsewhere, so that a test can be repeated.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// Has its maintenance done by threads that it shares with other indexes; without, it has
    /// `maintenance.threads` of its own.
    pub fn runtime(mut self, runtime: &Runtime) -> Self {
        self.runtime = Some(runtime.clone());
        self
    }

    /// What to do about a damaged log: by default the open fails. Nothing of it is stored.
    pub fn recovery(mut self, policy: RecoveryPolicy) -> Self {
        self.recovery = policy;
        self
    }

    /// Type names to store in a new index in place of those of `K` and `V`: for tools, which use
    /// [`crate::types::Raw`].
    pub fn type_names(mut self, key_type: &str, value_type: &str) -> Self {
        self.type_names = Some((key_type.to_owned(), value_type.to_owned()));
        self
    }

    /// Makes a new index; a path that does not exist is made.
    ///
    /// # Errors
    /// `AlreadyExists` if the directory holds an index, runs or logs; `InvalidConfig`; `Locked`; I/O.
    pub fn create(self) -> Result<SegmentIndex<K, V>> {
        self.finish(Existence::MustNot, false)
    }

    /// Opens an index that exists, and recovers what a crash left. Changes nothing on disk before the
    /// first write.
    ///
    /// # Errors
    /// `NotAnIndex`, `TypeMismatch`, `InvalidConfig`, `Locked`, `Corruption`, `Unsupported`; I/O.
    pub fn open(self) -> Result<SegmentIndex<K, V>> {
        self.finish(Existence::Must, false)
    }

    /// Opens the index, or makes it if there is none.
    ///
    /// # Errors
    /// Those of [`IndexBuilder::open`] and [`IndexBuilder::create`].
    pub fn open_or_create(self) -> Result<SegmentIndex<K, V>> {
        self.finish(Existence::May, false)
    }

    /// Opens an index for reading only, beside other readers: writes, moves and deletes nothing.
    ///
    /// What the log holds that no run does is in memory while the index is open, whatever the budgets say: keys and
    /// values, and up to 150 bytes for each entry. After a `close` that is about a megabyte at most; after a crash
    /// at most what was in the log, see `log.limit_bytes`. An index that is opened for writing flushes it instead.
    ///
    /// # Errors
    /// Those of [`IndexBuilder::open`].
    pub fn open_read_only(self) -> Result<SegmentIndex<K, V>> {
        self.finish(Existence::Must, true)
    }

    /// Finds what is damaged in an index that nobody has open, repairs it, and tells what was done and what is
    /// lost: the reference's `checkAndRepairConsistency`. See [`crate::repair`].
    ///
    /// ```
    /// use hestiastore::SegmentIndex;
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// # SegmentIndex::<u64, u64>::builder(folder.path()).create()?.close()?;
    /// let report = SegmentIndex::<u64, u64>::builder(folder.path()).check_and_repair()?;
    /// for loss in report.losses() {
    ///     eprintln!("lost: {loss}");
    /// }
    /// # Ok::<(), hestiastore::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`crate::repair::repair`].
    pub fn check_and_repair(self) -> Result<RepairReport> {
        let (directory, options) = self.for_repair()?;
        repair(&directory, &options)
    }

    /// What [`IndexBuilder::check_and_repair`] would do. Changes nothing.
    ///
    /// # Errors
    /// Those of [`crate::repair::repair`].
    pub fn plan_repair(self) -> Result<RepairReport> {
        let (directory, options) = self.for_repair()?;
        plan_repair(&directory, &options)
    }

    fn for_repair(self) -> Result<(Arc<dyn Directory>, RepairOptions)> {
        let types = self.type_names.unwrap_or_else(|| (K::type_name(), V::type_name()));
        let mut options = RepairOptions::default().settings(self.patch).environment(self.environment);
        if types.0 != "*" && types.1 != "*" {
            options = options.types(&types.0, &types.1);
        }
        Ok((directory(self.place, Existence::Must)?, options))
    }

    fn finish(self, existence: Existence, read_only: bool) -> Result<SegmentIndex<K, V>> {
        let (key_type, value_type) = self.type_names.unwrap_or_else(|| (K::type_name(), V::type_name()));
        let core = open(OpenRequest {
            directory: directory(self.place, existence)?,
            environment: self.environment,
            patch: self.patch,
            key_type,
            value_type,
            existence,
            read_only,
            recovery: self.recovery,
            runtime: self.runtime,
        })?;
        Ok(SegmentIndex::new(core))
    }
}

fn directory(place: Place, existence: Existence) -> Result<Arc<dyn Directory>> {
    let path = match place {
        Place::Directory(directory) => return Ok(directory),
        Place::Path(path) => path,
    };
    let location = path.display().to_string();
    let opened = match existence {
        Existence::Must => FsDirectory::open(&path),
        Existence::MustNot | Existence::May => FsDirectory::create(&path),
    };
    match opened {
        Ok(directory) => Ok(Arc::new(directory)),
        Err(error) if existence == Existence::Must && error.kind() == std::io::ErrorKind::NotFound => {
            Err(Error::NotAnIndex { directory: location, detail: "there is no such directory".to_owned() })
        }
        Err(source) => Err(Error::io("open", location, source)),
    }
}
