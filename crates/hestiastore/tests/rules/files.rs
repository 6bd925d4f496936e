//! D and F: runs, the manifest, what is on disk.

use std::sync::{Arc, Mutex};

use hestiastore::config::Durability;
use hestiastore::directory::{CrashPolicy, Directory, SimulatedDirectory};
use hestiastore::environment::Environment;
use hestiastore::{Error, WriteBatch};

use crate::observed::{Observed, Operation};
use crate::support::{Index, all, bytes_of, count_of, quiet, splitting, spread, watched};

#[test]
fn d1_seqs_are_never_given_out_twice() {
    let directory = SimulatedDirectory::new();
    let open = |directory: &SimulatedDirectory| {
        quiet(directory).log(|l| l.durability(Durability::Off)).open_or_create().unwrap()
    };
    let seq = |index: &Index| index.snapshot().unwrap().seq();
    let index = open(&directory);
    (0..10).for_each(|n| index.put(n, b"flushed").unwrap());
    index.flush_and_wait().unwrap();
    assert_eq!(seq(&open(&directory.kill())), 10);
    (0..10).for_each(|n| index.delete(n).unwrap());
    index.compact_and_wait().unwrap();
    // No run is left that could tell.
    assert_eq!(count_of(&directory, "run-"), 0);
    assert_eq!(seq(&open(&directory.kill())), 20);
    index.put(1, b"again").unwrap();
    index.delete(1).unwrap();
    index.close().unwrap();
    assert_eq!(seq(&open(&directory)), 22);
}

#[test]
fn d2_the_newest_rank_wins_whatever_the_order_of_flushes() {
    let directory = SimulatedDirectory::new();
    let index = quiet(&directory).create().unwrap();
    for version in 0..6u8 {
        for key in 0..20u64 {
            // Every key has another newest version, and some end deleted.
            if key % 6 >= u64::from(version) {
                index.put(key, [version]).unwrap();
            }
        }
        if version == 3 {
            index.delete(5).unwrap();
            index.delete(11).unwrap();
        }
        index.flush_and_wait().unwrap();
    }
    index.delete(17).unwrap();
    let expected: Vec<(u64, Vec<u8>)> =
        (0..20u64).filter(|key| *key != 17).map(|key| (key, vec![(key % 6) as u8])).collect();
    assert!(count_of(&directory, "run-") > 4);
    let same = |index: &Index| {
        assert_eq!(all(index), expected);
        for (key, value) in &expected {
            assert_eq!(index.get(key).unwrap().as_ref(), Some(value));
        }
    };
    same(&index);
    index.close().unwrap();
    let index = quiet(&directory).open().unwrap();
    same(&index);
    index.compact_and_wait().unwrap();
    same(&index);
    assert_eq!(count_of(&directory, "run-"), 1);
}

#[test]
fn d2_flushes_between_main_runs_and_a_merge_around_one_keep_everything_in_reach() {
    let directory = SimulatedDirectory::new();
    let big = |byte: u8| vec![byte; 400];
    let index = quiet(&directory)
        .chunk(|c| c.filters(["magic-number", "crc32"].into()))
        .segment(|s| s.target_bytes(1 << 20).main_merge_percent(10))
        .create()
        .unwrap();
    // Three main runs beside each other: each flush meets nothing older.
    for block in [0u64, 2_000, 1_000] {
        for n in 0..if block == 1_000 { 400 } else { 20 } {
            index.put(block + n, big(1)).unwrap();
        }
        index.flush_and_wait().unwrap();
    }
    assert_eq!(index.metrics_snapshot().segments.main_runs, 3);
    // Two deltas, over the first and the last: too little to merge each, enough together.
    for block in [0u64, 2_000] {
        for n in 0..20 {
            index.put(block + n, big(2)).unwrap();
        }
        index.flush_and_wait().unwrap();
    }
    assert_eq!(index.metrics_snapshot().segments.delta_runs, 2);
    index.close().unwrap();
    let index =
        Index::builder_in(Arc::new(directory.clone())).maintenance(|m| m.automatic(true)).open().unwrap();
    index.put(5_000, big(3)).unwrap();
    // The first write of an open asks for the merge; a flush beside it could not join the main runs.
    index.wait_until_idle().unwrap();
    index.flush_and_wait().unwrap();
    index.wait_until_idle().unwrap();
    let metrics = index.metrics_snapshot();
    assert_eq!((metrics.segments.delta_runs, metrics.segments.main_merges), (0, 1), "{metrics}");
    assert_eq!(index.len().unwrap(), 441);
    for (key, value) in all(&index) {
        assert_eq!(index.get(key).unwrap(), Some(value), "{key}");
    }
    assert!(index.check().unwrap().is_clean());
}

