//! What an index may take in memory, from its configuration alone.

use std::fmt;

use super::Config;
use super::choices::LogIo;
use super::text::show_bytes;

/// What all inputs of a merge read ahead together, but for a little of each.
pub(crate) const MERGE_AHEAD_BYTES: u64 = 4 << 20;

/// What is mapped of a log file at once.
pub(crate) const LOG_WINDOW_BYTES: u64 = 256 << 10;

/// A run that has so many keys is cut: the hashes of all its keys are in memory until its filter is made.
pub(crate) const MOST_KEYS_A_RUN: u64 = 2 << 20;

/// The budgets and bounds of an index, in bytes.
///
/// An estimate for planning: it counts what the configuration bounds, not the bounds and references
/// that every segment keeps (some KiB each), nor one value larger than a budget, nor what readers hold of chunks,
/// runs and buffers that were given up, nor what an index that is opened for reading only finds in its log.
///
/// ```
/// use hestiastore::config::Config;
///
/// let config = Config::default();
/// let estimate = config.memory_estimate();
/// assert_eq!(estimate.write_buffer_bytes, config.write_buffer.budget_bytes);
/// assert_eq!(estimate.total_bytes(), config.memory_estimate_bytes());
/// println!("{estimate}");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryEstimate {
    /// All write buffers.
    pub write_buffer_bytes: u64,
    /// Frozen buffers kept after their flush.
    pub delta_cache_bytes: u64,
    /// Decoded chunks.
    pub chunk_cache_bytes: u64,
    /// Loaded sparse indexes and Bloom filters.
    pub loaded_bytes: u64,
    /// Memory kept for write buffers to come.
    pub spare_slab_bytes: u64,
    /// Write buffers in key order, for scans and flushes: two places of 16 bytes for each of the smallest
    /// entries.
    pub sorted_view_bytes: u64,
    /// Background work, on each thread: what all inputs of a merge read ahead, the output's buffers, and for
    /// its filter 8 bytes for each key of a segment of the target size, at 64 stored bytes a key.
    pub maintenance_bytes: u64,
    /// What is mapped of log files at once; nothing when logs are written.
    pub log_bytes: u64,
}

impl MemoryEstimate {
    /// The sum. Saturates.
    pub fn total_bytes(&self) -> u64 {
        let parts = self.parts();
        parts.iter().fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes))
    }

    fn parts(&self) -> [(&'static str, u64); 8] {
        [
            ("write buffers", self.write_buffer_bytes),
            ("delta cache", self.delta_cache_bytes),
            ("chunk cache", self.chunk_cache_bytes),
            ("sparse indexes and Bloom filters", self.loaded_bytes),
            ("spare slabs", self.spare_slab_bytes),
            ("sorted views", self.sorted_view_bytes),
            ("maintenance", self.maintenance_bytes),
            ("log", self.log_bytes),
        ]
    }
}

/// One line: the total and its parts.
impl fmt::Display for MemoryEstimate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.parts().map(|(name, bytes)| format!("{name} {}", show_bytes(bytes)));
        write!(out, "{} ({})", show_bytes(self.total_bytes()), shown.join(", "))
    }
}

impl Config {
    /// The budgets one by one.
    pub fn memory_estimate(&self) -> MemoryEstimate {
        let buffers = self.io.buffer_bytes.saturating_mul(2);
        let hashes = MOST_KEYS_A_RUN * 8;
        let job = MERGE_AHEAD_BYTES.saturating_add(buffers).saturating_add(hashes);
        MemoryEstimate {
            write_buffer_bytes: self.write_buffer.budget_bytes,
            delta_cache_bytes: self.write_buffer.delta_cache_bytes,
            chunk_cache_bytes: self.cache.chunk_bytes,
            loaded_bytes: self.cache.loaded_bytes,
            spare_slab_bytes: self.spare_slab_bytes(),
            sorted_view_bytes: self.write_buffer.budget_bytes / 8 * 3,
            maintenance_bytes: u64::from(self.maintenance.threads).saturating_mul(job),
            log_bytes: match self.log.io {
                LogIo::Written => 0,
                // The one in use, the next one, and two that await their last sync.
                LogIo::Mapped => 4 * LOG_WINDOW_BYTES,
            },
        }
    }

    /// The most memory that is kept for write buffers to come.
    pub(crate) fn spare_slab_bytes(&self) -> u64 {
        self.write_buffer.budget_bytes / 8
    }

    /// The sum of all budgets in bytes, see [`Config::memory_estimate`] for its parts.
    pub fn memory_estimate_bytes(&self) -> u64 {
        self.memory_estimate().total_bytes()
    }
}
