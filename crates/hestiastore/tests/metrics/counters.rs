//! Counters and latencies of calls, in all and by segment.

use hestiastore::config::Durability;
use hestiastore::metrics::{MetricsSnapshot, SegmentFigures};
use hestiastore::{Result, WriteBatch};

use crate::{Index, spread};

const THREADS: u64 = 4;
const EACH: u64 = 500;

#[test]
fn counters_add_up_over_threads() -> Result<()> {
    let index = Index::in_memory().create()?;
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let index = &index;
            scope.spawn(move || work(index, thread).unwrap());
        }
    });
    let metrics = index.metrics_snapshot();
    let operations = &metrics.operations;
    assert_eq!(operations.puts, THREADS * EACH);
    assert_eq!((operations.gets, operations.get_hits), (THREADS * EACH * 2, THREADS * EACH));
    assert_eq!(operations.deletes, THREADS);
    assert_eq!((operations.batches, operations.batch_operations), (THREADS, THREADS * 2));
    // Keys of eight bytes; three of them in deletes and batches.
    assert_eq!(operations.given_bytes, THREADS * (EACH * (8 + 10) + 3 * 8 + 5));
    assert_eq!(operations.iterators, THREADS);
    assert_eq!(operations.entries_read, THREADS * 10);
    assert_eq!(metrics.log.appended_records, THREADS * (EACH + 2));
    let segments = index.segment_metrics();
    let of = |figure: fn(&SegmentFigures) -> u64| segments.iter().map(figure).sum::<u64>();
    assert_eq!(of(|segment| segment.writes), THREADS * (EACH + 3));
    assert_eq!(of(|segment| segment.reads), operations.gets);
    assert_eq!(of(|segment| segment.hits), operations.get_hits);
    Ok(())
}

fn work(index: &Index, thread: u64) -> Result<()> {
    let first = thread * 1_000_000;
    for n in first..first + EACH {
        index.put(n, vec![1; 10])?;
        assert!(index.get(n)?.is_some() && index.get(n + 500_000)?.is_none());
    }
    assert_eq!(index.range(first..)?.take(10).count(), 10);
    index.delete(first)?;
    let mut batch = WriteBatch::new();
    batch.put(first, vec![2; 5])?.delete(first + 1)?;
    index.write(batch)
}

/// The delta cache is off and little is kept loaded, so that reads load and evict all the time.
#[test]
fn figures_survive_eviction_and_splits() -> Result<()> {
    let index = Index::in_memory()
        .write_buffer(|w| w.budget_bytes(8 << 20).delta_cache_bytes(0))
        .segment(|s| s.target_bytes(24 << 10))
        .chunk(|c| c.max_keys(16).max_bytes(1 << 10).filters(["magic-number", "crc32"].into()))
        .cache(|c| c.segments(Some(3)).chunk_bytes(0))
        .create()?;
    let key = |n: u64| spread(n);
    let mut gets = 0;
    let mut before = index.metrics_snapshot();
    for round in 0..4u64 {
        (round * 500..(round + 1) * 500).for_each(|n| index.put(key(n), vec![7; 100]).unwrap());
        index.flush_and_wait()?;
        for n in (0..(round + 1) * 500).step_by(3) {
            assert!(index.get(key(n))?.is_some() && index.get(key(n) + 1)?.is_none());
            gets += 2;
        }
        let now = index.metrics_snapshot();
        assert_eq!((now.operations.gets, now.operations.get_hits), (gets, gets / 2));
        nothing_fell(&before, &now);
        before = now;
    }
    index.compact_and_wait()?;
    index.wait_until_idle()?;
    let metrics = index.metrics_snapshot();
    assert!(metrics.segments.count > 3 && metrics.registry.evictions > 0, "{metrics}");
    assert_eq!(metrics.operations.gets, gets);
    assert_eq!(metrics.bloom.requests, metrics.bloom.refused + metrics.bloom.positives);
    assert!(metrics.bloom.refused > 0 && metrics.bloom.positives >= gets / 2, "{metrics}");
    let before = index.segment_metrics();
    for n in 0..2_000 {
        assert!(index.get(key(n))?.is_some());
    }
    let segments = index.segment_metrics();
    let mut reads = 0;
    for (segment, before) in segments.iter().zip(&before) {
        assert_eq!((segment.id, segment.state.as_str()), (before.id, "READY"));
        let come = segment.reads - before.reads;
        assert_eq!(segment.hits - before.hits, come);
        // Nothing is cached, and all is in one run: each read goes to a file, once.
        assert_eq!(segment.reads_from_disk - before.reads_from_disk, come);
        assert_eq!(segment.chunk_reads - before.chunk_reads, come);
        assert!(segment.splits_inherited > 0 && segment.entries > 0 && segment.filter_requests >= come);
        reads += come;
    }
    assert_eq!((segments.len(), reads), (before.len(), 2_000));
    assert_eq!(
        segments.iter().map(|segment| segment.stored_bytes).sum::<u64>(),
        metrics.segments.stored_bytes
    );
    tiled(&segments);
    assert!(segments.iter().filter(|segment| segment.loaded_runs > 0).count() <= 4);
    Ok(())
}

