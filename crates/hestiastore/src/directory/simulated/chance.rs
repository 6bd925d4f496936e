//! Random choices that the same seed repeats.

use std::sync::Arc;

use crate::environment::{Environment, RandomSource};

#[derive(Debug)]
pub(super) struct Chance(Arc<dyn RandomSource>);

impl Chance {
    pub(super) fn of(seed: u64) -> Self {
        Self(Environment::repeatable(seed).random)
    }

    /// A number below `limit`; zero if `limit` is.
    pub(super) fn below(&self, limit: u64) -> u64 {
        self.0.next_u64() % limit.max(1)
    }

    /// How many of `count` changes in a row survive: often all, often none, else any number.
    pub(super) fn survivors(&self, count: u64) -> u64 {
        match self.below(4) {
            0 | 1 => count,
            2 => 0,
            _ => self.below(count + 1),
        }
    }
}
