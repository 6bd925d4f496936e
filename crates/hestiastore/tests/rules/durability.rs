//! L: the log, and what a crash leaves.

use std::sync::Arc;

use hestiastore::config::Durability;
use hestiastore::directory::{CrashPolicy, Directory, SimulatedDirectory};
use hestiastore::{Error, WriteBatch};

use crate::observed::Observed;
use crate::support::{Index, all, count_of, quiet, spread};

fn batch_of(key: u64, durability: Durability) -> WriteBatch<u64, Vec<u8>> {
    let mut batch = WriteBatch::new();
    batch.put(key, b"batch").unwrap();
    batch.durability(durability);
    batch
}

#[test]
fn l1_a_batch_may_only_strengthen() {
    // Without a log nothing stronger can be given, and nothing is written.
    let off = quiet(&SimulatedDirectory::new()).log(|l| l.durability(Durability::Off)).create().unwrap();
    for asked in [Durability::Buffered, Durability::GroupSync, Durability::Sync] {
        assert!(matches!(off.write(batch_of(1, asked)), Err(Error::InvalidConfig { .. })));
    }
    off.write(batch_of(2, Durability::Off)).unwrap();
    assert_eq!(all(&off), [(2, b"batch".to_vec())]);
    // A weaker wish changes nothing.
    let directory = SimulatedDirectory::new();
    let index = quiet(&directory).log(|l| l.durability(Durability::Sync)).create().unwrap();
    index.write(batch_of(1, Durability::Off)).unwrap();
    index.write(batch_of(2, Durability::Buffered)).unwrap();
    let after = quiet(&directory.crash(CrashPolicy::LoseAll, 1)).open().unwrap();
    assert_eq!(after.len().unwrap(), 2);
}

#[test]
fn l1_a_synced_batch_makes_everything_before_it_durable() {
    for asked in [Durability::Sync, Durability::GroupSync] {
        let directory = SimulatedDirectory::new();
        let index = quiet(&directory).create().unwrap();
        for n in 0..500 {
            index.put(n, vec![1; 100]).unwrap();
        }
        let lost = quiet(&directory.crash(CrashPolicy::LoseAll, 1)).open().unwrap();
        assert!(lost.len().unwrap() < 500, "nothing was synced yet");
        index.write(batch_of(1_000, asked)).unwrap();
        index.put(2_000, b"after").unwrap();
        let after = quiet(&directory.crash(CrashPolicy::LoseAll, 1)).open().unwrap();
        assert_eq!((after.len().unwrap(), after.get(2_000).unwrap()), (501, None));
    }
}

#[test]
fn l1_buffered_survives_the_death_of_the_process() {
    let directory = SimulatedDirectory::new();
    let index = quiet(&directory).create().unwrap();
    for n in 0..1_000 {
        index.put(n, vec![1; 100]).unwrap();
        if n % 111 == 0 {
            let after = quiet(&directory.kill()).open().unwrap();
            assert_eq!(after.len().unwrap(), n + 1);
        }
    }
}

#[test]
fn l1_off_keeps_what_was_flushed() {
    let directory = SimulatedDirectory::new();
    let index = quiet(&directory).log(|l| l.durability(Durability::Off)).create().unwrap();
    for n in 0..100 {
        index.put(n, b"flushed").unwrap();
    }
    index.flush_and_wait().unwrap();
    index.put(1_000, b"not flushed").unwrap();
    let after = quiet(&directory.crash(CrashPolicy::LoseAll, 1)).open().unwrap();
    assert_eq!(after.len().unwrap(), 100);
    assert_eq!(count_of(&directory, "log-"), 0);
    index.close().unwrap();
    assert_eq!(quiet(&directory).open().unwrap().len().unwrap(), 101);
}

#[test]
fn l3_each_sync_leaves_a_witness_in_the_log() {
    let directory = SimulatedDirectory::new();
    let index = quiet(&directory).create().unwrap();
    index.put(1, b"kept").unwrap();
    index.put(2, b"unmistakable").unwrap();
    index.sync().unwrap();
    let image = directory.kill();
    let log = "log-00000000000000000001.wal";
    let bytes = image.read_all(log).unwrap();
    let place = bytes.windows(12).position(|window| window == b"unmistakable").unwrap();
    image.flip_bit(log, place as u64, 1).unwrap();
    // It had been on disk, so it is no tail that may be cut off.
    let outcome = quiet(&image).open();
    assert!(matches!(outcome, Err(Error::Corruption { .. })), "{outcome:?}");
}

