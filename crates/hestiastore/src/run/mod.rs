//! One immutable file of sorted versions. (Signatures first; the bodies follow.)
use std::borrow::Cow;
use std::sync::Arc;

use crate::directory::Directory;
use crate::error::{Error, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum EntryKind {
    Put = 0,
    Delete = 1,
    RangeDelete = 2,
    /// The value begins with its expiry: 8 bytes, big-endian, wall-clock microseconds.
    PutExpiry = 3,
    /// Only in files: readers see the kind of the value that is pointed to.
    ValuePointer = 4,
}

pub(crate) const VALUE_CHUNK_BYTES: usize = 64 * 1024;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum BloomSettings {
    Off,
    Rate(f64),
    Fixed { bytes: u64, hashes: u32 },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FilterPipeline;

impl FilterPipeline {
    pub(crate) fn from_names(_names: &[&str]) -> Result<Self> {
        Ok(Self)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct RunSettings {
    pub(crate) block_bytes: u32,
    pub(crate) buffer_bytes: u32,
    pub(crate) chunk_max_keys: u32,
    pub(crate) chunk_max_bytes: u32,
    pub(crate) pipeline: FilterPipeline,
    pub(crate) bloom: BloomSettings,
    pub(crate) hash_seed: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunIdentity {
    pub(crate) index_uuid: u128,
    pub(crate) uid: u64,
    pub(crate) key_type: String,
    pub(crate) value_type: String,
    pub(crate) segment: u64,
    pub(crate) rank: u64,
    pub(crate) edit_number: u64,
    pub(crate) inputs: Vec<u64>,
    pub(crate) answered_lower: Vec<u8>,
    pub(crate) answered_upper: Option<Vec<u8>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RunProperties {
    pub(crate) identity: RunIdentity,
    /// Least and greatest seq covered; `None` when nothing was covered.
    pub(crate) seqs: Option<(u64, u64)>,
    pub(crate) entries: u64,
    pub(crate) keys: u64,
    pub(crate) tombstones: u64,
    pub(crate) range_tombstones: u64,
    pub(crate) value_chunks: u64,
    pub(crate) least_expiry: Option<u64>,
    pub(crate) first_key: Vec<u8>,
    pub(crate) last_key: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct RunSummary {
    pub(crate) properties: RunProperties,
    pub(crate) file_bytes: u64,
}

pub(crate) fn run_file_name(uid: u64) -> String {
    format!("run-{uid:016x}.sst")
}

pub(crate) fn key_hash(seed: u64, key: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(key, seed)
}

/// A value chunk as it is stored, for a verbatim copy into another run.
pub(crate) struct StoredValueChunk;

pub(crate) struct RunWriter;

impl RunWriter {
    pub(crate) fn create(
        _dir: &Arc<dyn Directory>,
        _settings: &RunSettings,
        _identity: RunIdentity,
    ) -> Result<Self> {
        Err(Error::Closed)
    }
    pub(crate) fn add(
        &mut self,
        _key: &[u8],
        _seq: u64,
        _kind: EntryKind,
        _value: &[u8],
    ) -> Result<()> {
        Err(Error::Closed)
    }
    pub(crate) fn add_value_chunk(
        &mut self,
        _key: &[u8],
        _seq: u64,
        _stored: &StoredValueChunk,
    ) -> Result<()> {
        Err(Error::Closed)
    }
    pub(crate) fn estimated_bytes(&self) -> u64 {
        0
    }
    pub(crate) fn entry_count(&self) -> u64 {
        0
    }
    pub(crate) fn cover_seqs(&mut self, _least: u64, _greatest: u64) {}
    pub(crate) fn finish(self) -> Result<RunSummary> {
        Err(Error::Closed)
    }
}

#[derive(Debug)]
pub(crate) struct ChunkCache;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CacheStatistics {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) evictions: u64,
    pub(crate) bytes: u64,
}

impl ChunkCache {
    pub(crate) fn new(_budget_bytes: u64) -> Arc<Self> {
        Arc::new(Self)
    }
    pub(crate) fn statistics(&self) -> CacheStatistics {
        CacheStatistics::default()
    }
}

/// What the filters of one or more runs have done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct FilterStatistics {
    pub(crate) requests: u64,
    /// Requests answered "absent": avoided reads.
    pub(crate) refused: u64,
    pub(crate) positives: u64,
    pub(crate) false_positives: u64,
}

/// A value, kept alive with the chunk it lies in. Derefs to the bytes.
#[derive(Debug, Clone)]
pub(crate) struct ValueGuard(Arc<[u8]>);

impl std::ops::Deref for ValueGuard {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) seq: u64,
    pub(crate) kind: EntryKind,
    pub(crate) value: ValueGuard,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CursorPurpose {
    /// Through the cache.
    Read,
    /// Around the cache, checking blocks.
    Merge,
}

#[derive(Debug)]
pub(crate) struct Run;

impl Run {
    pub(crate) fn open(
        _dir: &Arc<dyn Directory>,
        _uid: u64,
        _index_uuid: u128,
        _cache: Arc<ChunkCache>,
    ) -> Result<Run> {
        Err(Error::Closed)
    }
    pub(crate) fn get(&self, _key: &[u8], _hash: u64, _snapshot_seq: u64) -> Result<Option<Found>> {
        Err(Error::Closed)
    }
    pub(crate) fn cursor(self: &Arc<Self>, _purpose: CursorPurpose) -> RunCursor {
        RunCursor
    }
    pub(crate) fn verify(&self) -> Vec<Error> {
        Vec::new()
    }
    pub(crate) fn properties(&self) -> Result<&RunProperties> {
        Err(Error::Closed)
    }
    pub(crate) fn memory_bytes(&self) -> u64 {
        0
    }
    pub(crate) fn file_bytes(&self) -> u64 {
        0
    }
    /// Stored bytes and approximate entries between the bounds.
    pub(crate) fn bytes_between(&self, _lower: Option<&[u8]>, _upper: Option<&[u8]>) -> (u64, u64) {
        (0, 0)
    }
    /// `(separator key, stored bytes before it)`, in key order.
    pub(crate) fn separators(&self) -> impl Iterator<Item = (Vec<u8>, u64)> + '_ {
        std::iter::empty()
    }
    pub(crate) fn filter_statistics(&self) -> FilterStatistics {
        FilterStatistics::default()
    }
}

pub(crate) struct RunCursor;

impl RunCursor {
    pub(crate) fn seek_to_first(&mut self) -> Result<bool> {
        Err(Error::Closed)
    }
    pub(crate) fn seek_to_last(&mut self) -> Result<bool> {
        Err(Error::Closed)
    }
    /// The first entry at or behind (key, seq descending).
    pub(crate) fn seek(&mut self, _key: &[u8], _seq: u64) -> Result<bool> {
        Err(Error::Closed)
    }
    /// The last entry with a smaller key.
    pub(crate) fn seek_before(&mut self, _key: &[u8]) -> Result<bool> {
        Err(Error::Closed)
    }
    pub(crate) fn next(&mut self) -> Result<bool> {
        Err(Error::Closed)
    }
    pub(crate) fn prev(&mut self) -> Result<bool> {
        Err(Error::Closed)
    }
    pub(crate) fn valid(&self) -> bool {
        false
    }
    pub(crate) fn key(&self) -> &[u8] {
        &[]
    }
    pub(crate) fn seq(&self) -> u64 {
        0
    }
    /// The logical kind: a pointer shows the kind of its value.
    pub(crate) fn kind(&self) -> EntryKind {
        EntryKind::Put
    }
    /// Known without loading a value chunk.
    pub(crate) fn expiry(&self) -> Option<u64> {
        None
    }
    /// Owned only when it had to be loaded from a value chunk.
    pub(crate) fn value(&self) -> Result<Cow<'_, [u8]>> {
        Err(Error::Closed)
    }
    pub(crate) fn value_guard(&self) -> Result<ValueGuard> {
        Err(Error::Closed)
    }
    /// The value chunk as it is stored, if the entry points to one.
    pub(crate) fn stored_value_chunk(&self) -> Result<Option<StoredValueChunk>> {
        Err(Error::Closed)
    }
}
