//! Close beside everything else: who comes too late is told so, and nothing happens afterwards (PROTOCOL C7).

use std::sync::Arc;

use shuttle::thread;

use super::{Index, Note, builder, flush, segments, value, value_of};
use crate::Error;
use crate::config::Durability;
use crate::directory::SimulatedDirectory;
use crate::sync::{calmly, explore};

/// Whether a call was in time. Without a log a close refuses writes while it saves what is in memory, since it may
/// have to stay open.
pub(super) fn in_time<T>(outcome: crate::Result<T>) -> Option<T> {
    match outcome {
        Ok(value) => Some(value),
        Err(Error::Closed | Error::WritesRefused { .. }) => None,
        Err(error) => panic!("beside a close: {error}"),
    }
}

/// Closes; nothing may change in the directory afterwards, whatever others were at.
pub(super) fn close_for_good(index: &Index, files: &SimulatedDirectory, operations: &Note) {
    index.close().unwrap();
    operations.set(files.operation_count());
}

pub(super) fn assert_nothing_came_after(files: &SimulatedDirectory, operations: &Note) {
    assert_eq!(files.operation_count(), operations.get(), "something was done after the close");
}

pub(super) fn put_until_closed(index: &Index, key: u64, acknowledged: &Note) {
    for number in 1..=3 {
        if in_time(index.put(key, value(number))).is_none() {
            return;
        }
        acknowledged.set(u64::from(number));
    }
}

/// What was acknowledged is there again, and what was not may be: one commit at most.
pub(super) fn assert_kept(files: &SimulatedDirectory, key: u64, acknowledged: &Note) {
    let index = builder(files).open().unwrap();
    let found = index.get(key).unwrap().map_or(0, |found| value_of(&found));
    let least = acknowledged.get();
    assert!(found == least || found == least + 1, "{found} of {least}");
    assert_eq!(index.check().unwrap().problems.len(), 0);
    index.close().unwrap();
}

fn close_beside_everything(durability: Durability) {
    let files = SimulatedDirectory::new();
    let index = calmly(|| builder(&files).log(|l| l.durability(durability)).create().unwrap());
    calmly(|| index.put(0, value(1))).unwrap();
    let (acknowledged, operations) = (Note::default(), Note::default());
    thread::scope(|scope| {
        scope.spawn(|| put_until_closed(&index, 7, &acknowledged));
        scope.spawn(|| {
            in_time(index.get(0)).inspect(|found| assert_eq!(found, &Some(value(1))));
            if let Some(entries) = in_time(index.iter()) {
                entries.map_while(in_time).for_each(drop);
            }
        });
        scope.spawn(|| {
            in_time(index.flush_and_wait());
        });
        scope.spawn(|| close_for_good(&index, &files, &operations));
    });
    assert_nothing_came_after(&files, &operations);
    calmly(|| assert_kept(&files, 7, &acknowledged));
}

#[test]
fn c7_close_beside_everything() {
    explore("c7_close_beside_everything", || close_beside_everything(Durability::Buffered));
}

#[test]
fn c7_close_beside_everything_without_a_log() {
    explore("c7_close_beside_everything_without_a_log", || close_beside_everything(Durability::Off));
}

/// The first write of an open brings an edit, a log and threads: all of it, or nothing.
#[test]
fn c7_close_beside_the_first_write() {
    explore("c7_close_beside_the_first_write", || {
        let files = SimulatedDirectory::new();
        let index = calmly(|| builder(&files).create().unwrap());
        let (acknowledged, operations) = (Note::default(), Note::default());
        thread::scope(|scope| {
            scope.spawn(|| put_until_closed(&index, 7, &acknowledged));
            scope.spawn(|| {
                in_time(index.flush_and_wait());
            });
            scope.spawn(|| close_for_good(&index, &files, &operations));
        });
        assert_nothing_came_after(&files, &operations);
        calmly(|| assert_kept(&files, 7, &acknowledged));
    });
}

/// The log is full: writers and the log thread make the next one ready while the index closes.
#[test]
fn c7_close_beside_a_new_log() {
    explore("c7_close_beside_a_new_log", || {
        let files = SimulatedDirectory::new();
        let index = calmly(|| builder(&files).create().unwrap());
        calmly(|| index.put(0, vec![1; 9_000])).unwrap();
        let (acknowledged, operations) = (Note::default(), Note::default());
        thread::scope(|scope| {
            scope.spawn(|| {
                for number in 1..=2 {
                    if in_time(index.put(7, vec![number; 9_000])).is_some() {
                        acknowledged.set(u64::from(number));
                    }
                }
            });
            scope.spawn(|| drop(index.core.prepare_next_log(0)));
            scope.spawn(|| close_for_good(&index, &files, &operations));
        });
        assert_nothing_came_after(&files, &operations);
        calmly(|| assert_kept(&files, 7, &acknowledged));
    });
}

/// Jobs end before the lock is given up, and before a second index may take it.
#[test]
fn c7_close_beside_jobs() {
    explore("c7_close_beside_jobs", || {
        let files = SimulatedDirectory::new();
        let index = calmly(|| {
            let index = builder(&files).create().unwrap();
            (1..=2).for_each(|number| {
                (0..3).for_each(|key| index.put(key, value(number)).unwrap());
                flush(&index);
            });
            index.put(7, value(1)).unwrap();
            index
        });
        let operations = Note::default();
        thread::scope(|scope| {
            scope.spawn(|| {
                in_time(index.flush());
                in_time(index.compact());
            });
            scope.spawn(|| close_for_good(&index, &files, &operations));
            scope.spawn(|| {
                in_time(index.compact_and_wait());
            });
        });
        assert_nothing_came_after(&files, &operations);
        calmly(|| {
            let index = builder(&files).open().unwrap();
            assert_eq!(index.get_many([0, 2, 7]).unwrap(), [2, 2, 1].map(|n| Some(value(n))));
            assert_eq!(index.check().unwrap().problems.len(), 0);
            index.close().unwrap();
        });
    });
}

/// Several close at once: all return when it is done.
#[test]
fn c7_everyone_may_close() {
    explore("c7_everyone_may_close", || {
        let files = SimulatedDirectory::new();
        let index = Arc::new(calmly(|| builder(&files).create().unwrap()));
        calmly(|| index.put(7, value(1))).unwrap();
        let segment_count = segments(&index).len();
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    index.close().unwrap();
                    assert!(matches!(index.get(7), Err(Error::Closed)));
                    assert!(builder(&files).open_read_only().is_ok(), "the lock is still held");
                });
            }
        });
        assert_eq!(segment_count, 1);
    });
}
