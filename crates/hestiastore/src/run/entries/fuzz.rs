//! Entry chunks under a fuzzer: any bytes, and chunks of any entries.

#![allow(clippy::unwrap_used, reason = "a finding is a panic")]

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::{EntryChunk, EntryChunkBuilder};
use crate::fuzz_input::Input;
use crate::run::EntryKind;

/// Lookups tried in one chunk.
const MAX_PROBES: usize = 200;

/// Bytes as an entry chunk, and as the entries of one.
pub fn entries(data: &[u8]) {
    if let Ok(chunk) = EntryChunk::parse(data.to_vec()) {
        walk(&chunk);
    }
    built(data);
}

/// Every access to every entry, and lookups of the keys that are there and of some that are not.
fn walk(chunk: &EntryChunk) {
    let key = |i: usize| [chunk.prefix(), chunk.suffix(i)].concat();
    let mut ascend = true;
    for i in 0..chunk.len() {
        let (start, end) = chunk.value_range(i);
        assert_eq!(chunk.slice(start, end), chunk.value(i));
        let _ = (chunk.kind(i), chunk.seq(i));
        if i > 0 {
            let before = (chunk.suffix(i - 1), Reverse(chunk.seq(i - 1)));
            ascend &= before < (chunk.suffix(i), Reverse(chunk.seq(i)));
        }
    }
    for i in (0..chunk.len()).step_by(chunk.len().div_ceil(MAX_PROBES)) {
        let (key, seq) = (key(i), chunk.seq(i));
        for snapshot in [seq, seq.wrapping_sub(1), 0, u64::MAX] {
            for key in [&key[..], key.get(1..).unwrap_or(b""), b"", b"\xff"] {
                let _ = (chunk.lower_bound(key, snapshot), chunk.lower_bound_key(key));
                if let Some(found) = chunk.find(key, chunk.fingerprint(i).into(), snapshot) {
                    assert_eq!([chunk.prefix(), chunk.suffix(found)].concat(), key);
                    assert!(!ascend || chunk.seq(found) <= snapshot);
                }
            }
        }
        if ascend {
            assert_eq!(chunk.lower_bound(&key, seq), i);
            let first = chunk.lower_bound_key(&key);
            assert_eq!(chunk.find(&key, chunk.fingerprint(first).into(), seq), Some(i));
        }
    }
}

/// What was built is read.
fn built(data: &[u8]) {
    let mut input = Input::new(data);
    let prefix = input.short();
    let mut entries = BTreeMap::new();
    while !input.is_empty() {
        let key = [prefix, input.short()].concat();
        let (bits, seq) = (input.u8(), input.u16());
        // Some far apart, most near.
        let seq = u64::from(seq) << if bits & 0x80 == 0 { 0 } else { 40 };
        let kind = EntryKind::from_number(bits % 5).unwrap();
        entries.insert((key, Reverse(seq)), (kind, bits >> 3, input.short()));
    }
    if entries.is_empty() {
        return;
    }
    let mut builder = EntryChunkBuilder::default();
    for ((key, Reverse(seq)), (kind, _, value)) in &entries {
        builder.push(key, hash(key), *seq, *kind, value);
    }
    let estimate = builder.bytes();
    let mut payload = Vec::new();
    builder.finish(&mut payload);
    assert!(payload.len() <= estimate + 64, "{} of {estimate} bytes", payload.len());
    let chunk = EntryChunk::parse(payload).unwrap();
    assert_eq!(chunk.len(), entries.len());
    for (i, ((key, Reverse(seq)), (kind, _, value))) in entries.iter().enumerate() {
        assert_eq!([chunk.prefix(), chunk.suffix(i)].concat(), *key);
        assert_eq!((chunk.seq(i), chunk.kind(i), chunk.value(i)), (*seq, *kind, *value));
        assert_eq!(chunk.find(key, hash(key), *seq), Some(i));
    }
    walk(&chunk);
}

fn hash(key: &[u8]) -> u64 {
    crate::run::key_hash(3, key)
}
