use crate::SegmentIndex;
use crate::directory::{CrashPolicy, Directory, SimulatedDirectory};
use crate::environment::Environment;
use crate::index::commit::Commit;
use crate::index::commit::tests::place;
use crate::index::idle::tests::ManualClock;
use crate::repair::{RepairOptions, repair};
use crate::{IndexBuilder, Snapshot, WriteBatch};

use super::*;

type Index = SegmentIndex<u64, Vec<u8>>;

/// Without jobs of its own.
fn quiet(directory: &SimulatedDirectory) -> IndexBuilder<u64, Vec<u8>> {
    Index::builder_in(Arc::new(directory.clone()))
        .chunk(|c| c.max_keys(4).max_bytes(1 << 10).filters(["magic-number", "crc32"].into()))
        .maintenance(|m| m.automatic(false))
        .log(|l| l.sync_interval(Duration::from_secs(3_600)))
}

fn segments(index: &Index) -> Vec<Arc<Segment>> {
    index.core.route.load_full().segments().to_vec()
}

fn value(round: u8) -> Vec<u8> {
    vec![round; 400]
}

const KEYS: u64 = 200;

/// Two hundred keys in four segments or so; nothing is in a buffer.
fn four_segments(directory: &SimulatedDirectory) -> Index {
    let index = quiet(directory).create().unwrap();
    (0..KEYS).for_each(|n| index.put(n, value(0)).unwrap());
    index.flush_and_wait().unwrap();
    split(&index, 0, 4);
    assert_eq!(segments(&index).len(), 4);
    index
}

fn split(index: &Index, place: usize, parts: u64) {
    split_segment(index, &segments(index)[place], parts);
    index.wait_until_idle().unwrap();
}

fn split_segment(index: &Index, segment: &Arc<Segment>, parts: u64) {
    let slots = (segment.structural_slot.take(), segment.flush_slot.take());
    if !segment.is_retired() {
        index.core.split_segment(segment, parts).unwrap();
    }
    drop(slots);
    index.core.scheduler.wake_all();
}

fn merge(index: &Index, places: std::ops::Range<usize>) {
    assert!(index.core.merge_neighbours(&segments(index)[places]).unwrap());
    index.wait_until_idle().unwrap();
}

fn all(index: &Index) -> Vec<(u64, Vec<u8>)> {
    index.iter().unwrap().map(Result::unwrap).collect()
}

fn assert_clean(index: &Index) {
    let report = index.check().unwrap();
    assert!(report.is_clean(), "{report}");
}

/// What a merge does up to its publication, so that a test can come between.
struct Begun<'a> {
    parents: &'a [Arc<Segment>],
    slots: Vec<TakenSlot<'a>>,
    cut: u64,
}

fn begin<'a>(index: &Index, parents: &'a [Arc<Segment>]) -> Begun<'a> {
    let slots = take_slots(parents).unwrap();
    let cut = index.core.freeze_together(parents);
    parents.iter().for_each(|parent| index.core.flush_frozen(parent, Structural::Held).unwrap());
    Begun { parents, slots, cut }
}

impl Begun<'_> {
    fn publish(self, index: &Index) -> Arc<Segment> {
        let merged = index.core.publish_merged(self.parents, self.cut).unwrap();
        drop(self.slots);
        merged
    }
}

#[test]
fn d3_merged_neighbours_keep_everything() {
    let directory = SimulatedDirectory::new();
    let index = four_segments(&directory);
    (0..KEYS).step_by(3).for_each(|n| index.put(n, value(1)).unwrap());
    index.flush_and_wait().unwrap();
    (0..KEYS).step_by(7).for_each(|n| index.delete(n).unwrap());
    let before = all(&index);
    merge(&index, 1..4);
    merge(&index, 0..2);
    assert_eq!(segments(&index).len(), 1);
    assert_eq!(all(&index), before);
    for (key, value) in &before {
        assert_eq!(index.get(key).unwrap().as_ref(), Some(value));
    }
    assert_clean(&index);
    assert_eq!(index.metrics_snapshot().segments.neighbour_merges, 2);
    index.close().unwrap();
    let index = quiet(&directory).open().unwrap();
    assert_eq!(all(&index), before);
    assert_clean(&index);
}

