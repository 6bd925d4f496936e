use super::*;
use crate::run::EntryKind;

type Entry<'a> = (&'a [u8], u64, EntryKind, &'a [u8]);

fn build(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut builder = EntryChunkBuilder::default();
    for (key, seq, kind, value) in entries {
        builder.push(key, u64::from(key.len() as u8), *seq, *kind, value);
    }
    let mut payload = Vec::new();
    builder.finish(&mut payload);
    assert!(builder.is_empty());
    payload
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn f4_plain_entries_of_one_size_take_no_arrays() {
    let payload = build(&[(b"key1", 0, EntryKind::Put, b"v1"), (b"key2", 0, EntryKind::Put, b"v2")]);
    let expected = "00000000\
                    00000002 00000003 00000002 00000004 00000000 0000000000000000\
                    0404000000000000 0000000000000000\
                    6b6579 3132 76317632";
    assert_eq!(hex(&payload), expected.replace(' ', ""));
}

#[test]
fn f4_kinds_seqs_and_offsets_are_there_when_needed() {
    let payload = build(&[
        (b"ka", 300, EntryKind::Put, b"one"),
        (b"ka", 299, EntryKind::Delete, b""),
        (b"kabc", 44, EntryKind::PutExpiry, b"00000000x"),
    ]);
    let expected = "01010102\
                    00000003 00000002 00000002 0000000c 00000000 000000000000002c\
                    0202040000000000 0000000000000000\
                    6b61 00000002 6263\
                    000103\
                    0100 00ff 0000\
                    0003030c 6f6e65 303030303030303078";
    assert_eq!(hex(&payload), expected.replace(' ', ""));
    let chunk = EntryChunk::parse(payload).unwrap();
    let seqs: Vec<_> = (0..3).map(|i| chunk.seq(i)).collect();
    assert_eq!(seqs, [300, 299, 44]);
    assert_eq!((chunk.prefix(), chunk.suffix(1), chunk.suffix(2)), (&b"ka"[..], &b""[..], &b"bc"[..]));
    assert_eq!(chunk.find(b"ka", 2, u64::MAX), Some(0));
    assert_eq!(chunk.find(b"ka", 2, 299), Some(1));
    assert_eq!(chunk.find(b"ka", 2, 298), None);
    assert_eq!(chunk.find(b"kabc", 4, 44), Some(2));
    assert_eq!(chunk.find(b"kab", 3, 44), None);
    assert_eq!((chunk.lower_bound(b"ka", 299), chunk.lower_bound(b"ka", 298)), (1, 2));
    assert_eq!((chunk.lower_bound_key(b""), chunk.lower_bound_key(b"z")), (0, 3));
}

#[test]
fn f4_wide_columns() {
    let (long, seqs) = (vec![7u8; 60_000], [u64::MAX, 1 << 40, 1]);
    for count in 1..=3 {
        let entries: Vec<Entry<'_>> = [&b"a"[..], b"bb", &long]
            .into_iter()
            .zip(seqs)
            .map(|(key, seq)| (key, seq, EntryKind::Put, &long[..key.len() * 3 / 4]))
            .take(count)
            .collect();
        let mut sorted = entries;
        sorted.sort_by_key(|entry| entry.0);
        let chunk = EntryChunk::parse(build(&sorted)).unwrap();
        for (i, (key, seq, kind, value)) in sorted.iter().enumerate() {
            assert_eq!([chunk.prefix(), chunk.suffix(i)].concat(), *key);
            assert_eq!((chunk.seq(i), chunk.kind(i), chunk.value(i)), (*seq, *kind, *value));
        }
    }
}

/// Touches everything that an access could go wrong at.
fn use_all(chunk: &EntryChunk) {
    for i in 0..chunk.len() {
        let (start, end) = chunk.value_range(i);
        assert!(start <= end);
        assert_eq!(chunk.slice(start, end), chunk.value(i));
        let key = [chunk.prefix(), chunk.suffix(i)].concat();
        let _ = (chunk.seq(i), chunk.kind(i), chunk.lower_bound(&key, 5), chunk.find(&key, 2, 5));
    }
}

#[test]
fn f4_forged_payloads_are_refused_or_harmless() {
    let payload = build(&[
        (b"ka", 300, EntryKind::Put, b"one"),
        (b"ka", 299, EntryKind::Delete, b""),
        (b"kabc", 44, EntryKind::Put, b"three"),
    ]);
    for at in 0..payload.len() {
        for byte in 0..=255 {
            let mut forged = payload.clone();
            forged[at] = byte;
            if let Ok(chunk) = EntryChunk::parse(forged) {
                use_all(&chunk);
            }
        }
    }
    for length in 0..payload.len() {
        assert!(EntryChunk::parse(payload[..length].to_vec()).is_err());
    }
    let mut huge = payload.clone();
    huge[4..24].fill(0xff);
    assert!(EntryChunk::parse(huge).is_err());
}

#[test]
fn f4_bytes_behind_the_columns_are_refused() {
    let mut payload = build(&[(b"k", 1, EntryKind::Put, b"value")]);
    payload.push(0);
    assert!(matches!(EntryChunk::parse(payload), Err(ParseError::Damaged(_))));
}

#[test]
fn f1_an_unknown_kind_is_of_a_later_format() {
    let mut payload = build(&[(b"k", 1, EntryKind::Delete, b"")]);
    let at = payload.len() - 1;
    assert_eq!(payload[at], 1);
    payload[at] = 5;
    assert!(matches!(EntryChunk::parse(payload), Err(ParseError::Unknown(_))));
}
