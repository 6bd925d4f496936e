//! What a check of an index finds: for each thing that can be wrong the message that names it, and nothing in a
//! sound index.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::CheckReport;
use crate::SegmentIndex;
use crate::config::Durability;
use crate::directory::{Directory, Fault, FaultRule, OperationKind, SimulatedDirectory};
use crate::index::core::Core;
use crate::manifest::{Change, MANIFEST_NAME, read_manifest};
use crate::run::run_file_name;
use crate::segment::{Graveyard, Layer, MAIN_RANK, RunHandle, RunRef, Segment, SegmentVersion};

type Index = SegmentIndex<u64, Vec<u8>>;

fn builder(directory: &SimulatedDirectory) -> crate::IndexBuilder<u64, Vec<u8>> {
    Index::builder_in(Arc::new(directory.clone()))
        .chunk(|c| c.max_keys(16).max_bytes(1 << 10))
        .segment(|s| s.target_bytes(16 << 10))
        .maintenance(|m| m.automatic(false))
        .log(|l| {
            l.first_file_bytes(16 << 10).max_file_bytes(16 << 10).sync_interval(Duration::from_secs(3_600))
        })
}

/// Waits for what the first write of an index asks the log thread for: a second log, and then a sync of what is
/// visible. Until a log is full the thread does nothing more.
fn settle_log(index: &Index) {
    while index.core.logs.live_size().0 < 2 || index.core.logs.synced_seq() < 1 {
        std::thread::yield_now();
    }
}

/// A main run, two deltas over it, and something in the log.
fn layered() -> (SimulatedDirectory, Index) {
    let directory = SimulatedDirectory::new();
    let index = builder(&directory).create().unwrap();
    for round in 0..3u8 {
        for key in 0..40u64 {
            index.put(key, [round; 20]).unwrap();
            if (round, key) == (0, 0) {
                settle_log(&index);
            }
        }
        index.delete(u64::from(round)).unwrap();
        index.flush_and_wait().unwrap();
    }
    index.wait_until_idle().unwrap();
    index.put(7, b"in the log").unwrap();
    index.sync().unwrap();
    let report = index.check().unwrap();
    assert_eq!((report.to_string().lines().count(), report.runs, report.segments), (1, 3, 1), "{report}");
    (directory, index)
}

/// Several segments, each with main runs of its own.
fn split() -> (SimulatedDirectory, Index) {
    let directory = SimulatedDirectory::new();
    let index = builder(&directory).maintenance(|m| m.automatic(true)).create().unwrap();
    for key in 0..3_000u64 {
        index.put(key.wrapping_mul(0x9e37_79b9_7f4a_7c15), [key as u8; 40]).unwrap();
    }
    index.compact_and_wait().unwrap();
    index.wait_until_idle().unwrap();
    let report = index.check().unwrap();
    assert!(report.is_clean() && report.segments > 2, "{report}");
    (directory, index)
}