#[test]
fn d3_a_split_keeps_everything_and_inherited_buffers_are_flushed_once() {
    let directory = SimulatedDirectory::new();
    let index = splitting(&directory).create().unwrap();
    let mut operations = 0u64;
    for round in 0..20u64 {
        for n in 0..200 {
            index.put(spread(round * 200 + n), vec![round as u8; 64]).unwrap();
            operations += 1;
        }
        index.flush().unwrap();
    }
    index.flush_and_wait().unwrap();
    index.wait_until_idle().unwrap();
    index.compact_and_wait().unwrap();
    let metrics = index.metrics_snapshot();
    assert!(metrics.segments.splits > 0, "{metrics}");
    assert_eq!(metrics.write_path.buffered_bytes, 0, "all room is given back, once");
    assert_eq!(index.len().unwrap(), operations);
    // No entry twice: every key was written once.
    let report = index.check().unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!(all(&index).len() as u64, operations);
    index.close().unwrap();
    assert_eq!(quiet(&directory).open().unwrap().len().unwrap(), operations);
}

#[test]
fn d4_a_tombstone_stays_while_an_older_value_lies_below() {
    let directory = SimulatedDirectory::new();
    let quiet = || {
        quiet(&directory)
            .write_buffer(|w| w.budget_bytes(8 << 20).delta_cache_bytes(0))
            .chunk(|c| c.filters(["magic-number", "crc32"].into()))
            .segment(|s| s.target_bytes(64 << 20).delta_fan_in(2).main_merge_percent(100))
    };
    let index = quiet().create().unwrap();
    for n in 0..2_000 {
        index.put(n, vec![1; 500]).unwrap();
    }
    index.flush_and_wait().unwrap();
    index.close().unwrap();
    let index = quiet().maintenance(|m| m.automatic(true)).open().unwrap();
    for n in 0..8 {
        index.delete(n).unwrap();
        index.put(1_000 + n, b"newer").unwrap();
        index.flush_and_wait().unwrap();
    }
    index.wait_until_idle().unwrap();
    let segments = index.metrics_snapshot().segments;
    assert!(segments.delta_merges > 0 && segments.main_merges == 0, "{}", index.metrics_snapshot());
    assert!((0..8).all(|n| index.get(n).unwrap().is_none()));
    assert_eq!(index.len().unwrap(), 1_992);
}

/// Closed cleanly, killed, and cut off by a power cut in the middle of it.
fn three_ends() -> Vec<SimulatedDirectory> {
    let directory = SimulatedDirectory::new();
    let index = quiet(&directory).create().unwrap();
    for n in 0..200 {
        index.put(n, vec![1; 50]).unwrap();
    }
    index.flush_and_wait().unwrap();
    index.sync().unwrap();
    for n in 200..300 {
        index.put(n, vec![2; 50]).unwrap();
    }
    let killed = directory.kill();
    let cut = directory.crash(CrashPolicy::RandomSectors, 5);
    cut.write_all("run-00000000deadbeef.sst", b"half a run").unwrap();
    cut.write_all("MANIFEST.tmp", b"half a manifest").unwrap();
    cut.write_all("run-00000000cafecafe.sst.tmp", b"half a run").unwrap();
    index.close().unwrap();
    vec![directory, killed, cut]
}

fn read_everything(index: &Index) -> usize {
    let mut cursor = index.cursor().unwrap();
    assert!(cursor.seek(100).unwrap());
    assert!(cursor.prev().unwrap());
    assert!(index.get(7).unwrap().is_some());
    assert_eq!(index.range(5..9).unwrap().rev().count(), 4);
    let _ = index.check().unwrap();
    index.snapshot().unwrap().len().unwrap() as usize
}

#[test]
fn d6_opening_and_reading_changes_nothing_on_disk() {
    for (number, directory) in three_ends().iter().enumerate() {
        let before = bytes_of(directory);
        let cleanly_closed = number == 0;
        for _ in 0..3 {
            let operations = directory.operation_count();
            let index = quiet(directory).open().unwrap();
            assert!(read_everything(&index) >= 200);
            index.close().unwrap();
            // After an unclean end the close syncs what was recovered, and what readers were shown.
            assert!(!cleanly_closed || directory.operation_count() == operations);
            assert!(bytes_of(directory) == before);
        }
    }
}

#[test]
fn d6_the_first_write_tidies_and_a_clean_close_follows() {
    for directory in three_ends() {
        let index = quiet(&directory).open().unwrap();
        let count = index.len().unwrap();
        index.put(10_000, b"first").unwrap();
        assert!(!directory.list().unwrap().iter().any(|name| name.ends_with(".tmp")));
        assert!(directory.read_all("run-00000000deadbeef.sst").is_none());
        index.close().unwrap();
        let index = quiet(&directory).open().unwrap();
        assert_eq!(index.len().unwrap(), count + 1);
        assert!(index.check().unwrap().is_clean());
    }
}

