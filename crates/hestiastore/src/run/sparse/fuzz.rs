//! Sparse indexes under a fuzzer: what is searched for is compared with a look at every separator.

#![allow(clippy::unwrap_used, reason = "a finding is a panic")]

use std::collections::BTreeSet;

use super::{SparseIndex, SparseIndexBuilder};
use crate::chunk::{ChunkPosition, WrittenChunk};
use crate::fuzz_input::Input;

const MAX_PROBES: usize = 50;

/// Bytes as a sparse index, and as the keys of one.
pub fn sparse(data: &[u8]) {
    if let Ok(index) = SparseIndex::parse(data) {
        search(&index);
    }
    built(data);
}

fn search(index: &SparseIndex) {
    let separators: Vec<(Vec<u8>, u64)> =
        (0..index.len()).map(|i| (index.separator(i), index.seq(i))).collect();
    let _ = (index.memory_bytes(), index.chunk(0), index.chunk(index.len()), index.suffix(index.len()));
    for (key, seq) in separators.iter().step_by(separators.len().div_ceil(MAX_PROBES).max(1)) {
        let shorter = &key[..key.len().saturating_sub(1)];
        let longer = [key, &[0][..]].concat();
        for key in [&key[..], shorter, &longer, b"", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff"] {
            for seq in [*seq, seq.saturating_sub(1), 0, u64::MAX] {
                let not_behind = separators.iter().filter(|(separator, separator_seq)| {
                    &separator[..] < key || (&separator[..] == key && *separator_seq >= seq)
                });
                assert_eq!(index.find(key, seq), not_behind.count().checked_sub(1), "{key:02x?} {seq}");
            }
            for i in 0..index.len().min(MAX_PROBES) {
                let _ = index.continues(i, key);
            }
        }
    }
}

/// Chunks of one entry each, whose keys are in the input: every key is found in its chunk.
fn built(data: &[u8]) {
    let mut input = Input::new(data);
    let mut keys = BTreeSet::new();
    let prefix = input.short();
    while !input.is_empty() {
        keys.insert([prefix, input.short()].concat());
    }
    let mut builder = SparseIndexBuilder::default();
    let mut before: Option<&[u8]> = None;
    for (cell, key) in (0..).step_by(2).zip(&keys) {
        let chunk = WrittenChunk { position: ChunkPosition(cell), stored_bytes: 16, decoded_bytes: 16 };
        builder.push(before, key, 9, chunk);
        before = Some(key);
    }
    let index = SparseIndex::parse(&builder.encode()).unwrap();
    assert_eq!(index.len(), keys.len());
    for (i, key) in keys.iter().enumerate() {
        assert_eq!(index.find(key, u64::MAX), Some(i));
        assert_eq!(index.chunk(i).map(|chunk| chunk.position.0), Some(2 * i as u64));
    }
    search(&index);
}
