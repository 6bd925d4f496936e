//! `compact_range` beside everything else: what was written before it is in main runs when it returns.

use shuttle::thread;

use super::closing::{assert_kept, assert_nothing_came_after, close_for_good, in_time, put_until_closed};
use super::{
    Index, Note, PAIR, assert_sound, flush, index_to_split, segments, split, whole_pair, write_pair,
};
use crate::directory::SimulatedDirectory;
use crate::sync::{calmly, explore};

/// The keys of the pair, and what lies between.
const RANGE: std::ops::RangeInclusive<u64> = PAIR[0]..=PAIR[1];

/// A delta over two main runs, and a buffer over it.
fn index_to_compact(files: &SimulatedDirectory) -> Index {
    let index = index_to_split(files);
    flush(&index);
    write_pair(&index, 2);
    index
}

/// Whether no delta is left.
fn is_compact(index: &Index) -> bool {
    segments(index).iter().all(|segment| segment.version().layers.iter().all(|layer| layer.runs.is_empty()))
}

/// Writers go on, a snapshot stays as it is.
#[test]
fn c6_a_range_is_compacted_beside_writers_and_a_snapshot() {
    explore("c6_a_range_is_compacted_beside_writers_and_a_snapshot", || {
        let files = SimulatedDirectory::new();
        let index = calmly(|| index_to_compact(&files));
        thread::scope(|scope| {
            scope.spawn(|| index.compact_range(RANGE).unwrap());
            scope.spawn(|| {
                write_pair(&index, 3);
                flush(&index);
                write_pair(&index, 4);
            });
            scope.spawn(|| {
                let snapshot = index.snapshot().unwrap();
                let pair = || whole_pair(PAIR.map(|key| snapshot.get(key).unwrap()), 2);
                let first = pair();
                assert_eq!(snapshot.iter().unwrap().map(|entry| entry.unwrap()).count(), 6);
                assert_eq!(pair(), first);
            });
        });
        calmly(|| {
            assert_sound(&index, &files, &[(0, 1), (1, 4), (5, 1), (10, 1), (11, 4), (15, 1)]);
            index.close().unwrap();
        });
    });
}

/// The segments of the range are split and merged while their turn comes: those in their place have it.
#[test]
fn d3_a_range_is_compacted_whatever_becomes_of_its_segments() {
    explore("d3_a_range_is_compacted_whatever_becomes_of_its_segments", || {
        let files = SimulatedDirectory::new();
        let index = calmly(|| index_to_compact(&files));
        thread::scope(|scope| {
            scope.spawn(|| {
                index.compact_range(RANGE).unwrap();
                assert!(is_compact(&index), "something is not in main runs");
            });
            scope.spawn(|| {
                split(&index, 0);
                index.core.merge_neighbours(&segments(&index)).unwrap();
            });
            scope.spawn(|| {
                whole_pair(index.get_many(PAIR).unwrap().try_into().unwrap(), 2);
            });
        });
        calmly(|| {
            assert_sound(&index, &files, &[(0, 1), (1, 2), (5, 1), (10, 1), (11, 2), (15, 1)]);
            index.close().unwrap();
        });
    });
}

/// Two ask for parts that overlap: both have what they asked for.
#[test]
fn d2_two_may_compact_at_once() {
    explore("d2_two_may_compact_at_once", || {
        let files = SimulatedDirectory::new();
        let index = calmly(|| {
            let index = index_to_compact(&files);
            assert!(split(&index, 0));
            index
        });
        thread::scope(|scope| {
            scope.spawn(|| {
                index.compact_range(RANGE).unwrap();
                assert!(is_compact(&index), "something is not in main runs");
            });
            scope.spawn(|| {
                index.compact_range(..PAIR[0]).unwrap();
                assert!(segments(&index)[0].version().layers.iter().all(|layer| layer.runs.is_empty()));
            });
        });
        calmly(|| {
            assert_sound(&index, &files, &[(0, 1), (1, 2), (5, 1), (10, 1), (11, 2), (15, 1)]);
            index.close().unwrap();
        });
    });
}

#[test]
fn c7_close_beside_compact_range() {
    explore("c7_close_beside_compact_range", || {
        let files = SimulatedDirectory::new();
        let index = calmly(|| index_to_compact(&files));
        let (acknowledged, operations) = (Note::default(), Note::default());
        thread::scope(|scope| {
            scope.spawn(|| {
                in_time(index.compact_range(RANGE));
            });
            scope.spawn(|| put_until_closed(&index, 7, &acknowledged));
            scope.spawn(|| close_for_good(&index, &files, &operations));
        });
        assert_nothing_came_after(&files, &operations);
        calmly(|| assert_kept(&files, 7, &acknowledged));
    });
}
