use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;

fn hash(key: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(key)
}

/// Returns what the buffer is charged for it.
fn put(buffer: &WriteBuffer, key: &[u8], seq: u64, value: &[u8]) -> u64 {
    charge_bytes(key.len(), value.len()) + buffer.insert(key, hash(key), seq, EntryKind::Put, value)
}

fn keys_in_order(buffer: &Arc<WriteBuffer>) -> Vec<Vec<u8>> {
    let view = BufferView::new(buffer);
    let mut keys: Vec<Vec<u8>> = (0..view.list_count())
        .flat_map(|list| (0..view.list_len(list)).map(move |index| (list, index)))
        .filter_map(|(list, index)| view.node(list, index))
        .map(|node| node.key().to_vec())
        .collect();
    keys.sort();
    keys
}

#[test]
fn c5_versions_are_ordered_by_seq_not_by_arrival() {
    let buffer = WriteBuffer::new(0);
    put(&buffer, b"k", 9, b"nine");
    put(&buffer, b"k", 4, b"four");
    put(&buffer, b"k", 7, b"seven");
    let at = |seq| buffer.get(b"k", hash(b"k"), seq).map(|version| version.value.to_vec());
    assert_eq!(at(3), None);
    assert_eq!(at(4), Some(b"four".to_vec()));
    assert_eq!(at(8), Some(b"seven".to_vec()));
    assert_eq!(at(u64::MAX), Some(b"nine".to_vec()));
}

#[test]
fn a_view_sorts_only_what_is_new_and_misses_nothing() {
    let buffer = Arc::new(WriteBuffer::new(0));
    let mut model = BTreeMap::new();
    for i in 0..500u64 {
        let key = (i.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes();
        put(&buffer, &key, i, b"v");
        model.insert(key.to_vec(), ());
        if i % 7 == 0 {
            let expected: Vec<Vec<u8>> = model.keys().cloned().collect();
            assert_eq!(keys_in_order(&buffer), expected);
        }
    }
    let view = BufferView::new(&buffer);
    assert!(view.list_count() <= 10, "{} lists", view.list_count());
    let whole = BufferView::in_one_list(&buffer, 2);
    assert_eq!((whole.list_count(), whole.list_len(0)), (1, 500));
}

#[test]
fn readers_beside_a_writer_see_whole_entries() {
    let buffer = Arc::new(WriteBuffer::new(0));
    let (count, keys): (u64, u64) = if cfg!(miri) { (60, 7) } else { (20_000, 97) };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for i in 0..count {
                put(&buffer, &(i % keys).to_be_bytes(), i + 1, &i.to_be_bytes());
            }
        });
        scope.spawn(|| {
            for i in 0..count {
                let key = (i % keys).to_be_bytes();
                if let Some(version) = buffer.get(&key, hash(&key), u64::MAX) {
                    let value = u64::from_be_bytes(version.value.try_into().unwrap());
                    assert_eq!((value % keys, value + 1), (i % keys, version.seq));
                }
                if i % 1_000 == 0 {
                    assert!(keys_in_order(&buffer).len() <= keys as usize);
                }
            }
        });
    });
    assert_eq!(buffer.key_count(), keys as usize);
}

#[test]
fn writers_side_by_side_lose_nothing() {
    let buffer = Arc::new(WriteBuffer::new(0));
    let (writers, count, keys): (u64, u64, u64) = if cfg!(miri) { (3, 40, 11) } else { (4, 20_000, 997) };
    let charged = std::sync::atomic::AtomicU64::new(0);
    std::thread::scope(|scope| {
        for writer in 0..writers {
            let (buffer, charged) = (&buffer, &charged);
            // Every writer has every key, and seqs of its own.
            scope.spawn(move || {
                let put = |i: u64| {
                    put(buffer, &(i % keys).to_be_bytes(), i * writers + writer + 1, &writer.to_be_bytes())
                };
                charged.fetch_add((0..count).map(put).sum(), Ordering::Relaxed);
            });
        }
    });
    assert_eq!((buffer.key_count(), buffer.least_seq()), (keys as usize, 1));
    assert_eq!(buffer.charged_bytes(), charged.into_inner(), "what was told is what is given back");
    let view = BufferView::in_one_list(&buffer, 1);
    for index in 0..view.list_len(0) {
        let seqs: Vec<u64> = view.node(0, index).unwrap().versions().map(|version| version.seq).collect();
        assert!(seqs.is_sorted_by(|a, b| a > b), "{seqs:?}");
    }
    let versions = (0..view.list_len(0)).map(|index| view.node(0, index).unwrap().versions().count());
    assert_eq!(versions.sum::<usize>() as u64, writers * count);
}

/// The smallest entries, of which tables are the largest part, and some bytes more; also right after a table grew.
#[test]
fn m3_the_charge_covers_the_memory() {
    /// A slab for each of the shards, of which little is used.
    const BEGUN_BYTES: u64 = 16 << 10;
    let count: u64 = if cfg!(miri) { 500 } else { 50_000 };
    for value_bytes in [0, 23, 100] {
        let buffer = WriteBuffer::new(0);
        let mut told = 0;
        for i in 0..count {
            told += put(&buffer, &i.to_be_bytes(), i, &[7; 100][..value_bytes]);
            if i % 100 == 0 {
                let (charged, held) = (buffer.charged_bytes(), buffer.memory_bytes());
                assert_eq!(charged, told);
                assert!(charged * 5 / 4 + BEGUN_BYTES >= held, "{charged} charged, {held} held after {i}");
            }
        }
    }
}

#[test]
fn d3_the_last_child_gives_the_room_of_an_inherited_buffer_back() {
    let buffer = WriteBuffer::new(0);
    assert!(!buffer.is_shared());
    buffer.share_between(3);
    assert!(buffer.is_shared());
    assert_eq!([buffer.end_use(), buffer.end_use(), buffer.end_use()], [false, false, true]);
    assert!(WriteBuffer::new(0).end_use());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 2 } else { 64 }, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_buffer_is_a_multiversion_map(ops in prop::collection::vec((prop::collection::vec(0u8..3, 0..4), any::<u8>()), 1..200)) {
        let buffer = WriteBuffer::new(0);
        let mut model: BTreeMap<Vec<u8>, Vec<(u64, u8)>> = BTreeMap::new();
        for (i, (key, value)) in ops.iter().enumerate() {
            put(&buffer, key, i as u64, &[*value]);
            model.entry(key.clone()).or_default().push((i as u64, *value));
        }
        for (key, versions) in &model {
            for (seq, value) in versions {
                let found = buffer.get(key, hash(key), *seq).unwrap();
                prop_assert_eq!((found.seq, found.value), (*seq, &[*value][..]));
            }
        }
        let shared = Arc::new(buffer);
        prop_assert_eq!(keys_in_order(&shared), model.keys().cloned().collect::<Vec<_>>());
    }
}
