//! What an index counts, for its metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use super::stalls::Stalls;
use crate::metrics::{Histogram, ShardedCounter};

/// Counters of an open index. Hot ones are sharded; those of jobs are plain.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) puts: ShardedCounter,
    pub(crate) gets: ShardedCounter,
    pub(crate) get_hits: ShardedCounter,
    pub(crate) deletes: ShardedCounter,
    pub(crate) batches: ShardedCounter,
    pub(crate) batch_operations: ShardedCounter,
    pub(crate) iterators: ShardedCounter,
    pub(crate) entries_read: ShardedCounter,
    pub(crate) log_bytes: ShardedCounter,
    pub(crate) log_records: ShardedCounter,
    /// How long each sync of the log took.
    pub(crate) log_syncs: Histogram,
    pub(crate) stalls: Stalls,
    pub(crate) flushes: AtomicU64,
    pub(crate) flushed_bytes: AtomicU64,
    pub(crate) delta_merges: AtomicU64,
    pub(crate) main_merges: AtomicU64,
    pub(crate) splits: AtomicU64,
    pub(crate) neighbour_merges: AtomicU64,
    /// Time that structural jobs rested so as not to be too fast.
    pub(crate) throttled_micros: AtomicU64,
    /// Bytes of all finished runs.
    pub(crate) run_bytes: AtomicU64,
    pub(crate) quarantined_files: AtomicU64,
    pub(crate) deletions_failed: AtomicU64,
    pub(crate) scrubbed_bytes: AtomicU64,
    pub(crate) scrubs_finished: AtomicU64,
    pub(crate) scrub_problems: AtomicU64,
    /// Wall-clock time; 0 for never.
    pub(crate) last_scrub_micros: AtomicU64,
}

/// Adds to a counter that jobs use.
pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

/// Reads such a counter.
pub(crate) fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
