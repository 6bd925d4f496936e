//! Merges of small neighbours beside everything else (PROTOCOL D3).

use shuttle::thread;

use super::closing::{assert_kept, assert_nothing_came_after, close_for_good, in_time, put_until_closed};
use super::{
    Index, Note, PAIR, assert_sound, builder, flush, index_to_split, segments, split, value, whole_pair,
    write_pair,
};
use crate::directory::SimulatedDirectory;
use crate::sync::{calmly, explore};

/// Two segments that are to be merged: a delta lies over the first key of the pair, a buffer over the second.
fn small_neighbours(files: &SimulatedDirectory) -> Index {
    let index = index_to_split(files);
    assert!(split(&index, 0));
    flush(&index);
    write_pair(&index, 2);
    index.core.flush_segment(&segments(&index)[0]).unwrap();
    index.wait_until_idle().unwrap();
    assert_eq!(segments(&index).len(), 2);
    index
}

/// Merges all segments there are, in the thread that calls; `false` if others are at work on them.
fn merge(index: &Index) -> bool {
    index.core.merge_neighbours(&segments(index)).unwrap()
}

/// Batches over both parents: readers see each whole, and the store keeps each whole.
#[test]
fn d3_batches_stay_whole_while_neighbours_are_merged() {
    explore("d3_batches_stay_whole_while_neighbours_are_merged", || {
        let files = SimulatedDirectory::new();
        let index = calmly(|| small_neighbours(&files));
        thread::scope(|scope| {
            scope.spawn(|| assert!(merge(&index), "nobody else was at work"));
            scope.spawn(|| (3..=4).for_each(|number| write_pair(&index, number)));
            scope.spawn(|| {
                (0..2).fold(2, |last, _| whole_pair(index.get_many(PAIR).unwrap().try_into().unwrap(), last));
            });
        });
        calmly(|| {
            assert_eq!(segments(&index).len(), 1);
            let expected = [(0, 1), (1, 4), (5, 1), (10, 1), (11, 4), (15, 1)];
            assert_sound(&index, &files, &expected);
            index.flush_and_wait().unwrap();
            // Who flushed gives the room back after the flush can be seen.
            index.wait_until_idle().unwrap();
            assert_eq!(index.metrics_snapshot().write_path.buffered_bytes, 0);
            assert_sound(&index, &files, &expected);
            index.close().unwrap();
        });
    });
}

/// A snapshot and its scan show one moment, before, during and after a merge that a flush follows.
#[test]
fn c6_a_snapshot_stays_as_it_is_while_neighbours_are_merged() {
    explore("c6_a_snapshot_stays_as_it_is_while_neighbours_are_merged", || {
        let files = SimulatedDirectory::new();
        let index = calmly(|| small_neighbours(&files));
        thread::scope(|scope| {
            scope.spawn(|| {
                assert!(merge(&index), "nobody else was at work");
                flush(&index);
            });
            scope.spawn(|| (3..=4).for_each(|number| write_pair(&index, number)));
            scope.spawn(|| {
                let snapshot = index.snapshot().unwrap();
                let first = whole_pair(PAIR.map(|key| snapshot.get(key).unwrap()), 2);
                let scan = || snapshot.iter().unwrap().map(|entry| entry.unwrap());
                let scanned = PAIR.map(|key| scan().find(|entry| entry.0 == key).map(|entry| entry.1));
                assert_eq!(whole_pair(scanned, 2), first);
                assert_eq!(scan().rev().count(), 6);
            });
        });
        calmly(|| index.close()).unwrap();
    });
}

/// Flushes and splits of the parents come between any two steps of a merge, which may have to give up.
#[test]
fn d3_a_merge_of_neighbours_agrees_with_flushes_and_splits() {
    explore("d3_a_merge_of_neighbours_agrees_with_flushes_and_splits", || {
        let files = SimulatedDirectory::new();
        let index = calmly(|| small_neighbours(&files));
        thread::scope(|scope| {
            scope.spawn(|| {
                merge(&index);
                merge(&index);
            });
            scope.spawn(|| {
                for number in 3..=4 {
                    write_pair(&index, number);
                    flush(&index);
                }
                write_pair(&index, 5);
            });
            scope.spawn(|| split(&index, segments(&index).len() - 1));
        });
        calmly(|| {
            let expected = [(0, 1), (1, 5), (5, 1), (10, 1), (11, 5), (15, 1)];
            assert_sound(&index, &files, &expected);
            index.compact_and_wait().unwrap();
            assert_sound(&index, &files, &expected);
            index.close().unwrap();
        });
    });
}

/// A merge holds the places of the flushes for which writers wait.
#[test]
fn c2_writers_get_room_while_neighbours_are_merged() {
    explore("c2_writers_get_room_while_neighbours_are_merged", || {
        let files = SimulatedDirectory::new();
        let index = calmly(|| {
            small_neighbours(&files).close().unwrap();
            let index = builder(&files).write_buffer(|w| w.budget_bytes(64 << 10)).open().unwrap();
            index.put(0, value(1)).unwrap();
            index
        });
        thread::scope(|scope| {
            scope.spawn(|| index.core.scheduler.request_neighbours());
            for writer in 0..2 {
                let index = &index;
                scope.spawn(move || (0..2).for_each(|_| index.put(PAIR[writer], vec![3; 30_000]).unwrap()));
            }
        });
        calmly(|| {
            index.wait_until_idle().unwrap();
            assert_sound(&index, &files, &[(0, 1), (1, 3), (5, 1), (10, 1), (11, 3), (15, 1)]);
            index.close().unwrap();
        });
    });
}

/// A merge by the threads of the index: it ends, or has not begun, when the index is closed.
#[test]
fn c7_close_beside_a_merge_of_neighbours() {
    explore("c7_close_beside_a_merge_of_neighbours", || {
        let files = SimulatedDirectory::new();
        let index = calmly(|| small_neighbours(&files));
        let (acknowledged, operations) = (Note::default(), Note::default());
        thread::scope(|scope| {
            scope.spawn(|| index.core.scheduler.request_neighbours());
            scope.spawn(|| put_until_closed(&index, 7, &acknowledged));
            scope.spawn(|| {
                if let Some(found) = in_time(index.get_many(PAIR)) {
                    whole_pair(found.try_into().unwrap(), 2);
                }
            });
            scope.spawn(|| close_for_good(&index, &files, &operations));
        });
        assert_nothing_came_after(&files, &operations);
        calmly(|| assert_kept(&files, 7, &acknowledged));
    });
}
