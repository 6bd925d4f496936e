//! Refusals end by themselves: what failed is tried again in the background (PROTOCOL D8).

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hestiastore::Error;
use hestiastore::config::Durability;
use hestiastore::directory::SimulatedDirectory;

use crate::observed::{Observed, Operation};
use crate::support::{quiet, wait_until, watched};

const SECOND_LOG: &str = "log-00000000000000000002";

/// Nothing can be made of what `concerns` names while the flag is set.
fn refusing(concerns: fn(&Operation) -> bool) -> (Observed, Arc<AtomicBool>) {
    let full = Arc::new(AtomicBool::new(true));
    let inside = Arc::clone(&full);
    let before = move |operation: &Operation| {
        if concerns(operation) && inside.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    };
    (Observed::with_hooks(&SimulatedDirectory::new(), before, |_| {}), full)
}

fn makes_second_log(operation: &Operation) -> bool {
    matches!(operation, Operation::Create(name) if name.starts_with(SECOND_LOG))
}

#[test]
fn d8_a_log_that_could_not_be_made_is_made_once_it_can_though_nobody_writes() {
    let (directory, full) = refusing(makes_second_log);
    let index = watched(&directory).create().unwrap();
    index.put(0, b"first").unwrap();
    wait_until(|| index.writes_refused().is_some());
    // The background sync goes on meanwhile.
    wait_until(|| index.metrics_snapshot().log.synced_seq == 1);
    assert!(index.metrics_snapshot().health.background_failures > 0);
    full.store(false, Ordering::SeqCst);
    wait_until(|| index.writes_refused().is_none());
    assert_eq!(index.metrics_snapshot().log.files, 2);
}

/// However long the interval of the background sync.
#[test]
fn d8_a_flush_that_was_refused_is_done_once_it_can_though_nobody_writes() {
    let (directory, full) = refusing(|operation| operation.is("create run"));
    let index = watched(&directory).log(|l| l.durability(Durability::Off)).create().unwrap();
    let refusal = (0..).find_map(|n| index.put(n, vec![1; 1_000]).err()).unwrap();
    assert!(matches!(refusal, Error::WritesRefused { .. }), "{refusal:?}");
    // What the refused write asked for has failed too: nothing is waiting any more.
    index.wait_until_idle().unwrap();
    full.store(false, Ordering::SeqCst);
    wait_until(|| index.writes_refused().is_none());
    index.close().unwrap();
    assert!(!quiet(&directory.inner).open().unwrap().is_empty().unwrap());
}
