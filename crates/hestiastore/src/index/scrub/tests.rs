//! Scrubs with a clock that stands until it is moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::*;
use crate::directory::{Directory, SimulatedDirectory};
use crate::environment::{Clock, Environment};
use crate::{Error, IndexBuilder, SegmentIndex};

type Index = SegmentIndex<u64, Vec<u8>>;

#[derive(Debug, Clone, Default)]
struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    fn advance(&self, micros: u64) {
        self.0.fetch_add(micros, Ordering::SeqCst);
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

const SECOND: u64 = 1_000_000;

fn builder(directory: &SimulatedDirectory, clock: &ManualClock) -> IndexBuilder<u64, Vec<u8>> {
    let environment = Environment { clock: Arc::new(clock.clone()), ..Environment::repeatable(3) };
    Index::builder_in(Arc::new(directory.clone()))
        .environment(environment)
        .maintenance(|m| m.threads(1).automatic(false))
        .log(|l| l.first_file_bytes(16 << 10).max_file_bytes(16 << 10))
}

fn fill(index: &Index) {
    for key in 0..2_000u64 {
        index.put(key, key.to_be_bytes().repeat(20)).unwrap();
    }
    index.flush_and_wait().unwrap();
}

fn run_of(directory: &SimulatedDirectory) -> String {
    directory.list().unwrap().into_iter().find(|name| name.starts_with("run-")).unwrap()
}

#[test]
fn a_pace_gives_each_byte_its_time() {
    let pace = Pace { bytes_per_second: 1 << 20 };
    assert_eq!(pace.next_micros(7, 0), 7);
    assert_eq!(pace.next_micros(7, 1 << 19), 500_007);
    assert_eq!(pace.next_micros(0, 10 << 20), 10_000_000);
    assert_eq!(Pace { bytes_per_second: 0 }.next_micros(7, 1 << 40), 7);
    assert_eq!(Pace { bytes_per_second: 1 }.next_micros(7, u64::MAX), u64::MAX);
}

#[test]
fn a_scrub_reads_no_faster_than_it_may() {
    let (directory, clock) = (SimulatedDirectory::new(), ManualClock::default());
    let index = builder(&directory, &clock).create().unwrap();
    fill(&index);
    // So slow that no wait ends by itself.
    const BYTES_PER_SECOND: u64 = 10;
    let scrub = || {
        let start = clock.monotonic_micros();
        let mut before = 0;
        let options = ScrubOptions::default().bytes_per_second(BYTES_PER_SECOND).on_progress(|so_far| {
            let elapsed = clock.monotonic_micros() - start;
            assert!(before * SECOND / BYTES_PER_SECOND <= elapsed, "{before} bytes in {elapsed}");
            before = so_far.bytes;
        });
        index.scrub(options)
    };
    thread::scope(|scope| {
        let scrub = scope.spawn(scrub);
        while !scrub.is_finished() {
            clock.advance(1_000_000 * SECOND);
            // The end of a job has everyone look at the clock.
            index.put(1, b"x").unwrap();
            index.flush_and_wait().unwrap();
        }
        assert!(scrub.join().unwrap().unwrap().is_clean());
    });
}

#[test]
fn c7_close_ends_a_scrub_that_waits() {
    let (directory, clock) = (SimulatedDirectory::new(), ManualClock::default());
    let index = builder(&directory, &clock).create().unwrap();
    fill(&index);
    let (begun, wait) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        let scrub = scope.spawn(|| {
            index.scrub(ScrubOptions::default().bytes_per_second(1).on_progress(|_| begun.send(()).unwrap()))
        });
        wait.recv().unwrap();
        index.close().unwrap();
        assert!(matches!(scrub.join().unwrap(), Err(Error::Closed)));
    });
}

/// Has the maintenance thread look at the clock until so many scrubs are finished.
fn wait_for_scrubs(index: &Index, count: u64) {
    while index.metrics_snapshot().scrub.finished < count {
        index.put(1, b"x").unwrap();
        index.flush_and_wait().unwrap();
        thread::yield_now();
    }
}

#[test]
fn a_background_scrub_comes_with_the_first_write_and_then_once_an_interval() {
    let (directory, clock) = (SimulatedDirectory::new(), ManualClock::default());
    let index = builder(&directory, &clock)
        .maintenance(|m| m.scrub_bytes_per_second(1 << 40).scrub_interval(Duration::from_secs(3_600)))
        .create()
        .unwrap();
    fill(&index);
    wait_for_scrubs(&index, 1);
    let first = index.metrics_snapshot().scrub;
    assert_eq!((first.problems, first.last_finished_micros), (0, Some(clock.wall_micros())));

    clock.advance(3_599 * SECOND);
    for _ in 0..20 {
        index.put(1, b"x").unwrap();
        index.flush_and_wait().unwrap();
    }
    assert_eq!(index.metrics_snapshot().scrub, first);

    directory.flip_bit(&run_of(&directory), 4_096 + 100, 1).unwrap();
    clock.advance(SECOND);
    wait_for_scrubs(&index, 2);
    let second = index.metrics_snapshot().scrub;
    assert!(second.problems > 0 && second.scrubbed_bytes > first.scrubbed_bytes, "{second:?}");
    let damaged = index.core.route.load().segments()[0].damaged.load(Ordering::Acquire);
    assert!(damaged, "the structural jobs of the segment go on");
    index.close().unwrap();
}

#[test]
fn a_slow_background_scrub_hinders_nobody() {
    let (directory, clock) = (SimulatedDirectory::new(), ManualClock::default());
    let index = builder(&directory, &clock).maintenance(|m| m.scrub_bytes_per_second(1)).create().unwrap();
    for _ in 0..3 {
        fill(&index);
        index.compact_and_wait().unwrap();
        index.wait_until_idle().unwrap();
    }
    let scrub = index.metrics_snapshot().scrub;
    assert_eq!((scrub.finished, scrub.problems), (0, 0));
    // What a scrub held is let go, so that the obsolete files are gone.
    index.close().unwrap();
    let runs = directory.list().unwrap().iter().filter(|name| name.starts_with("run-")).count();
    assert_eq!(runs, 1);
}