#[test]
fn d1_a_log_that_ends_before_an_installed_run_is_damage() {
    let directory = SimulatedDirectory::new();
    let index = quiet(&directory).create().unwrap();
    (0..10).for_each(|n| index.put(n, b"flushed").unwrap());
    index.flush_and_wait().unwrap();
    let image = directory.kill();
    // Header and BEGIN are there, and no record, not even a SYNC mark.
    let log = "log-00000000000000000001.wal";
    let mut bytes = image.read_all(log).unwrap();
    bytes[144..].fill(0);
    image.write_all(log, &bytes).unwrap();
    let outcome = quiet(&image).open();
    assert!(matches!(outcome, Err(Error::Corruption { .. })), "{outcome:?}");
}

#[test]
fn l5_a_cold_segment_does_not_pin_the_log_forever() {
    let directory = SimulatedDirectory::new();
    let index = Index::builder_in(Arc::new(directory.clone()))
        .write_buffer(|w| w.budget_bytes(2 << 20))
        .segment(|s| s.target_bytes(64 << 10))
        .chunk(|c| c.filters(["magic-number", "crc32"].into()))
        .log(|l| l.first_file_bytes(64 << 10).max_file_bytes(256 << 10).limit_bytes(Some(6 << 20)))
        .create()
        .unwrap();
    for n in 0..3_000 {
        index.put(spread(n), vec![1; 100]).unwrap();
    }
    index.compact_and_wait().unwrap();
    index.wait_until_idle().unwrap();
    assert!(index.metrics_snapshot().segments.count > 1);
    // The first segment gets one write, the last all others.
    index.put(0, b"cold").unwrap();
    for round in 0..60_000u64 {
        index.put(u64::MAX - round % 2_000, vec![2; 500]).unwrap();
        if round % 1_000 == 0 {
            let log = index.metrics_snapshot().log;
            // The limit asks for flushes and stops nobody, so there is some slack; 30 MiB are written.
            assert!(log.bytes <= 12 << 20, "{} bytes in {} files", log.bytes, log.files);
        }
    }
    assert_eq!(index.get(0).unwrap().as_deref(), Some(&b"cold"[..]));
}

