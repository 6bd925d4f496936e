//! Scripts that once failed, each with what was wrong.

use std::sync::Arc;

use hestiastore::IndexState;
use hestiastore::config::Durability;
use hestiastore::directory::{Fault, FaultRule, OperationKind, SimulatedDirectory};

use crate::faults;
use crate::script::Script;
use crate::store::{Opening, TARGET_BYTES, open, value};

fn faults_of(script: &str) {
    let script: Script = script.parse().unwrap();
    faults::sweep_all(&[script]);
}

/// A log was deleted after the edit that lists it had failed, and the edit was in the manifest.
#[test]
fn a_log_stays_when_nobody_knows_whether_it_is_listed() {
    faults_of("buffered empty: put 0 2; sync; delete 1 1");
}

/// A run whose rename failed and had happened stayed, and came into quarantine at the next open.
#[test]
fn a_run_goes_when_nobody_knows_whether_it_is_named() {
    faults_of("buffered empty: put 0 2; flush");
}

/// The log thread ignored that its sync of the directory failed. With that the name of a run was lost which
/// a flush beside it had renamed: its own sync came after, found nothing to do, and succeeded.
#[test]
fn a_sync_of_names_that_fails_is_the_end_for_all() {
    let directory = SimulatedDirectory::new();
    let opening =
        Opening { mode: Durability::Buffered, automatic: false, target_bytes: TARGET_BYTES, seed: 1 };
    let index = open(Arc::new(directory.clone()), opening).unwrap();
    index.put(0, &value(1)[..]).unwrap();
    directory.inject(FaultRule::new(Fault::FailSyncAndForget).on(&[OperationKind::SyncNames]).times(1));
    // Enough for several logs, and for no flush.
    let outcome = (0..600).try_for_each(|key| index.put(key, &value(2)[..]));
    assert_eq!(directory.fault_count(), 1);
    assert!(outcome.is_err() && index.state() == IndexState::Error, "{outcome:?}");
}
