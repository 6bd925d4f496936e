//! Latencies by kind of operation: logarithmic buckets, sixteen to a power of two.
//!
//! Two of each operation: what the call took, and from when the operation was due (see `pace.rs`) to its end.

use std::sync::atomic::{AtomicU64, Ordering};

const SUB_BITS: u32 = 4;
const BUCKETS: usize = (64 - SUB_BITS as usize + 1) << SUB_BITS;

/// What is done to the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Put,
    Delete,
    Batch,
    Get,
    Range,
    /// A hundred entries of a scan over everything.
    ScanStep,
    /// Taking a snapshot.
    Snapshot,
    /// A read at a snapshot that is held.
    HeldGet,
}

impl Kind {
    pub(super) const ALL: [Self; 8] = [
        Self::Put,
        Self::Delete,
        Self::Batch,
        Self::Get,
        Self::Range,
        Self::ScanStep,
        Self::Snapshot,
        Self::HeldGet,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Delete => "delete",
            Self::Batch => "batch",
            Self::Get => "get",
            Self::Range => "range",
            Self::ScanStep => "scan_step",
            Self::Snapshot => "snapshot",
            Self::HeldGet => "held_get",
        }
    }

    fn at(self) -> usize {
        Self::ALL.iter().position(|kind| *kind == self).unwrap_or(0)
    }
}

/// Counted by all threads since the last [`Latencies::take`].
#[derive(Debug)]
pub(super) struct Latencies {
    kinds: [Shared; Kind::ALL.len()],
}

#[derive(Debug)]
struct Shared {
    took: SharedTimes,
    since_due: SharedTimes,
    blocked_nanos: AtomicU64,
}

#[derive(Debug)]
struct SharedTimes {
    buckets: Vec<AtomicU64>,
    max_nanos: AtomicU64,
}

impl SharedTimes {
    fn new() -> Self {
        Self { buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(), max_nanos: AtomicU64::new(0) }
    }

    fn note(&self, nanos: u64) {
        if let Some(bucket) = self.buckets.get(bucket_of(nanos)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.max_nanos.fetch_max(nanos, Ordering::Relaxed);
    }

    fn take(&self) -> Times {
        Times {
            buckets: self.buckets.iter().map(|bucket| bucket.swap(0, Ordering::Relaxed)).collect(),
            max_nanos: self.max_nanos.swap(0, Ordering::Relaxed),
        }
    }
}

impl Latencies {
    pub(super) fn new() -> Self {
        let shared = |_| Shared {
            took: SharedTimes::new(),
            since_due: SharedTimes::new(),
            blocked_nanos: AtomicU64::new(0),
        };
        Self { kinds: std::array::from_fn(shared) }
    }

    pub(super) fn note(&self, kind: Kind, took_nanos: u64, since_due_nanos: u64) {
        let Some(shared) = self.kinds.get(kind.at()) else { return };
        shared.took.note(took_nanos);
        shared.since_due.note(since_due_nanos);
    }

    /// So long an operation neither ran nor was ready to run: it waited for somebody or for the disk.
    pub(super) fn note_blocked(&self, kind: Kind, nanos: u64) {
        if let Some(shared) = self.kinds.get(kind.at()) {
            shared.blocked_nanos.fetch_max(nanos, Ordering::Relaxed);
        }
    }

    /// What was counted, and begins anew.
    pub(super) fn take(&self) -> Vec<Histogram> {
        let take = |shared: &Shared| Histogram {
            took: shared.took.take(),
            since_due: shared.since_due.take(),
            blocked_nanos: shared.blocked_nanos.swap(0, Ordering::Relaxed),
        };
        self.kinds.iter().map(take).collect()
    }
}

/// Of one kind, over some time.
#[derive(Debug, Clone, Default)]
pub(super) struct Histogram {
    pub(super) took: Times,
    pub(super) since_due: Times,
    /// See [`Latencies::note_blocked`]: the longest. Only of long operations.
    pub(super) blocked_nanos: u64,
}

/// How often it took how long.
#[derive(Debug, Clone, Default)]
pub(super) struct Times {
    buckets: Vec<u64>,
    pub(super) max_nanos: u64,
}

impl Histogram {
    pub(super) fn add(&mut self, other: &Self) {
        self.took.add(&other.took);
        self.since_due.add(&other.since_due);
        self.blocked_nanos = self.blocked_nanos.max(other.blocked_nanos);
    }

    pub(super) fn count(&self) -> u64 {
        self.took.count()
    }
}

impl Times {
    fn add(&mut self, other: &Self) {
        self.buckets.resize(BUCKETS, 0);
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(sum, more)| *sum += more);
        self.max_nanos = self.max_nanos.max(other.max_nanos);
    }

    fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// At most one sixteenth more than the truth.
    pub(super) fn quantile_nanos(&self, share: f64) -> u64 {
        let rank = ((self.count() as f64 * share).ceil() as u64).max(1);
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

fn bucket_of(nanos: u64) -> usize {
    let exponent = (nanos | 1).ilog2();
    if exponent < SUB_BITS {
        return nanos as usize;
    }
    let row = (exponent - SUB_BITS + 1) as usize;
    (row << SUB_BITS) + ((nanos >> (exponent - SUB_BITS)) as usize & ((1 << SUB_BITS) - 1))
}

fn last_of(bucket: usize) -> u64 {
    let (row, column) = ((bucket >> SUB_BITS) as u32, (bucket & ((1 << SUB_BITS) - 1)) as u64);
    if row == 0 {
        return column;
    }
    let first = ((1 << SUB_BITS) | column) << (row - 1);
    first + ((1 << (row - 1)) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_in_its_bucket_and_buckets_meet() {
        for bucket in 0..BUCKETS - 1 {
            let last = last_of(bucket);
            assert_eq!((bucket_of(last), bucket_of(last + 1)), (bucket, bucket + 1));
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_never_too_small() {
        let latencies = Latencies::new();
        (1..=1_000).for_each(|nanos| latencies.note(Kind::Get, nanos * 1_000, nanos));
        let taken = &latencies.take()[Kind::Get.at()];
        assert_eq!(
            (taken.count(), taken.took.max_nanos, taken.since_due.max_nanos),
            (1_000, 1_000_000, 1_000)
        );
        let median = taken.took.quantile_nanos(0.5);
        assert!((500_000..=532_000).contains(&median), "{median}");
        assert_eq!(taken.took.quantile_nanos(1.0), 1_000_000);
        assert_eq!(latencies.take()[Kind::Get.at()].count(), 0);
    }
}
