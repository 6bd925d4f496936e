//! The threads of maintenance: shared by indexes, paused, at work while somebody closes.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use hestiastore::directory::SimulatedDirectory;
use hestiastore::{Error, IndexBuilder, IndexState, Runtime};

use crate::observed::{Barrier, Observed, Operation};
use crate::support::{Index, all, quiet, wait_until, watched};

const ROUNDS: u64 = 8;

/// Merges by itself, by threads of a runtime.
fn merging(directory: &Observed, runtime: &Runtime) -> IndexBuilder<u64, Vec<u8>> {
    watched(directory)
        .runtime(runtime)
        .segment(|s| s.target_bytes(4 << 20).delta_fan_in(2))
        .write_buffer(|w| w.budget_bytes(1 << 20).delta_cache_bytes(0))
        .io(|i| i.buffer_bytes(4 << 10))
        .maintenance(|m| m.automatic(true))
}

/// Held up before an operation of this kind.
fn held_before(kind: &'static str) -> (Observed, Barrier) {
    let barrier = Barrier::default();
    let inside = barrier.clone();
    let before = move |operation: &Operation| {
        if operation.is(kind) {
            inside.pass();
        }
        Ok(())
    };
    (Observed::with_hooks(&SimulatedDirectory::new(), before, |_| {}), barrier)
}

/// So many flushed runs that overlap: as soon as the pause ends, a merge begins that takes many steps.
fn fill(index: &Index) {
    for round in 0..ROUNDS {
        for n in 0..100u64 {
            index.put(n, vec![(round + n) as u8; 2_000]).unwrap();
        }
        index.flush_and_wait().unwrap();
    }
}

fn merges(index: &Index) -> u64 {
    let segments = index.metrics_snapshot().segments;
    segments.delta_merges + segments.main_merges
}

fn one_thread() -> Runtime {
    Runtime::builder().maintenance_threads(1).build()
}

fn two_threads() -> Runtime {
    Runtime::builder().maintenance_threads(2).build()
}

#[test]
fn one_runtime_works_for_several_indexes() {
    let threads: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let noted = || {
        let threads = Arc::clone(&threads);
        let before = move |operation: &Operation| {
            if operation.is("create run") {
                let name = thread::current().name().unwrap_or_default().to_owned();
                threads.lock().unwrap().insert(name);
            }
            Ok(())
        };
        Observed::with_hooks(&SimulatedDirectory::new(), before, |_| {})
    };
    let runtime = one_thread();
    let directories = [noted(), noted(), noted()];
    let indexes = [0, 1, 2].map(|place| merging(&directories[place], &runtime).create().unwrap());
    // The indexes keep it.
    drop(runtime);
    indexes.iter().for_each(fill);
    for index in &indexes {
        index.wait_until_idle().unwrap();
        assert!(merges(index) > 0);
        assert_eq!(index.len().unwrap(), 100);
    }
    // The others go on when one is closed, and when one is dropped.
    let [first, second, third] = indexes;
    first.close().unwrap();
    fill(&third);
    drop(second);
    third.compact_and_wait().unwrap();
    assert_eq!(third.metrics_snapshot().segments.delta_runs, 0);
    assert_eq!(*threads.lock().unwrap(), BTreeSet::from(["hestia-maint-1".to_owned()]));
}

#[test]
fn a_paused_index_begins_no_merge_but_what_is_asked_for() {
    let directory = Observed::new(&SimulatedDirectory::new());
    let index = merging(&directory, &two_threads()).create().unwrap();
    let pause = index.pause_maintenance();
    let second = index.pause_maintenance();
    fill(&index);
    index.wait_until_idle().unwrap();
    assert_eq!((merges(&index), index.metrics_snapshot().segments.runs), (0, ROUNDS));
    drop(second);
    fill(&index);
    index.wait_until_idle().unwrap();
    assert_eq!(merges(&index), 0, "one pause is left");
    index.compact_and_wait().unwrap();
    assert_eq!((merges(&index), index.metrics_snapshot().segments.delta_runs), (1, 0));
    fill(&index);
    drop(pause);
    index.wait_until_idle().unwrap();
    assert!(merges(&index) > 1);
    assert_eq!(index.len().unwrap(), 100);
}

#[test]
fn a_paused_index_can_be_closed_and_its_pause_dropped_later() {
    let directory = Observed::new(&SimulatedDirectory::new());
    let index = merging(&directory, &one_thread()).create().unwrap();
    let pause = index.pause_maintenance();
    fill(&index);
    index.close().unwrap();
    drop(index);
    drop(pause);
    assert_eq!(quiet(&directory.inner).open().unwrap().len().unwrap(), 100);
}

