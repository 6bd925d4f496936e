//! Scans take stretches of a run without looking at other sources: what they give is checked against a map, for layers
//! that meet in blocks, in single keys and not at all, from every place and in both directions.

use std::collections::BTreeMap;

use hestiastore::directory::SimulatedDirectory;

use crate::support::{Index, quiet, splitting, spread};

const KEYS: u64 = 400;

type Map = BTreeMap<u64, Vec<u8>>;

fn put(index: &Index, map: &mut Map, keys: impl Iterator<Item = u64>, value: &[u8]) {
    for key in keys {
        index.put(key, value).unwrap();
        map.insert(key, value.to_vec());
    }
    index.flush_and_wait().unwrap();
}

fn delete(index: &Index, map: &mut Map, keys: impl Iterator<Item = u64>) {
    for key in keys {
        index.delete(key).unwrap();
        map.remove(&key);
    }
    index.flush_and_wait().unwrap();
}

/// A main run of every second key, and deltas over it: a block in its midst, blocks of keys between, single keys,
/// deletions; the rest in the write buffer.
fn layered(index: &Index) -> Map {
    let mut map = Map::new();
    put(index, &mut map, (0..KEYS).step_by(2), b"main");
    index.compact_and_wait().unwrap();
    put(index, &mut map, 100..140, b"block");
    put(index, &mut map, (200..300).filter(|key| key / 16 % 2 == 0), b"blocks");
    put(index, &mut map, (0..KEYS).step_by(37), b"single");
    delete(index, &mut map, (110..120).chain(260..264).chain([0, KEYS - 2]));
    for key in [5, 133, 250, KEYS + 1] {
        index.put(key, b"buffered").unwrap();
        map.insert(key, b"buffered".to_vec());
    }
    map
}

fn expect_all_ranges(index: &Index, map: &Map) {
    for lower in (0..KEYS).step_by(7) {
        for upper in [lower + 1, lower + 20, lower + 131, u64::MAX] {
            let expected: Vec<_> =
                map.range(lower..upper).map(|(key, value)| (*key, value.clone())).collect();
            let forward: Vec<_> = index.range(lower..upper).unwrap().map(Result::unwrap).collect();
            assert_eq!(forward, expected, "{lower}..{upper}");
            let mut backward: Vec<_> = index.range(lower..upper).unwrap().rev().map(Result::unwrap).collect();
            backward.reverse();
            assert_eq!(backward, expected, "{lower}..{upper} backward");
        }
    }
}

/// Turns round after every number of steps.
fn expect_all_turns(index: &Index, map: &Map) {
    let expected: Vec<_> = map.iter().map(|(key, value)| (*key, value.clone())).collect();
    let mut cursor = index.cursor().unwrap();
    for steps in 1..60 {
        let mut at = steps % expected.len();
        assert!(cursor.seek(expected[at].0).unwrap());
        for turn in 0..12 {
            for _ in 0..steps {
                let next = if turn % 3 == 2 { at.checked_sub(1) } else { at.checked_add(1) };
                let Some(next) = next.filter(|next| *next < expected.len()) else { break };
                let moved = if next > at { cursor.next() } else { cursor.prev() };
                assert!(moved.unwrap());
                at = next;
                assert_eq!((cursor.key().unwrap(), cursor.value().unwrap()), expected[at]);
            }
        }
    }
}

#[test]
fn a_scan_over_layers_gives_what_a_map_gives() {
    let index = quiet(&SimulatedDirectory::new()).create().unwrap();
    let map = layered(&index);
    expect_all_ranges(&index, &map);
    expect_all_turns(&index, &map);
}

#[test]
fn a_scan_over_halves_of_a_split_run_ends_at_their_bounds() {
    let directory = SimulatedDirectory::new();
    let index = quiet(&directory).segment(|s| s.target_bytes(1 << 20)).create().unwrap();
    let mut map = Map::new();
    for key in (0..KEYS).step_by(16) {
        let value = (0..200).flat_map(|word| spread(key * 200 + word).to_be_bytes()).collect::<Vec<_>>();
        index.put(key, &value).unwrap();
        map.insert(key, value);
    }
    index.compact_and_wait().unwrap();
    put(&index, &mut map, (0..KEYS).filter(|key| key % 16 != 0), b"between");
    index.close().unwrap();
    // One main run and one delta, of which each part has its share; bounds lie inside of the delta's chunks.
    let index = splitting(&directory).segment(|s| s.target_bytes(8 << 10)).open().unwrap();
    index.put(KEYS, b"a write").unwrap();
    index.delete(KEYS).unwrap();
    index.flush_and_wait().unwrap();
    index.wait_until_idle().unwrap();
    assert!(index.segment_metrics().len() > 1, "nothing was split");
    expect_all_ranges(&index, &map);
    expect_all_turns(&index, &map);
}

#[test]
fn a_snapshot_is_scanned_as_it_was_while_newer_versions_lie_among_it() {
    let index = quiet(&SimulatedDirectory::new()).create().unwrap();
    let map = layered(&index);
    let snapshot = index.snapshot().unwrap();
    put(&index, &mut map.clone(), (0..KEYS).step_by(3), b"newer");
    index.compact_and_wait().unwrap();
    let seen: Map = snapshot.iter().unwrap().map(Result::unwrap).collect();
    assert_eq!(seen, map);
    let mut backward: Vec<_> = snapshot.iter().unwrap().rev().map(Result::unwrap).collect();
    backward.reverse();
    assert_eq!(backward, map.into_iter().collect::<Vec<_>>());
}
