//! The typed index and everything that keeps it going.
//!
//! The way of a write: [`SegmentIndex::put`] -> `commit` (record, room, section, log, buffers) ->
//! `publish`. The way of a read: [`SegmentIndex::get`] -> `read` -> `segment::search`. Background work:
//! `scheduler` -> `jobs`, `split`, `neighbours`, `log_upkeep`. Life: `open` -> `first_write` -> `close`.

mod batch;
mod budget;
mod builder;
mod check;
mod close;
mod commit;
mod core;
mod counters;
mod crowding;
mod delta_cache;
#[cfg(all(test, feature = "exploration"))]
mod explorations;
mod first_write;
mod flush_all;
mod health;
mod idle;
mod index_scan;
mod iter;
mod job;
mod jobs;
mod keeper;
mod log_loss;
mod log_upkeep;
mod maintain;
mod measure;
mod measure_segments;
mod memory;
mod neighbours;
mod open;
mod outputs;
mod pace;
mod pause;
mod pool;
mod publish;
mod quarantine;
mod read;
mod readers;
mod recovery;
mod refusal;
mod renew;
mod retry;
mod runtime;
mod scheduler;
mod scrub;
mod section;
mod snapshot;
mod split;
mod stalls;
mod tell;
mod throttle;
mod verify_logs;

use std::cell::RefCell;
use std::marker::PhantomData;
use std::ops::RangeBounds;
use std::path::Path;
use std::sync::Arc;

pub use batch::WriteBatch;
pub use builder::IndexBuilder;
pub use check::CheckReport;
pub use commit::{MAX_KEY_BYTES, MAX_VALUE_BYTES};
pub use health::IndexState;
pub use iter::{Cursor, Iter};
pub use log_loss::{LogLoss, RunBeyondCut};
pub use pause::MaintenancePause;
pub use runtime::{Runtime, RuntimeBuilder};
pub use scrub::{ScrubOptions, ScrubProgress};
pub use snapshot::{Snapshot, ValueRef};
pub use verify_logs::{ListedLogFile, ListedLogs, LogEnd, LogFileReport, LogsReport};
pub(crate) use verify_logs::{list_logs, verify_log_file, verify_logs};

use self::close::Unsaved;
use self::core::Core;
use crate::config::{Config, Durability};
use crate::directory::Directory;
use crate::error::{Error, Result};
use crate::metrics::{MetricsSnapshot, SegmentFigures, Timed};
use crate::types::{AsKey, AsValue, KeyType, ValueType};
use commit::Commit;
use iter::encode_bounds;

/// An ordered, persistent map from `K` to `V`: the index.
///
/// All methods take `&self`; share it by reference or in an `Arc`. The existing system has two access
/// models, a fast one for one thread and one behind a coarse lock; here there is one type, safe for any
/// number of threads, and the compiler checks its use.
///
/// Dropping it closes it; [`SegmentIndex::close`] does the same and reports what went wrong.
///
/// ```
/// use hestiastore::SegmentIndex;
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("people");
/// let people = SegmentIndex::<String, u32>::builder(&path).open_or_create()?;
/// people.put("Ada", &36)?;
/// people.put("Grace", &85)?;
/// assert_eq!(people.get("Ada")?, Some(36));
/// for entry in people.range("B"..)? {
///     let (name, age) = entry?;
///     println!("{name} is {age}");
/// }
/// people.close()?;
/// # Ok::<(), hestiastore::Error>(())
/// ```
pub struct SegmentIndex<K, V> {
    core: Arc<Core>,
    types: PhantomData<fn() -> (K, V)>,
}

crate::sync::thread_local! {
    /// Memory of a thread's single writes, used again by the next one.
    static COMMIT: RefCell<Commit> = RefCell::default();
}

/// Runs `write` with the thread's own commit, or a fresh one when that is in use further up the stack.
fn with_commit<R>(write: impl FnOnce(&mut Commit) -> R) -> R {
    COMMIT.with(|commit| match commit.try_borrow_mut() {
        Ok(mut commit) => {
            commit.clear();
            write(&mut commit)
        }
        Err(_) => write(&mut Commit::default()),
    })
}

impl<K: KeyType, V: ValueType> SegmentIndex<K, V> {
    fn new(core: Arc<Core>) -> Self {
        Self { core, types: PhantomData }
    }

    /// Begins to open or create an index in a folder of the file system.
    pub fn builder(path: impl AsRef<Path>) -> IndexBuilder<K, V> {
        IndexBuilder::at_path(path.as_ref())
    }

