use crate::SegmentIndex;
use crate::directory::{CrashPolicy, Directory, SimulatedDirectory};
use crate::segment::{LoadRuns, Segment};

use super::*;

type Index = SegmentIndex<u64, Vec<u8>>;

/// Without merges and splits of its own.
fn index_in(directory: &SimulatedDirectory) -> Index {
    Index::builder_in(Arc::new(directory.clone()))
        .chunk(|c| c.max_keys(16).max_bytes(1 << 10).filters(["magic-number", "crc32"].into()))
        .maintenance(|m| m.automatic(false))
        .open_or_create()
        .unwrap()
}

fn only_segment(core: &Core) -> Arc<Segment> {
    Arc::clone(&core.route.load().segments()[0])
}

/// Two buffers are frozen; the flushes stop at any of their operations, and the power is cut.
#[test]
fn d2_frozen_buffers_are_flushed_oldest_first() {
    for allowed in 0.. {
        let directory = SimulatedDirectory::new();
        let index = index_in(&directory);
        index.put(1, b"older").unwrap();
        index.core.freeze(&only_segment(&index.core));
        index.put(2, b"newer").unwrap();
        index.core.freeze(&only_segment(&index.core));
        index.sync().unwrap();
        directory.fail_after(Some(directory.operation_count() + allowed));
        let outcome = index.core.flush_segment(&only_segment(&index.core));
        let after = index_in(&directory.kill());
        assert_eq!(after.len().unwrap(), 2, "stopped at operation {allowed} of the flushes");
        if outcome.is_ok() {
            return;
        }
    }
}

/// A flush that was asked for twice, as those who wait for one do.
#[test]
fn a_flush_that_comes_too_late_leaves_later_writes_alone() {
    let index = index_in(&SimulatedDirectory::new());
    let segment = only_segment(&index.core);
    for n in 1..4u64 {
        index.put(n, b"asked for").unwrap();
        index.flush_and_wait().unwrap();
        index.wait_until_idle().unwrap();
        index.put(n, b"came later").unwrap();
        index.core.scheduler.request_flush(&segment, 2 * n - 1);
        index.wait_until_idle().unwrap();
        assert_eq!(segment.version().least_unflushed_seq(), 2 * n);
        index.core.scheduler.request_flush(&segment, 2 * n);
        index.wait_until_idle().unwrap();
        assert_eq!(segment.version().least_unflushed_seq(), u64::MAX);
    }
}

#[test]
fn d3_every_part_of_a_split_gets_a_key() {
    let index = index_in(&SimulatedDirectory::new());
    for n in 0..200u64 {
        index.put(n, vec![1; 100]).unwrap();
    }
    index.flush_and_wait().unwrap();
    // More parts than there are places to split at.
    assert!(index.core.split_segment(&only_segment(&index.core), 100).unwrap());
    let route = index.core.route.load_full();
    let segments = route.segments();
    assert!((2..100).contains(&segments.len()), "{}", segments.len());
    assert!(segments.iter().all(|segment| !segment.version().main.is_empty()));
    assert_eq!(index.len().unwrap(), 200);
}

#[test]
fn f6_a_merge_covers_the_seqs_that_it_zeroes() {
    let index = index_in(&SimulatedDirectory::new());
    for round in 0..3u8 {
        for n in 0..10u64 {
            index.put(n, [round]).unwrap();
        }
        index.flush_and_wait().unwrap();
    }
    index.compact_and_wait().unwrap();
    let segment = only_segment(&index.core);
    let version = segment.version();
    assert_eq!((version.main.len(), version.layers.len()), (1, 0));
    assert_eq!(version.main[0].handle.max_seq, 30);
    let run = index.core.registry.load(&segment, &version.main[0].handle).unwrap();
    assert_eq!(run.properties().seqs, Some((1, 30)));
}

#[test]
fn d7_a_deletion_that_a_power_cut_takes_back_is_done_again() {
    let directory = SimulatedDirectory::new();
    let index = index_in(&directory);
    for byte in 0..2u8 {
        index.put(1, [byte]).unwrap();
        // Else the log thread makes it, at any time, and its sync of the directory makes deletions durable.
        index.core.prepare_next_log(0).unwrap();
        index.flush_and_wait().unwrap();
    }
    let runs = |directory: &SimulatedDirectory| -> Vec<String> {
        directory.list().unwrap().into_iter().filter(|name| name.starts_with("run-")).collect()
    };
    let inputs = runs(&directory);
    index.compact_and_wait().unwrap();
    index.wait_until_idle().unwrap();
    assert_eq!(runs(&directory).len(), 1);
    // An edit without a sync of the directory: the names are not durably gone.
    index.core.commit_edit(vec![Change::LastSeq(2)]).unwrap();
    let after = directory.crash(CrashPolicy::LoseAll, 1);
    assert!(inputs.iter().all(|input| runs(&after).contains(input)));
    let listed = crate::manifest::read_manifest(&after).unwrap().state.pending_deletions;
    assert!(inputs.iter().all(|input| listed.contains(input)));
    let index = index_in(&after);
    index.put(2, b"first write").unwrap();
    assert_eq!(runs(&after).len(), 1, "{:?}", runs(&after));
    assert_eq!(index.metrics_snapshot().io.quarantined_files, 0);
}

/// A split that finds a flush under way is no reason for a thread to wait, and does not wait for its luck either.
#[test]
fn d3_a_split_that_finds_a_flush_under_way_is_done_at_its_end() {
    let index = Index::in_memory()
        .chunk(|c| c.max_keys(16).max_bytes(1 << 10).filters(["magic-number", "crc32"].into()))
        .segment(|s| s.target_bytes(4 << 10))
        .create()
        .unwrap();
    let pause = index.pause_maintenance();
    for n in 0..200u64 {
        index.put(n, vec![1; 100]).unwrap();
    }
    index.flush_and_wait().unwrap();
    index.wait_until_idle().unwrap();
    let segment = only_segment(&index.core);
    let slot = segment.flush_slot.try_take().unwrap();
    drop(pause);
    while !segment.split_waits.load(Ordering::Acquire) && !segment.is_retired() {
        std::thread::yield_now();
    }
    index.wait_until_idle().unwrap();
    assert!(!segment.is_retired());
    index.core.flush_in_slot(&segment, slot).unwrap();
    assert!(segment.is_retired());
    assert_eq!(index.len().unwrap(), 200);
    index.wait_until_idle().unwrap();
    assert!(index.core.route.load().segments().len() > 1);
}

#[test]
fn d2_a_job_leaves_a_segment_to_the_one_under_way() {
    let index = Index::in_memory().create().unwrap();
    let pause = index.pause_maintenance();
    for byte in 0..3u8 {
        index.put(1, [byte]).unwrap();
        index.flush_and_wait().unwrap();
    }
    index.put(1, b"in a buffer").unwrap();
    let segment = only_segment(&index.core);
    let slots = (segment.flush_slot.try_take().unwrap(), segment.structural_slot.try_take().unwrap());
    assert!(!index.core.try_flush_segment(&segment).unwrap());
    index.core.tend_segment(&segment).unwrap();
    assert!(!index.core.try_compact_segment(&segment).unwrap());
    let segments = index.metrics_snapshot().segments;
    assert_eq!((segments.runs, segments.main_merges), (3, 0));
    drop(slots);
    assert!(index.core.try_flush_segment(&segment).unwrap());
    index.core.tend_segment(&segment).unwrap();
    let segments = index.metrics_snapshot().segments;
    assert_eq!((segments.runs, segments.main_merges), (1, 1));
    drop(pause);
}
