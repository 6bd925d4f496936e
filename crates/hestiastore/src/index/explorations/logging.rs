//! Group commit, and logs that come and go (PROTOCOL L1, L2, L5).

use shuttle::thread;

use super::{Index, Note, builder, flush, value, value_of};
use crate::Error;
use crate::config::Durability;
use crate::directory::{CrashPolicy, Fault, FaultRule, SimulatedDirectory};
use crate::index::commit::Commit;
use crate::index::commit::tests::place;
use crate::sync::{calmly, explore};

fn synced(files: &SimulatedDirectory, durability: Durability) -> Index {
    let index = builder(files).log(|l| l.durability(durability)).create().unwrap();
    index.put(0, value(1)).unwrap();
    index
}

/// A power cut now leaves what was acknowledged.
fn assert_on_disk(files: &SimulatedDirectory, key: u64, least: u64) {
    calmly(|| {
        let after = files.crash(CrashPolicy::LoseAll, 0);
        let index = builder(&after).open_read_only().unwrap();
        let found = index.get(key).unwrap().map_or(0, |found| value_of(&found));
        assert!(found >= least, "{found} of {least} is on disk");
    });
}

fn synced_writes(durability: Durability) {
    let files = SimulatedDirectory::new();
    let index = calmly(|| synced(&files, durability));
    thread::scope(|scope| {
        for writer in 1..=3 {
            let (index, files) = (&index, &files);
            scope.spawn(move || {
                for number in 1..=2 {
                    index.put(writer, value(number)).unwrap();
                    assert_on_disk(files, writer, u64::from(number));
                }
            });
        }
    });
    calmly(|| index.close()).unwrap();
}

#[test]
fn l2_what_is_acknowledged_is_on_disk_in_sync() {
    explore("l2_what_is_acknowledged_is_on_disk_in_sync", || synced_writes(Durability::Sync));
}

#[test]
fn l2_what_is_acknowledged_is_on_disk_in_group_sync() {
    explore("l2_what_is_acknowledged_is_on_disk_in_group_sync", || synced_writes(Durability::GroupSync));
}

/// A sync fails: whoever is told of success is on disk, everyone else is told, and nobody waits.
#[test]
fn l1_a_failed_sync_ends_the_index_for_everyone() {
    explore("l1_a_failed_sync_ends_the_index_for_everyone", || {
        let files = SimulatedDirectory::new();
        let index = calmly(|| synced(&files, Durability::Sync));
        let log = index.core.section.lock().tail.as_ref().map(|tail| tail.log.name().to_owned()).unwrap();
        files.inject(FaultRule::new(Fault::FailSyncAndForget).names(&log).from_nth(1).times(1));
        thread::scope(|scope| {
            for writer in 1..=3 {
                let (index, files) = (&index, &files);
                scope.spawn(move || {
                    for number in 1..=2 {
                        match index.put(writer, value(number)) {
                            Ok(()) => assert_on_disk(files, writer, u64::from(number)),
                            Err(Error::Indeterminate { .. } | Error::Failed { .. }) => {}
                            Err(error) => panic!("after a failed sync: {error}"),
                        }
                    }
                });
            }
        });
        assert!(index.put(9, value(1)).is_err());
        calmly(|| drop(index.close()));
    });
}

/// A writer between its section and its copy holds up nobody who was before it.
#[test]
fn l1_a_slow_writer_holds_up_nobody_before_it() {
    explore("l1_a_slow_writer_holds_up_nobody_before_it", || {
        let files = SimulatedDirectory::new();
        let index = calmly(|| synced(&files, Durability::Buffered));
        let core = &index.core;
        let commit = |key: &[u8]| {
            let mut commit = Commit::default();
            commit.put(key, &value(1)).unwrap();
            let placed = place(core, &mut commit);
            (commit, placed)
        };
        let (mut before, placed_before) = calmly(|| commit(&1_u64.to_be_bytes()));
        let (mut slow, placed_slow) = calmly(|| commit(&2_u64.to_be_bytes()));
        let synced = Note::default();
        thread::scope(|scope| {
            scope.spawn(|| {
                core.carry_out(&mut before, &placed_before).unwrap();
                core.publisher.wait_visible(placed_before.last_seq).unwrap();
                core.sync_through(placed_before.last_seq, Default::default()).unwrap();
                assert_on_disk(&files, 1, 1);
                synced.set(1);
            });
            scope.spawn(|| {
                while synced.get() == 0 {
                    thread::yield_now();
                }
                core.carry_out(&mut slow, &placed_slow).unwrap();
            });
        });
        calmly(|| index.close()).unwrap();
    });
}

/// Logs are given up beside writers who fill new ones: none that a buffer still needs.
#[test]
fn l5_no_log_goes_that_a_buffer_needs() {
    explore("l5_no_log_goes_that_a_buffer_needs", || {
        let files = SimulatedDirectory::new();
        let index = calmly(|| {
            let index = builder(&files).log(|l| l.max_file_bytes(16 << 10)).create().unwrap();
            (0..2).for_each(|key| index.put(key, vec![1; 9_000]).unwrap());
            flush(&index);
            index
        });
        thread::scope(|scope| {
            scope.spawn(|| {
                for key in 2..=3 {
                    index.put(key, vec![1; 9_000]).unwrap();
                    index.sync().unwrap();
                }
            });
            scope.spawn(|| index.core.trim_logs().unwrap());
        });
        calmly(|| {
            let after = builder(&files.kill()).open().unwrap();
            for key in 0..=3 {
                assert_eq!(after.get(key).unwrap(), Some(vec![1; 9_000]), "key {key}");
            }
            assert_eq!(after.check().unwrap().problems.len(), 0);
            after.close().unwrap();
            index.close().unwrap();
        });
    });
}

/// Three writers whose values do not fit into the budget together: flushes make room, and all come through.
#[test]
fn c2_writers_who_wait_for_room_get_it() {
    explore("c2_writers_who_wait_for_room_get_it", || {
        let files = SimulatedDirectory::new();
        let index = calmly(|| {
            let small = builder(&files).write_buffer(|w| w.budget_bytes(64 << 10).delta_cache_bytes(0));
            let index = small.create().unwrap();
            index.put(0, value(1)).unwrap();
            index
        });
        thread::scope(|scope| {
            for writer in 1..=3 {
                let index = &index;
                scope.spawn(move || {
                    for number in 0..2 {
                        index.put(writer * 10 + number, vec![1; 30_000]).unwrap();
                    }
                });
            }
        });
        calmly(|| {
            assert_eq!(index.len().unwrap(), 7);
            index.close().unwrap();
        });
    });
}
