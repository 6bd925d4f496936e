//! A damaged log: refused by default, cut by choice, and nothing thrown away.

use std::sync::Arc;

use hestiastore::directory::{CrashPolicy, Directory, SimulatedDirectory};
use hestiastore::inspect::{self, LogEnd};
use hestiastore::{Error, LogLoss, RecoveryPolicy};

use crate::support::{Model, all, assert_clean, assert_same, names_of, quiet, value};

const WRITES: u64 = 400;

/// The value of the `n`th write, which has seq `n`: keys come again.
fn write_number(n: u64) -> (u64, Vec<u8>) {
    (n % 150, value(n, 100))
}

fn after_writes(count: u64) -> Model {
    (1..=count).map(write_number).collect()
}

/// Several logs of synced writes; the process died.
fn killed() -> SimulatedDirectory {
    let directory = SimulatedDirectory::new();
    let index = quiet(&directory).create().unwrap();
    for n in 1..=WRITES {
        let (key, value) = write_number(n);
        index.put(key, value).unwrap();
        if n % 20 == 0 {
            index.sync().unwrap();
        }
    }
    let killed = directory.kill();
    assert!(names_of(&killed, "log-").len() > 3);
    killed
}

/// The same with runs that hold some of it: everything up to some write is in a run, and the log of it is
/// still listed.
fn killed_after_flush() -> SimulatedDirectory {
    let directory = SimulatedDirectory::new();
    let index = quiet(&directory).create().unwrap();
    for n in 1..=100 {
        let (key, value) = write_number(n);
        index.put(key, value).unwrap();
    }
    index.flush_and_wait().unwrap();
    for n in 101..=200 {
        let (key, value) = write_number(n);
        index.put(key, value).unwrap();
    }
    index.sync().unwrap();
    directory.kill()
}

fn cut(directory: &SimulatedDirectory) -> hestiastore::IndexBuilder<u64, Vec<u8>> {
    quiet(directory).recovery(RecoveryPolicy::CutAtDamage)
}

#[track_caller]
fn refused_by_default(directory: &SimulatedDirectory) {
    let error = quiet(directory).open().unwrap_err();
    assert!(matches!(error, Error::Corruption { .. }), "{error}");
}

type Damage = Box<dyn Fn(&SimulatedDirectory)>;

/// Every way to damage the logs that is tried here.
fn damages() -> Vec<(&'static str, Damage)> {
    let log = |directory: &SimulatedDirectory, place: usize| names_of(directory, "log-")[place].clone();
    vec![
        ("a record of the first log", Box::new(move |d| d.flip_bit(&log(d, 0), 3_000, 1).unwrap())),
        ("a record of the third log", Box::new(move |d| d.flip_bit(&log(d, 2), 5_000, 1).unwrap())),
        ("the BEGIN of the second", Box::new(move |d| d.flip_bit(&log(d, 1), 70, 1).unwrap())),
        ("the header of the second", Box::new(move |d| d.flip_bit(&log(d, 1), 9, 1).unwrap())),
        ("the header of the first", Box::new(move |d| d.flip_bit(&log(d, 0), 9, 1).unwrap())),
        ("the second is short", Box::new(move |d| d.truncate(&log(d, 1), 4_000).unwrap())),
        ("the second is empty", Box::new(move |d| d.truncate(&log(d, 1), 0).unwrap())),
        ("the second has no header", Box::new(move |d| blank_header(d, &log(d, 1)))),
        ("the first is missing", Box::new(move |d| d.remove(&log(d, 0)).unwrap())),
        ("the second is missing", Box::new(move |d| d.remove(&log(d, 1)).unwrap())),
    ]
}

fn blank_header(directory: &SimulatedDirectory, log: &str) {
    let mut bytes = directory.read_all(log).unwrap();
    bytes[..64].fill(0);
    directory.write_all(log, &bytes).unwrap();
}

