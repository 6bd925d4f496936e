//! A close beside others who are at work.

use std::io;
use std::thread;

use hestiastore::IndexState;
use hestiastore::directory::SimulatedDirectory;

use crate::observed::{Barrier, Observed, Operation};
use crate::support::{all, quiet, settled, wait_until};

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
        for _ in 0..20_000 {
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
