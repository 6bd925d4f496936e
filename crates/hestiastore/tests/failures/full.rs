//! A full disk, simulated: met before the commit, told, and over when there is space again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hestiastore::config::Durability;
use hestiastore::directory::SimulatedDirectory;
use hestiastore::environment::{Clock, Environment};
use hestiastore::{Error, IndexState};

use crate::support::{
    MODES, Model, all, assert_clean, assert_same, at, fill, names_of, put_when_taken, quiet, used_bytes,
    value,
};

#[track_caller]
fn assert_refused(error: &Error) {
    assert!(matches!(error, Error::WritesRefused { .. }), "{error:?}");
}

/// So much more can be stored.
fn leave_room(directory: &SimulatedDirectory, bytes: u64) {
    directory.set_capacity_bytes(Some(used_bytes(directory) + bytes));
}

#[test]
fn d8_a_full_disk_refuses_writes_and_they_resume() {
    for mode in MODES {
        for room_bytes in [0, 10_000, 100_000, 400_000] {
            let directory = SimulatedDirectory::new();
            let index = at(&directory).log(|l| l.durability(mode)).create().unwrap();
            let mut model = Model::new();
            for _ in 0..200 {
                put_when_taken(&index, &mut model, 100);
            }
            leave_room(&directory, room_bytes);
            for _ in 0..3 {
                assert_refused(&fill(&index, &mut model, 500));
            }
            let cause = index.writes_refused().unwrap();
            // The background tries again meanwhile, with a file of another name.
            let told = index.metrics_snapshot().health.writes_refused;
            assert!(
                [&*cause, &told].iter().all(|cause| cause.contains("no storage space")),
                "{cause}; {told}"
            );
            assert_eq!(index.state(), IndexState::Ready);
            assert_same(&all(&index), &model);
            directory.set_capacity_bytes(None);
            for _ in 0..2_000 {
                put_when_taken(&index, &mut model, 500);
            }
            index.flush_and_wait().unwrap();
            assert_eq!(index.writes_refused(), None);
            assert_same(&all(&index), &model);
            index.close().unwrap();
            let index = at(&directory).open().unwrap();
            assert_same(&all(&index), &model);
            assert_clean(&index);
        }
    }
}

#[test]
fn d8_a_close_on_a_full_disk_leaves_everything_in_the_log() {
    for mode in [Durability::Buffered, Durability::GroupSync, Durability::Sync] {
        let directory = SimulatedDirectory::new();
        let index = at(&directory).log(|l| l.durability(mode)).create().unwrap();
        let mut model = Model::new();
        put_when_taken(&index, &mut model, 100);
        leave_room(&directory, 300_000);
        assert_refused(&fill(&index, &mut model, 500));
        index.close().unwrap();
        // Still full: it opens, for reading and for writing.
        let reader = at(&directory).open_read_only().unwrap();
        assert_same(&all(&reader), &model);
        reader.close().unwrap();
        let index = at(&directory).open().unwrap();
        assert_same(&all(&index), &model);
        assert_refused(&index.put(1, b"refused").unwrap_err());
        assert_same(&all(&index), &model);
        index.close().unwrap();
        // After an unclean end too.
        let killed = directory.kill();
        for directory in [directory, killed] {
            let index = at(&directory).open().unwrap();
            assert_refused(&index.put(1, b"refused").unwrap_err());
            assert_refused(&index.flush_and_wait().unwrap_err());
            directory.set_capacity_bytes(None);
            let mut model = model.clone();
            for _ in 0..500 {
                put_when_taken(&index, &mut model, 500);
            }
            assert_same(&all(&index), &model);
            index.close().unwrap();
            let index = at(&directory).open().unwrap();
            assert_same(&all(&index), &model);
            assert_clean(&index);
        }
    }
}

#[test]
fn d8_without_a_log_a_close_that_loses_something_fails_and_can_be_repeated() {
    let directory = SimulatedDirectory::new();
    let index = at(&directory).log(|l| l.durability(Durability::Off)).create().unwrap();
    let mut model = Model::new();
    for _ in 0..100 {
        put_when_taken(&index, &mut model, 100);
    }
    leave_room(&directory, 0);
    for _ in 0..2 {
        let error = index.close().unwrap_err();
        assert_refused(&error);
        assert!(error.to_string().contains("in memory only"), "{error}");
        assert_eq!(index.state(), IndexState::Ready);
        assert_same(&all(&index), &model);
    }
    // It goes on, as far as memory reaches.
    put_when_taken(&index, &mut model, 100);
    directory.set_capacity_bytes(None);
    index.close().unwrap();
    assert!(matches!(index.close(), Ok(())));
    let index = at(&directory).open().unwrap();
    assert_same(&all(&index), &model);
    // Dropped on a full disk it ends, and is what was flushed.
    let mut index = index;
    leave_room(&directory, 200_000);
    index.put(1, b"lost").unwrap();
    leave_room(&directory, 0);
    let held = std::mem::replace(&mut index, at(&SimulatedDirectory::new()).create().unwrap());
    drop(held);
    directory.set_capacity_bytes(None);
    let index = at(&directory).open().unwrap();
    assert_same(&all(&index), &model);
    assert_clean(&index);
}

