//! Counters of a run, spread over cache lines so that readers do not share one.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

const SHARDS: usize = 8;

/// What the filters of one or more runs have done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct FilterStatistics {
    pub(crate) requests: u64,
    /// Requests answered "absent": avoided reads.
    pub(crate) refused: u64,
    pub(crate) positives: u64,
    /// Positives whose key turned out to be absent.
    pub(crate) false_positives: u64,
}

/// What one or more runs have done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RunStatistics {
    pub(crate) filter: FilterStatistics,
    pub(crate) chunk_requests: u64,
    pub(crate) chunk_misses: u64,
}

impl std::ops::Add for RunStatistics {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            filter: FilterStatistics {
                requests: self.filter.requests + other.filter.requests,
                refused: self.filter.refused + other.filter.refused,
                positives: self.filter.positives + other.filter.positives,
                false_positives: self.filter.false_positives + other.filter.false_positives,
            },
            chunk_requests: self.chunk_requests + other.chunk_requests,
            chunk_misses: self.chunk_misses + other.chunk_misses,
        }
    }
}

/// What is counted. A `get` that finds its key in a cached chunk counts once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Count {
    /// The filter said "absent".
    Refused,
    /// The filter let a `get` pass, which asks for one chunk.
    Positive,
    /// A `get` without a filter, which asks for one chunk.
    Unfiltered,
    FalsePositive,
    /// Another request for a chunk.
    Request,
    /// A `get` that asked for no chunk in the end.
    NoRequest,
    Miss,
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct Shard([AtomicU64; 7]);

#[derive(Debug, Default)]
pub(super) struct RunCounters {
    shards: [Shard; SHARDS],
}

impl RunCounters {
    #[inline]
    pub(super) fn count(&self, what: Count) {
        let shard = &self.shards[shard_of_thread() % SHARDS];
        shard.0[what as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn statistics(&self) -> RunStatistics {
        let sum = |what: Count| {
            self.shards.iter().map(|shard| shard.0[what as usize].load(Ordering::Relaxed)).sum::<u64>()
        };
        let (refused, positives) = (sum(Count::Refused), sum(Count::Positive));
        let requests = positives + sum(Count::Unfiltered) + sum(Count::Request);
        RunStatistics {
            filter: FilterStatistics {
                requests: refused + positives,
                refused,
                positives,
                false_positives: sum(Count::FalsePositive),
            },
            chunk_requests: requests.saturating_sub(sum(Count::NoRequest)),
            chunk_misses: sum(Count::Miss),
        }
    }
}

/// A number for this thread; threads are dealt out evenly.
#[inline]
fn shard_of_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SHARD: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    SHARD.with(|shard| {
        if shard.get() == usize::MAX {
            shard.set(NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS);
        }
        shard.get()
    })
}