    /// The same in any [`Directory`].
    pub fn builder_in(directory: Arc<dyn Directory>) -> IndexBuilder<K, V> {
        IndexBuilder::in_directory(directory)
    }

    /// The same in memory: gone with the last handle.
    pub fn in_memory() -> IndexBuilder<K, V> {
        IndexBuilder::in_memory()
    }

    /// Stores `value` under `key`, in place of what was there. Visible to everybody when it returns, and
    /// as safe as the index's durability mode says.
    ///
    /// Costs O(1): a copy into the log and into a write buffer. Waits when the write buffers are full.
    ///
    /// # Errors
    /// `KeyTooLong`, `ValueTooLong`; `WritesRefused` on a full disk; `Closed`, `Failed`; `Indeterminate` if
    /// the log failed before the outcome was known.
    pub fn put(&self, key: impl AsKey<K>, value: impl AsValue<V>) -> Result<()> {
        with_commit(|commit| {
            key.with_key(|key| value.with_value(|value| commit.put(key, value)))?;
            self.core.commit(commit, self.core.durability(), Timed::Put)
        })
    }

    /// Removes `key`. Fine if it is not there.
    ///
    /// # Errors
    /// Those of [`SegmentIndex::put`].
    pub fn delete(&self, key: impl AsKey<K>) -> Result<()> {
        with_commit(|commit| {
            key.with_key(|key| commit.delete(key))?;
            self.core.commit(commit, self.core.durability(), Timed::Delete)
        })
    }

    /// Does everything in `batch` at once.
    ///
    /// # Errors
    /// Those of [`SegmentIndex::put`]; `InvalidConfig` if the batch asks for more safety than an index
    /// without a log can give.
    pub fn write(&self, mut batch: WriteBatch<K, V>) -> Result<()> {
        let own = self.core.durability();
        let durability = batch.durability.map_or(own, |asked| asked.max(own));
        if own == Durability::Off && durability != Durability::Off {
            let problem = format!("log.durability is off, which cannot give a batch {}", durability.name());
            return Err(Error::InvalidConfig { problems: vec![problem] });
        }
        self.core.commit(&mut batch.commit, durability, Timed::Batch)
    }

    /// The value of `key`, if there is one.
    ///
    /// Costs a look into the write buffers, a Bloom filter probe a run, and about one chunk read.
    ///
    /// # Errors
    /// `Closed`, `Failed`, `Corruption`, `Decode`, I/O.
    pub fn get(&self, key: impl AsKey<K>) -> Result<Option<V>> {
        key.with_key(|key| self.core.get_with(key, None, V::decode))?.transpose()
    }

    /// The value of `key` without a copy, kept alive by what is returned.
    ///
    /// # Errors
    /// `Closed`, `Failed`, `Corruption`, I/O.
    pub fn get_ref(&self, key: impl AsKey<K>) -> Result<Option<ValueRef<V>>> {
        Ok(key.with_key(|key| self.core.get_pinned(key, None))?.map(ValueRef::new))
    }

    /// Calls `found` with the encoded value of `key`, where it lies: the cheapest read of all.
    ///
    /// # Errors
    /// `Closed`, `Failed`, `Corruption`, I/O.
    pub fn get_with<R>(&self, key: impl AsKey<K>, found: impl FnOnce(&[u8]) -> R) -> Result<Option<R>> {
        key.with_key(|key| self.core.get_with(key, None, found))
    }

    /// Whether `key` has a value. Costs the same as [`SegmentIndex::get`], without the copy.
    ///
    /// # Errors
    /// `Closed`, `Failed`, `Corruption`, I/O.
    pub fn contains_key(&self, key: impl AsKey<K>) -> Result<bool> {
        Ok(self.get_with(key, |_| ())?.is_some())
    }

    /// The values of several keys as of one moment, in the order of the keys.
    ///
    /// # Errors
    /// Those of [`SegmentIndex::get`].
    pub fn get_many<Q: AsKey<K>>(&self, keys: impl IntoIterator<Item = Q>) -> Result<Vec<Option<V>>> {
        self.snapshot()?.get_many(keys)
    }

    /// The index as it is now, for as long as the snapshot lives. Costs nothing per segment.
    ///
    /// # Errors
    /// `Closed`, `Failed`.
    pub fn snapshot(&self) -> Result<Snapshot<K, V>> {
        Snapshot::new(&self.core)
    }

    /// All entries in key order, as of now.
    ///
    /// # Errors
    /// `Closed`, `Failed`.
    pub fn iter(&self) -> Result<Iter<K, V>> {
        self.snapshot()?.iter()
    }

