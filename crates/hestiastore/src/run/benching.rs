//! Chunks, sparse indexes and filters of a run, for `benches/`.

use super::bloom::{BloomFilter, BloomSettings, encode_filter};
use super::entries::{EntryChunk, EntryChunkBuilder};
use super::sparse::{SparseIndex, SparseIndexBuilder};
use super::{EntryKind, key_hash};
use crate::chunk::filter::{FilterPipeline, FilterScratch, Section};
use crate::chunk::{ChunkPosition, WrittenChunk};

/// The hash that an index takes of a key.
pub fn hash_key(key: &[u8]) -> u64 {
    key_hash(0, key)
}

/// The payload of a chunk of these entries, which ascend.
pub fn encode_entries(entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut builder = EntryChunkBuilder::default();
    for (seq, (key, value)) in entries.iter().enumerate() {
        builder.push(key, hash_key(key), seq as u64 + 1, EntryKind::Put, value);
    }
    let mut payload = Vec::new();
    builder.finish(&mut payload);
    payload
}

/// The payload as it is stored, through the default filters.
pub fn stored(payload: &[u8]) -> (u8, Vec<u8>) {
    let mut scratch = FilterScratch::default();
    let (applied, stored) = FilterPipeline::default().apply(Section::Data, payload, &mut scratch);
    (applied, stored.to_vec())
}

/// A decoded chunk of entries.
pub struct Chunk(EntryChunk);

impl Chunk {
    /// From what [`stored`] gave; `None` if it is not that.
    pub fn decode(applied: u8, stored: &[u8], decoded_bytes: u32) -> Option<Self> {
        let payload = FilterPipeline::default().revert(applied, stored, decoded_bytes).ok()?;
        EntryChunk::parse(payload).ok().map(Self)
    }

    /// The value of a key with that hash.
    pub fn find(&self, key: &[u8], hash: u64) -> Option<&[u8]> {
        self.0.find(key, hash, u64::MAX).map(|at| self.0.value(at))
    }

    /// The first entry not before `key`.
    pub fn lower_bound(&self, key: &[u8]) -> usize {
        self.0.lower_bound_key(key)
    }
}

/// A sparse index with a chunk for each key.
pub struct Sparse(SparseIndex);

impl Sparse {
    /// Over the first keys of chunks, which ascend. `None` if they cannot be one index's.
    pub fn over(first_keys: &[Vec<u8>]) -> Option<Self> {
        let mut builder = SparseIndexBuilder::default();
        let mut before: Option<&[u8]> = None;
        for (at, key) in first_keys.iter().enumerate() {
            let position = ChunkPosition(at as u64 * 10);
            let chunk = WrittenChunk { position, stored_bytes: 100, decoded_bytes: 200 };
            builder.push(before, key, 1, chunk);
            before = Some(key);
        }
        SparseIndex::parse(&builder.encode()).ok().map(Self)
    }

    /// The chunk that can hold `key`.
    pub fn find(&self, key: &[u8]) -> Option<usize> {
        self.0.find(key, u64::MAX)
    }
}

/// A Bloom filter at the default rate.
pub struct Bloom(BloomFilter);

impl Bloom {
    /// Over keys of these hashes. `None` for none.
    pub fn over(hashes: &[u64]) -> Option<Self> {
        let shape = BloomSettings::Rate(0.01).shape(hashes.len() as u64)?;
        BloomFilter::parse(&encode_filter(shape, hashes)).ok().map(Self)
    }

    /// Whether a key of that hash can be in it.
    pub fn may_contain(&self, hash: u64) -> bool {
        self.0.may_contain(hash)
    }
}
