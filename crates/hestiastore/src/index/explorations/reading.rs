//! Gets, snapshots and scans beside commits, flushes and merges (PROTOCOL C3 to C6).

use std::sync::Arc;

use shuttle::thread;

use super::{
    Index, Note, PAIR, builder, flush, index_to_split, segments, split, value, value_of, whole_pair,
    write_pair,
};
use crate::directory::SimulatedDirectory;
use crate::sync::{calmly, explore};

const KEY: u64 = 7;

fn compact(index: &Index) {
    for segment in segments(index) {
        index.core.try_compact_segment(&segment).unwrap();
    }
}

/// The pair; a run and a buffer hold older values.
fn index_of_a_pair() -> Index {
    let index = builder(&SimulatedDirectory::new()).create().unwrap();
    write_pair(&index, 1);
    flush(&index);
    write_pair(&index, 2);
    index
}

/// A get finds what was acknowledged before it began, and never less than one before it.
#[test]
fn c5_a_get_never_falls_back_in_time() {
    explore("c5_a_get_never_falls_back_in_time", || {
        // A main run with an old value, and flushes that leave nothing but a delta run behind.
        let index = calmly(|| {
            let index = builder(&SimulatedDirectory::new()).create().unwrap();
            index.put(KEY, value(1)).unwrap();
            flush(&index);
            index.put(KEY, value(2)).unwrap();
            index
        });
        let acknowledged = Note::default();
        acknowledged.set(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                for number in 3..=4 {
                    index.put(KEY, value(number)).unwrap();
                    acknowledged.set(u64::from(number));
                }
            });
            scope.spawn(|| flush(&index));
            scope.spawn(|| {
                let mut last = 0;
                for _ in 0..3 {
                    let least = acknowledged.get().max(last);
                    last = index.get(KEY).unwrap().map_or(0, |found| value_of(&found));
                    assert!(last >= least, "a get found {last} after {least}");
                }
            });
        });
        calmly(|| index.close()).unwrap();
    });
}

/// What a commit that was placed before a freeze writes, goes where the freeze looks for it.
#[test]
fn c3_no_commit_is_lost_beside_freezes() {
    explore("c3_no_commit_is_lost_beside_freezes", || {
        let files = SimulatedDirectory::new();
        let index = calmly(|| builder(&files).create().unwrap());
        calmly(|| index.put(0, value(9))).unwrap();
        thread::scope(|scope| {
            for writer in 1..=2 {
                let index = &index;
                scope.spawn(move || {
                    for number in 1..=2 {
                        index.put(writer * 10 + u64::from(number), value(number)).unwrap();
                    }
                });
            }
            scope.spawn(|| (0..2).for_each(|_| flush(&index)));
        });
        calmly(|| {
            flush(&index);
            let found: Vec<u64> = index.iter().unwrap().map(|entry| entry.unwrap().0).collect();
            assert_eq!(found, [0, 11, 12, 21, 22]);
            assert_eq!(index.check().unwrap().problems.len(), 0);
            index.close().unwrap();
        });
    });
}

/// A snapshot shows one moment, however often it is asked, through flushes and merges.
#[test]
fn c6_a_snapshot_stays_as_it_is() {
    explore("c6_a_snapshot_stays_as_it_is", || {
        let index = calmly(index_of_a_pair);
        thread::scope(|scope| {
            scope.spawn(|| (3..=4).for_each(|number| write_pair(&index, number)));
            scope.spawn(|| flush(&index));
            scope.spawn(|| {
                let snapshot = index.snapshot().unwrap();
                let first = snapshot.get(1).unwrap().map(|found| value_of(&found));
                assert!(first >= Some(2), "the snapshot shows {first:?}");
                for key in [11, 1] {
                    let again = snapshot.get(key).unwrap().map(|found| value_of(&found));
                    assert_eq!(again, first, "key {key} of one snapshot");
                }
            });
        });
        calmly(|| index.close()).unwrap();
    });
}

