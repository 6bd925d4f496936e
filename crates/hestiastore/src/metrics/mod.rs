//! Counters, latency histograms, and the snapshot that shows them.
//!
//! Counting is a relaxed addition to a cache line that is seldom shared, so that hot paths may count
//! everything. Nothing here takes a lock, reads a file, or orders the memory of its callers: a sum or
//! snapshot taken while others count is some state between the calls before and after it, and exact
//! once they rest.

mod counter;
mod figures;
mod histogram;
mod io;
mod json;
mod latency;
mod segment_counters;
mod show;
mod snapshot;

pub(crate) use counter::{NeverFalling, Tally};
pub use figures::{JobMetrics, SegmentFigures};
pub(crate) use histogram::Histogram;
pub(crate) use io::{FileKind, IoCounters};
pub(crate) use latency::{Latencies, Stopwatch, Timed, nanos_since};
pub use latency::{LatencyMetrics, LatencyRow};
pub(crate) use segment_counters::{SegmentCount, SegmentCounters, SegmentSums};
pub use snapshot::{
    AmplificationMetrics, BloomMetrics, CacheMetrics, HealthMetrics, IoMetrics, LatencyGroup, LogMetrics,
    MaintenanceMetrics, MemoryMetrics, MetricsSnapshot, OperationMetrics, RegistryMetrics, ScrubMetrics,
    SegmentMetrics, SnapshotMetrics, WritePathMetrics,
};