/// Nobody waits for merges that do not come: not even with far more runs than writers usually wait for.
#[test]
fn writers_find_room_while_maintenance_is_paused() {
    let directory = Observed::new(&SimulatedDirectory::new());
    let index = merging(&directory, &one_thread()).create().unwrap();
    let pause = index.pause_maintenance();
    for n in 0..20_000u64 {
        index.put(n % 50, vec![1; 600]).unwrap();
    }
    assert_eq!(merges(&index), 0);
    drop(pause);
    index.wait_until_idle().unwrap();
    assert_eq!(index.len().unwrap(), 50);
}

/// A writer waits for a merge, and then it is decided that none comes.
#[test]
fn a_pause_lets_those_through_who_wait_for_a_merge() {
    let (directory, barrier) = held_before("rename run");
    let index = merging(&directory, &two_threads()).create().unwrap();
    let pause = index.pause_maintenance();
    // More runs than a segment may have before its flushes wait for a merge.
    for round in 0..20u8 {
        (0..100u64).for_each(|n| index.put(n, vec![round; 200]).unwrap());
        index.flush_and_wait().unwrap();
    }
    barrier.arm();
    drop(pause);
    barrier.wait_held();
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for n in 0..30u64 {
                index.put(n, vec![2; 60_000]).unwrap();
            }
        });
        // So full that a flush is due.
        wait_until(|| {
            let write_path = index.metrics_snapshot().write_path;
            writer.is_finished() || write_path.buffered_bytes > write_path.budget_bytes / 2
        });
        let pause = index.pause_maintenance();
        writer.join().unwrap();
        barrier.open();
        drop(pause);
    });
    assert_eq!(index.len().unwrap(), 100);
}

/// The merge ends only when the flush is done, for which there is no other thread.
#[test]
fn the_only_thread_leaves_a_merge_for_a_flush() {
    let runtime = one_thread();
    let beginning = Barrier::default();
    let merging_now = Arc::new(AtomicBool::new(false));
    let flushed = Arc::new(AtomicBool::new(false));
    let (begun, at_merge, is_flushed) = (beginning.clone(), Arc::clone(&merging_now), Arc::clone(&flushed));
    let before = move |operation: &Operation| {
        if operation.is("write run") && at_merge.load(Ordering::SeqCst) {
            begun.pass();
        }
        if operation.is("rename run") && at_merge.swap(false, Ordering::SeqCst) {
            assert!(is_flushed.load(Ordering::SeqCst), "the merge ended, and the flush had to wait for it");
        }
        Ok(())
    };
    let directory = Observed::with_hooks(&SimulatedDirectory::new(), before, |_| {});
    let index = merging(&directory, &runtime).create().unwrap();
    let done = Arc::clone(&flushed);
    let after = move |operation: &Operation| {
        if operation.is("rename run") {
            done.store(true, Ordering::SeqCst);
        }
    };
    let other_directory = Observed::with_hooks(&SimulatedDirectory::new(), |_| Ok(()), after);
    let other = merging(&other_directory, &runtime).create().unwrap();
    other.put(1, b"to be flushed").unwrap();
    let pause = index.pause_maintenance();
    fill(&index);
    beginning.arm();
    merging_now.store(true, Ordering::SeqCst);
    drop(pause);
    beginning.wait_held();
    other.flush().unwrap();
    beginning.open();
    other.flush_and_wait().unwrap();
    index.wait_until_idle().unwrap();
    assert_eq!((index.state(), other.state()), (IndexState::Ready, IndexState::Ready));
}

/// The same for a writer who waits for room in the index that is merged.
#[test]
fn a_writer_who_waits_for_room_does_not_wait_for_the_only_thread_to_end_a_merge() {
    let merge_begins = Barrier::default();
    let writer_done = Barrier::default();
    let merges_now = Arc::new(AtomicBool::new(false));
    let (begun, ends, at_merge) = (merge_begins.clone(), writer_done.clone(), Arc::clone(&merges_now));
    let merge_run: Mutex<Option<String>> = Mutex::default();
    let before = move |operation: &Operation| {
        match operation {
            Operation::Create(name) if name.starts_with("run-") && at_merge.swap(false, Ordering::SeqCst) => {
                *merge_run.lock().unwrap() = Some(name.clone());
                begun.pass();
            }
            Operation::Rename(name, _) if merge_run.lock().unwrap().as_ref() == Some(name) => ends.pass(),
            _ => {}
        }
        Ok(())
    };
    let directory = Observed::with_hooks(&SimulatedDirectory::new(), before, |_| {});
    let index = merging(&directory, &one_thread()).create().unwrap();
    let pause = index.pause_maintenance();
    fill(&index);
    merge_begins.arm();
    writer_done.arm();
    merges_now.store(true, Ordering::SeqCst);
    drop(pause);
    merge_begins.wait_held();
    // Just as much as asks for a flush; nobody waits yet.
    let is_full = || {
        let write_path = index.metrics_snapshot().write_path;
        write_path.buffered_bytes > write_path.budget_bytes * 3 / 5
    };
    let mut n = 1_000u64;
    while !is_full() {
        index.put(n, vec![3; 1_000]).unwrap();
        n += 1;
    }
    let flushes = index.metrics_snapshot().write_path.flushes;
    merge_begins.open();
    // The merge has come to its end, or will: the flush was done before.
    writer_done.wait_held();
    assert!(index.metrics_snapshot().write_path.flushes > flushes);
    writer_done.open();
    index.wait_until_idle().unwrap();
    assert_eq!(index.len().unwrap(), 100 + n - 1_000);
}

