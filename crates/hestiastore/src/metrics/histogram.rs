//! Latencies in logarithmic buckets: sixteen to every power of two.
//!
//! A value is known to one part in sixteen; values below 32 ns are exact. The range is all of `u64`, so nothing
//! is clamped. A histogram takes 31 KiB, fixed.
//!
//! Thread safety: every method may be called from any thread at any time.

use std::sync::atomic::{AtomicU64, Ordering};

use super::counter::thread_number;

const SUB_BITS: u32 = 4;
const SUB_BUCKETS: usize = 1 << SUB_BITS;
/// One row for the values below 16, and one for each further power of two.
const BUCKETS: usize = (u64::BITS - SUB_BITS + 1) as usize * SUB_BUCKETS;
const SHARDS: usize = 4;

/// Counts values in nanoseconds.
#[derive(Debug)]
pub(crate) struct Histogram {
    shards: [Shard; SHARDS],
}

#[derive(Debug)]
#[repr(align(128))]
struct Shard {
    sum_nanos: AtomicU64,
    max_nanos: AtomicU64,
    buckets: Box<[AtomicU64]>,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self {
            shards: std::array::from_fn(|_| Shard {
                sum_nanos: AtomicU64::new(0),
                max_nanos: AtomicU64::new(0),
                buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            }),
        }
    }

    /// Counts a value that stands for `weight` like it.
    pub(crate) fn record(&self, nanos: u64, weight: u64) {
        let shard = &self.shards[thread_number() % SHARDS];
        if let Some(bucket) = shard.buckets.get(bucket_of(nanos)) {
            bucket.fetch_add(weight, Ordering::Relaxed);
        }
        shard.sum_nanos.fetch_add(nanos.wrapping_mul(weight), Ordering::Relaxed);
        // Almost no value is a new maximum, and a load leaves the cache line shared.
        if nanos > shard.max_nanos.load(Ordering::Relaxed) {
            shard.max_nanos.fetch_max(nanos, Ordering::Relaxed);
        }
    }

    pub(crate) fn snapshot(&self) -> HistogramSnapshot {
        let mut snapshot =
            HistogramSnapshot { count: 0, sum_nanos: 0, max_nanos: 0, buckets: vec![0; BUCKETS] };
        for shard in &self.shards {
            let max_nanos = shard.max_nanos.load(Ordering::Relaxed);
            snapshot.max_nanos = snapshot.max_nanos.max(max_nanos);
            let sum_nanos = shard.sum_nanos.load(Ordering::Relaxed);
            snapshot.sum_nanos = snapshot.sum_nanos.wrapping_add(sum_nanos);
            for (total, bucket) in snapshot.buckets.iter_mut().zip(&shard.buckets) {
                let count = bucket.load(Ordering::Relaxed);
                *total += count;
                // Counted from the buckets, so that quantiles always add up.
                snapshot.count += count;
            }
        }
        snapshot
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

/// What a histogram held at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HistogramSnapshot {
    pub(crate) count: u64,
    pub(crate) sum_nanos: u64,
    pub(crate) max_nanos: u64,
    buckets: Vec<u64>,
}

impl HistogramSnapshot {
    /// How many values lie in each row of buckets, and the greatest value of the row: powers of two, less one.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let rows = self.buckets.chunks(SUB_BUCKETS).enumerate();
        rows.map(|(row, buckets)| (last_of(row * SUB_BUCKETS + SUB_BUCKETS - 1), buckets.iter().sum()))
    }

    /// The least value, rounded up to the end of its bucket, that the share `q` of all values does
    /// not exceed: never less than the truth, and at most one part in sixteen more. Zero without values.
    pub(crate) fn quantile(&self, q: f64) -> u64 {
        let rank = (q.clamp(0.0, 1.0) * self.count as f64).ceil().max(1.0) as u64;
        let mut passed = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            passed += count;
            if passed >= rank {
                return last_of(bucket).min(self.max_nanos);
            }
        }
        self.max_nanos
    }
}

/// Always below [`BUCKETS`].
fn bucket_of(nanos: u64) -> usize {
    let exponent = (nanos | 1).ilog2();
    if exponent < SUB_BITS {
        return nanos as usize;
    }
    let row = (exponent - SUB_BITS + 1) as usize;
    // The bits below the leading one.
    let column = (nanos >> (exponent - SUB_BITS)) as usize & (SUB_BUCKETS - 1);
    row * SUB_BUCKETS + column
}

/// The greatest value of a bucket.
fn last_of(bucket: usize) -> u64 {
    let (row, column) = (bucket / SUB_BUCKETS, (bucket % SUB_BUCKETS) as u64);
    if row == 0 {
        return column;
    }
    let shift = row as u32 - 1;
    let first = (SUB_BUCKETS as u64 + column) << shift;
    first + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::thread;

    #[test]
    fn buckets_follow_each_other_without_gaps() {
        assert_eq!(bucket_of(0), 0);
        for bucket in 0..BUCKETS - 1 {
            let last = last_of(bucket);
            assert_eq!((bucket_of(last), bucket_of(last + 1)), (bucket, bucket + 1));
        }
        assert_eq!(last_of(BUCKETS - 1), u64::MAX);
    }

    #[test]
    fn empty_histogram_is_all_zero() {
        let snapshot = Histogram::new().snapshot();
        assert_eq!((snapshot.count, snapshot.quantile(0.5)), (0, 0));
    }

    #[test]
    fn concurrent_records_add_up() {
        let histogram = Histogram::new();
        thread::scope(|scope| {
            for thread in 0..8u64 {
                let histogram = &histogram;
                scope.spawn(move || (0..1000).for_each(|n| histogram.record(thread * 1000 + n, 1)));
            }
        });
        let snapshot = histogram.snapshot();
        assert_eq!((snapshot.count, snapshot.max_nanos), (8000, 7999));
        assert_eq!(snapshot.sum_nanos, (0..8000).sum());
        assert_eq!(snapshot.quantile(1.0), 7999);
    }

    #[test]
    fn a_value_counts_as_often_as_its_weight_says() {
        let histogram = Histogram::new();
        histogram.record(10, 16);
        histogram.record(1_000, 1);
        let snapshot = histogram.snapshot();
        assert_eq!((snapshot.count, snapshot.sum_nanos), (17, 1_160));
        assert_eq!((snapshot.quantile(0.9), snapshot.quantile(1.0)), (10, 1_000));
        let rows: Vec<(u64, u64)> = snapshot.rows().filter(|(_, count)| *count > 0).collect();
        assert_eq!(rows, [(15, 16), (1_023, 1)]);
    }

    proptest! {
        #[test]
        fn quantiles_are_within_a_sixteenth(
            mut values in proptest::collection::vec((any::<u64>(), 0..64u32), 1..200),
            q in 0.0..=1.0f64,
        ) {
            let histogram = Histogram::new();
            let mut values: Vec<u64> = values.drain(..).map(|(value, shift)| value >> shift).collect();
            values.iter().for_each(|value| histogram.record(*value, 1));
            values.sort_unstable();
            let rank = ((q * values.len() as f64).ceil() as usize).max(1);
            let exact = values[rank - 1];
            let found = histogram.snapshot().quantile(q);
            prop_assert!(exact <= found && found - exact <= exact / 16, "{exact} {found}");
        }
    }
}