/// The newest log holds the proof of its own syncs, and nothing but its header says that it was ever there.
#[test]
fn l5_a_listed_log_without_a_header_is_damage_though_nothing_else_tells_of_its_writes() {
    let directory = SimulatedDirectory::new();
    let index = quiet(&directory).create().unwrap();
    for n in 1..=WRITES {
        let (key, value) = write_number(n);
        index.put(key, value).unwrap();
        index.sync().unwrap();
    }
    let directory = directory.kill();
    let listed = inspect::list_logs(&directory).unwrap().logs;
    assert!(listed.len() > 3);
    for log in &listed {
        for length in [None, Some(0), Some(63)] {
            let damaged = directory.kill();
            match length {
                None => blank_header(&damaged, &log.name),
                Some(length) => damaged.truncate(&log.name, length).unwrap(),
            }
            let what = format!("{} with {length:?}", log.name);
            let error = quiet(&damaged).open().unwrap_err();
            assert!(error.to_string().contains("header is gone"), "{what}: {error}");
            assert!(error.to_string().contains(&log.name), "{what}: {error}");
            let shared: Arc<dyn Directory> = Arc::new(damaged.clone());
            let report = inspect::verify_logs(&shared).unwrap();
            assert!(report.damage.is_some(), "{what}: {report}");
            let told = report.logs.iter().find(|other| other.name == log.name).unwrap();
            assert!(matches!(told.end, LogEnd::Damage { offset: 0, .. }), "{what}: {report}");
        }
    }
}

/// The same under an open index.
#[test]
fn l5_a_check_tells_of_a_listed_log_without_a_header() {
    let directory = SimulatedDirectory::new();
    let index = quiet(&directory).create().unwrap();
    index.put(1, b"one").unwrap();
    index.close().unwrap();
    for length in [None, Some(0), Some(63)] {
        let damaged = directory.kill();
        let index = quiet(&damaged).open().unwrap();
        let log = names_of(&damaged, "log-")[0].clone();
        match length {
            None => blank_header(&damaged, &log),
            Some(length) => damaged.truncate(&log, length).unwrap(),
        }
        let report = index.check().unwrap();
        assert!(report.to_string().contains("header is gone"), "{length:?}: {report}");
    }
}

#[track_caller]
fn assert_prefix(found: &Model, loss: &LogLoss) {
    assert!(loss.is_prefix(), "{loss}");
    assert!(loss.first_lost_seq <= WRITES, "{loss}");
    assert!(loss.proven_synced_seq >= loss.first_lost_seq, "{loss}");
    assert_same(found, &after_writes(loss.first_lost_seq - 1));
}

#[test]
fn l3_a_damaged_log_is_refused_by_default_and_cut_by_choice() {
    for (what, damage) in damages() {
        let directory = killed();
        damage(&directory);
        refused_by_default(&directory);
        let before = names_of(&directory, "");
        // Reading only: cut in memory.
        let reader = cut(&directory).open_read_only().unwrap();
        let seen = reader.log_loss().unwrap_or_else(|| panic!("{what}")).clone();
        assert_prefix(&all(&reader), &seen);
        reader.close().unwrap();
        assert_eq!(names_of(&directory, ""), before, "{what}");
        // Opening alone changes nothing, and says the same again.
        let index = cut(&directory).open().unwrap();
        assert_eq!(index.log_loss(), Some(&seen), "{what}");
        index.close().unwrap();
        assert_eq!(names_of(&directory, ""), before, "{what}");
        refused_by_default(&directory);
        // The first write settles it.
        let index = cut(&directory).open().unwrap();
        let mut expected = after_writes(seen.first_lost_seq - 1);
        index.put(9_999, b"new").unwrap();
        expected.insert(9_999, b"new".to_vec());
        assert!(index.snapshot().unwrap().seq() > seen.proven_synced_seq, "{what}: seqs come again");
        assert_clean(&index);
        assert!(index.metrics_snapshot().io.quarantined_files > 0, "{what}");
        for n in 0..200 {
            index.put(10_000 + n, value(n, 100)).unwrap();
            expected.insert(10_000 + n, value(n, 100));
        }
        let killed = directory.kill();
        for directory in [killed, {
            index.close().unwrap();
            directory
        }] {
            let index = quiet(&directory).open().unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(index.log_loss(), None);
            assert_same(&all(&index), &expected);
            assert_clean(&index);
        }
    }
}