/// As many merges as there are threads, if they would all take one.
#[test]
fn a_flush_does_not_wait_for_merges_of_other_indexes() {
    let runtime = two_threads();
    let held = [held_before("create run"), held_before("create run")];
    let merged = held.each_ref().map(|(directory, _)| merging(directory, &runtime).create().unwrap());
    let other_directory = Observed::new(&SimulatedDirectory::new());
    let other = merging(&other_directory, &runtime).create().unwrap();
    for (index, (_, barrier)) in merged.iter().zip(&held) {
        let pause = index.pause_maintenance();
        fill(index);
        barrier.arm();
        drop(pause);
    }
    fill(&other);
    held.iter().for_each(|(_, barrier)| barrier.open());
    for index in merged.iter().chain([&other]) {
        index.wait_until_idle().unwrap();
        assert!(merges(index) > 0);
    }
}

#[test]
fn a_job_that_panics_ends_its_index_and_not_the_threads() {
    let runtime = one_thread();
    let panics = Arc::new(AtomicBool::new(false));
    let inside = Arc::clone(&panics);
    let before = move |operation: &Operation| {
        assert!(!(operation.is("create run") && inside.load(Ordering::SeqCst)), "as it was asked to");
        Ok(())
    };
    let directory = Observed::with_hooks(&SimulatedDirectory::new(), before, |_| {});
    let index = merging(&directory, &runtime).create().unwrap();
    let other_directory = Observed::new(&SimulatedDirectory::new());
    let other = merging(&other_directory, &runtime).create().unwrap();
    index.put(1, b"one").unwrap();
    panics.store(true, Ordering::SeqCst);
    let outcome = index.flush_and_wait();
    assert!(matches!(outcome, Err(Error::Failed { .. })), "{outcome:?}");
    assert_eq!(index.state(), IndexState::Error);
    fill(&other);
    other.compact_and_wait().unwrap();
    assert!(matches!(index.close(), Err(Error::Failed { .. })));
    fill(&other);
    other.close().unwrap();
    panics.store(false, Ordering::SeqCst);
    assert_eq!(all(&quiet(&directory.inner).open().unwrap()), [(1, b"one".to_vec())]);
}

/// Lets go of what the barrier holds up once the close has begun.
fn close_around(index: &Index, barrier: &Barrier) {
    thread::scope(|scope| {
        let closing = scope.spawn(|| index.close());
        wait_until(|| index.state() != IndexState::Ready);
        barrier.open();
        closing.join().unwrap().unwrap();
    });
}

/// The merge is held up in its midst, and cannot end before the close has begun.
#[test]
fn a_close_cancels_a_merge_under_way() {
    let (directory, barrier) = held_before("write run");
    let index = merging(&directory, &two_threads()).create().unwrap();
    let pause = index.pause_maintenance();
    fill(&index);
    directory.take();
    barrier.arm();
    drop(pause);
    barrier.wait_held();
    close_around(&index, &barrier);
    let done = directory.take();
    let of_runs = |kind: &str| done.iter().filter(|operation| operation.is(kind)).count();
    assert_eq!((of_runs("create run"), of_runs("rename run"), of_runs("remove run")), (1, 0, 1));
    assert_eq!(done.last(), Some(&Operation::Unlock));
    assert_eq!(merges(&index), 0);
    assert_eq!(quiet(&directory.inner).open().unwrap().len().unwrap(), 100);
}

#[test]
fn a_close_waits_for_a_flush_under_way() {
    let (directory, barrier) = held_before("write run");
    let index = merging(&directory, &two_threads()).create().unwrap();
    index.put(1, b"one").unwrap();
    barrier.arm();
    index.flush().unwrap();
    barrier.wait_held();
    close_around(&index, &barrier);
    let done = directory.take();
    assert!(done.iter().any(|operation| operation.is("rename run")), "{done:?}");
    assert_eq!(all(&quiet(&directory.inner).open().unwrap()), [(1, b"one".to_vec())]);
}

