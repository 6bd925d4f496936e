//! Keys and values at the edges of what is allowed, through buffers, runs, merges, splits and reopening.

use std::collections::BTreeMap;

use hestiastore::directory::SimulatedDirectory;
use hestiastore::{Error, IndexBuilder, MAX_KEY_BYTES, SegmentIndex, WriteBatch};

use crate::support::{Bytes, Index, entries, small};

fn tiny_segments(directory: &SimulatedDirectory) -> IndexBuilder<Bytes, Bytes> {
    small(directory)
        .write_buffer(|w| w.budget_bytes(8 << 20))
        .segment(|s| s.target_bytes(4 << 10))
        .maintenance(|m| m.automatic(true))
}

fn same(index: &Index, model: &BTreeMap<Bytes, Bytes>) {
    let expected: Vec<(Bytes, Bytes)> = model.clone().into_iter().collect();
    assert!(entries(index).unwrap() == expected);
    let backward: Vec<_> = index.iter().unwrap().rev().map(Result::unwrap).collect();
    assert!(backward.into_iter().rev().eq(expected.iter().cloned()));
    let mut cursor = index.cursor().unwrap();
    for (key, value) in model {
        assert_eq!(index.get(key).unwrap().as_ref(), Some(value));
        assert!(cursor.seek(key).unwrap());
        assert_eq!(cursor.key_bytes(), key);
        let mut longer = key.clone();
        longer.push(0);
        if !model.contains_key(&longer) && longer.len() <= MAX_KEY_BYTES {
            assert_eq!(index.get(&longer).unwrap(), None);
        }
        let after = cursor.seek(&longer).unwrap().then(|| cursor.key_bytes().to_vec());
        assert_eq!(after.as_ref(), model.range(longer..).next().map(|(key, _)| key));
        let before = cursor.seek_before(key).unwrap().then(|| cursor.key_bytes().to_vec());
        assert_eq!(before.as_ref(), model.range(..key.clone()).next_back().map(|(key, _)| key));
        let prefixed: Vec<Bytes> = index.prefix(key).unwrap().map(|entry| entry.unwrap().0).collect();
        assert!(prefixed.iter().eq(model.keys().filter(|other| other.starts_with(key))));
    }
}

/// Writes everything in two halves, so that it lies in several runs, and looks at each stage.
fn through_all_stages(keys: impl IntoIterator<Item = Bytes>) {
    let directory = SimulatedDirectory::new();
    let index = tiny_segments(&directory).create().unwrap();
    let mut model = BTreeMap::new();
    for (n, key) in keys.into_iter().enumerate() {
        let value = format!("{n}").repeat(n % 30).into_bytes();
        index.put(&key, &value).unwrap();
        model.insert(key, value);
        if n % 97 == 96 {
            index.flush_and_wait().unwrap();
        }
    }
    same(&index, &model);
    index.flush_and_wait().unwrap();
    same(&index, &model);
    let gone: Vec<Bytes> = model.keys().step_by(3).cloned().collect();
    for key in gone {
        index.delete(&key).unwrap();
        model.remove(&key);
    }
    same(&index, &model);
    index.close().unwrap();
    let index = tiny_segments(&directory).open().unwrap();
    same(&index, &model);
    index.compact_and_wait().unwrap();
    same(&index, &model);
    assert!(index.check().unwrap().is_clean());
    index.close().unwrap();
    same(&tiny_segments(&directory).open_read_only().unwrap(), &model);
}

#[test]
fn keys_that_are_prefixes_of_each_other() {
    through_all_stages((0..300).map(|length| vec![b'a'; length]));
}

#[test]
fn keys_of_zeros_and_of_all_ones() {
    let keys = (0..150).flat_map(|length| [vec![0; length], vec![0xff; length]]);
    let mixed = (0..150).flat_map(|length| {
        let with_end = |byte: u8, end: u8| [vec![byte; length], vec![end]].concat();
        [with_end(0, 0xff), with_end(0xff, 0), with_end(0, 1), with_end(0xff, 0xfe)]
    });
    through_all_stages(keys.chain(mixed));
}

#[test]
fn keys_that_share_sixty_kib() {
    let shared = vec![b's'; 60 << 10];
    let tails = (0..40u32).map(|n| [&shared[..], &(n * 7919).to_be_bytes()].concat());
    let prefixes = (0..20).map(|n| shared[..shared.len() - n * 100].to_vec());
    through_all_stages(tails.chain(prefixes));
}

