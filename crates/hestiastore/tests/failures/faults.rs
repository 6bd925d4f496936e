//! Operations that fail with an I/O error: which of them end the index, and which do not (PROTOCOL D8).

use std::io::ErrorKind;
use std::sync::atomic::{AtomicU64, Ordering};

use hestiastore::config::Durability;
use hestiastore::directory::{Fault, FaultRule, OperationKind, SimulatedDirectory};
use hestiastore::{Error, IndexState};

use crate::support::{
    Index, Model, all, assert_clean, assert_same, at, names_of, put_when_taken, quiet, spread, value,
};

type Entry = (u64, Vec<u8>);

fn failing(kinds: &[OperationKind], names: &str) -> FaultRule {
    FaultRule::new(Fault::FailBefore(ErrorKind::Other)).on(kinds).names(names)
}

/// An index with some writes, the last of which are in the log only.
fn written(directory: &SimulatedDirectory, mode: Durability) -> (Index, Model) {
    let index = quiet(directory).log(|l| l.durability(mode)).create().unwrap();
    let mut model = Model::new();
    for n in 0..60 {
        put_when_taken(&index, &mut model, 100);
        if n == 30 {
            index.flush_and_wait().unwrap();
        }
    }
    // The next log is made in the background, and no fault of a test is meant for it.
    while mode != Durability::Off && index.metrics_snapshot().log.files < 2 {
        std::thread::yield_now();
    }
    (index, model)
}

#[track_caller]
fn assert_failed(index: &Index) {
    assert_eq!(index.state(), IndexState::Error);
    assert!(!index.metrics_snapshot().health.failure.is_empty());
    for outcome in [
        index.put(1, b"more"),
        index.delete(1),
        index.sync(),
        index.flush_and_wait(),
        index.compact_and_wait(),
        index.get(1).map(drop),
        index.close(),
    ] {
        assert!(matches!(outcome, Err(Error::Failed { .. })), "{outcome:?}");
    }
    assert_eq!(index.state(), IndexState::Closed);
}

/// After the failure: everything acknowledged is there, and perhaps what was indeterminate.
#[track_caller]
fn assert_recovers(directory: &SimulatedDirectory, acknowledged: &Model, indeterminate: &[Entry]) {
    let index = quiet(directory).open().unwrap();
    let found = all(&index);
    let mut allowed = acknowledged.clone();
    allowed.extend(indeterminate.iter().cloned());
    assert!(acknowledged.iter().all(|(key, value)| found.get(key) == Some(value)), "something is lost");
    assert!(found.iter().all(|(key, value)| allowed.get(key) == Some(value)), "something is invented");
    assert_clean(&index);
}

#[test]
fn d8_a_failed_write_of_the_log_is_final_and_indeterminate() {
    let directory = SimulatedDirectory::new();
    let (index, model) = written(&directory, Durability::Buffered);
    directory.inject(failing(&[OperationKind::Write], "log-*").times(1));
    let outcome = index.put(7, b"perhaps");
    assert!(matches!(outcome, Err(Error::Indeterminate { .. })), "{outcome:?}");
    assert_failed(&index);
    assert_recovers(&directory, &model, &[(7, b"perhaps".to_vec())]);
}

#[test]
fn d8_a_failed_sync_of_the_log_is_final_and_never_repeated() {
    for mode in [Durability::Sync, Durability::GroupSync] {
        let directory = SimulatedDirectory::new();
        let (index, model) = written(&directory, mode);
        // As ext4 does: the second sync would succeed, and prove nothing.
        let rule = FaultRule::new(Fault::FailSyncAndForget).on(&[OperationKind::SyncFile]).names("log-*");
        directory.inject(rule.times(1));
        directory.record_operations(true);
        let outcome = index.put(7, b"perhaps");
        assert!(matches!(outcome, Err(Error::Indeterminate { .. })), "{outcome:?}");
        assert_failed(&index);
        let operations = directory.take_operations();
        let syncs = operations.iter().filter(|done| done.kind == OperationKind::SyncFile).count();
        assert_eq!(syncs, 1, "{operations:?}");
        // Not after the recovery: that makes safe what it finds.
        let after = directory.crash(hestiastore::directory::CrashPolicy::LoseAll, 1);
        assert_recovers(&after, &model, &[]);
        assert_recovers(&directory, &model, &[(7, b"perhaps".to_vec())]);
    }
}

#[test]
fn d8_a_failed_sync_in_the_background_is_told_to_the_next_caller() {
    let directory = SimulatedDirectory::new();
    let (index, model) = written(&directory, Durability::Buffered);
    directory.inject(failing(&[OperationKind::SyncFile], "log-*"));
    // What came before may be synced already.
    let _ = index.put(7, b"perhaps");
    assert!(matches!(index.sync(), Err(Error::Failed { .. })));
    assert_failed(&index);
    directory.clear_faults();
    assert_recovers(&directory, &model, &[(7, b"perhaps".to_vec())]);
}

