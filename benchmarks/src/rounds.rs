//! The timed region: operations made ready outside of it, done inside, by one thread or by several.
//!
//! It goes in rounds. In each every thread makes its operations ready; all begin together and stop when the
//! first has done its own or time is up. Only that is counted, for one and for four threads alike.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::engine::Res;
use crate::machine::thread_cpu;

/// What kind of call an operation was: each has a histogram of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Read,
    Write,
    Scan,
}

impl Kind {
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Read, "read"), (Self::Write, "write"), (Self::Scan, "scan")];
}

/// What a call did.
#[derive(Debug, Clone, Copy)]
pub struct Done {
    pub kind: Kind,
    /// Entries of a batch, otherwise 1.
    pub operations: u64,
    /// Whether a read found its key; entries of a scan.
    pub hits: u64,
}

impl Done {
    pub fn read(found: bool) -> Self {
        Self { kind: Kind::Read, operations: 1, hits: u64::from(found) }
    }

    pub fn write(operations: usize) -> Self {
        Self { kind: Kind::Write, operations: operations as u64, hits: 0 }
    }

    pub fn scan(entries: u64) -> Self {
        Self { kind: Kind::Scan, operations: 1, hits: entries }
    }
}

/// How far to go.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// Calls of each thread.
    pub calls: u64,
    /// Inside of the timed region.
    pub time: Duration,
    /// Calls made ready at once.
    pub round: usize,
    /// Every how many calls one is timed. 1 finds the longest; more keeps the clock out of fast reads.
    pub timed_every: usize,
}

/// What came of it, over all threads.
pub struct Outcome {
    latencies: [Histogram<u64>; 3],
    pub busy: Duration,
    /// CPU of making operations ready, over all threads.
    pub preparation_cpu: Duration,
    pub operations: u64,
    pub hits: u64,
}

impl Outcome {
    fn new() -> Res<Self> {
        // From a nanosecond to an hour, to three digits.
        let empty = Histogram::new_with_bounds(1, 3_600_000_000_000, 3)?;
        Ok(Self {
            latencies: [empty.clone(), empty.clone(), empty],
            busy: Duration::ZERO,
            preparation_cpu: Duration::ZERO,
            operations: 0,
            hits: 0,
        })
    }

    /// Latencies of one kind, in nanoseconds; none if there was no such call.
    pub fn latencies(&self, kind: Kind) -> Option<&Histogram<u64>> {
        Some(&self.latencies[kind as usize]).filter(|histogram| !histogram.is_empty())
    }

    fn merge(&mut self, other: &Self) -> Res<()> {
        for (histogram, more) in self.latencies.iter_mut().zip(&other.latencies) {
            histogram.add(more)?;
        }
        self.preparation_cpu += other.preparation_cpu;
        self.operations += other.operations;
        self.hits += other.hits;
        Ok(())
    }
}

/// What the threads of a run share.
struct Shared {
    barrier: Barrier,
    stop: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Of the round: the first beginning, the last end.
    span: Option<(Instant, Instant)>,
    busy: Duration,
    finished: bool,
}

