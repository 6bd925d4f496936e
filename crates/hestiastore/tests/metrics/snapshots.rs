//! A snapshot that somebody forgot shows: how old it is, and what it holds back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hestiastore::Result;
use hestiastore::environment::{Clock, Environment};

use crate::Index;

#[derive(Debug, Default)]
struct SetClock(AtomicU64);

impl Clock for SetClock {
    fn wall_micros(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn monotonic_micros(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

const KEYS: u64 = 200;
const VALUE_BYTES: u64 = 100;

fn write_all(index: &Index, value: u8) {
    (0..KEYS).for_each(|n| index.put(n, vec![value; VALUE_BYTES as usize]).unwrap());
}

#[test]
fn a_forgotten_snapshot_shows() -> Result<()> {
    let clock = Arc::new(SetClock::default());
    let environment = Environment { clock: clock.clone(), ..Environment::default() };
    let index = Index::in_memory()
        .environment(environment)
        .maintenance(|m| m.automatic(false))
        .write_buffer(|w| w.delta_cache_bytes(0))
        .create()?;
    write_all(&index, 1);
    clock.0.store(5_000_000, Ordering::Relaxed);
    let forgotten = index.snapshot()?;
    clock.0.store(7_000_000, Ordering::Relaxed);
    let later = index.snapshot()?;
    let seen = index.metrics_snapshot().snapshots;
    assert_eq!((seen.open, seen.oldest_seq), (2, Some(forgotten.seq())));
    assert_eq!((seen.oldest_age_micros, seen.held_bytes), (Some(2_000_000), 0));
    drop(later);

    write_all(&index, 2);
    index.flush_and_wait()?;
    clock.0.store(3_605_000_000, Ordering::Relaxed);
    let old_versions = KEYS * (8 + VALUE_BYTES);
    for compacted in [false, true] {
        if compacted {
            index.compact_and_wait()?;
        }
        let seen = index.metrics_snapshot().snapshots;
        assert_eq!((seen.open, seen.oldest_age_micros), (1, Some(3_600_000_000)));
        assert_eq!((seen.kept_version_bytes, seen.pinned_bytes), (old_versions, 0), "compacted: {compacted}");
        assert_eq!(seen.held_bytes, old_versions);
    }

    assert_eq!(forgotten.get(7)?, Some(vec![1; VALUE_BYTES as usize]));
    drop(forgotten);
    let seen = index.metrics_snapshot().snapshots;
    assert_eq!((seen.open, seen.oldest_seq, seen.oldest_age_micros), (0, None, None));
    assert_eq!(seen.held_bytes, 0);
    Ok(())
}

#[test]
fn an_iterator_shows_the_files_that_it_pins() -> Result<()> {
    let index = Index::in_memory()
        .maintenance(|m| m.automatic(false))
        .write_buffer(|w| w.delta_cache_bytes(0))
        .create()?;
    for value in [1, 2] {
        write_all(&index, value);
        index.flush_and_wait()?;
    }
    let files = index.metrics_snapshot().segments.file_bytes;
    let mut entries = index.iter()?;
    assert!(entries.next().is_some());
    index.compact_and_wait()?;
    let seen = index.metrics_snapshot().snapshots;
    assert_eq!((seen.pinned_bytes, seen.kept_version_bytes), (files, 0));
    drop(entries);
    assert_eq!(index.metrics_snapshot().snapshots.held_bytes, 0);
    Ok(())
}
