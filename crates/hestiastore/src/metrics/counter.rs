//! Counters that many threads raise without sharing a cache line.
//!
//! Thread safety: every method may be called from any thread at any time.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

const SHARDS: usize = 16;

/// Padded to two cache lines, because processors fetch them in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Shard<const N: usize>([AtomicU64; N]);

/// `N` counters, of which those that one thread raises lie side by side: raising several costs hardly more
/// cache than raising one. Each wraps after 2^64.
#[derive(Debug)]
pub(crate) struct Tally<const N: usize> {
    shards: [Shard<N>; SHARDS],
}

impl<const N: usize> Default for Tally<N> {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Shard(std::array::from_fn(|_| AtomicU64::new(0)))) }
    }
}

impl<const N: usize> Tally<N> {
    #[inline]
    pub(crate) fn add(&self, counter: usize, n: u64) {
        if let Some(counter) = self.shards[thread_number() % SHARDS].0.get(counter) {
            counter.fetch_add(n, Ordering::Relaxed);
        }
    }

    pub(crate) fn sums(&self) -> [u64; N] {
        let mut sums = [0u64; N];
        for shard in &self.shards {
            for (sum, counter) in sums.iter_mut().zip(&shard.0) {
                *sum = sum.wrapping_add(counter.load(Ordering::Relaxed));
            }
        }
        sums
    }
}

/// Keeps a figure from falling that is made up of several counters, which are read one after the other while others raise
/// them.
#[derive(Debug, Default)]
pub(crate) struct NeverFalling(AtomicU64);

impl NeverFalling {
    /// The greatest that the figure ever was.
    pub(crate) fn at_least(&self, figure: u64) -> u64 {
        self.0.fetch_max(figure, Ordering::Relaxed).max(figure)
    }
}

/// Threads are numbered in the order in which they first count, so that the first sixteen do not meet.
#[inline]
pub(super) fn thread_number() -> usize {
    const NONE: usize = usize::MAX;
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<usize> = const { Cell::new(NONE) };
    }
    NUMBER.with(|number| {
        if number.get() == NONE {
            number.set(NEXT.fetch_add(1, Ordering::Relaxed) % NONE);
        }
        number.get()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn concurrent_adds_sum_up() {
        let tally = Tally::<3>::default();
        thread::scope(|scope| {
            for thread in 0..24u64 {
                let tally = &tally;
                scope.spawn(move || (0..10_000).for_each(|n| tally.add(n % 2, thread)));
            }
        });
        let sum = 10_000 * (0..24).sum::<u64>();
        assert_eq!(tally.sums(), [sum / 2, sum / 2, 0]);
    }

    #[test]
    fn what_was_shown_once_does_not_fall() {
        let figure = NeverFalling::default();
        assert_eq!([3, 2, 5, 4].map(|now| figure.at_least(now)), [3, 3, 5, 5]);
    }

    #[test]
    fn shards_share_no_cache_line() {
        assert_eq!(size_of::<Tally<1>>(), SHARDS * 128);
        assert_eq!(size_of::<Tally<16>>(), SHARDS * 128);
    }

    #[test]
    fn sums_wrap_as_their_parts_do() {
        let tally = Tally::<1>::default();
        tally.add(0, u64::MAX);
        thread::scope(|scope| {
            scope.spawn(|| tally.add(0, 3));
        });
        assert_eq!(tally.sums(), [2]);
    }
}