/// From the moment that fixes what a snapshot shows, flushes know of it.
#[test]
fn c6_a_snapshot_is_listed_when_it_is_taken() {
    explore("c6_a_snapshot_is_listed_when_it_is_taken", || {
        let index = calmly(index_of_a_pair);
        thread::scope(|scope| {
            scope.spawn(|| {
                write_pair(&index, 3);
                flush(&index);
            });
            scope.spawn(|| {
                let snapshot = index.snapshot().unwrap();
                let pair = PAIR.map(|key| snapshot.get(key).unwrap().map(|found| value_of(&found)));
                assert!(pair[0] >= Some(2) && pair[0] == pair[1], "the snapshot shows {pair:?}");
            });
        });
        calmly(|| index.close()).unwrap();
    });
}

/// Nor do merges into main take a version away that a snapshot shows.
#[test]
fn c6_a_merge_keeps_what_a_snapshot_shows() {
    explore("c6_a_merge_keeps_what_a_snapshot_shows", || {
        let index = calmly(index_of_a_pair);
        calmly(|| flush(&index));
        thread::scope(|scope| {
            scope.spawn(|| {
                write_pair(&index, 3);
                flush(&index);
            });
            scope.spawn(|| compact(&index));
            scope.spawn(|| {
                let snapshot = index.snapshot().unwrap();
                let scan = || -> Vec<u64> {
                    snapshot.iter().unwrap().map(|entry| value_of(&entry.unwrap().1)).collect()
                };
                let first = scan();
                assert!(first.len() == 2 && first[0] == first[1] && first[0] >= 2, "a scan shows {first:?}");
                assert_eq!(scan(), first);
            });
        });
        calmly(|| index.close()).unwrap();
    });
}

/// A flush that joins the main runs beside a merge into them (PROTOCOL D2).
#[test]
fn d2_a_flush_and_a_merge_of_one_segment_agree() {
    explore("d2_a_flush_and_a_merge_of_one_segment_agree", || {
        let index = calmly(|| {
            let index = builder(&SimulatedDirectory::new()).create().unwrap();
            // The merge will write from 0 to 20, and 10 lies in no run before.
            for (key, number) in [(0, 1), (20, 1), (0, 2)] {
                index.put(key, value(number)).unwrap();
                flush(&index);
            }
            index.put(10, value(3)).unwrap();
            index
        });
        thread::scope(|scope| {
            scope.spawn(|| flush(&index));
            scope.spawn(|| {
                compact(&index);
            });
            scope.spawn(|| {
                let found = index.get(10).unwrap().map(|found| value_of(&found));
                assert_eq!(found, Some(3));
            });
        });
        calmly(|| {
            let found: Vec<(u64, u64)> = index
                .iter()
                .unwrap()
                .map(|entry| entry.unwrap())
                .map(|(key, v)| (key, value_of(&v)))
                .collect();
            assert_eq!(found, [(0, 2), (10, 3), (20, 1)]);
            assert_eq!(index.check().unwrap().problems.len(), 0);
            index.close().unwrap();
        });
    });
}

/// Batches over both halves of a segment that is split: readers see each whole, and the store keeps each whole.
#[test]
fn c2_batches_stay_whole_while_a_segment_is_split() {
    explore("c2_batches_stay_whole_while_a_segment_is_split", || {
        let files = SimulatedDirectory::new();
        let index = Arc::new(calmly(|| index_to_split(&files)));
        thread::scope(|scope| {
            scope.spawn(|| assert!(split(&index, 0)));
            scope.spawn(|| (2..=3).for_each(|number| write_pair(&index, number)));
            scope.spawn(|| index.put(1_000, value(5)).unwrap());
            scope.spawn(|| {
                (0..2).fold(1, |last, _| whole_pair(index.get_many(PAIR).unwrap().try_into().unwrap(), last));
            });
        });
        calmly(|| {
            assert_eq!(segments(&index).len(), 2);
            index.flush_and_wait().unwrap();
            assert_eq!(index.check().unwrap().problems.len(), 0);
            for index in [index.as_ref(), &builder(&files.kill()).open().unwrap()] {
                assert_eq!(index.get_many([1, 11, 1_000]).unwrap(), [3, 3, 5].map(|n| Some(value(n))));
                index.close().unwrap();
            }
        });
    });
}
