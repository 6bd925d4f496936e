//! What a verification of a run finds: for each kind of damage the one message that names it, with all checksums
//! made to fit.

use super::forge::{find, forge};
use super::support::*;
use crate::chunk::ChunkType;
use crate::run::*;

const LEAST_SEQ_AT: usize = 24;
const FINGERPRINTS_AT: usize = 32;

/// Four entries a chunk: keys with seqs from 100 on, versions of one key, a tombstone, and a large value.
fn sound() -> Written {
    let mut versions: Vec<Version> = (0..40u64)
        .map(|n| version(format!("key{n:02}").as_bytes(), 100 + n, format!("value {n:02}").as_bytes()))
        .collect();
    versions.push(Version { kind: EntryKind::Delete, ..version(b"none", 99, b"") });
    versions.extend([150, 140, 130].map(|seq| version(b"same", seq, b"x")));
    versions.push(version(b"zlarge", 160, &vec![7; 70_000]));
    let pipeline = FilterPipeline::from_names(&["crc32"]).unwrap();
    let written = write(&versions, &RunSettings { chunk_max_keys: 4, pipeline, ..settings() });
    assert_eq!(told(&written), Vec::<String>::new());
    written
}

fn told(written: &Written) -> Vec<String> {
    match written.open() {
        Ok(run) => problems_of(&run).iter().map(ToString::to_string).collect(),
        Err(error) => vec![error.to_string()],
    }
}

#[track_caller]
fn assert_told(written: &Written, expected: &str) {
    let told = told(written);
    assert!(told.iter().any(|problem| problem.contains(expected)), "{expected:?} is not among {told:#?}");
    assert!(told.iter().all(|problem| problem.contains(&written.name())), "{told:#?}");
}

#[track_caller]
fn forged(chunk_type: ChunkType, nth: usize, expected: &str, change: impl FnOnce(&mut [u8])) {
    let written = sound();
    forge(&written, chunk_type, nth, change);
    assert_told(&written, expected);
}

#[test]
fn f4_keys_out_of_order() {
    forged(ChunkType::Entries, 1, "entry 1 is out of order", |payload| {
        let suffixes = find(payload, b"4567");
        payload.swap(suffixes, suffixes + 1);
    });
}

#[test]
fn f4_versions_of_a_key_out_of_order() {
    // The chunk of the tombstone (99) and of the versions 150, 140, 130, as distances from 99.
    forged(ChunkType::Entries, 10, "entry 2 is out of order", |payload| {
        let seqs = find(payload, &[0, 51, 41, 31]);
        payload[seqs..seqs + 4].copy_from_slice(&[0, 31, 41, 51]);
    });
}

#[test]
fn f4_a_fingerprint_of_another_key() {
    forged(ChunkType::Entries, 3, "entry 2 has another key's fingerprint", |payload| {
        payload[FINGERPRINTS_AT + 2] ^= 1;
    });
}

#[test]
fn f4_a_seq_that_is_not_covered() {
    forged(ChunkType::Entries, 0, "entry 0 has seq 7, which is not covered", |payload| {
        payload[LEAST_SEQ_AT..LEAST_SEQ_AT + 8].copy_from_slice(&7u64.to_be_bytes());
    });
}

#[test]
fn f4_a_separator_that_hides_an_entry() {
    forged(ChunkType::SparseIndex, 0, "separator \"key09\"", |payload| {
        let at = find(payload, b"key08");
        payload[at + 4] = b'9';
    });
    forged(ChunkType::SparseIndex, 0, "the first separator is not the first key", |payload| {
        let at = find(payload, b"key00");
        payload[at + 4] = b'!';
    });
}

#[test]
fn f6_a_filter_with_a_false_negative() {
    forged(ChunkType::BloomFilter, 0, "the filter denies the key of entry", |payload| {
        payload[8..40].fill(0);
    });
}

#[test]
fn f4_a_pointer_to_another_place_or_length() {
    // Behind its kind a pointer has the cell, the stored and the decoded length.
    let pointer = |payload: &[u8]| find(payload, &70_000u32.to_be_bytes()) - 9;
    forged(ChunkType::Entries, 11, "is damaged", |payload| payload[pointer(payload) + 8] ^= 1);
    forged(ChunkType::Entries, 11, "that cannot be there", |payload| payload[pointer(payload) + 12] ^= 1);
    forged(ChunkType::Entries, 11, "a pointer to a value", |payload| payload[pointer(payload)] = 1);
}

