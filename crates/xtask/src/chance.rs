//! Random numbers that a seed repeats.

use hestiastore::environment::{Environment, RandomSource};
use std::sync::Arc;

/// A sequence of random numbers.
#[derive(Debug, Clone)]
pub(crate) struct Chance(Arc<dyn RandomSource>);

impl Chance {
    /// The sequence that belongs to these numbers, in this order.
    pub(crate) fn of(parts: &[u64]) -> Self {
        let mix = |seed, part: &u64| Environment::repeatable(seed ^ part).random.next_u64();
        Self(Environment::repeatable(parts.iter().fold(0, mix)).random)
    }

    /// The next one, below `limit`.
    pub(crate) fn below(&self, limit: u64) -> u64 {
        self.0.next_u64() % limit.max(1)
    }

    /// True once in so many.
    pub(crate) fn one_in(&self, count: u64) -> bool {
        self.below(count) == 0
    }

    /// One of several.
    pub(crate) fn pick<T: Copy>(&self, first: T, others: &[T]) -> T {
        let number = self.below(others.len() as u64 + 1) as usize;
        number.checked_sub(1).and_then(|at| others.get(at)).copied().unwrap_or(first)
    }

    /// So many random bytes.
    pub(crate) fn fill(&self, length: usize) -> Vec<u8> {
        let words = std::iter::repeat_with(|| self.0.next_u64().to_be_bytes());
        words.flatten().take(length).collect()
    }
}
