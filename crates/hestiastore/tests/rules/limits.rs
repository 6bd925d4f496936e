//! M: memory and readers.

use std::thread;

use hestiastore::directory::SimulatedDirectory;

use crate::support::{all, quiet, splitting, spread};

#[test]
fn m1_a_few_loaded_segments_answer_for_many() {
    let directory = SimulatedDirectory::new();
    let index = splitting(&directory).cache(|c| c.segments(Some(3)).chunk_bytes(0)).create().unwrap();
    for n in 0..4_000 {
        index.put(spread(n), vec![5; 64]).unwrap();
    }
    index.compact_and_wait().unwrap();
    index.wait_until_idle().unwrap();
    let segments = index.metrics_snapshot().segments.count;
    assert!(segments > 4, "{segments}");
    thread::scope(|scope| {
        for start in 0..4 {
            let index = &index;
            scope.spawn(move || {
                for n in (start..4_000).step_by(7) {
                    assert_eq!(index.get(spread(n)).unwrap(), Some(vec![5; 64]));
                }
            });
        }
    });
    assert_eq!(all(&index).len(), 4_000);
    let registry = index.metrics_snapshot().registry;
    assert!(registry.loaded_segments <= 4, "{} loaded", registry.loaded_segments);
}

#[test]
fn m3_write_buffers_stay_within_their_budget() {
    /// Tables that grow when the budget is full: 24 bytes for each of these keys, which take 168.
    const TABLES_BYTES: u64 = (128 << 10) / 168 * 24;
    let directory = SimulatedDirectory::new();
    let index = quiet(&directory).write_buffer(|w| w.budget_bytes(128 << 10)).create().unwrap();
    thread::scope(|scope| {
        for owner in 0..3u64 {
            let index = &index;
            scope.spawn(move || {
                for n in 0..2_000 {
                    index.put(spread(n * 3 + owner), vec![1; 100]).unwrap();
                    let path = index.metrics_snapshot().write_path;
                    assert!(
                        path.buffered_bytes <= path.budget_bytes + TABLES_BYTES,
                        "{}",
                        path.buffered_bytes
                    );
                }
            });
        }
    });
    assert_eq!(index.len().unwrap(), 6_000);
    assert!(index.metrics_snapshot().write_path.flushes > 2);
}

#[test]
fn c2_a_refused_write_gives_its_room_back() {
    let directory = SimulatedDirectory::new();
    let index = quiet(&directory).create().unwrap();
    index.put(0, b"first").unwrap();
    directory.set_capacity_bytes(Some(0));
    while index.put(1, vec![1; 100]).is_ok() {}
    let buffered_bytes = index.metrics_snapshot().write_path.buffered_bytes;
    for _ in 0..100 {
        assert!(index.put(1, vec![1; 100]).is_err());
    }
    assert_eq!(index.metrics_snapshot().write_path.buffered_bytes, buffered_bytes);
    directory.set_capacity_bytes(None);
    index.put(2, b"there is space again").unwrap();
}

#[test]
fn m3_one_value_larger_than_the_budget_is_let_through_alone() {
    let index =
        quiet(&SimulatedDirectory::new()).write_buffer(|w| w.budget_bytes(64 << 10)).create().unwrap();
    for n in 0..20u64 {
        index.put(n, vec![n as u8; 300_000]).unwrap();
        index.put(n + 100, b"small").unwrap();
    }
    assert_eq!(index.len().unwrap(), 40);
    assert_eq!(index.get(19).unwrap(), Some(vec![19; 300_000]));
}

#[test]
fn m1_what_is_loaded_stays_within_its_budget() {
    const BUDGET_BYTES: u64 = 64 << 10;
    let directory = SimulatedDirectory::new();
    let index = splitting(&directory)
        .chunk(|c| c.max_keys(2))
        .cache(|c| c.loaded_bytes(BUDGET_BYTES).chunk_bytes(0))
        .create()
        .unwrap();
    for n in 0..8_000 {
        index.put(spread(n), vec![5; 64]).unwrap();
    }
    index.compact_and_wait().unwrap();
    index.wait_until_idle().unwrap();
    for n in 0..8_000 {
        assert_eq!(index.get(spread(n)).unwrap(), Some(vec![5; 64]));
        let loaded_bytes = index.metrics_snapshot().registry.loaded_bytes;
        assert!(loaded_bytes <= BUDGET_BYTES, "{loaded_bytes}");
    }
    assert!(index.metrics_snapshot().registry.evictions > 0);
}

#[test]
fn m3_the_delta_cache_stays_within_its_budget() {
    const BUDGET_BYTES: u64 = 64 << 10;
    let directory = SimulatedDirectory::new();
    let index = quiet(&directory).write_buffer(|w| w.delta_cache_bytes(BUDGET_BYTES)).create().unwrap();
    let mut most = 0;
    for round in 0..20u8 {
        for n in 0..100 {
            index.put(n, vec![round; 100]).unwrap();
        }
        index.flush_and_wait().unwrap();
        most = most.max(index.metrics_snapshot().write_path.delta_cache_bytes);
    }
    assert!(most > 0 && most <= BUDGET_BYTES, "{most}");
    assert!(all(&index).iter().all(|(_, value)| *value == vec![19; 100]));
}

#[test]
fn d3_a_small_write_budget_keeps_segments_few() {
    let directory = SimulatedDirectory::new();
    let index = splitting(&directory).write_buffer(|w| w.budget_bytes(1 << 20)).create().unwrap();
    for n in 0..4_000 {
        index.put(spread(n), vec![5; 64]).unwrap();
    }
    index.compact_and_wait().unwrap();
    index.wait_until_idle().unwrap();
    // There is 1 MiB of write buffer for each segment, so there is one.
    assert_eq!(index.metrics_snapshot().segments.count, 1);
}