/// One file was cut in parts by the split; the parts are one again, and the file need not be rewritten.
#[test]
fn d3_parts_of_one_file_that_meet_again_become_one() {
    let index = four_segments(&SimulatedDirectory::new());
    assert!(segments(&index).iter().all(|segment| segment.version().main[0].is_clipped()));
    merge(&index, 1..3);
    merge(&index, 0..3);
    let version = segments(&index)[0].version().clone();
    assert_eq!(version.main.len(), 1);
    assert!(!version.can_compact());
    assert_clean(&index);
}

#[test]
fn d3_what_is_written_during_a_merge_is_inherited_and_flushed_once() {
    let directory = SimulatedDirectory::new();
    let index = four_segments(&directory);
    let parents = segments(&index);
    let begun = begin(&index, &parents);
    let mut batch = WriteBatch::new();
    for n in (0..KEYS).step_by(5) {
        batch.put(n, value(1)).unwrap();
    }
    index.write(batch).unwrap();
    // In its buffers, but not there yet.
    let mut slow = Commit::default();
    for n in [1u64, 71, 141] {
        slow.put(&n.to_be_bytes(), b"slow").unwrap();
    }
    let placed = place(&index.core, &mut slow);
    let merged = begun.publish(&index);
    assert_eq!(index.get(5).unwrap(), Some(value(1)));
    index.core.carry_out(&mut slow, &placed).unwrap();
    index.put(2, b"after").unwrap();
    let expected = all(&index);
    assert_eq!(expected[1].1, b"slow");
    let runs_before = merged.version().runs().count();
    index.core.flush_segment(&merged).unwrap();
    let version = merged.version().clone();
    assert_eq!(version.runs().count(), runs_before + 1, "all in one run");
    // What came after is still to be flushed, and nothing else.
    assert_eq!(version.unflushed().count(), 0);
    assert_eq!(version.buffered_bytes(), index.metrics_snapshot().write_path.buffered_bytes);
    index.flush_and_wait().unwrap();
    assert_eq!(index.metrics_snapshot().write_path.buffered_bytes, 0, "all room is given back, once");
    assert_eq!(all(&index), expected);
    assert_clean(&index);
}

/// The process dies, or the power goes, after each step of a merge and of the flush that follows.
#[test]
fn d3_replay_after_a_merge_brings_everything_once() {
    for flushed in [false, true] {
        let directory = SimulatedDirectory::new();
        let index = four_segments(&directory);
        // The parents are flushed through different seqs.
        for (place, segment) in segments(&index).iter().enumerate().rev() {
            index.put(place as u64 * 50, value(1)).unwrap();
            index.core.flush_segment(segment).unwrap();
        }
        let parents = segments(&index);
        let begun = begin(&index, &parents);
        for round in [2, 3] {
            (0..KEYS).step_by(9).for_each(|n| index.put(n, value(round)).unwrap());
        }
        let merged = begun.publish(&index);
        (0..KEYS).step_by(11).for_each(|n| index.put(n, value(4)).unwrap());
        index.sync().unwrap();
        if flushed {
            index.core.flush_segment(&merged).unwrap();
        }
        let expected = all(&index);
        for after in [directory.kill(), directory.crash(CrashPolicy::LoseAll, 1)] {
            let index = quiet(&after).open().unwrap();
            assert_eq!(all(&index), expected);
            assert_clean(&index);
            index.put(1_000, value(9)).unwrap();
            index.compact_and_wait().unwrap();
            assert_eq!(index.len().unwrap(), KEYS + 1);
            assert_clean(&index);
        }
    }
}

/// A split while the merged segment has not flushed what it inherited.
#[test]
fn d3_inherited_buffers_of_a_merge_are_inherited_again_by_a_split() {
    let directory = SimulatedDirectory::new();
    let index = four_segments(&directory);
    let parents = segments(&index);
    let begun = begin(&index, &parents);
    (0..KEYS).step_by(2).for_each(|n| index.put(n, value(1)).unwrap());
    let merged = begun.publish(&index);
    (0..KEYS).step_by(3).for_each(|n| index.put(n, value(2)).unwrap());
    let expected = all(&index);
    assert!(index.core.split_segment(&merged, 3).unwrap());
    assert_eq!(all(&index), expected);
    index.sync().unwrap();
    assert_eq!(all(&quiet(&directory.crash(CrashPolicy::LoseAll, 1)).open().unwrap()), expected);
    index.flush_and_wait().unwrap();
    assert_eq!(index.metrics_snapshot().write_path.buffered_bytes, 0);
    assert_eq!(all(&index), expected);
    assert_clean(&index);
}

