//! Logs that are mapped, in directories of the file system (PROTOCOL L7).

use std::path::Path;

use hestiastore::IndexBuilder;
use hestiastore::config::{Durability, LogIo};

use crate::support::{Index, all};

const WAYS: [LogIo; 2] = [LogIo::Mapped, LogIo::Written];

/// Large logs, that one is made ready piece by piece. Nothing is synced by itself.
fn settings(path: &Path, io: LogIo) -> IndexBuilder<u64, Vec<u8>> {
    Index::builder(path).write_buffer(|w| w.budget_bytes(16 << 20)).maintenance(|m| m.automatic(false)).log(
        |l| {
            l.io(io)
                .first_file_bytes(512 << 10)
                .max_file_bytes(1 << 20)
                .sync_interval(std::time::Duration::from_secs(3_600))
        },
    )
}

/// In memory, where it can be: a mapped log is what these tests are about.
fn place() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn value(number: u64) -> Vec<u8> {
    // Now and then one that is longer than what is made ready.
    let length = if number % 700 == 699 { 300_000 } else { number as usize % 900 };
    vec![number as u8; length]
}

fn put(index: &Index, numbers: std::ops::Range<u64>) {
    numbers.for_each(|number| index.put(number, value(number)).unwrap());
}

#[track_caller]
fn assert_holds(index: &Index, count: u64) {
    let expected: Vec<_> = (0..count).map(|number| (number, value(number))).collect();
    assert!(all(index) == expected, "{} of {count}", index.len().unwrap());
    let report = index.check().unwrap();
    assert!(report.is_clean(), "{report}");
}

/// What the death of the process leaves while nobody writes: the files as they are, at one moment though a next log may
/// be about to be made.
fn killed(index: &Path) -> tempfile::TempDir {
    let names = || {
        let names = std::fs::read_dir(index).unwrap().map(|entry| entry.unwrap().file_name());
        names.collect::<std::collections::BTreeSet<_>>()
    };
    let now = || (names(), std::fs::read(index.join("MANIFEST")).unwrap());
    loop {
        let copy = tempfile::tempdir().unwrap();
        let before = now();
        for name in &before.0 {
            std::fs::copy(index.join(name), copy.path().join(name)).unwrap();
        }
        if now() == before {
            return copy;
        }
    }
}

#[test]
fn l7_each_way_of_writing_goes_on_with_what_the_other_left() {
    for first in WAYS {
        for second in WAYS {
            let place = place();
            let path = place.path();
            let index = settings(path, first).create().unwrap();
            put(&index, 0..1_500);
            let dead = killed(path);
            index.close().unwrap();

            let recovered = settings(dead.path(), second).open().unwrap();
            assert_holds(&recovered, 1_500);
            put(&recovered, 1_500..2_500);
            drop(recovered);
            assert_holds(&settings(dead.path(), first).open().unwrap(), 2_500);

            // Little enough is left in the log to go on in it.
            for (io, from) in [(first, 1_500), (second, 1_600), (first, 1_650)] {
                let index = settings(path, io).open().unwrap();
                put(&index, from..from + 50);
                put(&index, from + 50..from + 100);
                assert_holds(&index, from + 100);
                index.close().unwrap();
            }
            assert_holds(&settings(path, second).open_read_only().unwrap(), 1_750);
        }
    }
}

#[test]
fn l7_a_log_is_mapped_by_default_and_not_where_it_is_to_be_written() {
    let Ok(place) = tempfile::tempdir_in("/dev/shm") else {
        eprintln!("skipped: no folder in memory");
        return;
    };
    let mapped_bytes = |index: &Index| {
        put(index, 0..100);
        index.metrics_snapshot().memory.log_bytes
    };
    let index = Index::builder(place.path().join("mapped")).create().unwrap();
    assert_eq!(index.config().log.io, LogIo::Mapped);
    let mapped = mapped_bytes(&index);
    assert!(mapped > 0);
    assert!(mapped <= index.config().memory_estimate().log_bytes, "{mapped}");
    let written = settings(&place.path().join("written"), LogIo::Written).create().unwrap();
    assert_eq!(mapped_bytes(&written), 0);
}

#[test]
fn m3_of_many_mapped_logs_little_is_held() {
    let Ok(place) = tempfile::tempdir_in("/dev/shm") else {
        eprintln!("skipped: no folder in memory");
        return;
    };
    let larger = settings(place.path(), LogIo::Mapped).write_buffer(|w| w.budget_bytes(64 << 20));
    let index = larger.create().unwrap();
    put(&index, 0..10_000);
    index.sync().unwrap();
    let metrics = index.metrics_snapshot();
    assert!(metrics.log.files > 4, "{}", metrics.log.files);
    let (held, most) = (metrics.memory.log_bytes, index.config().memory_estimate().log_bytes);
    assert!(held > 0 && held <= most, "{held} of {most}");
    index.close().unwrap();
}

/// A kill at any moment between two writes keeps what was acknowledged, whatever was made ready.
#[test]
fn l7_what_was_acknowledged_is_in_the_file_at_once() {
    let place = place();
    for mode in [Durability::Buffered, Durability::Sync] {
        let path = place.path().join(mode.name());
        let index = settings(&path, LogIo::Mapped).log(|l| l.durability(mode)).create().unwrap();
        for round in 0..6 {
            put(&index, round * 150..(round + 1) * 150);
            let dead = killed(&path);
            assert_holds(&settings(dead.path(), LogIo::Written).open().unwrap(), (round + 1) * 150);
        }
    }
}
