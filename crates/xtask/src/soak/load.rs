//! All threads together: the filling, the measuring of the peak, and the soak itself.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::latency::Latencies;
use super::pace::Pace;
use super::reading::Reader;
use super::sample::Sampler;
use super::store::Store;
use super::watch::Watch;
use super::writing::{WRITERS, Writer};
use crate::chance::Chance;
use crate::outcome::{Outcome, failure};

const GET_READERS: u64 = 2;
const RANGES_PER_SECOND: f64 = 100.0;
const SCANS_PER_SECOND: f64 = 0.1;

/// See the module.
#[derive(Debug)]
pub(super) struct Load<'a> {
    store: &'a Store,
    latencies: Latencies,
    written: AtomicU64,
}

impl<'a> Load<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        Self { store, latencies: Latencies::new(), written: AtomicU64::new(0) }
    }

    fn chance(&self, number: u64) -> Chance {
        Chance::of(&[self.store.arguments.seed, number, self.written.load(Ordering::Relaxed)])
    }

    /// For the thread that calls.
    fn writer(&self, number: u64) -> Outcome<Writer<'_>> {
        let (chance, watch) = (self.chance(number), Watch::new(&self.latencies)?);
        Ok(Writer { store: self.store, watch, written: &self.written, number, chance })
    }

    /// For the thread that calls.
    fn reader(&self, number: u64) -> Outcome<Reader<'_>> {
        Ok(Reader {
            store: self.store,
            watch: Watch::new(&self.latencies)?,
            chance: self.chance(100 + number),
        })
    }

    /// Every key once.
    pub(super) fn fill(&self) -> Outcome {
        let begun = Instant::now();
        std::thread::scope(|scope| {
            let writers: Vec<_> =
                (0..WRITERS).map(|number| scope.spawn(move || self.writer(number)?.fill())).collect();
            writers.into_iter().try_for_each(|writer| writer.join().map_err(|_| "a writer has panicked")?)
        })?;
        let seconds = begun.elapsed().as_secs_f64();
        eprintln!(
            "soak: {} keys filled in, {:.0} a second",
            self.store.key_count(),
            self.store.key_count() as f64 / seconds
        );
        self.latencies.take();
        Ok(())
    }

    /// How many operations a second the writers get done with all readers beside them. What the first third of
    /// the time brings is not counted: there is room in the buffers then.
    pub(super) fn peak(&self, lasting: Duration) -> Outcome<u64> {
        let mut counted = 0;
        self.all_at_work(None, |stop| {
            pause(lasting / 3, stop);
            let (before, begun) = (self.written.load(Ordering::Relaxed), Instant::now());
            pause(lasting - lasting / 3, stop);
            let written = self.written.load(Ordering::Relaxed) - before;
            counted = (written as f64 / begun.elapsed().as_secs_f64()) as u64;
        })?;
        eprintln!("soak: {counted} writes a second at most");
        self.latencies.take();
        Ok(counted)
    }

    /// The soak: writers at `rate`, and a sample every second.
    pub(super) fn keep_up(&self, rate: u64, lasting: Duration, sampler: &mut Sampler<'_>) -> Outcome {
        let mut outcome = Ok(());
        self.all_at_work(Some(rate), |stop| {
            let begun = Instant::now();
            let mut second = 1;
            while begun.elapsed() < lasting && !stop.load(Ordering::Relaxed) && outcome.is_ok() {
                pause(Duration::from_secs(second).saturating_sub(begun.elapsed()), stop);
                outcome = sampler.sample(begun.elapsed(), self.latencies.take());
                second += 1;
            }
        })?;
        outcome
    }

    /// Everybody works until `watch` returns, or until somebody fails.
    fn all_at_work(&self, rate: Option<u64>, watch: impl FnOnce(&AtomicBool)) -> Outcome {
        let stop = AtomicBool::new(false);
        let failed = Mutex::new(None);
        let guard = |outcome: Outcome| {
            if let Err(error) = outcome {
                stop.store(true, Ordering::Relaxed);
                let mut failed = failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                failed.get_or_insert(error);
            }
        };
        std::thread::scope(|scope| {
            let (stop, guard) = (&stop, &guard);
            for number in 0..WRITERS {
                let pace = match rate {
                    Some(rate) => Pace::per_second(rate as f64 / WRITERS as f64),
                    None => Pace::unlimited(),
                };
                scope.spawn(move || guard(self.writer(number).and_then(|mut it| it.go_on_until(pace, stop))));
            }
            let read = |number, work: &'static (dyn Fn(&mut Reader<'_>, &AtomicBool) -> Outcome + Sync)| {
                scope
                    .spawn(move || guard(self.reader(number).and_then(|mut reader| work(&mut reader, stop))));
            };
            let gets_per_second = self.store.arguments.gets_per_second as f64 / GET_READERS as f64;
            for number in 0..GET_READERS {
                let pace = Pace::per_second(gets_per_second);
                scope.spawn(move || guard(self.reader(number).and_then(|mut it| it.get_until(pace, stop))));
            }
            read(10, &|it, stop| it.range_until(Pace::per_second(RANGES_PER_SECOND), stop));
            read(11, &|it, stop| it.scan_until(Pace::per_second(SCANS_PER_SECOND), stop));
            read(12, &|it, stop| it.snapshots_until(stop));
            watch(stop);
            stop.store(true, Ordering::Relaxed);
        });
        match failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
            Some(error) => failure(error.to_string()),
            None => Ok(()),
        }
    }
}

/// Sleeps, unless somebody fails meanwhile.
fn pause(lasting: Duration, stop: &AtomicBool) {
    let begun = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let left = lasting.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return;
        }
        std::thread::sleep(left.min(Duration::from_millis(100)));
    }
}
