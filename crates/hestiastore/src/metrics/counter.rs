//! A counter that many threads raise without sharing a cache line.
//!
//! Thread safety: every method may be called from any thread at any time.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

pub(super) const SHARDS: usize = 16;

/// Padded to two cache lines, because processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard(AtomicU64);

/// Counts up. Wraps after 2^64.
#[derive(Debug, Default)]
pub(crate) struct ShardedCounter {
    shards: [Shard; SHARDS],
}

impl ShardedCounter {
    pub(crate) fn add(&self, n: u64) {
        self.shards[thread_number() % SHARDS].0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn sum(&self) -> u64 {
        self.shards.iter().fold(0, |sum, shard| sum.wrapping_add(shard.0.load(Ordering::Relaxed)))
    }
}

/// Threads are numbered in the order in which they first count, so that the first sixteen do not meet.
pub(super) fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    // A thread that is being torn down may have lost its number.
    NUMBER.try_with(|number| *number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn concurrent_adds_sum_up() {
        let counter = ShardedCounter::default();
        thread::scope(|scope| {
            for thread in 0..24u64 {
                let counter = &counter;
                scope.spawn(move || (0..10_000).for_each(|_| counter.add(thread)));
            }
        });
        assert_eq!(counter.sum(), 10_000 * (0..24).sum::<u64>());
    }

    #[test]
    fn shards_share_no_cache_line() {
        assert_eq!(size_of::<ShardedCounter>(), SHARDS * 128);
    }

    #[test]
    fn sum_wraps_as_its_parts_do() {
        let counter = ShardedCounter::default();
        counter.add(u64::MAX);
        thread::scope(|scope| {
            scope.spawn(|| counter.add(3));
        });
        assert_eq!(counter.sum(), 2);
    }
}
