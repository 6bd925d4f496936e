//! How much memory the process may have.

use std::fmt;

use super::process::Usage;
use super::store::Store;
use crate::outcome::Outcome;

/// For the allocator's slack and heaps per thread, which no budget of the engine counts: a quarter of the budgets.
const SLACK_DIVISOR: u64 = 4;

/// Sums of what may be there at once, in bytes.
#[derive(Debug)]
pub(super) struct Bounds {
    /// Of this program, before it wrote anything.
    own_bytes: u64,
    budget_bytes: u64,
    margin_bytes: u64,
}

impl Bounds {
    pub(super) fn now(store: &Store) -> Outcome<Self> {
        let config = store.index.config();
        let own_bytes = Usage::now(&store.place)?.anonymous_bytes;
        // Indexes and filters take what they take, at most their budget: as a share of the data, about 3 bytes a key.
        let loaded_bytes = config.cache.loaded_bytes.min(store.key_count() * 3);
        let budget_bytes = config.write_buffer.budget_bytes
            + config.write_buffer.delta_cache_bytes
            + config.cache.chunk_bytes
            + loaded_bytes;
        // The margin that the engine states: a few buffers for each merge and flush.
        let jobs_bytes = u64::from(config.maintenance.threads) * (16 << 20);
        Ok(Self { own_bytes, budget_bytes, margin_bytes: jobs_bytes + budget_bytes / SLACK_DIVISOR })
    }

    pub(super) fn most_bytes(&self) -> u64 {
        self.own_bytes + self.budget_bytes + self.margin_bytes
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [own, budgets, margin] =
            [self.own_bytes, self.budget_bytes, self.margin_bytes].map(|bytes| bytes >> 20);
        write!(f, "{own} MiB of this program, {budgets} MiB of budgets, {margin} MiB of margin")
    }
}