/// The manifest as it was after any of its syncs, beside the logs and runs of later: nothing that was
/// acknowledged may be missing without a word.
#[test]
fn d6_a_manifest_that_lost_an_edit_is_told_by_its_logs_and_its_runs() {
    let memory = SimulatedDirectory::new();
    let manifests: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    let (kept, read) = (Arc::clone(&manifests), memory.clone());
    let after = move |operation: &Operation| {
        if operation.is("sync MANIFEST") {
            kept.lock().unwrap().extend(read.read_all("MANIFEST"));
        }
    };
    let index = watched(&Observed::with_hooks(&memory, |_| Ok(()), after)).create().unwrap();
    for n in 0..300 {
        index.put(n, vec![1; 100]).unwrap();
    }
    index.flush_and_wait().unwrap();
    index.put(300, b"in the log").unwrap();
    let now = memory.kill();
    let mut told = 0;
    for manifest in manifests.lock().unwrap().iter() {
        let image = now.kill();
        image.write_all("MANIFEST", manifest).unwrap();
        match quiet(&image).open() {
            Ok(index) => assert_eq!(index.len().unwrap(), 301),
            Err(Error::Corruption { .. }) => told += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(told > 2, "{told}");
}

#[test]
fn d7_what_is_to_be_deleted_stays_listed_through_rewrites() {
    let memory = SimulatedDirectory::new();
    let directory = Observed::new(&memory);
    let index = watched(&directory).write_buffer(|w| w.delta_cache_bytes(0)).create().unwrap();
    for byte in 0..2u8 {
        index.put(1, [byte]).unwrap();
        index.put(2, [byte]).unwrap();
        index.flush_and_wait().unwrap();
    }
    let old: Vec<String> =
        memory.list().unwrap().into_iter().filter(|name| name.starts_with("run-")).collect();
    let mut reader = index.iter().unwrap();
    reader.next().unwrap().unwrap();
    index.compact_and_wait().unwrap();
    directory.take();
    let rewritten = || directory.take().iter().any(|operation| operation.is("rename MANIFEST"));
    for n in 10.. {
        index.put(n, b"one more edit").unwrap();
        index.flush_and_wait().unwrap();
        if rewritten() {
            break;
        }
    }
    let image = memory.kill();
    assert!(old.iter().all(|name| image.read_all(name).is_some()), "the reader still holds them");
    let index = quiet(&image).open().unwrap();
    index.put(1, b"first write").unwrap();
    assert!(old.iter().all(|name| image.read_all(name).is_none()));
    assert_eq!(index.metrics_snapshot().io.quarantined_files, 0);
}

/// A crash between a run's name and the edit: its inputs live, or the log has its entries.
#[test]
fn d7_an_unnamed_run_whose_entries_are_elsewhere_is_deleted() {
    let memory = SimulatedDirectory::new();
    let images: Arc<Mutex<Vec<SimulatedDirectory>>> = Arc::default();
    let (kept, original) = (Arc::clone(&images), memory.clone());
    let after = move |operation: &Operation| {
        if operation.is("rename run") {
            kept.lock().unwrap().push(original.kill());
        }
    };
    let index = watched(&Observed::with_hooks(&memory, |_| Ok(()), after)).create().unwrap();
    for byte in 0..2u8 {
        (0..10).for_each(|n| index.put(n, [byte]).unwrap());
        index.flush_and_wait().unwrap();
    }
    index.compact_and_wait().unwrap();
    let images = images.lock().unwrap();
    assert_eq!(images.len(), 3);
    for image in images.iter() {
        let index = quiet(image).open().unwrap();
        let runs = index.metrics_snapshot().segments.runs;
        assert_eq!(count_of(image, "run-") as u64, runs + 1);
        index.put(100, b"first write").unwrap();
        assert_eq!(index.metrics_snapshot().io.quarantined_files, 0);
        assert_eq!(index.len().unwrap(), 11);
    }
}

#[test]
fn d7_a_foreign_run_goes_to_quarantine_and_is_counted() {
    let directory = SimulatedDirectory::new();
    quiet(&directory).create().unwrap().close().unwrap();
    directory.write_all("run-00000000deadbeef.sst", b"whose is this?").unwrap();
    let index = quiet(&directory).open().unwrap();
    index.put(1, b"first").unwrap();
    assert_eq!(index.metrics_snapshot().io.quarantined_files, 1);
    assert_eq!(directory.read_all("quarantine/run-00000000deadbeef.sst").unwrap(), b"whose is this?");
}

#[test]
fn d7_obsolete_files_go_when_the_last_reader_lets_go() {
    let directory = SimulatedDirectory::new();
    let index = quiet(&directory).write_buffer(|w| w.delta_cache_bytes(0)).create().unwrap();
    let write = |byte: u8| {
        for n in 0..500 {
            index.put(n, vec![byte; 60]).unwrap();
        }
        index.flush_and_wait().unwrap();
    };
    write(1);
    write(2);
    let runs = || -> Vec<String> {
        directory.list().unwrap().into_iter().filter(|name| name.starts_with("run-")).collect()
    };
    let old = runs();
    let mut reader = index.iter().unwrap();
    reader.next().unwrap().unwrap();
    index.compact_and_wait().unwrap();
    write(3);
    index.wait_until_idle().unwrap();
    assert!(old.iter().all(|name| runs().contains(name)), "a reader still needs them");
    assert!(reader.map(Result::unwrap).all(|(_, value)| value == [2; 60]));
    // The reader is gone; the next job takes the files away.
    write(4);
    index.compact_and_wait().unwrap();
    index.wait_until_idle().unwrap();
    assert!(!old.iter().any(|name| runs().contains(name)), "{old:?} in {:?}", runs());
    index.close().unwrap();
    let live = quiet(&directory).open().unwrap().metrics_snapshot().segments.runs;
    assert_eq!(runs().len() as u64, live);
}

#[test]
fn d9_read_only_writes_nothing_and_create_refuses() {
    for directory in three_ends() {
        let before = bytes_of(&directory);
        let operations = directory.operation_count();
        let one = quiet(&directory).open_read_only().unwrap();
        let two = quiet(&directory).open_read_only().unwrap();
        assert_eq!(read_everything(&one), read_everything(&two));
        let refused =
            |outcome: Result<(), Error>| assert!(matches!(outcome, Err(Error::ReadOnly)), "{outcome:?}");
        let mut batch = WriteBatch::new();
        batch.put(1, b"x").unwrap();
        refused(one.put(1, b"x"));
        refused(one.delete(1));
        refused(one.write(batch));
        refused(one.flush());
        refused(one.flush_and_wait());
        refused(one.compact());
        refused(one.compact_and_wait());
        refused(one.sync());
        assert!(matches!(quiet(&directory).open(), Err(Error::Locked { .. })));
        one.close().unwrap();
        drop(two);
        assert!(matches!(quiet(&directory).create(), Err(Error::AlreadyExists { .. })));
        assert_eq!(directory.operation_count(), operations);
        assert!(bytes_of(&directory) == before);
    }
    for leftover in ["run-0000000000000001.sst", "log-00000000000000000001.wal", "MANIFEST"] {
        let directory = SimulatedDirectory::new();
        directory.write_all(leftover, b"anything").unwrap();
        match quiet(&directory).create() {
            Err(Error::AlreadyExists { found, .. }) => assert_eq!(found, leftover),
            other => panic!("{other:?}"),
        }
        assert_eq!(directory.list().unwrap(), [leftover]);
    }
}

#[test]
fn f10_the_same_environment_gives_the_same_files() {
    let make = || {
        let directory = SimulatedDirectory::new();
        let index = quiet(&directory)
            .environment(Environment::repeatable(7))
            .maintenance(|m| m.threads(1))
            .log(|l| l.durability(Durability::Off))
            .create()
            .unwrap();
        for n in 0..100 {
            index.put(n, vec![n as u8; 20]).unwrap();
        }
        index.flush_and_wait().unwrap();
        index.close().unwrap();
        bytes_of(&directory)
    };
    let (first, second) = (make(), make());
    assert_eq!(first.keys().collect::<Vec<_>>(), second.keys().collect::<Vec<_>>());
    for (name, bytes) in &first {
        assert!(*bytes == second[name], "{name}");
    }
}

/// With identities as in the life before, a new run would take the place of an old one.
#[test]
fn f10_a_seed_is_mixed_with_the_epoch() {
    let directory = SimulatedDirectory::new();
    let builder = || quiet(&directory).environment(Environment::repeatable(7)).maintenance(|m| m.threads(1));
    builder().create().unwrap().close().unwrap();
    for life in 0..4u64 {
        let index = builder().open().unwrap();
        for n in 0..10 {
            index.put(life * 10 + n, [life as u8]).unwrap();
        }
        index.flush_and_wait().unwrap();
        index.close().unwrap();
    }
    let index = builder().open().unwrap();
    assert_eq!(index.len().unwrap(), 40);
    assert!(index.check().unwrap().is_clean());
}