#[test]
fn the_empty_key_and_the_empty_value() {
    through_all_stages([vec![], vec![0], vec![0, 0], b"a".to_vec()]);
    let index = Index::in_memory().create().unwrap();
    index.put(b"", b"").unwrap();
    assert_eq!(index.get(b"").unwrap(), Some(vec![]));
    assert_eq!(index.get_ref(b"").unwrap().unwrap().len(), 0);
    index.compact_and_wait().unwrap();
    assert_eq!(index.first().unwrap(), Some((vec![], vec![])));
    assert_eq!(index.last().unwrap(), Some((vec![], vec![])));
    index.delete(b"").unwrap();
    assert!(index.is_empty().unwrap());
    index.compact_and_wait().unwrap();
    assert_eq!((index.get(b"").unwrap(), index.len().unwrap()), (None, 0));
}

#[test]
fn a_key_of_the_limit_is_fine_and_one_more_byte_is_refused() {
    let directory = SimulatedDirectory::new();
    let index = small(&directory).create().unwrap();
    let longest = vec![b'k'; MAX_KEY_BYTES];
    let too_long = vec![b'k'; MAX_KEY_BYTES + 1];
    assert_eq!(MAX_KEY_BYTES, 65_535);
    index.put(&longest, b"longest").unwrap();
    for outcome in [index.put(&too_long, b""), index.delete(&too_long)] {
        match outcome {
            Err(Error::KeyTooLong { length, limit }) => assert_eq!((length, limit), (65_536, 65_535)),
            other => panic!("{other:?}"),
        }
    }
    let mut batch = WriteBatch::new();
    batch.put(&longest, b"in a batch").unwrap();
    assert!(batch.put(&too_long, b"").is_err());
    assert!(batch.delete(&too_long).is_err());
    assert_eq!(batch.len(), 1);
    index.write(batch).unwrap();
    // Reading what cannot be there is no error: it is not there.
    assert_eq!(index.get(&too_long).unwrap(), None);
    for _ in 0..2 {
        assert_eq!(index.get(&longest).unwrap().as_deref(), Some(&b"in a batch"[..]));
        assert_eq!(index.range(longest.clone()..=longest.clone()).unwrap().count(), 1);
        assert_eq!(index.range(longest.clone()..too_long.clone()).unwrap().count(), 1);
        assert_eq!(index.prefix(&longest).unwrap().count(), 1);
        index.compact_and_wait().unwrap();
    }
    index.close().unwrap();
    assert_eq!(small(&directory).open().unwrap().len().unwrap(), 1);
}

#[test]
fn ranges_the_wrong_way_round_are_refused_and_empty_ones_are_empty() {
    let index = SegmentIndex::<u32, u32>::in_memory().create().unwrap();
    for n in 0..10 {
        index.put(n, n).unwrap();
    }
    #[allow(clippy::reversed_empty_ranges, reason = "the point of the test")]
    for refused in [index.range(5..4), index.range(9..0)] {
        assert!(matches!(refused, Err(Error::InvalidRange)));
    }
    #[allow(clippy::reversed_empty_ranges, reason = "the point of the test")]
    let included = index.range(5..=3);
    assert!(matches!(included, Err(Error::InvalidRange)));
    let snapshot = index.snapshot().unwrap();
    #[allow(clippy::reversed_empty_ranges, reason = "the point of the test")]
    let in_snapshot = snapshot.range(5..4);
    assert!(matches!(in_snapshot, Err(Error::InvalidRange)));
    assert_eq!(index.range(5..5).unwrap().count(), 0);
    assert_eq!(index.range(5..=5).unwrap().count(), 1);
    assert_eq!(index.range(100..).unwrap().count(), 0);
    assert_eq!(index.range::<u32>(..).unwrap().count(), 10);
    use std::ops::Bound::{Excluded, Included};
    assert_eq!(index.range((Excluded(4), Included(5))).unwrap().count(), 1);
    assert_eq!(index.range((Excluded(4), Excluded(5))).unwrap().count(), 0);
    // As in a `BTreeMap` this begins behind its end: after 5, before 5.
    assert!(index.range((Excluded(5), Excluded(5))).is_err());
}
