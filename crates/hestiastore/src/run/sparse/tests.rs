use super::*;
use crate::chunk::{ChunkPosition, WrittenChunk};

/// Last key of the chunk before, first key, first seq.
type Chunk<'a> = (Option<&'a [u8]>, &'a [u8], u64);

fn index(chunks: &[Chunk<'_>]) -> SparseIndex {
    SparseIndex::parse(&encode(chunks)).unwrap()
}

fn encode(chunks: &[Chunk<'_>]) -> Vec<u8> {
    let mut builder = SparseIndexBuilder::default();
    for (i, (last_before, first, seq)) in chunks.iter().enumerate() {
        let position = ChunkPosition(i as u64 * 10);
        let chunk = WrittenChunk { position, stored_bytes: 100, decoded_bytes: 200 };
        builder.push(*last_before, first, *seq, chunk);
    }
    builder.encode()
}

const THREE: &[Chunk<'_>] =
    &[(None, b"user1", 9), (Some(b"user13"), b"user2777", 5), (Some(b"user2777"), b"user2777", 3)];

#[test]
fn f4_index_bytes_are_fixed() {
    let expected = "00000003 00000006 00000004 00000001 75736572\
                    0000000000000000 000000000000000a 0000000000000014\
                    00000064 00000064 00000064\
                    00000001 00000002 00000006 31 32 32373737\
                    ffffffffffffffff ffffffffffffffff 0000000000000003";
    // The third separator is the whole key: versions of it go on.
    let hex: String = encode(THREE).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, expected.replace(' ', ""));
}

#[test]
fn f4_separators_are_short_and_versions_go_on() {
    let index = index(THREE);
    let separators: Vec<_> = (0..3).map(|i| index.separator(i)).collect();
    assert_eq!(separators, [&b"user1"[..], b"user2", b"user2777"]);
    for (key, seq, expected) in [
        (&b"user0"[..], 9, None),
        (b"use", 9, None),
        (b"", 0, None),
        (b"user1", 9, Some(0)),
        (b"user1999", 9, Some(0)),
        (b"user2", 9, Some(1)),
        (b"user2777", u64::MAX, Some(1)),
        (b"user2777", 4, Some(1)),
        (b"user2777", 3, Some(2)),
        (b"user2777", 0, Some(2)),
        (b"user9", 0, Some(2)),
        (b"v", 0, Some(2)),
    ] {
        assert_eq!(index.find(key, seq), expected, "{key:02x?} {seq}");
    }
    assert!(index.continues(2, b"user2777") && !index.continues(1, b"user2") && !index.continues(3, b""));
}

#[test]
fn f4_keys_that_zeros_make_alike() {
    let keys: [&[u8]; 6] =
        [b"", b"\0", b"\0\0", b"\0\0\0\0\0\0\0\0", b"\0\0\0\0\0\0\0\0\0", b"\0\0\0\0\0\0\0\0\x01"];
    let chunks: Vec<_> =
        (0..6usize).map(|i| (i.checked_sub(1).map(|before| keys[before]), keys[i], 1)).collect();
    let index = index(&chunks);
    for (i, key) in keys.iter().enumerate() {
        assert_eq!(index.find(key, 1), Some(i));
    }
}

#[test]
fn f4_forged_indexes_are_refused_or_harmless() {
    let payload = encode(THREE);
    for at in 0..payload.len() {
        for byte in 0..=255 {
            let mut forged = payload.clone();
            forged[at] = byte;
            if let Ok(index) = SparseIndex::parse(&forged) {
                for key in [&b""[..], b"user", b"user2777", b"zzz"] {
                    let _ = (index.find(key, 5), index.continues(1, key), index.separator(7));
                }
            }
        }
    }
    for length in 0..payload.len() {
        assert!(SparseIndex::parse(&payload[..length]).is_err());
    }
}
