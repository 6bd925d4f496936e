//! How long operations take: which of them are timed, and what is shown of it.
//!
//! Reading the clock takes tens of nanoseconds, on some virtual machines more than a hundred; a cached read takes few hundred. So
//! each thread times one in [`GETS_A_SAMPLE`] of its gets, and one in [`WRITES_A_SAMPLE`] of its writes of a kind, which
//! counts for all of them. An operation that has to wait is timed in any case, from where the wait begins, and
//! counts for itself: none is missed, and quantiles stay true.

use std::cell::Cell;
use std::time::Instant;

use super::figures::Metric;
use super::histogram::{Histogram, HistogramSnapshot};

const GETS_A_SAMPLE: u8 = 128;
const WRITES_A_SAMPLE: u8 = 32;

/// A kind of operation whose latency is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Timed {
    Get,
    Put,
    Delete,
    Batch,
}

const KINDS: usize = 4;

impl Timed {
    /// Of so many operations of a thread one is timed.
    fn operations_a_sample(self) -> u8 {
        match self {
            Timed::Get => GETS_A_SAMPLE,
            Timed::Put | Timed::Delete | Timed::Batch => WRITES_A_SAMPLE,
        }
    }
}

/// Latencies of an index.
#[derive(Debug, Default)]
pub(crate) struct Latencies {
    kinds: [Histogram; KINDS],
}

impl Latencies {
    pub(crate) fn figures(&self, kind: Timed) -> LatencyMetrics {
        LatencyMetrics::of(&self.kinds[kind as usize].snapshot())
    }

    /// Counts an operation that is over, if it was timed.
    #[inline]
    pub(crate) fn record(&self, kind: Timed, stopwatch: Stopwatch) {
        if let Some(start) = stopwatch.start {
            self.record_since(kind, start, stopwatch.weight);
        }
    }

    #[cold]
    fn record_since(&self, kind: Timed, start: Instant, weight: u64) {
        self.kinds[kind as usize].record(nanos_since(start), weight);
    }
}

pub(crate) fn nanos_since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Times one operation, or lets it pass.
#[derive(Debug, Default)]
pub(crate) struct Stopwatch {
    start: Option<Instant>,
    /// How many operations it stands for.
    weight: u64,
}

impl Stopwatch {
    /// Starts for one operation in a sample.
    #[inline]
    pub(crate) fn start(kind: Timed) -> Self {
        thread_local! {
            static PASSED: [Cell<u8>; KINDS] = const { [const { Cell::new(0) }; KINDS] };
        }
        let is_sampled = PASSED.with(|passed| {
            let passed = &passed[kind as usize];
            let next = passed.get() + 1;
            let is_sampled = next == kind.operations_a_sample();
            passed.set(if is_sampled { 0 } else { next });
            is_sampled
        });
        if is_sampled { Self::started(kind) } else { Self::default() }
    }

    #[cold]
    fn started(kind: Timed) -> Self {
        Self { start: Some(Instant::now()), weight: u64::from(kind.operations_a_sample()) }
    }

    /// The operation is about to wait: it is timed in any case.
    #[cold]
    pub(crate) fn note_wait(&mut self) {
        self.start.get_or_insert_with(Instant::now);
        self.weight = 1;
    }
}

