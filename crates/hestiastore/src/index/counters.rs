//! What an index counts, for its metrics. What segments count is in [`crate::metrics::SegmentCounters`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::stalls::Stalls;
use crate::error::{Error, Result};
use crate::metrics::{
    Histogram, IoCounters, JobMetrics, Latencies, NeverFalling, SegmentCounters, SegmentSums, Tally, Timed,
    nanos_since,
};
use crate::segment::Segment;
use crate::sync::Mutex;

/// What calls count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum CallCount {
    Puts,
    Deletes,
    Batches,
    BatchOperations,
    /// Bytes of keys and values that were to be written.
    GivenBytes,
    Iterators,
    EntriesRead,
}

const CALL_COUNTS: usize = CallCount::EntriesRead as usize + 1;

/// Counters of an open index. Those of calls are sharded; those of jobs are plain.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    calls: Tally<CALL_COUNTS>,
    pub(crate) latencies: Latencies,
    pub(crate) io: Arc<IoCounters>,
    /// How long each sync of the log took.
    pub(crate) log_syncs: Histogram,
    pub(crate) past_segments: PastSegments,
    /// Hits of the chunk cache: requests without misses, and counted apart.
    pub(crate) cache_hits: NeverFalling,
    pub(crate) flushes: JobCounters,
    pub(crate) delta_merges: JobCounters,
    pub(crate) main_merges: JobCounters,
    pub(crate) splits: JobCounters,
    pub(crate) neighbour_merges: JobCounters,
    pub(crate) stalls: Stalls,
    /// Time that structural jobs rested so as not to be too fast.
    pub(crate) throttled_micros: AtomicU64,
    pub(crate) quarantined_files: AtomicU64,
    pub(crate) deletions_failed: AtomicU64,
    pub(crate) scrubbed_bytes: AtomicU64,
    pub(crate) scrubs_finished: AtomicU64,
    pub(crate) scrub_problems: AtomicU64,
    /// Wall-clock time; 0 for never.
    pub(crate) last_scrub_micros: AtomicU64,
}

impl Counters {
    #[inline]
    pub(crate) fn count(&self, what: CallCount, n: u64) {
        self.calls.add(what as usize, n);
    }

    /// Counts a call that writes.
    #[inline]
    pub(crate) fn count_write(&self, kind: Timed, operations: u64, given_bytes: u64) {
        match kind {
            Timed::Put => self.count(CallCount::Puts, 1),
            Timed::Delete => self.count(CallCount::Deletes, 1),
            Timed::Get => {}
            Timed::Batch => {
                self.count(CallCount::Batches, 1);
                self.count(CallCount::BatchOperations, operations);
            }
        }
        self.count(CallCount::GivenBytes, given_bytes);
    }

    /// The sums of all calls, to be asked for each by [`sum_of`].
    pub(crate) fn calls(&self) -> CallSums {
        CallSums(self.calls.sums())
    }
}

/// See [`Counters::calls`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallSums([u64; CALL_COUNTS]);

impl CallSums {
    pub(crate) fn of(&self, what: CallCount) -> u64 {
        self.0[what as usize]
    }
}

/// What was counted of segments that were replaced by others.
///
/// A reader may still count with such a segment, so its counters are listed here until nobody has them. They are
/// listed before the route map without the segment is published: whoever sums up loads the map first, and leaves out of
/// the list what is in it; so nothing is missed, nothing counts twice, and no sum ever falls.
#[derive(Debug, Default)]
pub(crate) struct PastSegments(Mutex<Past>);

#[derive(Debug, Default)]
struct Past {
    ended: SegmentSums,
    retired: BTreeMap<u64, Arc<SegmentCounters>>,
}

impl PastSegments {
    /// The segment is about to leave the route map.
    pub(crate) fn retire(&self, segment: &Segment) {
        self.0.lock().retired.insert(segment.id, Arc::clone(&segment.counters));
    }