fn told(report: &CheckReport) -> Vec<String> {
    report.problems.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn assert_told(index: &Index, expected: &str) -> CheckReport {
    let report = index.check().unwrap();
    assert!(told(&report).iter().any(|problem| problem.contains(expected)), "{expected:?}: {report}");
    report
}

fn segment(core: &Core, place: usize) -> Arc<Segment> {
    Arc::clone(&core.route.load().segments()[place])
}

/// Publishes a changed version of a segment, past the manifest.
fn tamper(segment: &Segment, change: impl FnOnce(&mut SegmentVersion)) {
    let mut version = SegmentVersion::clone(&segment.version());
    change(&mut version);
    segment.publish(Arc::new(version));
}

fn tamper_main(segment: &Segment, change: impl FnOnce(&mut RunRef)) {
    tamper(segment, |version| change(Arc::make_mut(&mut version.main[0])));
}

/// A handle to the same file that says something else of it.
fn other_handle(run: &RunRef, file_bytes: u64, max_seq: u64, keys: (&[u8], &[u8])) -> Arc<RunHandle> {
    let graveyard = Arc::new(Graveyard::default());
    RunHandle::new(run.handle.uid, file_bytes, max_seq, (keys.0.into(), keys.1.into()), 0, &graveyard)
}

#[test]
fn f6_a_reference_says_what_its_run_says() {
    type Case = (&'static str, fn(&mut RunRef));
    let cases: [Case; 6] = [
        ("records 40 entries, the file has 39", |run| run.entries += 1),
        ("records 1 tombstones, the file has 0", |run| run.tombstones += 1),
        ("bytes between the bounds", |run| run.stored_bytes += 1),
        ("0 bytes, the file has", |run| {
            let (max_seq, first, last) =
                (run.handle.max_seq, run.handle.smallest_key.clone(), run.handle.largest_key.clone());
            run.handle = other_handle(run, 0, max_seq, (&first, &last));
        }),
        ("records 1000 as greatest seq", |run| {
            let (bytes, first, last) =
                (run.handle.file_bytes, run.handle.smallest_key.clone(), run.handle.largest_key.clone());
            run.handle = other_handle(run, bytes, 1_000, (&first, &last));
        }),
        ("records the last key", |run| {
            let (bytes, max_seq, first) =
                (run.handle.file_bytes, run.handle.max_seq, run.handle.smallest_key.clone());
            run.handle = other_handle(run, bytes, max_seq, (&first, b"zz"));
        }),
    ];
    for (expected, change) in cases {
        let (_, index) = layered();
        tamper_main(&segment(&index.core, 0), change);
        assert_told(&index, expected);
    }
}

#[test]
fn d2_a_reference_lies_within_its_segment_and_what_its_run_answers_for() {
    let (_, index) = split();
    tamper_main(&segment(&index.core, 1), |run| run.lower = Box::default());
    let report = assert_told(&index, "is not within segment");
    assert!(
        told(&report).iter().any(|problem| problem.contains("is not within the range that the run answers"))
    );
}

#[test]
fn d3_a_segment_may_be_flushed_through_less_than_its_runs_cover() {
    let (_, index) = layered();
    tamper(&segment(&index.core, 0), |version| version.flushed_seq = 5);
    let report = index.check().unwrap();
    assert!(report.is_clean(), "{report}");
}

#[test]
fn d2_newer_ranks_hold_newer_versions() {
    let (_, index) = layered();
    tamper(&segment(&index.core, 0), |version| {
        let (first, second) = (version.layers[0].runs.clone(), version.layers[1].runs.clone());
        version.layers[0].runs = second;
        version.layers[1].runs = first;
        for layer in &mut version.layers {
            let rank = layer.rank;
            layer.runs.iter_mut().for_each(|run| Arc::make_mut(run).rank = rank);
            layer.buffer = None;
        }
    });
    assert_told(&index, "holds seq 42 of key");
}

/// A merge that goes around a main run covers seqs on both sides of it, and holds none of its keys.
#[test]
fn d2_covered_seqs_that_meet_are_no_problem_by_themselves() {
    let directory = SimulatedDirectory::new();
    let index = builder(&directory).create().unwrap();
    for keys in [[1, 2], [1, 3], [50, 51], [1, 52]] {
        keys.into_iter().for_each(|key| index.put(key, b"v").unwrap());
        index.flush_and_wait().unwrap();
    }
    index.close().unwrap();
    let index = builder(&directory)
        .maintenance(|m| m.automatic(true))
        .segment(|s| s.delta_fan_in(2).main_merge_percent(400))
        .open()
        .unwrap();
    for keys in [[2, 50], [3, 51]] {
        keys.into_iter().for_each(|key| index.put(key, b"w").unwrap());
        index.flush_and_wait().unwrap();
        index.wait_until_idle().unwrap();
    }
    let report = index.check().unwrap();
    assert!(report.is_clean(), "{report}");
}

#[test]
fn f6_a_run_and_what_it_was_merged_from_are_not_read_side_by_side() {
    let (_, index) = layered();
    let delta = segment(&index.core, 0).version().layers[0].runs[0].clone();
    index.compact_and_wait().unwrap();
    assert!(index.check().unwrap().is_clean());
    tamper(&segment(&index.core, 0), |version| {
        let back = Layer { rank: MAIN_RANK + 1, buffer: None, runs: vec![delta] };
        version.layers.push(back);
    });
    assert_told(&index, "which is referred to beside it");
}

#[test]
fn d2_a_missing_run_is_told_and_the_others_are_checked() {
    let (directory, index) = layered();
    let uid = segment(&index.core, 0).version().main[0].handle.uid;
    directory.remove(&run_file_name(uid)).unwrap();
    let report = assert_told(&index, "the manifest refers to this run, but it is missing");
    assert_eq!((report.runs, report.problems.len()), (2, 1), "{report}");
}

#[test]
fn d8_every_corrupt_run_is_told_and_stops_the_structural_jobs_of_its_segment_only() {
    let (directory, index) = split();
    let damaged = [segment(&index.core, 0), segment(&index.core, 2)];
    let damaged = damaged.map(|segment| segment.version().main[0].handle.uid);
    for uid in damaged {
        directory.flip_bit(&run_file_name(uid), 4_096 + 100, 1).unwrap();
    }
    let report = index.check().unwrap();
    for uid in damaged {
        assert!(told(&report).iter().any(|problem| problem.contains(&run_file_name(uid))), "{report}");
    }
    for segment in index.core.route.load_full().segments() {
        let refers = segment.version().runs().any(|run| damaged.contains(&run.handle.uid));
        assert_eq!(segment.damaged.load(Ordering::Acquire), refers, "{segment:?}");
    }
    index.put(1, b"goes on").unwrap();
    index.flush_and_wait().unwrap();
    let metrics = index.metrics_snapshot();
    assert_eq!((metrics.scrub.finished, metrics.scrub.problems), (2, report.problem_count()));
    assert!(metrics.scrub.last_finished_micros.is_some());
}

#[test]
fn d8_what_stands_in_the_way_of_a_check_stops_no_job() {
    for kind in [OperationKind::Open, OperationKind::Read] {
        let (directory, index) = layered();
        let failing = FaultRule::new(Fault::FailBefore(std::io::ErrorKind::Other)).names("run-*");
        directory.inject(failing.on(&[kind]).from_nth(1).times(1));
        assert_eq!(index.check().unwrap().problem_count(), 1, "{kind:?}");
        assert!(!segment(&index.core, 0).damaged.load(Ordering::Acquire), "{kind:?}");
        directory.clear_faults();
        assert!(index.check().unwrap().is_clean(), "{kind:?}");
    }
}

#[test]
fn d7_files_that_nobody_names_are_told_and_are_no_problem() {
    let (directory, index) = layered();
    let stray =
        ["run-00000000000000aa.sst", "run-00000000000000ab.sst.tmp", "log-99999999999999999999.wal", "x"];
    for name in stray {
        directory.create(name).unwrap();
    }
    let report = index.check().unwrap();
    assert!(report.is_clean(), "{report}");
    let mut expected = stray.map(str::to_owned);
    expected.sort();
    assert_eq!(report.unnamed_files, expected);
    assert!(report.to_string().contains("not named by the manifest: run-00000000000000aa.sst"));
}

#[test]
fn d7_what_is_to_be_deleted_is_nobodys() {
    let (_, index) = layered();
    let uid = segment(&index.core, 0).version().main[0].handle.uid;
    index.core.commit_edit(vec![Change::AddPendingDeletion { name: run_file_name(uid) }]).unwrap();
    assert_told(&index, "is in use and listed for deletion");
}

#[test]
fn f8_the_manifest_is_what_the_open_index_holds() {
    let (directory, index) = layered();
    let old = directory.read_all(MANIFEST_NAME).unwrap();
    index.core.manifest.lock().state.clock_mark_micros += 1;
    assert_told(&index, "the file holds another state than the open index");

    let (directory, index) = layered();
    index.core.manifest.lock().state.last_seq = 1_000;
    index.core.commit_edit(vec![Change::LastSeq(1_000)]).unwrap();
    directory.write_all(MANIFEST_NAME, &old).unwrap();
    assert_told(&index, "another state");
}

#[test]
fn d6_a_manifest_that_lost_edits_or_ends_in_what_is_none() {
    let directory = SimulatedDirectory::new();
    let index = builder(&directory).create().unwrap();
    let old = directory.read_all(MANIFEST_NAME).unwrap();
    index.put(1, b"one").unwrap();
    settle_log(&index);
    let now = directory.read_all(MANIFEST_NAME).unwrap();
    directory.write_all(MANIFEST_NAME, &old).unwrap();
    assert_told(&index, "names edit");

    let end = read_of(&now).end_offset as usize;
    let mut torn = now;
    torn.resize(torn.len().max(end + 64), 0);
    torn[end..end + 8].fill(0x55);
    directory.write_all(MANIFEST_NAME, &torn).unwrap();
    assert_told(&index, "bytes of no edit behind the last one");

    let base = 64 + 16;
    let mut copy = torn.clone();
    copy[end..end + 8].fill(0);
    copy[base] ^= 1;
    directory.write_all(MANIFEST_NAME, &copy).unwrap();
    let report = index.check().unwrap();
    assert!(told(&report).iter().any(|problem| problem.contains(MANIFEST_NAME)), "{report}");
}

fn read_of(manifest: &[u8]) -> crate::manifest::ReadManifest {
    let directory = SimulatedDirectory::new();
    directory.write_all(MANIFEST_NAME, manifest).unwrap();
    read_manifest(&directory).unwrap()
}

fn logs(directory: &SimulatedDirectory) -> Vec<String> {
    directory.list().unwrap().into_iter().filter(|name| name.starts_with("log-")).collect()
}

#[test]
fn l5_every_missing_log_is_told() {
    let (directory, index) = layered();
    let names = logs(&directory);
    assert_eq!(names.len(), 2);
    for name in &names {
        directory.remove(name).unwrap();
    }
    let report = assert_told(&index, "the manifest lists this log, but it is missing");
    assert_eq!(report.problem_count(), 2, "{report}");
}

#[test]
fn l3_a_hole_before_a_mark_or_before_what_runs_prove_is_told() {
    let (directory, index) = layered();
    let name = &logs(&directory)[0];
    let content = directory.read_all(name).unwrap();
    let at = content.windows(10).position(|window| window == b"in the log").unwrap();
    directory.flip_bit(name, at as u64, 1).unwrap();
    assert_told(&index, "which had been synced as the open index says");
    // Nothing is left behind BEGIN but what the manifest knows.
    let mut cut = content;
    cut[64 + 200..].fill(0);
    directory.write_all(name, &cut).unwrap();
    assert_told(&index, "which had been synced as the open index says");
}

#[test]
fn l8_the_logs_end_where_a_clean_close_left_them() {
    let (directory, index) = layered();
    index.close().unwrap();
    let index = builder(&directory).open().unwrap();
    assert!(index.check().unwrap().is_clean());
    if let Some(closed) = &mut index.core.manifest.lock().state.closed {
        closed.end_offset += 64;
    }
    assert_told(&index, "a clean close left log");
}

/// Checks of an index whose logs turn over all the time, while `work` goes on in three threads.
fn check_beside(durability: Durability, work: impl Fn(&Index, u64) + Sync) {
    let index = builder(&SimulatedDirectory::new()).log(|l| l.durability(durability)).create().unwrap();
    let busy = AtomicU64::new(3);
    std::thread::scope(|scope| {
        for writer in 0..3u64 {
            let (index, work, busy) = (&index, &work, &busy);
            scope.spawn(move || {
                (0..3_000).for_each(|step| work(index, step * 3 + writer));
                busy.fetch_sub(1, Ordering::Release);
            });
        }
        while busy.load(Ordering::Acquire) > 0 {
            let report = index.check().unwrap();
            assert!(report.is_clean(), "{report}");
        }
    });
    let metrics = index.metrics_snapshot();
    assert_eq!(metrics.scrub.problems, 0);
    assert!(index.check().unwrap().is_clean());
}

#[test]
fn l3_a_check_beside_synced_writes_finds_nothing() {
    check_beside(Durability::GroupSync, |index, step| index.put(step, [1; 900]).unwrap());
}

#[test]
fn l3_a_check_beside_buffered_writes_and_syncs_finds_nothing() {
    check_beside(Durability::Buffered, |index, step| {
        index.put(step, [2; 900]).unwrap();
        if step % 7 == 0 {
            index.sync().unwrap();
        }
    });
}

#[test]
fn l5_a_check_beside_logs_that_are_given_up_finds_nothing() {
    check_beside(Durability::Buffered, |index, step| {
        index.put(step % 500, [3; 900]).unwrap();
        if step % 100 == 0 {
            index.flush_and_wait().unwrap();
        }
    });
}

#[test]
fn m1_a_check_does_not_load_or_evict_anything() {
    let (_, index) = layered();
    let before = index.metrics_snapshot().cache;
    index.check().unwrap();
    assert_eq!(index.metrics_snapshot().cache, before);
}

/// A replay that outgrows the write buffers flushes while it goes on, and begins the open; the first write then
/// gives up the logs. Where the last of it leaves no run, the manifest alone knows which seqs were given.
#[test]
fn d1_a_flush_after_recovery_leaves_no_seq_to_be_given_twice() {
    let directory = SimulatedDirectory::new();
    let small = |directory: &SimulatedDirectory| {
        builder(directory)
            .write_buffer(|w| w.budget_bytes(64 << 10))
            .log(|l| l.first_file_bytes(256 << 10).max_file_bytes(256 << 10).limit_bytes(Some(1 << 20)))
    };
    let large = builder(&directory)
        .write_buffer(|w| w.budget_bytes(1 << 20))
        .log(|l| l.first_file_bytes(256 << 10).max_file_bytes(256 << 10).limit_bytes(Some(4 << 20)));
    let index = large.create().unwrap();
    for key in 0..400u64 {
        index.put(key, [1; 200]).unwrap();
    }
    for key in 10_000..10_100u64 {
        index.delete(key).unwrap();
    }
    let killed = directory.kill();
    let mut operations = 0;
    loop {
        // A power cut at every operation of what the first write does.
        let cut = killed.kill();
        cut.fail_after(Some(operations));
        let written = small(&cut).open().and_then(|index| index.put(1, b"after"));
        let cut = cut.crash(crate::directory::CrashPolicy::LoseAll, 1);
        let index = small(&cut).open().unwrap();
        index.put(2, b"kept").unwrap();
        index.sync().unwrap();
        let index = small(&cut.kill()).open().unwrap();
        assert_eq!(index.get(2).unwrap().as_deref(), Some(&b"kept"[..]), "after {operations} operations");
        let report = index.check().unwrap();
        assert!(report.is_clean(), "after {operations} operations: {report}");
        if written.is_ok() {
            break;
        }
        operations += 1;
    }
    assert!(operations > 20);
}
