//! Two threads, one of which is held up at a chosen place.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use hestiastore::config::Durability;
use hestiastore::directory::{CrashPolicy, SimulatedDirectory};
use hestiastore::{Error, IndexState, WriteBatch};

use crate::observed::{Barrier, Observed, Operation};
use crate::support::{Index, all, quiet, settled, spread, wait_until};

/// Held up before an operation of this kind.
fn held_before(memory: &SimulatedDirectory, kind: &'static str) -> (Observed, Barrier) {
    let barrier = Barrier::default();
    let inside = barrier.clone();
    let before = move |operation: &Operation| {
        if operation.is(kind) {
            inside.pass();
        }
        Ok(())
    };
    (Observed::with_hooks(memory, before, |_| {}), barrier)
}

/// Held up when an operation of this kind is done, before anybody learns of it.
fn held_after(memory: &SimulatedDirectory, kind: &'static str) -> (Observed, Barrier) {
    let barrier = Barrier::default();
    let inside = barrier.clone();
    let after = move |operation: &Operation| {
        if operation.is(kind) {
            inside.pass();
        }
    };
    (Observed::with_hooks(memory, |_| Ok(()), after), barrier)
}

#[test]
fn c4_a_synced_write_is_visible_before_it_is_synced() {
    let (directory, barrier) = held_before(&SimulatedDirectory::new(), "sync log");
    let index = settled(&directory);
    barrier.arm();
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut batch = WriteBatch::new();
            batch.put(1, b"synced").unwrap().durability(Durability::Sync);
            index.write(batch)
        });
        barrier.wait_held();
        // L1: no lock is held meanwhile, so everything else goes on.
        assert_eq!(index.get(1).unwrap().as_deref(), Some(&b"synced"[..]));
        index.put(2, b"beside it").unwrap();
        assert_eq!(index.metrics_snapshot().log.synced_seq, 1);
        barrier.open();
        writer.join().unwrap().unwrap();
    });
    assert!(index.metrics_snapshot().log.synced_seq >= 2);
}

#[test]
fn l2_a_sync_counts_only_what_was_copied_before_it_began() {
    let memory = SimulatedDirectory::new();
    let (directory, barrier) = held_after(&memory, "sync log");
    let index = settled(&directory);
    index.put(1, b"in time").unwrap();
    barrier.arm();
    thread::scope(|scope| {
        let syncing = scope.spawn(|| index.sync());
        barrier.wait_held();
        index.put(2, b"too late for this one").unwrap();
        barrier.open();
        syncing.join().unwrap().unwrap();
    });
    assert_eq!(index.metrics_snapshot().log.synced_seq, 2);
    index.sync().unwrap();
    let after = quiet(&memory.crash(CrashPolicy::LoseAll, 1)).open().unwrap();
    assert_eq!(after.len().unwrap(), 3);
}

/// A writer is slow while others fill the log and go on in the next: a sync meanwhile is none for its
/// record, and the floor may not pass it.
#[test]
fn l2_a_log_left_with_a_slow_writer_in_it_is_synced_again_and_kept() {
    let memory = SimulatedDirectory::new();
    let (directory, barrier) = held_before(&memory, "write log");
    let index = settled(&directory);
    index.put(5, vec![5; 1_000]).unwrap();
    barrier.arm();
    thread::scope(|scope| {
        let slow = scope.spawn(|| index.put(1, b"slow"));
        barrier.wait_held();
        let large = scope.spawn(|| {
            let mut batch = WriteBatch::new();
            for n in 10..30 {
                batch.put(n, vec![1; 780]).unwrap();
            }
            index.write(batch)
        });
        wait_until(|| index.metrics_snapshot().log.files == 3);
        index.sync().unwrap();
        barrier.open();
        slow.join().unwrap().unwrap();
        large.join().unwrap().unwrap();
    });
    index.sync().unwrap();
    let after = quiet(&memory.crash(CrashPolicy::LoseAll, 1)).open().unwrap();
    assert_eq!(after.len().unwrap(), 23);
}

/// The log's next write fails, or the writer panics there.
fn broken_at_next_log_write(memory: &SimulatedDirectory, panics: bool) -> (Observed, Arc<AtomicBool>) {
    let broken = Arc::new(AtomicBool::new(false));
    let inside = Arc::clone(&broken);
    let before = move |operation: &Operation| {
        if operation.is("write log") && inside.load(Ordering::SeqCst) {
            assert!(!panics, "a writer panics, as it was asked to");
            return Err(io::Error::other("the disk is gone"));
        }
        Ok(())
    };
    (Observed::with_hooks(memory, before, |_| {}), broken)
}