    /// The entries whose keys lie in `range`, as of now: `range("a".."c")`, `range(&5..)`.
    ///
    /// # Errors
    /// `Closed`, `Failed`; `InvalidRange` if the range starts behind its end.
    pub fn range<Q: AsKey<K>>(&self, range: impl RangeBounds<Q>) -> Result<Iter<K, V>> {
        self.snapshot()?.range(range)
    }

    /// The entries whose encoded keys begin with the encoding of `prefix`, as of now.
    ///
    /// # Errors
    /// `Closed`, `Failed`.
    pub fn prefix(&self, prefix: impl AsKey<K>) -> Result<Iter<K, V>> {
        self.snapshot()?.prefix(prefix)
    }

    /// A cursor over the entries as of now, which lends keys and values.
    ///
    /// # Errors
    /// `Closed`, `Failed`.
    pub fn cursor(&self) -> Result<Cursor<K, V>> {
        self.snapshot()?.cursor()
    }

    /// The entry with the least key.
    ///
    /// # Errors
    /// Those of [`SegmentIndex::get`].
    pub fn first(&self) -> Result<Option<(K, V)>> {
        self.snapshot()?.first()
    }

    /// The entry with the greatest key.
    ///
    /// # Errors
    /// Those of [`SegmentIndex::get`].
    pub fn last(&self) -> Result<Option<(K, V)>> {
        self.snapshot()?.last()
    }

    /// The exact number of entries: a scan over all of them. See [`SegmentIndex::approximate_len`].
    ///
    /// # Errors
    /// `Closed`, `Failed`, `Corruption`, I/O.
    pub fn len(&self) -> Result<u64> {
        self.snapshot()?.len()
    }

    /// Whether there is no entry at all.
    ///
    /// # Errors
    /// Those of [`SegmentIndex::len`].
    pub fn is_empty(&self) -> Result<bool> {
        self.snapshot()?.is_empty()
    }

    /// About how many entries there are, without a scan: keys in several runs or buffers count several
    /// times, and tombstones are taken off.
    pub fn approximate_len(&self) -> u64 {
        self.core.approximate_len()
    }

    /// Makes everything written so far durable in the log, whatever the mode. Without a log (`Off`) the
    /// same as [`SegmentIndex::flush_and_wait`].
    ///
    /// # Errors
    /// `Failed` if the sync fails, finally.
    pub fn sync(&self) -> Result<()> {
        self.core.check_writable()?;
        if !self.core.has_log() {
            return self.core.flush_and_wait();
        }
        self.core.ensure_opened_for_writing()?;
        self.core.sync_through(self.core.publisher.visible(), std::time::Duration::ZERO)
    }

    /// Asks for a flush of all write buffers, and returns at once.
    ///
    /// # Errors
    /// `Closed`, `Failed`, `ReadOnly`.
    pub fn flush(&self) -> Result<()> {
        self.core.request_flushes()
    }

    /// Flushes what was written before the call into runs, and returns when they are durable.
    ///
    /// # Errors
    /// `Closed`, `Failed`, `ReadOnly`.
    pub fn flush_and_wait(&self) -> Result<()> {
        self.core.flush_and_wait()
    }

    /// Asks for a compaction of every segment, and returns at once.
    ///
    /// # Errors
    /// `Closed`, `Failed`, `ReadOnly`.
    pub fn compact(&self) -> Result<()> {
        self.core.request_compactions()
    }

    /// Flushes, then merges every segment's runs into its main ones, and returns when that is done.
    ///
    /// # Errors
    /// `Closed`, `Failed`, `ReadOnly`.
    pub fn compact_and_wait(&self) -> Result<()> {
        self.core.compact_and_wait()
    }

    /// The same for the part of the index that holds the keys of `range`: the segments that own any of them are
    /// flushed and merged whole.
    ///
    /// ```
    /// use hestiastore::SegmentIndex;
    ///
    /// let index = SegmentIndex::<u64, u64>::in_memory().create()?;
    /// (0..1000).try_for_each(|n| index.put(n, n))?;
    /// (0..500).try_for_each(|n| index.delete(n))?;
    /// index.compact_range(..500)?;
    /// assert_eq!(index.metrics_snapshot().segments.delta_runs, 0);
    /// # Ok::<(), hestiastore::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Closed`, `Failed`, `ReadOnly`; `InvalidRange` if the range starts behind its end.
    pub fn compact_range<Q: AsKey<K>>(&self, range: impl RangeBounds<Q>) -> Result<()> {
        self.core.compact_range(&encode_bounds(&range)?)
    }