    /// The sums over all segments there were that are not among `present`, which a route map loaded before has.
    pub(crate) fn sums(&self, present: &[Arc<Segment>]) -> SegmentSums {
        let mut past = self.0.lock();
        let Past { ended, retired } = &mut *past;
        retired.retain(|_, counters| {
            let is_used = Arc::strong_count(counters) > 1;
            if !is_used {
                *ended = *ended + counters.sums();
            }
            is_used
        });
        if retired.is_empty() {
            return *ended;
        }
        let present: std::collections::BTreeSet<u64> = present.iter().map(|segment| segment.id).collect();
        let gone = retired.iter().filter(|(id, _)| !present.contains(id));
        gone.fold(*ended, |sums, (_, counters)| sums + counters.sums())
    }
}

/// What jobs of one kind have done.
#[derive(Debug, Default)]
pub(crate) struct JobCounters {
    at_work: AtomicU64,
    done: AtomicU64,
    failed: AtomicU64,
    cancelled: AtomicU64,
    read_bytes: AtomicU64,
    written_bytes: AtomicU64,
    micros: AtomicU64,
    longest_micros: AtomicU64,
}

impl JobCounters {
    /// A job begins; it ends when what is returned is dropped.
    pub(crate) fn begin(&self) -> JobAtWork<'_> {
        add(&self.at_work, 1);
        JobAtWork { counters: self, start: Instant::now() }
    }

    pub(crate) fn metrics(&self) -> JobMetrics {
        JobMetrics {
            at_work: read(&self.at_work),
            done: read(&self.done),
            failed: read(&self.failed),
            cancelled: read(&self.cancelled),
            read_bytes: read(&self.read_bytes),
            written_bytes: read(&self.written_bytes),
            micros: read(&self.micros),
            longest_micros: read(&self.longest_micros),
        }
    }
}

/// See [`JobCounters::begin`].
#[derive(Debug)]
pub(crate) struct JobAtWork<'c> {
    counters: &'c JobCounters,
    start: Instant,
}

impl JobAtWork<'_> {
    /// It has done what it was to do.
    pub(crate) fn note_done(&self, read_bytes: u64, written_bytes: u64) {
        add(&self.counters.done, 1);
        add(&self.counters.read_bytes, read_bytes);
        add(&self.counters.written_bytes, written_bytes);
    }

    /// Counts the failure of the job, if there is one, or that the end of the index cancelled it.
    pub(crate) fn note_failure<T>(&self, outcome: &Result<T>) {
        match outcome {
            Ok(_) => {}
            Err(Error::Closed) => add(&self.counters.cancelled, 1),
            Err(_) => add(&self.counters.failed, 1),
        }
    }
}

impl Drop for JobAtWork<'_> {
    fn drop(&mut self) {
        let micros = nanos_since(self.start) / 1_000;
        add(&self.counters.micros, micros);
        self.counters.longest_micros.fetch_max(micros, Ordering::Relaxed);
        self.counters.at_work.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Adds to a counter that jobs use.
pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

/// Reads such a counter.
pub(crate) fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::SegmentCount;
    use crate::segment::SegmentVersion;
    use crate::segment::write_buffer::WriteBuffer;

    fn segment(id: u64) -> Arc<Segment> {
        let version = SegmentVersion {
            active: Arc::new(WriteBuffer::new(0)),
            layers: Vec::new(),
            main: Vec::new(),
            flushed_seq: 0,
            next_rank: 1,
        };
        Segment::new(id, Box::default(), None, version)
    }

    #[test]
    fn counts_of_a_segment_outlive_it() {
        let past = PastSegments::default();
        let parent = segment(1);
        parent.counters.count(SegmentCount::Reads);
        past.retire(&parent);
        // The route map that was loaded before still has it.
        assert_eq!(past.sums(std::slice::from_ref(&parent)).reads, 0);
        assert_eq!(past.sums(&[]).reads, 1);
        // A reader who found it there counts late.
        parent.counters.count(SegmentCount::Reads);
        assert_eq!(past.sums(&[segment(2)]).reads, 2);
        drop(parent);
        assert_eq!(past.sums(&[]).reads, 2);
        assert!(past.0.lock().retired.is_empty());
    }
}