#[test]
fn l6_logs_are_recycled_under_a_new_identity() {
    let memory = SimulatedDirectory::new();
    let directory = Observed::new(&memory);
    let index = Index::builder_in(Arc::new(directory.clone()))
        .write_buffer(|w| w.budget_bytes(64 << 10))
        .log(|l| l.first_file_bytes(16 << 10).max_file_bytes(16 << 10))
        .create()
        .unwrap();
    for n in 0..10_000 {
        index.put(spread(n), vec![7; 100]).unwrap();
    }
    let recycled = directory.take().iter().filter(|operation| operation.is("rename log")).count();
    assert!(recycled > 3, "{recycled}");
    // Old records in a recycled file are none: a crash now gives exactly what was written.
    let expected = all(&index);
    let after = Index::builder_in(Arc::new(memory.kill())).open().unwrap();
    assert!(all(&after) == expected);
    for seed in 0..20 {
        let after = memory.crash(CrashPolicy::RandomSectors, seed);
        match Index::builder_in(Arc::new(after)).open() {
            Ok(index) => assert!(all(&index).iter().all(|entry| entry.1 == vec![7; 100])),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn l6_sizes_grow_and_a_larger_record_gets_a_log_of_its_own() {
    let directory = SimulatedDirectory::new();
    let index = quiet(&directory).log(|l| l.max_file_bytes(64 << 10)).create().unwrap();
    let sizes = || {
        let logs =
            crate::support::bytes_of(&directory).into_iter().filter(|(name, _)| name.starts_with("log-"));
        logs.map(|(_, bytes)| bytes.len())
    };
    let largest = || sizes().max().unwrap();
    index.put(0, b"first").unwrap();
    // The next one may be ready already.
    assert_eq!(sizes().next().unwrap(), 16 << 10);
    for n in 0..3_000 {
        index.put(n, vec![1; 100]).unwrap();
    }
    assert_eq!(largest(), 64 << 10);
    index.put(7, vec![7; 300_000]).unwrap();
    assert!(largest() >= 300_000);
    let after = quiet(&directory.kill()).open().unwrap();
    assert_eq!((after.len().unwrap(), after.get(7).unwrap().unwrap().len()), (3_000, 300_000));
}

#[test]
fn l8_a_thousand_opens_make_neither_a_thousand_runs_nor_logs() {
    let directory = SimulatedDirectory::new();
    let plain = || Index::builder_in(Arc::new(directory.clone()));
    plain().create().unwrap().close().unwrap();
    for n in 0..1_000 {
        let index = plain().open().unwrap();
        index.put(n, b"one line").unwrap();
        index.close().unwrap();
        assert!(count_of(&directory, "log-") <= 3, "{:?}", directory.list());
    }
    assert!(count_of(&directory, "run-") <= 1, "{:?}", directory.list());
    assert!(directory.list().unwrap().len() <= 5, "{:?}", directory.list());
    assert_eq!(plain().open().unwrap().len().unwrap(), 1_000);
}

#[test]
fn l8_a_clean_close_leaves_a_little_in_the_log_and_is_clean_also_after_a_power_cut() {
    let directory = SimulatedDirectory::new();
    let index = quiet(&directory).create().unwrap();
    index.put(1, b"little").unwrap();
    index.close().unwrap();
    assert_eq!((count_of(&directory, "run-"), count_of(&directory, "log-") > 0), (0, true));
    let after = directory.crash(CrashPolicy::LoseAll, 3);
    let index = quiet(&after).open().unwrap();
    assert_eq!(index.len().unwrap(), 1);
    // It goes on in the log, with nothing to flush first.
    index.put(2, b"more").unwrap();
    assert_eq!(count_of(&after, "run-"), 0);
}

#[test]
fn l8_a_log_that_does_not_end_where_close_says_is_not_gone_on_with() {
    let directory = SimulatedDirectory::new();
    let index = quiet(&directory).create().unwrap();
    index.put(1, b"little").unwrap();
    index.close().unwrap();
    // The last SYNC mark is gone: nothing is lost, but what stands behind is not known.
    let log = "log-00000000000000000001.wal";
    let bytes = directory.read_all(log).unwrap();
    let last = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    directory.flip_bit(log, last as u64, 1).unwrap();
    let index = quiet(&directory).open().unwrap();
    index.put(2, b"more").unwrap();
    assert_eq!(count_of(&directory, "run-"), 1);
    assert!(directory.read_all(log).is_none());
    assert_eq!(quiet(&directory.kill()).open().unwrap().len().unwrap(), 2);
}

#[test]
fn l8_a_clean_close_flushes_what_is_more_than_a_little() {
    let directory = SimulatedDirectory::new();
    let index = quiet(&directory).write_buffer(|w| w.budget_bytes(8 << 20)).create().unwrap();
    for n in 0..2_000 {
        index.put(n, vec![1; 1_000]).unwrap();
    }
    index.close().unwrap();
    assert_eq!((count_of(&directory, "log-"), count_of(&directory, "run-") > 0), (0, true));
    assert_eq!(quiet(&directory).open().unwrap().len().unwrap(), 2_000);
}

#[test]
fn l8_a_clean_close_leaves_no_long_log() {
    let directory = SimulatedDirectory::new();
    let index = quiet(&directory)
        .write_buffer(|w| w.budget_bytes(16 << 20))
        .log(|l| l.first_file_bytes(8 << 20).max_file_bytes(8 << 20))
        .create()
        .unwrap();
    for n in 0..5_000 {
        index.put(n, vec![1; 1_000]).unwrap();
    }
    index.flush_and_wait().unwrap();
    index.put(0, b"little").unwrap();
    index.close().unwrap();
    assert_eq!(count_of(&directory, "log-"), 0);
    assert_eq!(quiet(&directory).open().unwrap().get(0).unwrap().as_deref(), Some(&b"little"[..]));
}

#[test]
fn d8_a_full_disk_is_told_and_passes() {
    let directory = SimulatedDirectory::new();
    let index = quiet(&directory).create().unwrap();
    for n in 0..100 {
        index.put(n, vec![1; 100]).unwrap();
    }
    let used: usize = crate::support::bytes_of(&directory).values().map(Vec::len).sum();
    directory.set_capacity_bytes(Some(used as u64 + 10_000));
    let mut acknowledged = 100;
    let refused = loop {
        match index.put(acknowledged, vec![1; 100]) {
            Ok(()) => acknowledged += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, Error::WritesRefused { .. } | Error::Io { .. }), "{refused:?}");
    assert_eq!(index.len().unwrap(), acknowledged, "reads go on");
    directory.set_capacity_bytes(None);
    index.put(acknowledged, vec![1; 100]).unwrap();
    index.close().unwrap();
    assert_eq!(quiet(&directory).open().unwrap().len().unwrap(), acknowledged + 1);
}
