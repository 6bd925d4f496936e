use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::*;
use crate::directory::{Directory, SimulatedDirectory};
use crate::environment::{Clock, Environment};
use crate::{IndexBuilder, SegmentIndex};

type Index = SegmentIndex<u64, Vec<u8>>;

/// Stands until it is moved.
#[derive(Debug, Clone, Default)]
pub(in crate::index) struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    pub(in crate::index) fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_micros() as u64, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn wall_micros(&self) -> u64 {
        1 + self.0.load(Ordering::SeqCst)
    }

    fn monotonic_micros(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

const HOUR: Duration = Duration::from_secs(3_600);

/// Deltas stay where they are unless the index is idle, for an hour.
fn builder(directory: &SimulatedDirectory, clock: &ManualClock) -> IndexBuilder<u64, Vec<u8>> {
    let environment = Environment { clock: Arc::new(clock.clone()), ..Environment::repeatable(3) };
    Index::builder_in(Arc::new(directory.clone()))
        .environment(environment)
        .segment(|s| s.main_merge_percent(400))
        .chunk(|c| c.max_keys(4).max_bytes(1 << 10).filters(["magic-number", "crc32"].into()))
        .maintenance(|m| m.threads(1).automatic(false).idle_after(HOUR))
}

/// A main run, and a delta over it.
fn with_a_delta(index: &Index, keys: u64) {
    for byte in 0..2 {
        (0..keys).for_each(|n| index.put(n, vec![byte; 60]).unwrap());
        index.flush_and_wait().unwrap();
        index.wait_until_idle().unwrap();
    }
    assert_eq!(delta_runs(index), 1);
}

fn delta_runs(index: &Index) -> u64 {
    index.metrics_snapshot().segments.delta_runs
}

fn segments(index: &Index) -> Vec<Arc<Segment>> {
    index.core.route.load_full().segments().to_vec()
}

#[test]
fn d3_a_quiet_store_ends_in_main_runs_only() {
    let clock = ManualClock::default();
    let index =
        builder(&SimulatedDirectory::new(), &clock).maintenance(|m| m.automatic(true)).create().unwrap();
    with_a_delta(&index, 100);
    index.put(1_000, b"in a buffer").unwrap();
    while delta_runs(&index) > 0 {
        clock.advance(HOUR);
        index.core.scheduler.wake_all();
        std::thread::yield_now();
    }
    assert_eq!(index.len().unwrap(), 101);
    assert_eq!(index.metrics_snapshot().segments.main_runs, 1);
    let version = segments(&index)[0].version().clone();
    assert!(version.buffered_bytes() > 0, "what is little stays in its buffer");
    assert!(index.check().unwrap().is_clean());
}

#[test]
fn d3_idle_work_waits_until_nothing_is_asked() {
    let index = builder(&SimulatedDirectory::new(), &ManualClock::default()).create().unwrap();
    with_a_delta(&index, 100);
    for _ in 0..3 {
        index.get(5).unwrap();
        index.core.idle_step().unwrap();
        assert_eq!(delta_runs(&index), 1, "something was asked since the last look");
    }
    index.core.idle_step().unwrap();
    assert_eq!(delta_runs(&index), 0);
}

#[test]
fn d3_idle_work_gives_way_to_other_jobs() {
    let index = builder(&SimulatedDirectory::new(), &ManualClock::default()).create().unwrap();
    // More than are merged between two looks at what waits.
    with_a_delta(&index, 6_000);
    let core = &index.core;
    let segment = Arc::clone(&segments(&index)[0]);
    index.put(1, b"to be flushed").unwrap();
    let flushing = segment.flush_slot.try_take().unwrap();
    core.scheduler.request_flush(&segment, u64::MAX - 1);
    assert!(core.scheduler.has_waiting());
    let runs_before = segment.version().runs().count();
    assert!(!core.tidy_next().unwrap());
    assert_eq!((segment.version().runs().count(), delta_runs(&index)), (runs_before, 1));
    drop(flushing);
    core.scheduler.wake_all();
    index.wait_until_idle().unwrap();
    assert!(index.check().unwrap().unnamed_files.is_empty(), "nothing is left of what was begun");
}

#[test]
fn d3_a_large_buffer_is_flushed_when_idle() {
    let index = builder(&SimulatedDirectory::new(), &ManualClock::default()).create().unwrap();
    index.put(1, vec![0; 500_000]).unwrap();
    index.core.tidy_next().unwrap();
    index.wait_until_idle().unwrap();
    assert_eq!(index.metrics_snapshot().write_path.flushes, 0);
    index.put(2, vec![0; 600_000]).unwrap();
    index.core.tidy_next().unwrap();
    index.wait_until_idle().unwrap();
    assert_eq!(index.metrics_snapshot().write_path.flushes, 1);
}

#[test]
fn d3_a_file_less_than_half_referred_to_is_rewritten_when_idle() {
    let directory = SimulatedDirectory::new();
    let index = builder(&directory, &ManualClock::default()).create().unwrap();
    (0..400).for_each(|n| index.put(n, vec![1; 300]).unwrap());
    index.flush_and_wait().unwrap();
    index.core.split_segment(&segments(&index)[0], 4).unwrap();
    index.wait_until_idle().unwrap();
    assert!(!index.core.tidy_next().unwrap(), "its parts are all in use");
    let file = |directory: &SimulatedDirectory| {
        directory.list().unwrap().into_iter().find(|name| name.starts_with("run-"))
    };
    let shared = file(&directory).unwrap();
    let last = segments(&index).pop().unwrap().lower.clone();
    index.compact_range(..u64::from_be_bytes(*last.first_chunk().unwrap())).unwrap();
    assert!(directory.list().unwrap().contains(&shared));
    while index.core.tidy_next().unwrap() {}
    index.wait_until_idle().unwrap();
    assert!(segments(&index).iter().all(|segment| !segment.version().can_compact()));
    index.core.unlink_obsolete_files();
    assert!(!directory.list().unwrap().contains(&shared));
    assert_eq!(index.len().unwrap(), 400);
    assert!(index.check().unwrap().is_clean());
}

#[test]
fn d3_many_small_main_runs_become_one() {
    let index = builder(&SimulatedDirectory::new(), &ManualClock::default())
        .maintenance(|m| m.automatic(true))
        .create()
        .unwrap();
    let mut most = 0;
    for n in 0..30 {
        index.put(n, vec![1; 300]).unwrap();
        index.flush_and_wait().unwrap();
        index.wait_until_idle().unwrap();
        most = most.max(index.metrics_snapshot().segments.main_runs);
    }
    assert!(most < 8, "{most} small runs");
    assert_eq!(index.len().unwrap(), 30);
    assert!(index.check().unwrap().is_clean());
}

#[test]
fn d3_compact_range_leaves_other_segments_alone() {
    let index = builder(&SimulatedDirectory::new(), &ManualClock::default()).create().unwrap();
    (0..400).for_each(|n| index.put(n, vec![1; 300]).unwrap());
    index.flush_and_wait().unwrap();
    index.core.split_segment(&segments(&index)[0], 4).unwrap();
    index.wait_until_idle().unwrap();
    for _ in 0..2 {
        (0..400).step_by(20).for_each(|n| index.put(n, vec![2; 10]).unwrap());
        index.flush_and_wait().unwrap();
    }
    (0..400).step_by(50).for_each(|n| index.put(n, b"buffered").unwrap());
    let bound = |place: usize| u64::from_be_bytes(*segments(&index)[place].lower.first_chunk().unwrap());
    let messy = || segments(&index).iter().map(|segment| segment.version().can_compact()).collect::<Vec<_>>();
    let buffered =
        || segments(&index).iter().map(|segment| segment.version().buffered_bytes() > 0).collect::<Vec<_>>();
    index.compact_range(5..5).unwrap();
    assert_eq!((messy(), buffered()), (vec![true; 4], vec![true; 4]));
    let (first, last) = (bound(1), bound(3));
    assert!(matches!(index.compact_range(last..first), Err(Error::InvalidRange)));
    index.compact_range(first..last).unwrap();
    assert_eq!(messy(), [true, false, false, true]);
    assert_eq!(buffered(), [true, false, false, true]);
    index.compact_range(..=first - 1).unwrap();
    assert_eq!(messy(), [false, false, false, true]);
    index.compact_range(last..).unwrap();
    assert_eq!(messy(), [false; 4]);
    assert_eq!(index.len().unwrap(), 400);
}