/// How long operations of one kind took.
///
/// ```
/// use hestiastore::SegmentIndex;
///
/// let index = SegmentIndex::<u64, u64>::in_memory().create()?;
/// for n in 0..100u64 {
///     index.put(n, n)?;
/// }
/// let puts = index.metrics_snapshot().latency.put;
/// println!("half took {} ns at most, the slowest {} ns", puts.p50_nanos, puts.max_nanos);
/// # Ok::<(), hestiastore::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LatencyMetrics {
    /// Operations that the figures stand for, to within one sample a thread: of gets one in 128 is timed, of writes one in
    /// 32, and counts for all of them. Writes that had to wait are all timed, as are all syncs.
    pub count: u64,
    /// Sum of all latencies.
    pub sum_nanos: u64,
    /// Median. Quantiles are never less than the truth, and at most one part in sixteen more.
    pub p50_nanos: u64,
    /// One operation in 10 takes longer.
    pub p90_nanos: u64,
    /// One operation in 100 takes longer.
    pub p99_nanos: u64,
    /// One operation in 1,000 takes longer.
    pub p999_nanos: u64,
    /// One operation in 10,000 takes longer.
    pub p9999_nanos: u64,
    /// The longest that was timed.
    pub max_nanos: u64,
    /// Operations by latency, ascending, for histograms elsewhere. Empty rows are left out; not part of JSON and table.
    pub rows: Vec<LatencyRow>,
}

/// Operations of about one latency.
///
/// ```
/// use hestiastore::metrics::LatencyRow;
///
/// let row = LatencyRow { up_to_nanos: 1023, count: 4 };
/// assert!(row.up_to_nanos < 1024);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LatencyRow {
    /// The longest latency of the row: a power of two, less one.
    pub up_to_nanos: u64,
    /// Operations that took longer than the row before says, and no longer than this one.
    pub count: u64,
}

impl LatencyMetrics {
    pub(crate) fn of(latencies: &HistogramSnapshot) -> Self {
        let row = |(up_to_nanos, count)| LatencyRow { up_to_nanos, count };
        Self {
            count: latencies.count,
            sum_nanos: latencies.sum_nanos,
            p50_nanos: latencies.quantile(0.5),
            p90_nanos: latencies.quantile(0.9),
            p99_nanos: latencies.quantile(0.99),
            p999_nanos: latencies.quantile(0.999),
            p9999_nanos: latencies.quantile(0.9999),
            max_nanos: latencies.max_nanos,
            rows: latencies.rows().filter(|(_, count)| *count > 0).map(row).collect(),
        }
    }
}

impl From<&LatencyMetrics> for Metric {
    fn from(latency: &LatencyMetrics) -> Self {
        let fields = [
            ("count", latency.count),
            ("sum_nanos", latency.sum_nanos),
            ("p50_nanos", latency.p50_nanos),
            ("p90_nanos", latency.p90_nanos),
            ("p99_nanos", latency.p99_nanos),
            ("p999_nanos", latency.p999_nanos),
            ("p9999_nanos", latency.p9999_nanos),
            ("max_nanos", latency.max_nanos),
        ];
        Metric::Group(fields.into_iter().map(|(name, value)| (name, Metric::Number(value))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A thread of its own, whose count begins at nothing.
    fn timed(operations: u64, waits: impl Fn(u64) -> bool + Sync) -> LatencyMetrics {
        let latencies = Latencies::default();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0..operations {
                    let mut stopwatch = Stopwatch::start(Timed::Put);
                    if waits(n) {
                        stopwatch.note_wait();
                    }
                    latencies.record(Timed::Put, stopwatch);
                }
            });
        });
        latencies.figures(Timed::Put)
    }

    #[test]
    fn a_sample_stands_for_those_that_were_not_timed() {
        assert_eq!(timed(31, |_| false).count, 0);
        assert_eq!(timed(32 * 10, |_| false).count, 320);
    }

    #[test]
    fn whoever_waits_is_timed_and_counts_once() {
        assert_eq!(timed(31, |n| n == 7).count, 1);
        // The last one is the sample, and stands for itself alone when it waits.
        assert_eq!(timed(32, |n| n == 31).count, 1);
        assert_eq!(timed(32, |_| true).count, 32);
    }

    #[test]
    fn kinds_are_sampled_each_for_itself() {
        let latencies = Latencies::default();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0..256 {
                    let kind = if n % 2 == 0 { Timed::Get } else { Timed::Put };
                    latencies.record(kind, Stopwatch::start(kind));
                }
            });
        });
        assert_eq!((latencies.figures(Timed::Get).count, latencies.figures(Timed::Put).count), (128, 128));
    }
}
