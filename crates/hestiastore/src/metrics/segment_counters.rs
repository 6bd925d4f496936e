//! What is counted for each segment. Kept with the segment and not with what is loaded of it, so that nothing is lost
//! when that is evicted.

use std::sync::atomic::{AtomicU64, Ordering};

use super::counter::Tally;

/// What reads and writes count. One line of cache for a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum SegmentCount {
    Reads,
    Hits,
    /// The filter said "absent".
    FilterRefused,
    /// The filter let a read pass, which asks for one chunk.
    FilterPositive,
    /// A read without a filter, which asks for one chunk.
    Unfiltered,
    /// A read that was let pass and asked for no chunk in the end.
    NoChunk,
    FilterFalsePositive,
    /// Chunks that reads by key loaded.
    ChunkReads,
    /// Reads by key that loaded a chunk, or several.
    ReadsFromDisk,
    Writes,
}

const COUNTS: usize = SegmentCount::Writes as usize + 1;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct SegmentCounters {
    tally: Tally<COUNTS>,
    pub(crate) flushes: AtomicU64,
    pub(crate) flushed_bytes: AtomicU64,
    pub(crate) merges: AtomicU64,
    pub(crate) merged_bytes: AtomicU64,
}

/// The sums of [`SegmentCounters`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SegmentSums {
    pub(crate) reads: u64,
    pub(crate) hits: u64,
    pub(crate) filter_refused: u64,
    pub(crate) filter_positives: u64,
    pub(crate) filter_false_positives: u64,
    /// Chunks that reads by key asked for.
    pub(crate) chunk_requests: u64,
    pub(crate) chunk_reads: u64,
    pub(crate) reads_from_disk: u64,
    pub(crate) writes: u64,
}

impl SegmentCounters {
    #[inline]
    pub(crate) fn count(&self, what: SegmentCount) {
        self.tally.add(what as usize, 1);
    }

    pub(crate) fn sums(&self) -> SegmentSums {
        let sums = self.tally.sums();
        let sum = |what: SegmentCount| sums[what as usize];
        let passed = sum(SegmentCount::FilterPositive) + sum(SegmentCount::Unfiltered);
        SegmentSums {
            reads: sum(SegmentCount::Reads),
            hits: sum(SegmentCount::Hits),
            filter_refused: sum(SegmentCount::FilterRefused),
            filter_positives: sum(SegmentCount::FilterPositive),
            filter_false_positives: sum(SegmentCount::FilterFalsePositive),
            chunk_requests: passed.saturating_sub(sum(SegmentCount::NoChunk)),
            chunk_reads: sum(SegmentCount::ChunkReads),
            reads_from_disk: sum(SegmentCount::ReadsFromDisk),
            writes: sum(SegmentCount::Writes),
        }
    }

    pub(crate) fn note_flush(&self, bytes: u64) {
        self.flushes.fetch_add(1, Ordering::Relaxed);
        self.flushed_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn note_merge(&self, bytes: u64) {
        self.merges.fetch_add(1, Ordering::Relaxed);
        self.merged_bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl std::ops::Add for SegmentSums {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            reads: self.reads + other.reads,
            hits: self.hits + other.hits,
            filter_refused: self.filter_refused + other.filter_refused,
            filter_positives: self.filter_positives + other.filter_positives,
            filter_false_positives: self.filter_false_positives + other.filter_false_positives,
            chunk_requests: self.chunk_requests + other.chunk_requests,
            chunk_reads: self.chunk_reads + other.chunk_reads,
            reads_from_disk: self.reads_from_disk + other.reads_from_disk,
            writes: self.writes + other.writes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_counts_in_one_line_of_cache() {
        assert_eq!(size_of::<Tally<COUNTS>>(), size_of::<Tally<1>>());
    }

    #[test]
    fn each_count_has_its_sum() {
        let counters = SegmentCounters::default();
        let of = [
            (SegmentCount::Reads, 1),
            (SegmentCount::Hits, 2),
            (SegmentCount::FilterRefused, 3),
            (SegmentCount::FilterPositive, 10),
            (SegmentCount::Unfiltered, 20),
            (SegmentCount::NoChunk, 4),
            (SegmentCount::FilterFalsePositive, 5),
            (SegmentCount::ChunkReads, 6),
            (SegmentCount::ReadsFromDisk, 7),
            (SegmentCount::Writes, 8),
        ];
        for (what, times) in of {
            (0..times).for_each(|_| counters.count(what));
        }
        let expected = SegmentSums {
            reads: 1,
            hits: 2,
            filter_refused: 3,
            filter_positives: 10,
            filter_false_positives: 5,
            chunk_requests: 26,
            chunk_reads: 6,
            reads_from_disk: 7,
            writes: 8,
        };
        assert_eq!(counters.sums(), expected);
        assert_eq!((counters.sums() + counters.sums()).writes, 16);
    }
}