#[test]
fn d3_a_merge_leaves_alone_what_others_are_at() {
    let index = four_segments(&SimulatedDirectory::new());
    let before = segments(&index);
    for slot in before.iter().flat_map(|segment| [&segment.flush_slot, &segment.structural_slot]) {
        let _taken = slot.try_take().unwrap();
        assert!(!index.core.merge_neighbours(&before).unwrap());
    }
    // Split since they were chosen.
    split(&index, 1, 2);
    assert!(!index.core.merge_neighbours(&before).unwrap());
    assert_eq!(segments(&index).len(), 5);
    assert!(segments(&index).iter().all(|segment| segment.flush_slot.try_take().is_some()));
}

#[test]
fn d3_parts_of_a_split_are_not_merged_at_once_and_hot_segments_not_at_all() {
    let directory = SimulatedDirectory::new();
    let index = four_segments(&directory);
    assert!(index.core.small_neighbours().is_none(), "they come from a split");
    index.close().unwrap();
    let small =
        |target_bytes| quiet(&directory).segment(move |s| s.target_bytes(target_bytes)).open().unwrap();
    let index = small(4 << 20);
    assert_eq!(index.core.small_neighbours().unwrap().len(), 4);
    let segments = segments(&index);
    // One is written to.
    for n in 60..90 {
        index.put(n, vec![1; 10_000]).unwrap();
    }
    let found = index.core.small_neighbours().unwrap();
    assert!(found.iter().map(|segment| segment.id).eq(segments[2..].iter().map(|segment| segment.id)));
    segments[3].damaged.store(true, Ordering::Release);
    index.flush_and_wait().unwrap();
    assert_eq!(index.core.small_neighbours().unwrap().len(), 3);
    index.close().unwrap();
    // None of them is below a quarter.
    assert!(small(16 << 10).core.small_neighbours().is_none());
}

/// Readers of one moment, while the segments under them are merged and split.
#[test]
fn c6_scans_both_ways_show_their_moment_through_merges_and_splits() {
    let index = four_segments(&SimulatedDirectory::new());
    let expected = all(&index);
    let snapshot = index.snapshot().unwrap();
    let (mut forward, mut backward) = (snapshot.iter().unwrap(), snapshot.iter().unwrap().rev());
    let (mut up, mut down) = (Vec::new(), Vec::new());
    for round in 0..20u64 {
        up.extend(forward.by_ref().take(10).map(Result::unwrap));
        down.extend(backward.by_ref().take(10).map(Result::unwrap));
        for n in (0..KEYS).filter(|n| n % 20 == round) {
            index.put(n, value(round as u8)).unwrap();
            index.delete((n + 1) % KEYS).unwrap();
        }
        let count = segments(&index).len();
        match round % 4 {
            0 => merge(&index, 0..count),
            1 => split(&index, 0, 3),
            2 => merge(&index, count - 2..count),
            _ => split(&index, 0, 2),
        }
        assert_eq!(read_all(&snapshot), expected, "round {round}");
    }
    down.reverse();
    assert_eq!((up, down), (expected.clone(), expected));
    assert_clean(&index);
}

fn read_all(snapshot: &Snapshot<u64, Vec<u8>>) -> Vec<(u64, Vec<u8>)> {
    snapshot.iter().unwrap().map(Result::unwrap).collect()
}