impl Shared {
    fn new(threads: usize) -> Self {
        Self { barrier: Barrier::new(threads), stop: AtomicBool::new(false), state: Mutex::default() }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the round for everybody; the last one to come adds it up.
    fn end_round(&self, begun: Instant, finished: bool, limit: Limit) {
        let now = Instant::now();
        {
            let mut state = self.state();
            let (first, last) = state.span.unwrap_or((begun, now));
            state.span = Some((first.min(begun), last.max(now)));
            state.finished |= finished;
        }
        if self.barrier.wait().is_leader() {
            let mut state = self.state();
            if let Some((first, last)) = state.span.take() {
                state.busy += last - first;
            }
            state.finished |= state.busy >= limit.time;
            self.stop.store(false, Ordering::Relaxed);
        }
        self.barrier.wait();
    }
}

/// Lets one maker of operations, and what does one, go to the limit in this thread.
pub fn run_alone<T>(limit: Limit, make: impl FnMut() -> T, act: impl FnMut(&T) -> Res<Done>) -> Res<Outcome> {
    let shared = Shared::new(1);
    let mut outcome = work(&shared, limit, make, act)?;
    outcome.busy = shared.state().busy;
    Ok(outcome)
}

/// Lets several go to the limit, each in a thread.
pub fn run_together<T, M, A>(limit: Limit, workers: Vec<(M, A)>) -> Res<Outcome>
where
    T: Send,
    M: FnMut() -> T + Send,
    A: FnMut(&T) -> Res<Done> + Send,
{
    let shared = Shared::new(workers.len());
    let mut all = Outcome::new()?;
    thread::scope(|scope| {
        let shared = &shared;
        let spawn = |(make, act)| scope.spawn(move || work(shared, limit, make, act));
        let handles: Vec<_> = workers.into_iter().map(spawn).collect();
        for handle in handles {
            all.merge(&handle.join().map_err(|_| "a worker panicked")??)?;
        }
        Res::Ok(())
    })?;
    all.busy = shared.state().busy;
    Ok(all)
}

fn work<T>(
    shared: &Shared,
    limit: Limit,
    mut make: impl FnMut() -> T,
    mut act: impl FnMut(&T) -> Res<Done>,
) -> Res<Outcome> {
    let mut own = Outcome::new()?;
    let mut ready = Vec::with_capacity(limit.round);
    let mut failure = None;
    let mut left = limit.calls;
    loop {
        let (finished, busy) = {
            let state = shared.state();
            (state.finished, state.busy)
        };
        if finished {
            break;
        }
        ready.clear();
        let count = left.min(limit.round as u64) as usize;
        let before = thread_cpu();
        ready.extend((0..count).map(|_| make()));
        own.preparation_cpu += thread_cpu().saturating_sub(before);
        shared.barrier.wait();
        let begun = Instant::now();
        let until = begun + limit.time.saturating_sub(busy);
        let calls = round(shared, limit, &mut own, &ready, &mut act, (begun, until));
        match calls {
            Ok(calls) => left -= calls,
            Err(error) => failure = Some(error),
        }
        shared.stop.store(true, Ordering::Relaxed);
        shared.end_round(begun, left == 0 || failure.is_some(), limit);
    }
    failure.map_or(Ok(own), Err)
}

/// Does what is ready until it is done, another thread is, or time is up. How many calls that were.
fn round<T>(
    shared: &Shared,
    limit: Limit,
    own: &mut Outcome,
    ready: &[T],
    act: &mut impl FnMut(&T) -> Res<Done>,
    (begun, until): (Instant, Instant),
) -> Res<u64> {
    let mut last = begun;
    for (at, operation) in ready.iter().enumerate() {
        let timed = at % limit.timed_every == 0;
        if timed && limit.timed_every > 1 {
            last = Instant::now();
        }
        let done = act(operation)?;
        own.operations += done.operations;
        own.hits += done.hits;
        if timed {
            let now = Instant::now();
            own.latencies[done.kind as usize].saturating_record((now - last).as_nanos() as u64);
            last = now;
            if now >= until {
                return Ok(at as u64 + 1);
            }
        }
        if shared.stop.load(Ordering::Relaxed) {
            return Ok(at as u64 + 1);
        }
    }
    Ok(ready.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit = Limit { calls: 1_000, time: Duration::from_secs(3_600), round: 64, timed_every: 1 };

    #[test]
    fn one_thread_does_all_calls_and_several_stop_together() {
        let outcome = run_alone(LIMIT, || (), |()| Ok(Done::write(10))).unwrap();
        assert_eq!(outcome.operations, 10_000);
        assert_eq!(outcome.latencies(Kind::Write).unwrap().len(), 1_000);
        assert!(outcome.latencies(Kind::Read).is_none());

        let worker = |_| (|| (), |_: &()| Ok(Done::read(true)));
        let outcome = run_together(LIMIT, (0..4).map(worker).collect()).unwrap();
        assert!((1_000..=4_000).contains(&outcome.operations));
        assert_eq!(outcome.hits, outcome.operations);
    }

    #[test]
    fn a_failure_of_one_ends_all() {
        let failing =
            |id| (|| (), move |_: &()| if id == 2 { Err("broken".into()) } else { Ok(Done::read(false)) });
        let limit = Limit { calls: u64::MAX, ..LIMIT };
        assert!(run_together(limit, (0..4).map(failing).collect()).is_err());
    }
}