fn nothing_fell(before: &MetricsSnapshot, now: &MetricsSnapshot) {
    assert!(now.cache.hits >= before.cache.hits && now.cache.misses >= before.cache.misses);
    assert!(now.bloom.requests >= before.bloom.requests && now.bloom.refused >= before.bloom.refused);
    assert!(now.registry.loads >= before.registry.loads);
}

/// Bounds are shown as keys are written, one segment behind the other.
fn tiled(segments: &[SegmentFigures]) {
    assert_eq!((segments[0].lower.as_str(), &segments[segments.len() - 1].upper), ("", &None));
    for pair in segments.windows(2) {
        assert_eq!(pair[0].upper.as_deref(), Some(pair[1].lower.as_str()));
    }
}

#[test]
fn every_put_that_waits_is_timed() -> Result<()> {
    let index = Index::in_memory().log(|l| l.durability(Durability::Sync)).create()?;
    for n in 0..21 {
        index.put(n, vec![1])?;
    }
    index.delete(3)?;
    let latency = index.metrics_snapshot().latency;
    assert_eq!((latency.put.count, latency.delete.count, latency.batch.count), (21, 1, 0));
    assert!(latency.put.p50_nanos <= latency.put.p9999_nanos);
    assert!(latency.put.p9999_nanos <= latency.put.max_nanos);
    assert_eq!(latency.put.rows.iter().map(|row| row.count).sum::<u64>(), 21);
    assert!(latency.sync.count > 0);
    Ok(())
}

#[test]
fn gets_are_sampled() -> Result<()> {
    let index = Index::in_memory().create()?;
    std::thread::scope(|scope| {
        scope.spawn(|| (0..1_280).for_each(|n| assert!(index.get(n).unwrap().is_none())));
    });
    assert_eq!(index.metrics_snapshot().latency.get.count, 1_280);
    Ok(())
}

#[test]
fn jobs_are_counted_by_kind() -> Result<()> {
    let index = Index::in_memory().maintenance(|m| m.automatic(false)).create()?;
    for round in 0..3 {
        (0..100).for_each(|n| index.put(n, vec![round; 50]).unwrap());
        index.flush_and_wait()?;
    }
    index.compact_and_wait()?;
    let metrics = index.metrics_snapshot();
    let maintenance = &metrics.maintenance;
    assert_eq!((maintenance.flush.done, maintenance.main_merge.done, maintenance.split.done), (3, 1, 0));
    assert_eq!(metrics.write_path.flushes, 3);
    let merge = &maintenance.main_merge;
    assert_eq!((merge.at_work, merge.failed, merge.cancelled), (0, 0, 0));
    assert_eq!(merge.written_bytes, metrics.segments.stored_bytes);
    assert!(merge.read_bytes > merge.written_bytes && merge.longest_micros <= merge.micros);
    assert_eq!((maintenance.waiting_flushes, maintenance.waiting_compactions), (0, 0));
    let segments = index.segment_metrics();
    assert_eq!((segments[0].flushes, segments[0].merges), (3, 1));
    Ok(())
}