fn property(payload: &[u8], tag: u16) -> usize {
    let mut at = 0;
    loop {
        let length = u32::from_be_bytes(payload[at + 2..at + 6].try_into().unwrap()) as usize;
        if payload[at..at + 2] == tag.to_be_bytes() {
            return at + 6;
        }
        at += 6 + length;
    }
}

#[test]
fn f6_properties_that_are_not_true() {
    let counts = ["entries", "keys", "tombstones", "range tombstones"];
    for (place, what) in counts.into_iter().enumerate() {
        forged(ChunkType::Properties, 0, &format!(" {what}, found "), |payload| {
            payload[property(payload, 0x800d) + place * 8 + 7] += 1;
        });
    }
    forged(ChunkType::Properties, 0, "2 value chunks, found 1", |payload| {
        payload[property(payload, 0x800d) + 47] += 1;
    });
    forged(ChunkType::Properties, 0, "the properties state the first key \"key01\"", |payload| {
        payload[property(payload, 16) + 4] = b'1';
    });
    forged(ChunkType::Properties, 0, "the properties state the last key \"zlarga\"", |payload| {
        payload[property(payload, 17) + 5] = b'a';
    });
    forged(ChunkType::Properties, 0, "has seq 160, which is not covered", |payload| {
        payload[property(payload, 12) + 15] -= 1;
    });
    forged(ChunkType::Properties, 0, " bytes of keys, found ", |payload| {
        payload[property(payload, 18) + 7] ^= 1;
    });
    for (place, what) in ["stored chunk", "decoded chunk", "stored value", "decoded value"].iter().enumerate()
    {
        forged(ChunkType::Properties, 0, &format!("bytes in the largest {what}, found"), |payload| {
            payload[property(payload, 0x8013) + place * 4 + 1] += 1;
        });
    }
}

#[test]
fn f6_keys_outside_of_the_range_answered_for() {
    let written = sound();
    let directory = written.directory();
    let bounds = [(b"key05".to_vec(), None), (Vec::new(), Some(b"key30".to_vec()))];
    for (uid, (answered_lower, answered_upper)) in (1..).zip(bounds) {
        let identity = RunIdentity { answered_lower, answered_upper, ..identity(uid) };
        let mut writer = RunWriter::create(&directory, &settings(), identity).unwrap();
        for n in 0..40u64 {
            writer.add(format!("key{n:02}").as_bytes(), 1, EntryKind::Put, b"").unwrap();
        }
        writer.finish().unwrap();
        let written = Written { files: written.files.clone(), uid };
        assert_told(&written, "is outside of the range answered for");
    }
}

#[test]
fn f3_damage_costs_its_chunk_only_and_all_of_it_is_told() {
    let written = sound();
    let mut content = written.files.content(&written.name());
    let places = [b"value 01", b"value 21", b"value 37"].map(|value| find(&content, value));
    for at in places {
        content[at] ^= 1;
    }
    written.files.set_content(&written.name(), content);
    let told = told(&written);
    let crcs = told.iter().filter(|problem| problem.contains("expected chunk CRC")).count();
    assert_eq!(crcs, 3, "{told:#?}");
    assert_eq!(told.iter().filter(|problem| problem.contains("of block 0")).count(), 1, "{told:#?}");
    assert_eq!(told.len(), 4, "{told:#?}");
}

#[test]
fn f2_a_block_is_checked_also_where_no_chunk_lies() {
    let written = sound();
    let mut content = written.files.content(&written.name());
    // In the padding of the last block, before the footer.
    let at = content.len() - 64 - 10;
    assert_eq!(content[at], 0);
    content[at] = 1;
    written.files.set_content(&written.name(), content);
    assert_told(&written, "expected CRC");
    let mut content = written.files.content(&written.name());
    content[2_000] = 1;
    written.files.set_content(&written.name(), content);
    assert_told(&written, "expected zeros behind the file header");
}

#[test]
fn a_check_reads_around_the_cache() {
    let written = sound();
    let cache = ChunkCache::new(1 << 20);
    let run = written.open_with(cache.clone()).unwrap();
    assert!(problems_of(&run).is_empty());
    assert_eq!(cache.statistics().bytes, 0);
}
