//! A close beside others who are at work.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use hestiastore::config::Durability;
use hestiastore::directory::SimulatedDirectory;
use hestiastore::{Error, IndexState};

use crate::observed::{Barrier, Observed, Operation};
use crate::support::{all, quiet, settled, wait_until, watched};

const CALLER: &str = "caller";

/// Runs are made by the thread of this name only, which is held up there; for the others the disk is full.
fn flushed_by_the_caller(memory: &SimulatedDirectory) -> (Observed, Barrier) {
    let barrier = Barrier::default();
    let inside = barrier.clone();
    let before = move |operation: &Operation| {
        if !operation.is("create run") {
            return Ok(());
        }
        if thread::current().name() != Some(CALLER) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        inside.pass();
        Ok(())
    };
    (Observed::with_hooks(memory, before, |_| {}), barrier)
}

#[test]
fn c7_close_waits_for_a_flush_in_a_callers_thread() {
    let memory = SimulatedDirectory::new();
    let (directory, barrier) = flushed_by_the_caller(&memory);
    let index = settled(&directory);
    barrier.arm();
    thread::scope(|scope| {
        let caller = thread::Builder::new().name(CALLER.to_owned());
        let flush = caller.spawn_scoped(scope, || index.flush_and_wait()).unwrap();
        barrier.wait_held();
        let closing = scope.spawn(|| index.close());
        wait_until(|| index.state() != IndexState::Ready);
        // Time enough to end what must not be ended yet.
        for _ in 0..500 {
            if closing.is_finished() {
                break;
            }
            thread::yield_now();
        }
        barrier.open();
        flush.join().unwrap().unwrap();
        closing.join().unwrap().unwrap();
    });
    assert_eq!(index.state(), IndexState::Closed);
    assert_eq!(directory.take().last(), Some(&Operation::Unlock));
    assert_eq!(all(&quiet(&memory).open().unwrap()), [(0, b"first".to_vec())]);
}

/// Without a log a close saves everything first, and stays open where it cannot: whoever writes meanwhile
/// is refused for now, for nothing is closed yet.
#[test]
fn d8_a_write_beside_a_close_that_may_yet_fail_is_refused_for_now() {
    let memory = SimulatedDirectory::new();
    let barrier = Barrier::default();
    let full = Arc::new(AtomicBool::new(false));
    let (inside, is_full) = (barrier.clone(), Arc::clone(&full));
    let before = move |operation: &Operation| {
        if operation.is("create run") {
            inside.pass();
            if is_full.load(Ordering::SeqCst) {
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        Ok(())
    };
    let directory = Observed::with_hooks(&memory, before, |_| {});
    let index = watched(&directory).log(|l| l.durability(Durability::Off)).create().unwrap();
    index.put(0, b"first").unwrap();
    full.store(true, Ordering::SeqCst);
    barrier.arm();
    thread::scope(|scope| {
        let closing = scope.spawn(|| index.close());
        barrier.wait_held();
        let outcome = index.put(1, b"refused");
        assert_eq!(index.state(), IndexState::Ready);
        barrier.open();
        assert!(matches!(outcome, Err(Error::WritesRefused { .. })), "{outcome:?}");
        let outcome = closing.join().unwrap();
        assert!(matches!(outcome, Err(Error::WritesRefused { .. })), "{outcome:?}");
    });
    index.put(2, b"taken").unwrap();
    full.store(false, Ordering::SeqCst);
    index.close().unwrap();
    assert_eq!(all(&quiet(&memory).open().unwrap()), [(0, b"first".to_vec()), (2, b"taken".to_vec())]);
}
