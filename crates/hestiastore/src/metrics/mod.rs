//! Counters, latency histograms, and the snapshot that shows them.
//!
//! Counting is a relaxed addition to a cache line that is seldom shared, so that hot paths may count
//! everything. Nothing here takes a lock, reads a file, or orders the memory of its callers: a sum or
//! snapshot taken while others count is some state between the calls before and after it, and exact
//! once they rest.

mod counter;
mod histogram;
mod json;
mod snapshot;

pub(crate) use counter::ShardedCounter;
pub(crate) use histogram::Histogram;
pub use snapshot::{
    BloomMetrics, CacheMetrics, HealthMetrics, IoMetrics, LogMetrics, MemoryMetrics, MetricsSnapshot,
    OperationMetrics, ScrubMetrics, SegmentMetrics, SnapshotMetrics, WritePathMetrics,
};
