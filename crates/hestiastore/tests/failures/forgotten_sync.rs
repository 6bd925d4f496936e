//! A sync that fails may leave pages that are read and never written (PROTOCOL D6, D8): what the next process finds
//! is not on disk because its own sync succeeds.

use hestiastore::config::Durability;
use hestiastore::directory::{CrashPolicy, Fault, FaultRule, OperationKind, SimulatedDirectory};
use hestiastore::{IndexBuilder, IndexState, WriteBatch};

use crate::support::{Model, all, assert_clean, assert_same, put_when_taken, quiet, value};

const FIRST_LOG: &str = "log-*1.wal";

/// Nothing is flushed, and no log is full, unless a test wants it.
fn roomy(directory: &SimulatedDirectory, mode: Durability) -> IndexBuilder<u64, Vec<u8>> {
    let log_bytes = 1 << 20;
    quiet(directory)
        .write_buffer(|w| w.budget_bytes(4 << 20))
        .log(|l| l.durability(mode).first_file_bytes(log_bytes).max_file_bytes(log_bytes))
}

/// An index that fails of a sync of such a file, after a write and a batch of so many, as the next process finds
/// it: all can be read.
fn failed(mode: Durability, names: &str, operations: u64) -> (SimulatedDirectory, Model) {
    let directory = SimulatedDirectory::new();
    let index = roomy(&directory, mode).create().unwrap();
    let mut model = Model::new();
    put_when_taken(&index, &mut model, 100);
    let mut batch = WriteBatch::new();
    for key in 1..operations {
        batch.put(key, &value(key, 100)[..]).unwrap();
        model.insert(key, value(key, 100));
    }
    let sync = FaultRule::new(Fault::FailSyncAndForget).on(&[OperationKind::SyncFile]).names(names);
    directory.inject(sync.times(1));
    let outcome = index.write(batch).and_then(|()| index.flush_and_wait());
    assert!(outcome.is_err() && index.state() == IndexState::Error, "{outcome:?}");
    (directory.kill(), model)
}

#[track_caller]
fn assert_survives_a_power_cut(directory: &SimulatedDirectory, model: &Model) {
    for policy in CrashPolicy::ALL {
        let index = quiet(&directory.crash(policy, 1)).open().unwrap();
        assert_same(&all(&index), model);
        assert_clean(&index);
    }
}

#[test]
fn d6_a_close_that_wrote_nothing_makes_safe_what_a_failed_sync_forgot() {
    for (mode, names) in [(Durability::GroupSync, FIRST_LOG), (Durability::Off, "MANIFEST*")] {
        let (directory, model) = failed(mode, names, 60);
        let index = quiet(&directory).open().unwrap();
        assert_same(&all(&index), &model);
        index.close().unwrap();
        assert_survives_a_power_cut(&directory, &model);
    }
}

/// Runs that are installed while a long log is replayed would be ahead of it, and the log would be damaged.
#[test]
fn d1_runs_of_a_replay_do_not_get_ahead_of_a_log_whose_sync_failed() {
    let (directory, model) = failed(Durability::GroupSync, FIRST_LOG, 900);
    let index = quiet(&directory).write_buffer(|w| w.budget_bytes(64 << 10)).open().unwrap();
    assert_same(&all(&index), &model);
    assert_survives_a_power_cut(&directory, &model);
}