    /// Returns when background maintenance has nothing left to do. Work that is done when the index is idle is not
    /// waited for, nor what is paused.
    ///
    /// # Errors
    /// `Closed`, `Failed`.
    pub fn wait_until_idle(&self) -> Result<()> {
        self.core.wait_until_idle()
    }

    /// From now until what is returned is dropped no merge, split or background scrub begins by itself; those under
    /// way end. Flushes go on, since writers need them, and so does what callers ask for: `flush`, `compact`, `scrub` and
    /// their like. Several pauses may overlap. `close` works as ever.
    ///
    /// Runs pile up meanwhile, and reads become slower with each.
    pub fn pause_maintenance(&self) -> MaintenancePause {
        self.core.pause_maintenance()
    }

    /// Reads everything from disk, around the caches, and verifies it: checksums, order, bounds, counts,
    /// sparse indexes, filters, age, manifest and logs. Changes nothing; runs beside reads and writes. A
    /// segment in which damage is found is not merged or split any more until the next open.
    ///
    /// # Errors
    /// `Closed`, `Failed`. What is found is in the report.
    pub fn check(&self) -> Result<CheckReport> {
        self.core.check()
    }

    /// The same as [`SegmentIndex::check`], no faster than `options` allow; returns early with `Closed`
    /// when the index is closed. `maintenance.scrub_bytes_per_second` lets the index do so by itself.
    ///
    /// # Errors
    /// Those of [`SegmentIndex::check`].
    pub fn scrub(&self, options: ScrubOptions<'_>) -> Result<CheckReport> {
        self.core.scrub(options)
    }

    /// Figures of the index as of now.
    ///
    /// Reads counters and what is in memory; touches no file, and holds no lock that reads or writes need for longer
    /// than a few steps. Costs about a tenth of a millisecond, and a little for each segment and run.
    pub fn metrics_snapshot(&self) -> MetricsSnapshot {
        self.core.metrics_snapshot()
    }

    /// Figures of each segment, in key order. They are kept with the segment, whatever is loaded of it, and begin anew with
    /// the opening, or the split that made it. Costs a little for each segment and run.
    ///
    /// ```
    /// use hestiastore::SegmentIndex;
    ///
    /// let index = SegmentIndex::<u32, String>::in_memory().create()?;
    /// index.put(&7, "seven")?;
    /// let segments = index.segment_metrics();
    /// assert_eq!((segments.len(), segments[0].writes), (1, 1));
    /// # Ok::<(), hestiastore::Error>(())
    /// ```
    pub fn segment_metrics(&self) -> Vec<SegmentFigures> {
        self.core.segment_metrics()
    }

    /// The configuration in force.
    pub fn config(&self) -> &Config {
        &self.core.config
    }

    /// The stored names of the key and value types.
    pub fn type_names(&self) -> (&str, &str) {
        (&self.core.key_type, &self.core.value_type)
    }

    /// What this open gave up at a damaged log, by [`crate::RecoveryPolicy::CutAtDamage`]; `None` if nothing.
    pub fn log_loss(&self) -> Option<&LogLoss> {
        self.core.log_loss.get()
    }

    /// Why writes are refused at the moment, for example a full disk; `None` while they are not.
    pub fn writes_refused(&self) -> Option<Arc<str>> {
        self.core.refused_writes.cause()
    }

    /// Where the index is in its life.
    pub fn state(&self) -> IndexState {
        self.core.health.state()
    }

    /// Ends the index: waits for commits and flushes under way, cancels merges, makes everything safe, gives up the
    /// directory. Snapshots and iterators answer `Closed` from then on. On a full disk everything stays in the log.
    ///
    /// # Errors
    /// `WritesRefused` in the mode `Off` if not everything could be flushed: the index is still open, and
    /// `close` can be called again. Any other error is what went wrong; the directory is given up all the
    /// same. Dropping the index gives up what `close` would not.
    pub fn close(&self) -> Result<()> {
        self.core.close(Unsaved::Keep)
    }
}

impl<K, V> Drop for SegmentIndex<K, V> {
    fn drop(&mut self) {
        // Who wants to know calls `close`.
        let _ = self.core.close(Unsaved::GiveUp);
    }
}

impl<K, V> std::fmt::Debug for SegmentIndex<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SegmentIndex")
            .field("directory", &self.core.directory.location())
            .field("state", &self.core.health.state())
            .finish()
    }
}
