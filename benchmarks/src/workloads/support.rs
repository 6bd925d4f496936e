//! What several workloads need.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::engine::{Engine, Res};
use crate::keys::{HASH_VALUE, Key};
use crate::rounds::{Done, Limit, Outcome, run_alone};

/// An entry to be written.
pub struct Entry<'v> {
    pub key: Key,
    pub value: &'v [u8],
}

/// Writes entries by one thread, singly or in batches.
pub fn write_entries<'v>(
    engine: &dyn Engine,
    limit: Limit,
    batch: usize,
    mut next: impl FnMut() -> Entry<'v>,
) -> Res<Outcome> {
    if batch == 1 {
        return run_alone(limit, next, |entry| engine.put(&entry.key, entry.value).map(|()| Done::write(1)));
    }
    let make = || (0..batch).map(|_| next()).collect::<Vec<_>>();
    run_alone(limit, make, |entries| {
        let entries: Vec<(&[u8], &[u8])> = entries.iter().map(|entry| (&*entry.key, entry.value)).collect();
        engine.put_batch(&entries).map(|()| Done::write(batch))
    })
}

/// Puts keys of workload H: one alone, more in a batch.
pub fn put_all(engine: &dyn Engine, keys: &[Key]) -> Res<()> {
    match keys {
        [key] => engine.put(key, HASH_VALUE),
        keys => engine.put_batch(&keys.iter().map(|key| (&**key, HASH_VALUE)).collect::<Vec<_>>()),
    }
}

/// Reads at most `most` entries forwards from `key`, or backwards from before it. How many there were.
pub fn range(engine: &dyn Engine, key: &[u8], most: u64, forwards: bool) -> Res<u64> {
    let mut entries = 0;
    let visit = &mut |_: &[u8], _: &[u8]| {
        entries += 1;
        entries < most
    };
    if forwards {
        engine.scan(key, visit)?
    } else {
        engine.scan_back(key, visit)?
    }
    Ok(entries)
}

/// One pass over everything. Looks at a byte of each key and value, so that they are there.
pub fn full_scan(engine: &dyn Engine, cap: Duration) -> Res<(u64, Duration)> {
    let begun = Instant::now();
    let (mut entries, mut sum) = (0u64, 0u64);
    engine.scan(b"", &mut |key, value| {
        entries += 1;
        sum = sum.wrapping_add(last(key) + last(value));
        entries % 65_536 != 0 || begun.elapsed() < cap
    })?;
    std::hint::black_box(sum);
    Ok((entries, begun.elapsed()))
}

/// The same with keys and values owned.
pub fn full_scan_owned(engine: &dyn Engine) -> Res<(u64, Duration)> {
    let begun = Instant::now();
    let (mut entries, mut sum) = (0u64, 0u64);
    engine.scan_owned(b"", &mut |key, value| {
        entries += 1;
        sum = sum.wrapping_add(last(&key) + last(&value));
        true
    })?;
    std::hint::black_box(sum);
    Ok((entries, begun.elapsed()))
}

fn last(bytes: &[u8]) -> u64 {
    bytes.last().map_or(0, |byte| u64::from(*byte))
}

/// Runs `foreground` while another thread does `write` again and again; with how many writes a second.
pub fn beside_a_writer(
    write: impl FnMut() -> Res<()> + Send,
    foreground: impl FnOnce() -> Res<Outcome>,
) -> Res<(Outcome, f64)> {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let writer = scope.spawn(|| write_until(&stop, write));
        let outcome = foreground();
        stop.store(true, Ordering::Relaxed);
        let rate = writer.join().map_err(|_| "the writer panicked")??;
        Ok((outcome?, rate))
    })
}

fn write_until(stop: &AtomicBool, mut write: impl FnMut() -> Res<()>) -> Res<f64> {
    let begun = Instant::now();
    let mut writes = 0u64;
    while !stop.load(Ordering::Relaxed) {
        write()?;
        writes += 1;
    }
    Ok(writes as f64 / begun.elapsed().as_secs_f64())
}