/// A run of the merged segment answers for its range, and so must hold what all parents' buffers held: else a
/// rebuilt manifest would take the others for flushed (F6).
#[test]
fn f6_no_run_answers_for_more_than_was_flushed_with_it() {
    for allowed in 0.. {
        let directory = SimulatedDirectory::new();
        let index = four_segments(&directory);
        let parents = segments(&index);
        let begun = begin(&index, &parents);
        (0..KEYS).step_by(10).for_each(|n| index.put(n, value(1)).unwrap());
        let merged = begun.publish(&index);
        let expected = all(&index);
        index.sync().unwrap();
        directory.fail_after(Some(directory.operation_count() + allowed));
        let outcome = index.core.flush_segment(&merged);
        let after = directory.kill();
        after.remove("MANIFEST").unwrap();
        let repaired: Arc<dyn Directory> = Arc::new(after.clone());
        let report = repair(&repaired, &RepairOptions::default()).unwrap();
        let index = quiet(&after).open().unwrap();
        assert_eq!(all(&index), expected, "stopped at operation {allowed} of the flush: {report}");
        if outcome.is_ok() {
            return;
        }
    }
}

/// Writers and readers of batches over all segments, while these are merged and split all the time.
#[test]
fn d3_writers_come_through_merges_and_splits() {
    const BATCHES: u64 = 150;
    let directory = SimulatedDirectory::new();
    let index = four_segments(&directory);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..3u64)
            .map(|writer| {
                let index = &index;
                scope.spawn(move || {
                    for round in 0..BATCHES {
                        let mut batch = WriteBatch::new();
                        for part in 0..4 {
                            batch.put(part * 50 + writer, round.to_be_bytes()).unwrap();
                        }
                        index.write(batch).unwrap();
                        index.put(1_000 + round * 3 + writer, value(3)).unwrap();
                        let seen = index.get(writer).unwrap().unwrap();
                        assert_eq!(seen, round.to_be_bytes());
                    }
                })
            })
            .collect();
        let mut round = 0;
        while !writers.iter().all(|writer| writer.is_finished()) {
            round += 1;
            let now = segments(&index);
            if round % 2 == 0 {
                index.core.merge_neighbours(&now).unwrap();
            } else {
                split_segment(&index, &now[0], 3);
            }
            let snapshot = index.snapshot().unwrap();
            for writer in 0..3 {
                let parts: Vec<_> =
                    (0..4).map(|part| snapshot.get(part * 50 + writer).unwrap().unwrap()).collect();
                assert!(parts.iter().all(|part| *part == parts[0]), "a part of a batch: {parts:?}");
            }
        }
    });
    let expected = all(&index);
    assert_eq!(expected.len() as u64, KEYS + 3 * BATCHES);
    let last = (BATCHES - 1).to_be_bytes();
    assert!((0..12).all(|n| expected[(n / 3 * 50 + n % 3) as usize].1 == last));
    index.sync().unwrap();
    assert_eq!(all(&quiet(&directory.crash(CrashPolicy::LoseAll, 1)).open().unwrap()), expected);
    index.flush_and_wait().unwrap();
    assert_eq!(index.metrics_snapshot().write_path.buffered_bytes, 0);
    assert_clean(&index);
}

/// The write budget of 2 MiB is enough for two segments.
#[test]
fn d3_the_target_grows_with_the_store_and_old_segments_are_merged() {
    let clock = ManualClock::default();
    let environment = Environment { clock: Arc::new(clock.clone()), ..Environment::repeatable(5) };
    let index = quiet(&SimulatedDirectory::new())
        .environment(environment)
        .write_buffer(|w| w.budget_bytes(2 << 20))
        .segment(|s| s.target_bytes(4 << 10))
        .maintenance(|m| m.automatic(true))
        .create()
        .unwrap();
    let write = |keys: std::ops::Range<u64>| {
        keys.for_each(|n| index.put(n, value(0)).unwrap());
        index.flush_and_wait().unwrap();
        index.wait_until_idle().unwrap();
    };
    (0..10).for_each(|part| write(part * 10..part * 10 + 10));
    let old = segments(&index).len();
    (10..100).for_each(|part| write(part * 10..part * 10 + 10));
    assert!(index.core.merge_limits().target_bytes > 32 << 10);
    clock.advance(APART + APART);
    write(2_000..2_001);
    let sizes: Vec<u64> = segments(&index).iter().map(|segment| segment.version().main_bytes()).collect();
    let merges = index.metrics_snapshot().segments.neighbour_merges;
    assert!(merges > 0, "{old} segments, now {sizes:?}");
    assert!(sizes.len() <= 8, "{sizes:?}");
    assert_eq!(index.len().unwrap(), 1_001);
    assert_clean(&index);
}