#[test]
fn d8_calls_that_wait_for_a_flush_say_that_the_disk_is_full() {
    for mode in MODES {
        let directory = SimulatedDirectory::new();
        let index = quiet(&directory).log(|l| l.durability(mode)).create().unwrap();
        let mut model = Model::new();
        for _ in 0..50 {
            put_when_taken(&index, &mut model, 100);
        }
        leave_room(&directory, 0);
        assert_refused(&index.flush_and_wait().unwrap_err());
        assert_refused(&index.compact_and_wait().unwrap_err());
        index.wait_until_idle().unwrap();
        let health = index.metrics_snapshot().health;
        assert!(health.background_failures > 0);
        // The thread that makes the next log ready may have come late, and meet the full disk too.
        let told = ["flush: ", "upkeep of the log: "]
            .iter()
            .any(|job| health.last_background_failure.starts_with(job));
        assert!(told, "{}", health.last_background_failure);
        directory.set_capacity_bytes(None);
        index.flush_and_wait().unwrap();
        index.compact_and_wait().unwrap();
        assert_same(&all(&index), &model);
    }
}

#[test]
fn d8_an_unclean_end_whose_log_is_larger_than_memory_opens_on_a_full_disk() {
    let directory = SimulatedDirectory::new();
    let large = |directory: &SimulatedDirectory| at(directory).write_buffer(|w| w.budget_bytes(4 << 20));
    let index = large(&directory).create().unwrap();
    let mut model = Model::new();
    for _ in 0..1_500 {
        put_when_taken(&index, &mut model, 500);
    }
    let killed = directory.kill();
    drop(index);
    leave_room(&killed, 50_000);
    let index = at(&killed).write_buffer(|w| w.budget_bytes(128 << 10)).open().unwrap();
    assert_same(&all(&index), &model);
    assert_refused(&index.put(1, b"refused").unwrap_err());
    let again = killed.kill();
    drop(index);
    again.set_capacity_bytes(None);
    let index = at(&again).write_buffer(|w| w.budget_bytes(128 << 10)).open().unwrap();
    for _ in 0..500 {
        put_when_taken(&index, &mut model, 500);
    }
    index.close().unwrap();
    let index = at(&again).open().unwrap();
    assert_same(&all(&index), &model);
    assert_clean(&index);
}

/// A clock that goes on when it is told to.
#[derive(Debug, Default)]
struct Stopped(AtomicU64);

impl Stopped {
    fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_micros() as u64, Ordering::Relaxed);
    }
}

impl Clock for Stopped {
    fn wall_micros(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn monotonic_micros(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What refused writes write does not pile up: a first write that is tried again and again on a full disk
/// takes no more of it each time.
#[test]
fn d8_a_refused_first_write_leaves_nothing_behind() {
    let directory = SimulatedDirectory::new();
    let large =
        at(&directory).write_buffer(|w| w.budget_bytes(4 << 20)).segment(|s| s.target_bytes(16 << 10));
    let index = large.create().unwrap();
    let mut model = Model::new();
    for _ in 0..2 {
        for _ in 0..1_500 {
            put_when_taken(&index, &mut model, 500);
        }
        if model.len() == 1_500 {
            index.compact_and_wait().unwrap();
            index.wait_until_idle().unwrap();
        }
    }
    assert!(index.metrics_snapshot().segments.count > 2);
    let killed = directory.kill();
    drop(index);
    // Enough for the buffer of one segment, not for those of all.
    leave_room(&killed, 550_000);
    let clock = Arc::new(Stopped::default());
    let environment = Environment { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..Environment::default() };
    let small = at(&killed).write_buffer(|w| w.budget_bytes(4 << 20)).environment(environment);
    let index = small.open().unwrap();
    let runs = names_of(&killed, "run-");
    for _ in 0..20 {
        let before = killed.operation_count();
        assert_refused(&index.put(1, value(1, 500)).unwrap_err());
        let tried = killed.operation_count();
        assert!(tried > before, "it is tried again after a pause");
        // Until then nobody writes all that again.
        for _ in 0..5 {
            assert_refused(&index.put(1, value(1, 500)).unwrap_err());
        }
        assert_eq!(killed.operation_count(), tried);
        assert_eq!(names_of(&killed, "run-"), runs);
        clock.advance(Duration::from_secs(2));
    }
    killed.set_capacity_bytes(None);
    index.put(1, value(1, 500)).unwrap();
    model.insert(1, value(1, 500));
    let found: BTreeMap<_, _> = all(&index);
    assert_same(&found, &model);
}
