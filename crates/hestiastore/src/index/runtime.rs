//! Maintenance threads that several indexes share.

use std::sync::Arc;

use super::pool::{Pool, SharedRate};
use super::throttle::TokenBucket;
use crate::config::Config;
use crate::environment::{Clock, Environment};

/// A pool of maintenance threads for any number of indexes.
///
/// An index that is opened without one has a runtime of its own, with as many threads as
/// `maintenance.threads` says. The threads of a runtime take the most urgent job over all of its indexes:
/// flushes before merges and splits, those before scrubbing; indexes with equally urgent jobs take turns. One of
/// two or more threads is always left for flushes. They start with the first write to one of the indexes, and end
/// when the last clone of the runtime is dropped and the last of its indexes is closed.
///
/// Each index that is written to has one small thread more, for its log: a slow sync of one is not to hold up the
/// others.
///
/// ```
/// use hestiastore::{Runtime, SegmentIndex};
///
/// let runtime = Runtime::builder().maintenance_threads(2).build();
/// let people = SegmentIndex::<String, u32>::in_memory().runtime(&runtime).create()?;
/// let places = SegmentIndex::<String, u32>::in_memory().runtime(&runtime).create()?;
/// people.put("Ada", &36)?;
/// places.put("London", &8_900_000)?;
/// people.flush_and_wait()?;
/// places.flush_and_wait()?;
/// # Ok::<(), hestiastore::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Runtime {
    users: Arc<Users>,
}

/// Dropped by the last who can bring work.
#[derive(Debug)]
struct Users {
    pool: Arc<Pool>,
}

impl Drop for Users {
    fn drop(&mut self) {
        self.pool.end();
    }
}

impl Runtime {
    /// Begins to describe a runtime.
    pub fn builder() -> RuntimeBuilder {
        RuntimeBuilder::default()
    }

    /// For an index that shares none.
    pub(super) fn of_one_index(config: &Config) -> Self {
        Self::builder().maintenance_threads(config.maintenance.threads as usize).build()
    }

    pub(super) fn pool(&self) -> &Arc<Pool> {
        &self.users.pool
    }

    /// The number of its maintenance threads.
    pub fn maintenance_threads(&self) -> usize {
        self.users.pool.threads()
    }
}

/// What a [`Runtime`] is to be like.
///
/// ```
/// use hestiastore::Runtime;
///
/// let runtime = Runtime::builder().maintenance_threads(3).build();
/// assert_eq!(runtime.maintenance_threads(), 3);
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct RuntimeBuilder {
    maintenance_threads: usize,
    rate_bytes_per_second: u64,
    clock: Arc<dyn Clock>,
}

impl Default for RuntimeBuilder {
    fn default() -> Self {
        let environment = Environment::default();
        let config = Config::default().fitted_to_processors(environment.processors);
        Self {
            maintenance_threads: config.maintenance.threads as usize,
            rate_bytes_per_second: 0,
            clock: environment.clock,
        }
    }
}

impl RuntimeBuilder {
    /// How many threads it has, at least one. By default 2, or 1 where the process may use only one processor.
    pub fn maintenance_threads(mut self, count: usize) -> Self {
        self.maintenance_threads = count;
        self
    }

    /// Bytes of entries that the merges of all its indexes together may read and write in a second, before
    /// compression; 0, as by default, sets no limit. Flushes are not limited. `maintenance.rate_bytes_per_second`
    /// of an index limits that index besides.
    pub fn rate_bytes_per_second(mut self, bytes: u64) -> Self {
        self.rate_bytes_per_second = bytes;
        self
    }

    /// The clock by which that is measured.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The runtime. Its threads start when one of its indexes is first written to.
    pub fn build(self) -> Runtime {
        let Self { maintenance_threads, rate_bytes_per_second, clock } = self;
        let rate = (rate_bytes_per_second > 0).then(|| SharedRate {
            bytes_per_second: rate_bytes_per_second,
            clock,
            tokens: TokenBucket::default(),
        });
        Runtime { users: Arc::new(Users { pool: Arc::new(Pool::new(maintenance_threads, rate)) }) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;

    use super::*;
    use crate::SegmentIndex;

    /// Its threads hold it as long as they run.
    fn watch(runtime: &Runtime) -> Weak<Pool> {
        Arc::downgrade(runtime.pool())
    }

    #[test]
    fn the_threads_end_with_the_last_user() {
        let runtime = Runtime::builder().maintenance_threads(3).build();
        let pool = watch(&runtime);
        let indexes =
            [0, 1].map(|_| SegmentIndex::<u64, u64>::in_memory().runtime(&runtime).create().unwrap());
        drop(runtime);
        let [first, second] = indexes;
        first.put(1, 2).unwrap();
        second.put(1, 2).unwrap();
        let snapshot = first.snapshot().unwrap();
        first.close().unwrap();
        drop(first);
        assert!(pool.upgrade().is_some());
        drop(second);
        drop(snapshot);
        assert!(pool.upgrade().is_none());
    }

    #[test]
    fn a_runtime_without_indexes_ends_when_it_is_dropped() {
        let runtime = Runtime::builder().maintenance_threads(0).build();
        assert_eq!(runtime.maintenance_threads(), 1);
        let pool = watch(&runtime);
        let index = SegmentIndex::<u64, u64>::in_memory().runtime(&runtime).create().unwrap();
        index.put(1, 2).unwrap();
        index.close().unwrap();
        drop(index);
        let other = runtime.clone();
        drop(runtime);
        assert!(pool.upgrade().is_some());
        drop(other);
        assert!(pool.upgrade().is_none());
    }
}
