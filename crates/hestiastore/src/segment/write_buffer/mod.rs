//! The write buffer of a segment: the latest writes, by key, until a flush makes them a delta run.
//!
//! Insertion is O(1), as in the reference's `UniqueCache`; every version is kept until the buffer goes,
//! so that snapshots need nothing of their own here. Order is made for scans and flushes only
//! ([`view`]). Structure measured against B-trees and a skip list: see `ARCHITECTURE.md`.
//!
//! A buffer is *active*, then *frozen* with a cut, then flushed (PROTOCOL C3): it holds the seqs in
//! `(start, cut]` of its key range. Freezing is a stamp; whoever wrote before it is still let in.

mod arena;
mod slabs;
mod table;
#[cfg(test)]
mod tests;
mod view;

use std::fmt;
use std::sync::Arc;

pub(crate) use slabs::SlabPool;
pub(crate) use table::Version;
pub(crate) use view::BufferView;

use crate::run::EntryKind;
use crate::sync::ArcSwap;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use table::Table;

/// Seq of a buffer that is still active.
const UNCUT: u64 = u64::MAX;

/// A buffer's keys are spread over so many tables, each with an insert lock of its own: writers to one
/// segment insert side by side.
const SHARDS: usize = 8;

/// See the module.
pub(crate) struct WriteBuffer {
    shards: [Table; SHARDS],
    sorted: ArcSwap<view::Lists>,
    pool: Arc<SlabPool>,
    cut: AtomicU64,
    least_seq: AtomicU64,
    /// What the buffer was charged when it was frozen.
    stamped_bytes: AtomicU64,
    /// Segments that have yet to flush their part: one, or after a split several.
    users: AtomicU64,
    shared: AtomicBool,
}

/// Bytes that an entry is charged to the write budget; [`WriteBuffer::insert`] tells what comes on top.
pub(crate) fn charge_bytes(key_bytes: usize, value_bytes: usize) -> u64 {
    table::entry_bytes(key_bytes, value_bytes) as u64
}

impl WriteBuffer {
    /// Takes no memory for entries before the first insert.
    pub(crate) fn in_pool(expected_keys: usize, pool: &Arc<SlabPool>) -> Self {
        Self {
            shards: std::array::from_fn(|_| Table::new(expected_keys / SHARDS, pool)),
            sorted: ArcSwap::default(),
            pool: Arc::clone(pool),
            cut: AtomicU64::new(UNCUT),
            least_seq: AtomicU64::new(u64::MAX),
            stamped_bytes: AtomicU64::new(0),
            users: AtomicU64::new(1),
            shared: AtomicBool::new(false),
        }
    }

    #[cfg(test)]
    pub(crate) fn new(expected_keys: usize) -> Self {
        Self::in_pool(expected_keys, &SlabPool::new(1 << 20))
    }

    /// Adds a version. `hash` is the index's hash of `key`. Returns the bytes beyond [`charge_bytes`] that the buffer
    /// is charged from now on, because a table of it grew.
    #[must_use]
    pub(crate) fn insert(&self, key: &[u8], hash: u64, seq: u64, kind: EntryKind, value: &[u8]) -> u64 {
        // Almost no seq is the least, and a load leaves the cache line shared.
        if seq < self.least_seq.load(Ordering::Relaxed) {
            self.least_seq.fetch_min(seq, Ordering::Relaxed);
        }
        self.shard(hash).insert(key, table_hash(hash), seq, kind, value)
    }

    /// The newest version of `key` that a reader at `snapshot_seq` may see. Takes no lock.
    pub(crate) fn get(&self, key: &[u8], hash: u64, snapshot_seq: u64) -> Option<Version<'_>> {
        let shard = self.shard(hash);
        if shard.node_count() == 0 {
            return None;
        }
        shard.find(key, table_hash(hash))?.version_at(snapshot_seq)
    }

    fn shard(&self, hash: u64) -> &Table {
        &self.shards[shard_of(hash)]
    }

    /// Stamps the last seq that belongs here. Called in the commit section.
    pub(crate) fn freeze(&self, cut: u64) {
        self.cut.store(cut, Ordering::Release);
    }

    /// The last seq that belongs here, if the buffer is frozen.
    pub(crate) fn cut(&self) -> Option<u64> {
        let cut = self.cut.load(Ordering::Acquire);
        (cut != UNCUT).then_some(cut)
    }

    /// The least seq inserted, `u64::MAX` for none.
    pub(crate) fn least_seq(&self) -> u64 {
        self.least_seq.load(Ordering::Acquire)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.least_seq() == u64::MAX
    }

    pub(crate) fn key_count(&self) -> usize {
        self.shards.iter().map(Table::node_count).sum()
    }

    /// Bytes taken from the write budget for what was inserted, and for the tables.
    pub(crate) fn charged_bytes(&self) -> u64 {
        self.shards.iter().map(Table::charged_bytes).sum()
    }

    /// What entries were charged, without the tables: those of a new buffer are made for as many keys as the last one had.
    pub(crate) fn entry_bytes(&self) -> u64 {
        self.shards.iter().map(Table::entry_bytes).sum()
    }

    /// Notes what the buffer is charged now that it is frozen.
    pub(crate) fn stamp_frozen_bytes(&self) -> u64 {
        let bytes = self.charged_bytes();
        self.stamped_bytes.store(bytes, Ordering::Release);
        bytes
    }

    /// What was noted; in-flight writers may have added a little since.
    pub(crate) fn stamped_bytes(&self) -> u64 {
        self.stamped_bytes.load(Ordering::Acquire)
    }

    /// The buffer is inherited by so many children (PROTOCOL D3). Only before its flush has begun.
    pub(crate) fn share_between(&self, children: usize) {
        self.shared.store(true, Ordering::Release);
        self.users.fetch_add(children as u64 - 1, Ordering::AcqRel);
    }

    pub(crate) fn is_shared(&self) -> bool {
        self.shared.load(Ordering::Acquire)
    }

    /// A segment has flushed its part. `true` for the last one.
    pub(crate) fn end_use(&self) -> bool {
        self.users.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Memory held, dead bytes and slot arrays included.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.shards.iter().map(Table::memory_bytes).sum::<usize>() as u64
    }
}

impl fmt::Debug for WriteBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteBuffer")
            .field("keys", &self.key_count())
            .field("cut", &self.cut())
            .finish_non_exhaustive()
    }
}

/// The table takes other bits of the hash than the Bloom filter's block choice; both are well mixed.
fn table_hash(hash: u64) -> u32 {
    hash as u32
}

/// Bits that the tables do not look at.
fn shard_of(hash: u64) -> usize {
    (hash >> 32) as usize % SHARDS
}

/// A value in a write buffer, kept alive with it.
#[derive(Debug, Clone)]
pub(crate) struct PinnedValue {
    buffer: Arc<WriteBuffer>,
    shard: usize,
    place: table::ValueAddress,
}

impl PinnedValue {
    /// The newest version of `key` at `snapshot_seq`, to be held beyond any version of the segment.
    pub(crate) fn find(buffer: &Arc<WriteBuffer>, key: &[u8], hash: u64, snapshot_seq: u64) -> Option<Self> {
        let place = buffer.get(key, hash, snapshot_seq)?.address();
        Some(Self { buffer: Arc::clone(buffer), shard: shard_of(hash), place })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.buffer.shards[self.shard].value_at(&self.place)
    }
}
