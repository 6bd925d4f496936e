//! Scripts that once failed, each with what was wrong.

use crate::faults;
use crate::script::Script;

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