#[test]
fn an_index_that_is_dropped_while_it_merges_gives_up_its_directory() {
    let runtime = two_threads();
    let (directory, barrier) = held_before("write run");
    let index = merging(&directory, &runtime).create().unwrap();
    let pause = index.pause_maintenance();
    fill(&index);
    barrier.arm();
    drop(pause);
    barrier.wait_held();
    thread::scope(|scope| {
        scope.spawn(|| drop(index));
        barrier.open();
    });
    assert_eq!(directory.take().last(), Some(&Operation::Unlock));
    let again = merging(&directory, &runtime).open().unwrap();
    fill(&again);
    again.wait_until_idle().unwrap();
    assert_eq!(again.len().unwrap(), 100);
}

/// A flush of one index, held up; meanwhile others are asked for more than one thread can do.
#[test]
fn flushes_go_before_merges_and_indexes_take_turns() {
    let runtime = one_thread();
    let order: Arc<Mutex<Vec<String>>> = Arc::default();
    let barrier = Barrier::default();
    let named = |name: &'static str| {
        let (order, inside) = (Arc::clone(&order), barrier.clone());
        let before = move |operation: &Operation| {
            if operation.is("create run") {
                order.lock().unwrap().push(name.to_owned());
                inside.pass();
            }
            Ok(())
        };
        Observed::with_hooks(&SimulatedDirectory::new(), before, |_| {})
    };
    let directories = ["first", "second", "third"].map(named);
    let indexes = [0, 1, 2].map(|place| merging(&directories[place], &runtime).create().unwrap());
    let [first, second, third] = &indexes;
    let pauses = [first.pause_maintenance(), second.pause_maintenance()];
    fill(first);
    fill(second);
    [first, second, third].iter().for_each(|index| index.put(1, b"to be flushed").unwrap());
    barrier.arm();
    third.flush().unwrap();
    barrier.wait_held();
    order.lock().unwrap().clear();
    drop(pauses);
    second.flush().unwrap();
    first.flush().unwrap();
    barrier.open();
    indexes.iter().for_each(|index| index.wait_until_idle().unwrap());
    let order = order.lock().unwrap();
    // Both flushes, and only then the merges, of each index one.
    assert_eq!(order[..2].iter().collect::<BTreeSet<_>>().len(), 2, "{order:?}");
    assert_eq!(order[2..4].iter().collect::<BTreeSet<_>>().len(), 2, "{order:?}");
    assert!(merges(first) > 0 && merges(second) > 0);
}

/// Splits and flushes of a segment never wait for each other with a thread.
#[test]
fn one_thread_does_flushes_merges_and_splits_of_busy_indexes() {
    let runtime = one_thread();
    let directories = [0, 1].map(|_| Observed::new(&SimulatedDirectory::new()));
    let indexes = directories.map(|directory| {
        let builder = merging(&directory, &runtime).segment(|s| s.target_bytes(32 << 10));
        let builder = builder.chunk(|c| c.filters(["magic-number", "crc32"].into()));
        builder.write_buffer(|w| w.budget_bytes(2 << 20)).create().unwrap()
    });
    let written = AtomicU64::new(0);
    thread::scope(|scope| {
        for index in &indexes {
            scope.spawn(|| {
                for n in 0..4_000u64 {
                    index.put(crate::support::spread(n), vec![4; 500]).unwrap();
                    written.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    for index in &indexes {
        // All in main runs: only so is it sure that the segment is large enough to be split.
        index.compact_and_wait().unwrap();
        index.wait_until_idle().unwrap();
        assert_eq!(index.len().unwrap(), 4_000);
        assert!(index.metrics_snapshot().segments.splits > 0);
    }
    assert_eq!(written.into_inner(), 8_000);
}

/// A disk on which nothing can be written: what waits is refused, and another index is not held up.
#[test]
fn an_index_on_a_full_disk_leaves_the_threads_to_others() {
    let runtime = one_thread();
    let full = Arc::new(AtomicBool::new(true));
    let inside = Arc::clone(&full);
    let before =
        move |operation: &Operation| match operation.is("create run") && inside.load(Ordering::SeqCst) {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        };
    let directory = Observed::with_hooks(&SimulatedDirectory::new(), before, |_| {});
    let index = merging(&directory, &runtime).create().unwrap();
    let other_directory = Observed::new(&SimulatedDirectory::new());
    let other = merging(&other_directory, &runtime).create().unwrap();
    let refused = (0..10_000u64).find_map(|n| index.put(n, vec![5; 1_000]).err());
    assert!(matches!(refused, Some(Error::WritesRefused { .. })), "{refused:?}");
    fill(&other);
    other.wait_until_idle().unwrap();
    full.store(false, Ordering::SeqCst);
    wait_until(|| index.put(0, b"taken").is_ok());
}