#[test]
fn d8_everyone_who_waits_is_woken() {
    for (mode, rule) in [
        (Durability::Sync, failing(&[OperationKind::SyncFile], "log-*").from_nth(40)),
        (Durability::GroupSync, failing(&[OperationKind::SyncFile], "log-*").from_nth(40)),
        (Durability::Buffered, failing(&[OperationKind::Write], "log-*").from_nth(1_000)),
        // Writers that wait for room, while the manifest fails under the flush.
        (Durability::Buffered, failing(&[OperationKind::Write], "MANIFEST*").from_nth(6)),
        (Durability::Off, failing(&[OperationKind::SyncFile], "MANIFEST*").from_nth(6)),
        (Durability::Buffered, failing(&[OperationKind::SyncNames], "*").from_nth(8)),
    ] {
        let directory = SimulatedDirectory::new();
        let index = at(&directory).log(|l| l.durability(mode)).create().unwrap();
        index.put(0, b"first").unwrap();
        directory.inject(rule.clone());
        let next = AtomicU64::new(1);
        let outcomes: Vec<(Model, Vec<Entry>)> = std::thread::scope(|scope| {
            let writer = || {
                let mut acknowledged = Model::new();
                loop {
                    let key = spread(next.fetch_add(1, Ordering::Relaxed));
                    match index.put(key, value(key, 300)) {
                        Ok(()) => acknowledged.insert(key, value(key, 300)),
                        Err(Error::Indeterminate { .. }) => {
                            return (acknowledged, vec![(key, value(key, 300))]);
                        }
                        Err(Error::Failed { .. }) => return (acknowledged, Vec::new()),
                        Err(other) => panic!("{other} with {rule:?}"),
                    };
                }
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(writer)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_failed(&index);
        drop(index);
        directory.clear_faults();
        if mode == Durability::Off {
            continue;
        }
        let mut acknowledged: Model = [(0, b"first".to_vec())].into();
        let mut indeterminate = Vec::new();
        for (mut done, unknown) in outcomes {
            acknowledged.append(&mut done);
            indeterminate.extend(unknown);
        }
        assert_recovers(&directory, &acknowledged, &indeterminate);
    }
}

#[test]
fn d8_a_failed_write_or_sync_of_manifest_or_directory_is_final() {
    use OperationKind::{SyncFile, SyncNames, Write};
    for (kinds, names) in [(&[Write][..], "MANIFEST*"), (&[SyncFile], "MANIFEST*"), (&[SyncNames], "*")] {
        for fault in [Fault::FailBefore(ErrorKind::Other), Fault::FailAfter(ErrorKind::StorageFull)] {
            let directory = SimulatedDirectory::new();
            let (index, model) = written(&directory, Durability::Buffered);
            directory.inject(FaultRule::new(fault).on(kinds).names(names).times(1));
            let outcome = index.flush_and_wait();
            assert!(matches!(outcome, Err(Error::Failed { .. })), "{outcome:?}, {kinds:?} of {names}");
            assert_failed(&index);
            assert_recovers(&directory, &model, &[]);
        }
    }
}

#[test]
fn d8_a_run_that_cannot_be_written_is_written_again_under_a_new_name() {
    use OperationKind::{Create, Rename, SyncFile, Write};
    for kind in [Create, Write, SyncFile, Rename] {
        let directory = SimulatedDirectory::new();
        let (index, model) = written(&directory, Durability::Buffered);
        directory.inject(failing(&[kind], "run-*").times(2));
        index.flush_and_wait().unwrap();
        assert_eq!(directory.fault_count(), 2, "{kind:?}");
        assert_eq!(index.writes_refused(), None);
        assert_same(&all(&index), &model);
        assert_clean(&index);
        assert_eq!(names_of(&directory, "run-").len(), 2, "{:?}", names_of(&directory, ""));
    }
}

#[test]
fn d8_runs_that_never_can_be_written_refuse_writes_and_lose_nothing() {
    use OperationKind::{Create, Rename, SyncFile, Write};
    for mode in [Durability::Off, Durability::Buffered] {
        for kind in [Create, Write, SyncFile, Rename] {
            let directory = SimulatedDirectory::new();
            let (index, mut model) = written(&directory, mode);
            directory.inject(failing(&[kind], "run-*"));
            let error = index.flush_and_wait().unwrap_err();
            assert!(matches!(error, Error::WritesRefused { .. }), "{error:?}");
            assert_eq!(index.state(), IndexState::Ready);
            assert_same(&all(&index), &model);
            directory.clear_faults();
            put_when_taken(&index, &mut model, 100);
            index.flush_and_wait().unwrap();
            assert_eq!(index.writes_refused(), None);
            index.close().unwrap();
            let index = quiet(&directory).open().unwrap();
            assert_same(&all(&index), &model);
            assert_clean(&index);
        }
    }
}

#[test]
fn d8_a_merge_that_cannot_write_stops_nothing_else() {
    for kind in [ErrorKind::Other, ErrorKind::StorageFull] {
        let directory = SimulatedDirectory::new();
        let (index, mut model) = written(&directory, Durability::Buffered);
        index.flush_and_wait().unwrap();
        let rule = FaultRule::new(Fault::FailBefore(kind)).on(&[OperationKind::Write]).names("run-*");
        directory.inject(rule);
        assert!(matches!(index.compact_and_wait(), Err(Error::Io { .. })));
        assert_eq!((index.state(), index.writes_refused()), (IndexState::Ready, None));
        let health = index.metrics_snapshot().health;
        assert!(health.last_background_failure.starts_with("compaction: "), "{health:?}");
        directory.clear_faults();
        put_when_taken(&index, &mut model, 100);
        index.compact_and_wait().unwrap();
        assert_same(&all(&index), &model);
        assert_clean(&index);
    }
}

#[test]
fn d8_a_corrupt_input_stops_the_merges_of_its_segment_and_not_the_index() {
    let directory = SimulatedDirectory::new();
    let (index, mut model) = written(&directory, Durability::Buffered);
    index.flush_and_wait().unwrap();
    for name in names_of(&directory, "run-") {
        directory.flip_bit(&name, 4_200, 1).unwrap();
    }
    let error = index.compact_and_wait().unwrap_err();
    assert!(matches!(error, Error::Corruption { .. }), "{error:?}");
    let health = index.metrics_snapshot().health;
    assert_eq!(health.damaged_segments, 1);
    assert!(health.last_background_failure.contains("is damaged at offset"), "{health:?}");
    assert_eq!((index.state(), index.writes_refused()), (IndexState::Ready, None));
    // Writes go on and are flushed.
    for n in 0..200 {
        index.put(n, value(n, 100)).unwrap();
        model.insert(n, value(n, 100));
    }
    index.flush_and_wait().unwrap();
    for n in 0..200 {
        assert_eq!(index.get(n).unwrap().as_ref(), model.get(&n));
    }
    index.close().unwrap();
}

#[test]
fn d8_the_first_write_is_tried_again_unless_the_failure_is_final() {
    use OperationKind::{Create, SyncFile, SyncNames, Write};
    for (kinds, names, kind, is_final) in [
        (&[Create][..], "MANIFEST.tmp", ErrorKind::StorageFull, false),
        (&[Create], "MANIFEST.tmp", ErrorKind::PermissionDenied, false),
        (&[Write], "MANIFEST.tmp", ErrorKind::QuotaExceeded, false),
        (&[Write], "MANIFEST.tmp", ErrorKind::Other, true),
        (&[SyncFile], "MANIFEST.tmp", ErrorKind::StorageFull, true),
        (&[SyncNames], "*", ErrorKind::StorageFull, true),
        (&[Create], "log-*", ErrorKind::ReadOnlyFilesystem, false),
        (&[Write], "log-*", ErrorKind::FileTooLarge, false),
        (&[SyncFile], "log-*", ErrorKind::StorageFull, true),
    ] {
        let directory = SimulatedDirectory::new();
        quiet(&directory).create().unwrap().close().unwrap();
        let index = quiet(&directory).open().unwrap();
        directory.inject(FaultRule::new(Fault::FailBefore(kind)).on(kinds).names(names).times(1));
        let outcome = index.put(1, b"first");
        assert_eq!(directory.fault_count(), 1, "{kinds:?} of {names}");
        if is_final {
            assert!(matches!(outcome, Err(Error::Failed { .. })), "{outcome:?}, {kinds:?} of {names}");
            assert_failed(&index);
        } else {
            assert!(matches!(outcome, Err(Error::WritesRefused { .. })), "{outcome:?}, {kinds:?} of {names}");
            assert!(index.writes_refused().is_some());
            index.put(1, b"first").unwrap();
            assert_eq!(index.writes_refused(), None);
        }
        drop(index);
        let index = quiet(&directory).open().unwrap();
        assert_eq!(index.len().unwrap(), u64::from(!is_final));
        assert_clean(&index);
    }
}

#[test]
fn d7_a_log_that_cannot_be_deleted_lends_its_name_to_no_other() {
    let directory = SimulatedDirectory::new();
    let index = quiet(&directory).create().unwrap();
    index.put(1, b"one").unwrap();
    index.flush_and_wait().unwrap();
    directory.inject(failing(&[OperationKind::Remove], "log-*"));
    index.close().unwrap();
    let left = names_of(&directory, "log-");
    assert!(!left.is_empty());
    let index = quiet(&directory).open().unwrap();
    index.put(2, b"two").unwrap();
    index.sync().unwrap();
    assert!(names_of(&directory, "log-").len() > left.len());
    let killed = directory.kill();
    for number in 3..5 {
        let index = quiet(&killed).open().unwrap();
        assert_eq!(index.get(2).unwrap().as_deref(), Some(&b"two"[..]));
        index.put(number, b"more").unwrap();
        assert_clean(&index);
        index.close().unwrap();
    }
    assert!(names_of(&killed, "log-").iter().all(|name| !left.contains(name)));
}
