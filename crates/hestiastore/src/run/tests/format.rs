//! The bytes of a small run.

use super::support::*;
use crate::run::*;

#[test]
fn f4_f6_a_small_run_keeps_its_bytes() {
    let versions = [
        version(b"apple", 2, b"red"),
        Version { kind: EntryKind::Delete, ..version(b"banana", 3, b"") },
        version(b"cherry", 1, b"dark red"),
    ];
    let pipeline = FilterPipeline::from_names::<&str>(&[]).unwrap();
    let written = write(&versions, &RunSettings { chunk_max_keys: 2, pipeline, ..settings() });
    let content = written.files.content(&written.name());
    assert_eq!(content.len(), 4096 + 4096 + 64);
    let hex = |range: std::ops::Range<usize>| -> String {
        content[range].iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let joined = |parts: &[&str]| parts.concat().replace(' ', "");
    assert_eq!(
        hex(0..60),
        joined(&[
            "48535452554e0d0a 0001 0000 00000000 00000000 00001000",
            "0000000000000000000000000000aabb 123456789abcdef0 000000000000000000000000"
        ])
    );
    assert_eq!(hex(4096..4112), joined(&["48424c4b 7d17b881 000002a0 9abcdef0"]));
    // Two entries that differ in everything but the width of their seqs.
    assert_eq!(
        hex(4112..4208),
        joined(&[
            "454e5403 97cb5d2f 00000048 00000048",
            "01010101 00000002 00000000 0000000b 00000003 00000000 0000000000000002",
            "8f180000000000000000000000000000 00050b 6170706c6562616e616e61",
            "0001 0001 000303 726564 0000000000000000",
        ])
    );
    // One entry: its key is the prefix.
    assert_eq!(
        hex(4208..4288),
        joined(&[
            "454e5403 cf984de0 0000003e 0000003e",
            "00000000 00000001 00000006 00000000 00000008 00000000 0000000000000001",
            "0d000000000000000000000000000000 636865727279 6461726b20726564 0000",
        ])
    );
    assert_eq!(
        hex(8192..8256),
        joined(&[
            "48535452554e4654 123456789abcdef0 0000000000002040 000000000000000b",
            "00000000 00000036 00000048 0000012d 0102000000000000 00000000 a8df3a8f",
        ])
    );
    assert_eq!(xxhash_rust::xxh3::xxh3_64(&content), 0x7a0b_87c1_4144_8f8c);
}
