//! How fast merges may go: no faster than somebody set, and slower while reads and writes suffer.
//!
//! Bytes are those of the entries that a merge reads and writes, before compression.

use std::time::{Duration, Instant};

use super::core::Core;
use super::counters::add;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};

/// Lets so many bytes pass in a second. Times are those of one monotonic clock.
#[derive(Debug, Default)]
pub(crate) struct TokenBucket {
    /// When all that was let through so far is paid for.
    paid_micros: Mutex<u64>,
}

impl TokenBucket {
    /// Takes `bytes`; until when to wait then. Who did nothing for a while has saved nothing.
    pub(crate) fn take(&self, bytes: u64, bytes_per_second: u64, now_micros: u64) -> u64 {
        let cost = u128::from(bytes) * 1_000_000 / u128::from(bytes_per_second.max(1));
        let cost_micros = u64::try_from(cost).unwrap_or(u64::MAX);
        let mut paid_micros = self.paid_micros.lock();
        *paid_micros = (*paid_micros).max(now_micros).saturating_add(cost_micros);
        *paid_micros
    }

    /// Forgets what was taken: whoever takes next need not wait for it.
    pub(crate) fn forgive(&self) {
        *self.paid_micros.lock() = 0;
    }
}

/// Of so many operations one is timed.
const SAMPLED_ONE_IN: u32 = 32;
/// A window ends when it is this long and has enough samples, or when it is so long that it does not matter.
const WINDOW_MICROS: u64 = 100_000;
const LONGEST_WINDOW_MICROS: u64 = 1_000_000;
const ENOUGH_SAMPLES: u64 = 16;
/// Merges never go slower than this: they must come to an end.
const LEAST_BYTES_PER_SECOND: u64 = 1 << 20;
/// Nor is it worth holding them back to more than this.
const MOST_BYTES_PER_SECOND: u64 = 4 << 30;

/// How long reads and writes took of late, and how fast merges may go so that they take no longer.
///
/// The rate is halved after each window in which more than one of a hundred took longer than the target, and grows by a
/// quarter after each other one.
#[derive(Debug)]
pub(crate) struct Foreground {
    target_micros: Option<u64>,
    samples: AtomicU64,
    slow: AtomicU64,
    window: Mutex<Window>,
}

#[derive(Debug, Default)]
struct Window {
    began_micros: u64,
    merged_bytes: u64,
    bytes_per_second: Option<u64>,
}

