use std::sync::Arc;

use crate::SegmentIndex;
use crate::directory::{Directory, MemoryDirectory};
use crate::environment::Environment;
use crate::manifest::{ManifestFile, ManifestState, SegmentState, read_manifest};
use crate::metrics::MemoryMetrics;

const SEGMENTS: u64 = 2_000;
const MIB: u64 = 1 << 20;
const BUDGET_BYTES: u64 = 2 * MIB;

/// An index of many segments of equal width, each with nothing in it.
fn directory_of_many_segments() -> Arc<dyn Directory> {
    let template: Arc<dyn Directory> = Arc::new(MemoryDirectory::new());
    SegmentIndex::<u64, Vec<u8>>::builder_in(Arc::clone(&template)).create().unwrap().close().unwrap();
    let mut state = read_manifest(&*template).unwrap().state;
    let lower = |segment: u64| if segment == 0 { Vec::new() } else { (segment << 32).to_be_bytes().to_vec() };
    let segment = |place: u64| SegmentState {
        lower: lower(place),
        upper: (place + 1 < SEGMENTS).then(|| lower(place + 1)),
        flushed_seq: 0,
        next_rank: 1,
        runs: Vec::new(),
    };
    state.segments = (0..SEGMENTS).map(|place| (place + 1, segment(place))).collect();
    state.next_segment_id = SEGMENTS + 1;
    let directory: Arc<dyn Directory> = Arc::new(MemoryDirectory::new());
    create(&directory, &state);
    directory
}

fn create(directory: &Arc<dyn Directory>, state: &ManifestState) {
    ManifestFile::create(&**directory, &Environment::repeatable(7), state).map(drop).unwrap();
}

fn open() -> SegmentIndex<u64, Vec<u8>> {
    SegmentIndex::builder_in(directory_of_many_segments())
        .write_buffer(|w| w.budget_bytes(BUDGET_BYTES).delta_cache_bytes(MIB))
        .cache(|c| c.chunk_bytes(MIB).loaded_bytes(MIB))
        .segment(|s| s.target_bytes(64 << 10))
        .maintenance(|m| m.automatic(false))
        .open()
        .unwrap()
}

fn key(n: u64) -> u64 {
    (n % SEGMENTS) << 32 | n
}

fn check(memory: &MemoryMetrics) {
    /// What the tables and slabs of a small buffer have in reserve.
    const RESERVE_BYTES: u64 = 8 << 10;
    let write_buffers = BUDGET_BYTES * 5 / 4 + SEGMENTS * RESERVE_BYTES;
    assert!(memory.write_buffer_bytes <= write_buffers, "{memory:?}");
    assert!(memory.spare_slab_bytes <= BUDGET_BYTES / 8, "{memory:?}");
    assert!(memory.delta_cache_bytes <= MIB, "{memory:?}");
    // A chunk for each thread that is putting one in.
    assert!(memory.chunk_cache_bytes <= MIB + 4 * (64 << 10), "{memory:?}");
    assert!(memory.loaded_bytes <= MIB + (64 << 10), "{memory:?}");
    assert!(memory.sorted_view_bytes <= BUDGET_BYTES / 2, "{memory:?}");
}

#[test]
fn m3_two_thousand_segments_stay_within_the_budgets() {
    const KEYS: u64 = 2 * SEGMENTS;
    let index = open();
    assert_eq!(index.core.route.load().segments().len() as u64, SEGMENTS);
    assert_eq!(index.core.memory_by_kind().write_buffer_bytes, 0, "idle buffers take nothing");
    for n in 0..KEYS {
        index.put(key(n), [n as u8; 1_000]).unwrap();
        if n % 100 == 0 {
            check(&index.core.memory_by_kind());
        }
    }
    for n in (0..KEYS).step_by(3) {
        assert_eq!(index.get(key(n)).unwrap(), Some(vec![n as u8; 1_000]));
        if n % 10 == 0 {
            check(&index.core.memory_by_kind());
        }
    }
    assert_eq!(index.iter().unwrap().count() as u64, KEYS);
    index.flush_and_wait().unwrap();
    // The threads that flushed let go in their own time.
    loop {
        let memory = index.core.memory_by_kind();
        check(&memory);
        if memory.write_buffer_bytes + memory.maintenance_bytes + memory.pinned_chunk_bytes == 0 {
            break;
        }
        std::thread::yield_now();
    }
}

#[test]
fn m3_a_run_that_only_a_reader_holds_is_counted_until_it_lets_go() {
    let index: SegmentIndex<u64, u64> = SegmentIndex::in_memory()
        .write_buffer(|w| w.delta_cache_bytes(0))
        .maintenance(|m| m.automatic(false))
        .create()
        .unwrap();
    (0..10_000).for_each(|n| index.put(n, n).unwrap());
    index.flush_and_wait().unwrap();
    let mut entries = index.iter().unwrap();
    assert!(entries.next().is_some());
    let loaded_bytes = index.core.memory_by_kind().loaded_bytes;
    assert!(loaded_bytes > 10_000, "a filter and a sparse index are loaded: {loaded_bytes}");
    while index.core.registry.unload_half() {}
    let memory = index.core.memory_by_kind();
    assert_eq!((memory.loaded_bytes, memory.pinned_loaded_bytes), (0, loaded_bytes));
    assert!(memory.total_bytes >= loaded_bytes);
    drop(entries);
    assert_eq!(index.core.memory_by_kind().pinned_loaded_bytes, 0);
}

/// It may flush nothing: whatever the log holds is in memory then, and counted.
#[test]
fn m3_a_read_only_open_holds_no_more_than_the_log_and_a_little_for_each_entry() {
    const KEYS: u64 = 5_000;
    const EACH_BYTES: u64 = 150;
    let directory: Arc<dyn Directory> = Arc::new(MemoryDirectory::new());
    let builder = || SegmentIndex::<u64, Vec<u8>>::builder_in(Arc::clone(&directory));
    let writing = builder().create().unwrap();
    (0..KEYS).for_each(|n| writing.put(n, [n as u8; 40]).unwrap());
    let log_bytes = writing.metrics_snapshot().log.appended_bytes;
    // It leaves so little in the log.
    writing.close().unwrap();
    let budget_bytes = 64 << 10;
    let reading = builder().write_buffer(|w| w.budget_bytes(budget_bytes)).open_read_only().unwrap();
    assert_eq!(reading.iter().unwrap().count() as u64, KEYS);
    let memory = reading.core.memory_by_kind();
    assert!(memory.write_buffer_bytes > 4 * budget_bytes, "{memory:?}");
    assert!(memory.write_buffer_bytes <= log_bytes + KEYS * EACH_BYTES, "{memory:?}, {log_bytes} in the log");
}
