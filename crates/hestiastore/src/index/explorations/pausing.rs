//! Pauses of maintenance beside writers, and beside close.

use shuttle::thread;

use super::closing::{assert_kept, assert_nothing_came_after, close_for_good, in_time, put_until_closed};
use super::{Index, Note, assert_sound, builder, flush, value};
use crate::IndexBuilder;
use crate::directory::SimulatedDirectory;
use crate::index::pause::MaintenancePause;
use crate::sync::{calmly, explore};

/// Merges as its policy says, of two deltas at least.
fn merging(files: &SimulatedDirectory) -> IndexBuilder<u64, Vec<u8>> {
    let small = builder(files).write_buffer(|w| w.budget_bytes(64 << 10).delta_cache_bytes(0));
    small.maintenance(|m| m.automatic(true)).segment(|s| s.delta_fan_in(2).main_merge_percent(400))
}

/// So many deltas that a merge must come before the next flush, and a pause in which none comes.
fn crowded(files: &SimulatedDirectory) -> (Index, MaintenancePause) {
    let index = merging(files).create().unwrap();
    let pause = index.pause_maintenance();
    for number in 0..17 {
        index.put(0, value(number)).unwrap();
        flush(&index);
    }
    (index, pause)
}

/// Writers who wait for room, which a flush makes, which waits for a merge: and no merge comes any more.
#[test]
fn c2_a_pause_lets_those_through_who_wait_for_a_merge() {
    explore("c2_a_pause_lets_those_through_who_wait_for_a_merge", || {
        let files = SimulatedDirectory::new();
        let (index, first_pause) = calmly(|| crowded(&files));
        let written = Note::default();
        thread::scope(|scope| {
            scope.spawn(|| {
                drop(first_pause);
                let pause = index.pause_maintenance();
                while written.get() < 2 {
                    thread::yield_now();
                }
                drop(pause);
            });
            for key in 1..=2 {
                let (index, written) = (&index, &written);
                scope.spawn(move || {
                    (0..2).for_each(|_| index.put(key, vec![1; 30_000]).unwrap());
                    written.add(1);
                });
            }
        });
        calmly(|| {
            assert_sound(&index, &files, &[(0, 16), (1, 1), (2, 1)]);
            index.close().unwrap();
        });
    });
}

/// What was at work when the pause began ends; then merges neither begin nor are waited for. Flushes go on.
#[test]
fn c2_no_merge_begins_while_maintenance_is_paused() {
    explore("c2_no_merge_begins_while_maintenance_is_paused", || {
        let files = SimulatedDirectory::new();
        let index = calmly(|| {
            let index = merging(&files).create().unwrap();
            index.put(0, value(1)).unwrap();
            index.flush_and_wait().unwrap();
            index.wait_until_idle().unwrap();
            index
        });
        thread::scope(|scope| {
            scope.spawn(|| {
                let pause = index.pause_maintenance();
                index.wait_until_idle().unwrap();
                let merges = || {
                    let figures = index.metrics_snapshot().segments;
                    figures.delta_merges + figures.main_merges
                };
                let before = merges();
                for number in 2..=3 {
                    index.put(0, value(number)).unwrap();
                    index.flush_and_wait().unwrap();
                }
                index.wait_until_idle().unwrap();
                assert_eq!(merges(), before, "a merge began");
                drop(pause);
            });
            scope.spawn(|| {
                index.put(5, value(1)).unwrap();
                index.flush_and_wait().unwrap();
            });
        });
        calmly(|| {
            assert_sound(&index, &files, &[(0, 3), (5, 1)]);
            index.close().unwrap();
        });
    });
}

/// A pause keeps no close from ending; a later end of the pause brings nothing back.
#[test]
fn c7_close_beside_a_pause() {
    explore("c7_close_beside_a_pause", || {
        let files = SimulatedDirectory::new();
        let (index, pause) = calmly(|| crowded(&files));
        let (acknowledged, operations) = (Note::default(), Note::default());
        thread::scope(|scope| {
            scope.spawn(|| {
                drop(pause);
                let second = index.pause_maintenance();
                in_time(index.compact_and_wait());
                drop(second);
            });
            scope.spawn(|| put_until_closed(&index, 7, &acknowledged));
            scope.spawn(|| {
                let late = index.pause_maintenance();
                close_for_good(&index, &files, &operations);
                drop(late);
            });
        });
        assert_nothing_came_after(&files, &operations);
        calmly(|| assert_kept(&files, 7, &acknowledged));
    });
}