crate::sync::thread_local! {
    static OPERATIONS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

impl Foreground {
    pub(crate) fn new(target: Option<Duration>) -> Self {
        let target_micros = target.map(|target| u64::try_from(target.as_micros()).unwrap_or(u64::MAX));
        Self { target_micros, samples: AtomicU64::new(0), slow: AtomicU64::new(0), window: Mutex::default() }
    }

    /// Times the operation that begins, if its turn has come.
    #[inline]
    pub(crate) fn time(&self) -> Option<TimedOperation<'_>> {
        self.is_sampled().then(|| TimedOperation { foreground: self, began: Instant::now() })
    }

    #[inline]
    fn is_sampled(&self) -> bool {
        self.target_micros.is_some()
            && OPERATIONS.with(|operations| {
                let number = operations.get().wrapping_add(1);
                operations.set(number);
                number.is_multiple_of(SAMPLED_ONE_IN)
            })
    }

    /// A sampled operation has taken so long.
    fn note(&self, took_micros: u64) {
        self.samples.fetch_add(1, Ordering::Relaxed);
        if self.target_micros.is_some_and(|target_micros| took_micros > target_micros) {
            self.slow.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How fast merges may go that have moved `bytes` since they asked last; `None` for as fast as they can.
    fn rate(&self, bytes: u64, now_micros: u64) -> Option<u64> {
        self.target_micros?;
        let mut window = self.window.lock();
        window.merged_bytes += bytes;
        let took_micros = now_micros.saturating_sub(window.began_micros);
        let samples = self.samples.load(Ordering::Relaxed);
        let is_over = samples >= ENOUGH_SAMPLES && took_micros >= WINDOW_MICROS;
        if is_over || took_micros >= LONGEST_WINDOW_MICROS {
            self.samples.store(0, Ordering::Relaxed);
            let slow = self.slow.swap(0, Ordering::Relaxed);
            window.end(slow * 100 > samples, took_micros);
            window.began_micros = now_micros;
        }
        window.bytes_per_second
    }
}

impl Window {
    fn end(&mut self, suffered: bool, took_micros: u64) {
        let merged = u128::from(std::mem::take(&mut self.merged_bytes)) * 1_000_000;
        let observed = u64::try_from(merged / u128::from(took_micros.max(1))).unwrap_or(u64::MAX);
        self.bytes_per_second = match self.bytes_per_second {
            now if suffered => Some((now.unwrap_or(observed) / 2).max(LEAST_BYTES_PER_SECOND)),
            Some(rate) if rate < MOST_BYTES_PER_SECOND => Some(rate + rate / 4),
            _ => None,
        };
    }
}

/// A sampled operation under way.
pub(crate) struct TimedOperation<'a> {
    foreground: &'a Foreground,
    began: Instant,
}

impl Drop for TimedOperation<'_> {
    fn drop(&mut self) {
        self.foreground.note(u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
}

/// About as long as a step of a merge takes.
const REST_FOR_FLUSHES: Duration = Duration::from_millis(1);

/// Who rests looks around so often, in case that the clock is another one than the system's.
const LONGEST_REST: Duration = Duration::from_millis(100);

impl Core {
    /// Between the steps of a structural job, which has moved `bytes`: flushes that nobody else can do go first, it
    /// rests if it is too fast, and is told whether to give up.
    pub(super) fn end_step(&self, bytes: u64) -> bool {
        self.scheduler.pool().give_way();
        self.rest(self.rest_for_limits(bytes), || false);
        let writers_wait = || self.budget.is_waited_for();
        if writers_wait() {
            self.slowed.forgive();
            self.rest(self.rest_for_flushes(), || !writers_wait());
        } else {
            self.rest(self.rest_for_foreground(bytes), writers_wait);
        }
        self.is_ending()
    }

    /// While writers wait for room that a flush at work will give, a merge leaves that flush the processors for half of
    /// the time: its own work may come later. Not where writers wait for merges.
    fn rest_for_flushes(&self) -> Duration {
        let leave = self.scheduler.pool().is_flushing() && !self.budget.is_held_up_by_merges();
        if leave { REST_FOR_FLUSHES } else { Duration::ZERO }
    }

    /// What the index and its runtime were told.
    fn rest_for_limits(&self, bytes: u64) -> Duration {
        let shared = self.scheduler.pool().rest_after(bytes);
        let bytes_per_second = self.config.maintenance.rate_bytes_per_second;
        if bytes_per_second == 0 {
            return shared;
        }
        let now_micros = self.environment.clock.monotonic_micros();
        let until_micros = self.limited.take(bytes, bytes_per_second, now_micros);
        shared.max(Duration::from_micros(until_micros - now_micros))
    }

    fn rest_for_foreground(&self, bytes: u64) -> Duration {
        let now_micros = self.environment.clock.monotonic_micros();
        match self.foreground.rate(bytes, now_micros) {
            Some(rate) => Duration::from_micros(self.slowed.take(bytes, rate, now_micros) - now_micros),
            None => Duration::ZERO,
        }
    }

    /// Rests for so long by the clock or in truth, but for flushes that nobody else can do; no longer than until
    /// `stop` holds or the index ends.
    fn rest(&self, wait: Duration, stop: impl Fn() -> bool) {
        if wait.is_zero() {
            return;
        }
        let began = Instant::now();
        let clock = &self.environment.clock;
        let began_micros = clock.monotonic_micros();
        loop {
            let passed_micros = clock.monotonic_micros().saturating_sub(began_micros);
            let passed = began.elapsed().max(Duration::from_micros(passed_micros));
            let left = wait.saturating_sub(passed);
            if left.is_zero() || self.is_ending() || stop() {
                break;
            }
            self.scheduler.pool().rest(left.min(LONGEST_REST), || self.is_ending());
            self.scheduler.pool().give_way();
        }
        add(&self.counters.throttled_micros, u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_lets_pass_what_was_set_and_saves_nothing() {
        let bucket = TokenBucket::default();
        assert_eq!(bucket.take(500, 1_000, 1_000_000), 1_500_000);
        assert_eq!(bucket.take(500, 1_000, 1_100_000), 2_000_000);
        assert_eq!(bucket.take(1, 1_000, 9_000_000), 9_001_000);
        assert_eq!(bucket.take(u64::MAX, 1, 9_000_000), u64::MAX);
        bucket.forgive();
        assert_eq!(bucket.take(1, 1_000_000, 5), 6);
    }

    /// In a window of so many micros.
    fn pass(foreground: &Foreground, now_micros: &mut u64, took_micros: u64, bytes: u64) -> Option<u64> {
        (0..ENOUGH_SAMPLES).for_each(|_| foreground.note(took_micros));
        *now_micros += WINDOW_MICROS;
        foreground.rate(bytes, *now_micros)
    }

    #[test]
    fn merges_slow_down_while_others_suffer_and_come_back() {
        let foreground = Foreground::new(Some(Duration::from_millis(1)));
        let mut now_micros = 10_000_000;
        assert_eq!(foreground.rate(0, now_micros), None);
        assert_eq!(pass(&foreground, &mut now_micros, 1_000, 10 << 20), None);
        assert_eq!(pass(&foreground, &mut now_micros, 1_001, 10 << 20), Some(50 << 20));
        assert_eq!(pass(&foreground, &mut now_micros, 1_001, 0), Some(25 << 20));
        assert_eq!(pass(&foreground, &mut now_micros, 1_000, 0), Some(25 * 5 / 4 * (1 << 20) + (1 << 18)));
        for _ in 0..20 {
            pass(&foreground, &mut now_micros, 1_001, 0);
        }
        assert_eq!(pass(&foreground, &mut now_micros, 1_001, 0), Some(LEAST_BYTES_PER_SECOND));
        let good = (0..100).find(|_| pass(&foreground, &mut now_micros, 1, 0).is_none());
        assert!(good.is_some());
    }

    #[test]
    fn without_a_target_nothing_is_timed_and_nothing_slowed() {
        let foreground = Foreground::new(None);
        assert!((0..1_000).all(|_| !foreground.is_sampled()));
        assert_eq!(foreground.rate(1 << 30, 10_000_000), None);
        let timed = Foreground::new(Some(Duration::from_millis(1)));
        assert_eq!((0..320).filter(|_| timed.is_sampled()).count(), 10);
    }

    #[test]
    fn who_has_nobody_to_disturb_is_not_held_back() {
        let foreground = Foreground::new(Some(Duration::from_millis(1)));
        let mut now_micros = 10_000_000;
        foreground.rate(0, now_micros);
        pass(&foreground, &mut now_micros, 5_000, 4 << 20);
        let before = foreground.rate(0, now_micros);
        now_micros += LONGEST_WINDOW_MICROS;
        assert!(foreground.rate(0, now_micros) > before);
    }

    type Index = crate::SegmentIndex<u64, Vec<u8>>;

    /// A few runs that overlap, and a merge of them that takes more than a step.
    fn merging(
        change: impl FnOnce(crate::IndexBuilder<u64, Vec<u8>>) -> crate::IndexBuilder<u64, Vec<u8>>,
    ) -> Index {
        let builder = Index::in_memory().maintenance(|m| m.threads(1)).segment(|s| s.delta_fan_in(2));
        let index = change(builder).create().unwrap();
        let pause = index.pause_maintenance();
        for round in 0..4u8 {
            (0..100u64).for_each(|n| index.put(n, vec![round; 3_000]).unwrap());
            index.flush_and_wait().unwrap();
        }
        drop(pause);
        index
    }

    fn wait_until(done: impl Fn() -> bool) {
        while !done() {
            std::thread::yield_now();
        }
    }

    fn is_paid_for(bucket: &TokenBucket) -> bool {
        *bucket.paid_micros.lock() > 0
    }

    /// It would take days.
    #[test]
    fn a_merge_that_is_held_back_leaves_its_thread_to_flushes_and_gives_up_at_close() {
        let index = merging(|builder| builder.maintenance(|m| m.rate_bytes_per_second(1)));
        let core = std::sync::Arc::clone(&index.core);
        wait_until(|| is_paid_for(&core.limited));
        for n in 0..3u64 {
            index.put(n, b"newer").unwrap();
            index.flush_and_wait().unwrap();
        }
        index.close().unwrap();
        assert!(super::super::counters::read(&core.counters.throttled_micros) > 0);
        assert_eq!(core.counters.main_merges.metrics().done, 0);
    }

    #[test]
    fn a_runtime_holds_back_the_merges_of_all_its_indexes() {
        let runtime = crate::Runtime::builder().rate_bytes_per_second(1).build();
        let indexes = [0, 1].map(|_| merging(|builder| builder.runtime(&runtime)));
        let rate = runtime.pool().rate.as_ref().unwrap();
        wait_until(|| is_paid_for(&rate.tokens));
        for index in &indexes {
            index.put(1, b"newer").unwrap();
            index.flush_and_wait().unwrap();
        }
        drop(indexes);
    }

    /// Whether the writer comes before the merge rests or after.
    #[test]
    fn nothing_is_held_back_for_the_foreground_while_a_writer_waits_for_room() {
        for writer_comes_first in [false, true] {
            let builder = Index::in_memory().write_buffer(|w| w.budget_bytes(1 << 20));
            let target = Duration::from_millis(1);
            let index = builder.maintenance(|m| m.latency_target(Some(target))).create().unwrap();
            let core = &index.core;
            index.put(1, b"first").unwrap();
            index.flush_and_wait().unwrap();
            let taken = core.budget.limit_bytes() - core.budget.used_bytes();
            core.budget.force(taken);
            let now_micros = core.environment.clock.monotonic_micros();
            *core.foreground.window.lock() =
                Window { began_micros: now_micros, merged_bytes: 0, bytes_per_second: Some(1) };
            std::thread::scope(|scope| {
                let merge = || scope.spawn(|| core.end_step(1 << 30));
                let first = (!writer_comes_first).then(merge);
                if first.is_some() {
                    wait_until(|| is_paid_for(&core.slowed));
                }
                let writer = scope.spawn(|| index.put(2, b"waits"));
                wait_until(|| core.budget.wanted_bytes().is_some());
                assert!(!first.unwrap_or_else(merge).join().unwrap());
                core.budget.release(taken);
                writer.join().unwrap().unwrap();
            });
        }
    }
}