#[test]
fn l3_runs_beyond_the_cut_are_told_and_stay() {
    let directory = killed_after_flush();
    let first_log = names_of(&directory, "log-")[0].clone();
    directory.flip_bit(&first_log, 2_000, 1).unwrap();
    refused_by_default(&directory);
    let index = cut(&directory).open().unwrap();
    let loss = index.log_loss().unwrap().clone();
    assert!(!loss.is_prefix() && loss.first_lost_seq < 100, "{loss}");
    assert_eq!(loss.runs_beyond.len(), 1);
    assert_eq!(loss.runs_beyond[0].greatest_seq, 100);
    assert!(loss.to_string().contains(&loss.runs_beyond[0].file));
    assert_same(&all(&index), &after_writes(100));
    index.put(7_777, b"new").unwrap();
    assert!(index.snapshot().unwrap().seq() > 200);
    assert_clean(&index);
    index.close().unwrap();
    let index = quiet(&directory).open().unwrap();
    assert_eq!(index.len().unwrap(), 101);
    assert_clean(&index);
}

#[test]
fn a_sound_log_is_not_cut() {
    let directory = killed();
    let index = cut(&directory).open().unwrap();
    assert_eq!(index.log_loss(), None);
    assert_same(&all(&index), &after_writes(WRITES));
}

/// Where a log is, here or in quarantine, with the damage in it.
fn is_kept(directory: &SimulatedDirectory, name: &str, bytes: &[u8]) -> bool {
    let places = [name.to_owned(), format!("quarantine/{name}")];
    places.iter().any(|place| directory.read_all(place).is_some_and(|found| found == bytes))
}

#[test]
fn l4_a_crash_while_the_damaged_log_is_set_aside_loses_nothing_more() {
    let damaged = killed();
    let logs = names_of(&damaged, "log-");
    damaged.flip_bit(&logs[1], 5_000, 1).unwrap();
    let loss = cut(&damaged).open_read_only().unwrap().log_loss().unwrap().clone();
    let expected = after_writes(loss.first_lost_seq - 1);
    let kept: Vec<(String, Vec<u8>)> =
        logs[1..].iter().map(|name| (name.clone(), damaged.read_all(name).unwrap())).collect();
    let mut whole_since = None;
    for stop in 0.. {
        let directory = damaged.crash(CrashPolicy::KeepAll, 0);
        let index = cut(&directory).open().unwrap();
        directory.fail_after(Some(stop));
        let outcome = index.put(9_999, b"new");
        drop(index);
        for (policy, seed) in
            [(CrashPolicy::LoseAll, 1), (CrashPolicy::KeepAll, 2), (CrashPolicy::RandomSectors, stop)]
        {
            let after = directory.crash(policy, seed);
            for (name, bytes) in &kept {
                assert!(is_kept(&after, name, bytes), "{name} is gone after a crash at {stop}, {policy:?}");
            }
            let is_whole = quiet(&after).open().is_ok();
            if policy == CrashPolicy::KeepAll {
                // From the edit on that names the end, nobody has to choose a policy any more.
                assert!(is_whole || whole_since.is_none(), "whole at {whole_since:?}, not at {stop}");
                whole_since = whole_since.or(is_whole.then_some(stop));
            }
            let index = cut(&after).open().unwrap_or_else(|error| panic!("{stop} {policy:?}: {error}"));
            let mut found = all(&index);
            found.remove(&9_999);
            assert_same(&found, &expected);
            index.put(8_888, b"later").unwrap();
            assert_clean(&index);
            index.close().unwrap();
            for (name, bytes) in &kept {
                assert!(is_kept(&after, name, bytes), "{name} is gone after a crash at {stop}, {policy:?}");
            }
            let index = quiet(&after).open().unwrap();
            assert_eq!(index.get(8_888).unwrap().as_deref(), Some(&b"later"[..]));
            assert_eq!(index.log_loss(), None);
        }
        if outcome.is_ok() {
            break;
        }
    }
    assert!(whole_since.is_some());
}

#[test]
fn a_second_damaged_log_of_the_same_number_does_not_replace_the_first() {
    let directory = killed();
    let first = names_of(&directory, "log-")[0].clone();
    directory.create_folder("quarantine").unwrap();
    let place = format!("quarantine/{first}");
    directory.write_all(&place, b"set aside before").unwrap();
    directory.flip_bit(&first, 3_000, 1).unwrap();
    let evidence = directory.read_all(&first).unwrap();
    let index = cut(&directory).open().unwrap();
    index.put(1, b"new").unwrap();
    index.close().unwrap();
    assert_eq!(directory.read_all(&place).unwrap(), b"set aside before");
    assert!(directory.read_all(&format!("{place}.1")).unwrap() == evidence);
}