#[test]
fn c4_a_failed_log_write_ends_the_index_with_an_indeterminate_result() {
    let (directory, broken) = broken_at_next_log_write(&SimulatedDirectory::new(), false);
    let index = settled(&directory);
    broken.store(true, Ordering::SeqCst);
    let outcome = index.put(1, b"lost?");
    assert!(matches!(outcome, Err(Error::Indeterminate { .. })), "{outcome:?}");
    assert_eq!(index.state(), IndexState::Error);
    broken.store(false, Ordering::SeqCst);
    assert!(matches!(index.put(2, b"later"), Err(Error::Failed { .. })));
}

#[test]
fn c4_a_writer_that_panics_ends_the_index_and_wakes_who_waits() {
    let memory = SimulatedDirectory::new();
    let panicking = Arc::new(AtomicBool::new(false));
    let barrier = Barrier::default();
    let (inside, held) = (Arc::clone(&panicking), barrier.clone());
    let before = move |operation: &Operation| {
        if operation.is("write log") && inside.swap(false, Ordering::SeqCst) {
            held.pass();
            panic!("as it was asked to");
        }
        Ok(())
    };
    let directory = Observed::with_hooks(&memory, before, |_| {});
    let index = settled(&directory);
    panicking.store(true, Ordering::SeqCst);
    barrier.arm();
    thread::scope(|scope| {
        let panics = scope.spawn(|| {
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| index.put(1, b"panics"))).is_err()
        });
        barrier.wait_held();
        // Its seq comes after the lost one, so it can never be visible.
        let waits = scope.spawn(|| index.put(2, b"waits"));
        barrier.open();
        assert!(panics.join().unwrap());
        let outcome = waits.join().unwrap();
        let told = matches!(outcome, Err(Error::Indeterminate { .. } | Error::Failed { .. }));
        assert!(told, "{outcome:?}");
    });
    assert_eq!(index.state(), IndexState::Error);
}

#[test]
fn l1_buffered_writes_are_synced_in_the_background() {
    let memory = SimulatedDirectory::new();
    let index = quiet(&memory).log(|l| l.sync_interval(Duration::from_millis(1))).create().unwrap();
    index.put(1, b"one").unwrap();
    wait_until(|| index.metrics_snapshot().log.synced_seq == 1);
    assert_eq!(quiet(&memory.crash(CrashPolicy::LoseAll, 1)).open().unwrap().len().unwrap(), 1);
}

/// Lets the others end also when this thread fails.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Threads write, flush and split; at any moment the process may die, and everything that was
/// acknowledged by then is there afterwards.
#[test]
fn every_moment_of_a_busy_index_can_be_recovered() {
    const WRITERS: u64 = 3;
    const EACH: u64 = 3_000;
    let memory = SimulatedDirectory::new();
    let busy = |directory: &SimulatedDirectory| {
        Index::builder_in(Arc::new(directory.clone()))
            .write_buffer(|w| w.budget_bytes(8 << 20).delta_cache_bytes(0))
            .segment(|s| s.target_bytes(8 << 10).delta_fan_in(2))
            .chunk(|c| c.max_keys(16).max_bytes(512))
            .maintenance(|m| m.threads(3))
            .log(|l| l.first_file_bytes(16 << 10).max_file_bytes(16 << 10))
    };
    let index = busy(&memory).create().unwrap();
    let acknowledged: Vec<AtomicU64> = (0..WRITERS).map(|_| AtomicU64::new(0)).collect();
    let counts = || -> Vec<u64> { acknowledged.iter().map(|count| count.load(Ordering::Acquire)).collect() };
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let _stop = StopOnDrop(&stop);
        for (owner, counter) in acknowledged.iter().enumerate() {
            let index = &index;
            scope.spawn(move || {
                for n in 0..EACH {
                    index.put(spread(n * WRITERS + owner as u64), vec![owner as u8; 60]).unwrap();
                    counter.store(n + 1, Ordering::Release);
                }
            });
        }
        scope.spawn(|| {
            while !stop.load(Ordering::Acquire) {
                index.flush_and_wait().unwrap();
            }
        });
        while counts().iter().any(|count| *count < EACH) {
            let before = counts();
            let found: BTreeMap<u64, Vec<u8>> =
                all(&busy(&memory.kill()).open_read_only().unwrap()).into_iter().collect();
            for (owner, count) in before.iter().enumerate() {
                for n in 0..*count {
                    let key = spread(n * WRITERS + owner as u64);
                    assert!(found.contains_key(&key), "write {n} of {count} of thread {owner} is lost");
                }
            }
        }
    });
    assert_eq!(all(&index).len() as u64, WRITERS * EACH);
}
