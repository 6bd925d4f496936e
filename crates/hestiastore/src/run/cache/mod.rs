//! Decoded entry chunks in memory, up to a budget in bytes (M2).
//!
//! Every run has one slot for each of its chunks. A hit is a load of that slot: no lock, no
//! allocation, no counter that readers share. A miss loads the chunk (two threads may load the same one; the
//! first to finish wins), queues it, and evicts while there is too much.
//!
//! Eviction is S3-FIFO: a chunk enters a small queue and reaches the main one only if it was used again
//! there, or comes back soon after it was evicted, so one pass over cold data does not drive out what is
//! hot. Long scans do not insert at all ([`super::CursorPurpose`]). The queues' places are allocated ahead, and
//! locks are held for a bounded number of steps.
//!
//! Invariants: (1) a filled slot has exactly one entry in a queue; (2) `alive_bytes` counts every chunk
//! that was put in and still exists, so also those that a reader pins; (3) a run's slots are emptied when it is
//! dropped, and freed with it, whatever tickets of it are still queued; its identity is never used again.

mod queue;
mod slots;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::entries::EntryChunk;
use crate::metrics::Tally;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};
use queue::{Queue, Ticket};
pub(super) use slots::RunSlots;

const SHARDS: usize = 8;

/// What is counted.
const REQUESTS: usize = 0;
const MISSES: usize = 1;

/// What the cache has done, and what it holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CacheStatistics {
    /// Without those of reads by key, which their segments count.
    pub(crate) requests: u64,
    pub(crate) misses: u64,
    pub(crate) evictions: u64,
    /// Bytes of chunks that exist, those that only a reader still pins included.
    pub(crate) bytes: u64,
    /// Of these, those that the cache has given up.
    pub(crate) pinned_bytes: u64,
    pub(crate) budget_bytes: u64,
}

/// Counts the bytes of a chunk or run for as long as it exists.
#[derive(Debug)]
pub(super) struct Charge {
    bytes: u64,
    alive_bytes: Arc<AtomicU64>,
}

impl Charge {
    pub(super) fn new(bytes: u64, alive_bytes: &Arc<AtomicU64>) -> Self {
        alive_bytes.fetch_add(bytes, Ordering::Relaxed);
        Self { bytes, alive_bytes: Arc::clone(alive_bytes) }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.alive_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Shared by all runs of an index.
#[derive(Debug)]
pub(crate) struct ChunkCache {
    budget_bytes: AtomicU64,
    alive_bytes: Arc<AtomicU64>,
    /// Bytes of chunks in slots.
    cached_bytes: AtomicU64,
    evictions: AtomicU64,
    queues: [Mutex<Queue>; SHARDS],
    tally: Tally<2>,
    next_id: AtomicU64,
}

impl ChunkCache {
    pub(crate) fn new(budget_bytes: u64) -> Arc<Self> {
        const SMALL_CHUNK_BYTES: u64 = 2048;
        let places = (budget_bytes / SMALL_CHUNK_BYTES / SHARDS as u64).clamp(64, 1 << 24) as usize;
        Arc::new(Self {
            budget_bytes: AtomicU64::new(budget_bytes),
            alive_bytes: Arc::default(),
            cached_bytes: AtomicU64::new(0),
            evictions: AtomicU64::new(0),
            queues: std::array::from_fn(|_| Mutex::new(Queue::new(places))),
            tally: Tally::default(),
            next_id: AtomicU64::new(0),
        })
    }

    /// Changes the budget; what is too much goes with the next misses.
    #[cfg(test)]
    pub(crate) fn set_budget(&self, budget_bytes: u64) {
        self.budget_bytes.store(budget_bytes, Ordering::Relaxed);
    }

    pub(crate) fn statistics(&self) -> CacheStatistics {
        let sums = self.tally.sums();
        let bytes = self.alive_bytes.load(Ordering::Relaxed);
        CacheStatistics {
            requests: sums[REQUESTS],
            misses: sums[MISSES],
            evictions: self.evictions.load(Ordering::Relaxed),
            bytes,
            pinned_bytes: bytes.saturating_sub(self.cached_bytes.load(Ordering::Relaxed)),
            budget_bytes: self.budget_bytes.load(Ordering::Relaxed),
        }
    }

    #[inline]
    pub(super) fn note_request(&self) {
        self.tally.add(REQUESTS, 1);
    }

    #[inline]
    pub(super) fn note_miss(&self) {
        self.tally.add(MISSES, 1);
    }

    /// Slots for a run of so many entry chunks. Give them back with [`ChunkCache::close`].
    pub(super) fn open(self: &Arc<Self>, chunks: usize) -> Arc<RunSlots> {
        Arc::new(RunSlots::new(self.next_id.fetch_add(1, Ordering::Relaxed), chunks))
    }

    /// Empties the slots of a run that nobody uses any more.
    pub(super) fn close(&self, slots: &RunSlots) {
        self.cached_bytes.fetch_sub(slots.clear(), Ordering::Relaxed);
    }

    /// Keeps a chunk that was just loaded. Returns the one to use: another thread may have been first.
    pub(super) fn insert(&self, slots: &Arc<RunSlots>, at: usize, mut chunk: EntryChunk) -> Arc<EntryChunk> {
        let bytes = chunk.memory_bytes();
        let charge = Charge::new(bytes, &self.alive_bytes);
        // Before it can be evicted.
        self.cached_bytes.fetch_add(bytes, Ordering::Relaxed);
        chunk.charge = Some(charge);
        let chunk = Arc::new(chunk);
        if let Err(earlier) = slots.fill(at, &chunk) {
            self.cached_bytes.fetch_sub(bytes, Ordering::Relaxed);
            return earlier;
        }
        let shard = (slots.id as usize).wrapping_add(at) % SHARDS;
        let evictions = self.evictions.load(Ordering::Relaxed);
        let came_back = slots.was_evicted_lately(at, self.epoch(evictions));
        let ticket = Ticket::new(slots, at);
        let displaced = self.queues[shard].lock().push(ticket, came_back);
        if let Some(displaced) = displaced {
            self.evict(displaced);
        }
        self.shrink(shard);
        chunk
    }

    /// Evicts what is beyond the budget, from the given queue on.
    fn shrink(&self, shard: usize) {
        let alive = self.alive_bytes.load(Ordering::Relaxed);
        let mut excess = alive.saturating_sub(self.budget_bytes.load(Ordering::Relaxed));
        for queue in self.queues.iter().cycle().skip(shard).take(SHARDS) {
            while excess > 0 {
                let Some(victim) = queue.lock().pop() else {
                    break;
                };
                excess = excess.saturating_sub(self.evict(victim));
            }
        }
    }

    /// Empties the slot. Returns the bytes that it held.
    fn evict(&self, victim: Ticket) -> u64 {
        // A ticket of a closed run finds its slot empty, or gone.
        let Some((slots, at)) = victim.slot() else { return 0 };
        let epoch = self.epoch(self.evictions.load(Ordering::Relaxed));
        let bytes = slots.empty(at, epoch);
        self.cached_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.evictions.fetch_add(u64::from(bytes != 0), Ordering::Relaxed);
        bytes
    }

    /// Counts on after about as many evictions as the cache holds chunks; never 0.
    fn epoch(&self, evictions: u64) -> u8 {
        const USUAL_CHUNK_BYTES: u64 = 8192;
        let held = (self.budget_bytes.load(Ordering::Relaxed) / USUAL_CHUNK_BYTES).max(16);
        (evictions / held % 255) as u8 + 1
    }
}
