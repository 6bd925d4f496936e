//! The metrics of an open index.

use std::sync::Arc;

use super::core::Core;
use super::counters::read;
use super::stalls::{StallCause, Stalls};
use crate::metrics::{MetricsSnapshot, WritePathMetrics};
use crate::segment::Segment;
use crate::sync::atomic::Ordering;

impl Core {
    pub(crate) fn approximate_len(&self) -> u64 {
        let route = self.route.load_full();
        let mut entries = 0i64;
        for segment in route.segments() {
            let version = segment.version();
            for run in version.runs() {
                entries += run.entries as i64 - 2 * run.tombstones as i64;
            }
            let unflushed = version.unflushed().filter_map(|layer| layer.buffer.as_ref());
            entries +=
                unflushed.chain([&version.active]).map(|buffer| buffer.key_count() as i64).sum::<i64>();
        }
        entries.max(0) as u64
    }

    pub(crate) fn metrics_snapshot(&self) -> MetricsSnapshot {
        let mut snapshot = MetricsSnapshot {
            location: self.directory.location(),
            state: self.health.state().name().to_owned(),
            ..MetricsSnapshot::default()
        };
        self.measure_operations(&mut snapshot);
        self.measure_segments(&mut snapshot);
        self.measure_caches(&mut snapshot);
        self.measure_log(&mut snapshot);
        snapshot.memory = self.memory_by_kind();
        let scrub = &mut snapshot.scrub;
        scrub.scrubbed_bytes = read(&self.counters.scrubbed_bytes);
        scrub.finished = read(&self.counters.scrubs_finished);
        scrub.last_finished_micros =
            Some(read(&self.counters.last_scrub_micros)).filter(|micros| *micros > 0);
        scrub.problems = read(&self.counters.scrub_problems);
        self.measure_health(&mut snapshot);
        let (_, mut readers) = self.capture_readers();
        readers.sort_unstable();
        snapshot.snapshots.open = readers.len() as u64;
        snapshot.snapshots.oldest_seq = readers.first().copied();
        snapshot
    }

    fn measure_operations(&self, snapshot: &mut MetricsSnapshot) {
        let counters = &self.counters;
        let operations = &mut snapshot.operations;
        operations.puts = counters.puts.sum();
        operations.gets = counters.gets.sum();
        operations.get_hits = counters.get_hits.sum();
        operations.deletes = counters.deletes.sum();
        operations.batches = counters.batches.sum();
        operations.batch_operations = counters.batch_operations.sum();
        operations.iterators = counters.iterators.sum();
        operations.entries_read = counters.entries_read.sum();
        let write_path = &mut snapshot.write_path;
        write_path.buffered_bytes = self.budget.used_bytes();
        write_path.budget_bytes = self.budget.limit_bytes();
        write_path.delta_cache_bytes = self.delta_cache.lock().bytes();
        write_path.flushes = read(&counters.flushes);
        write_path.flushed_bytes = read(&counters.flushed_bytes);
        measure_stalls(&counters.stalls, write_path);
        snapshot.io.written_bytes = read(&counters.run_bytes) + counters.log_bytes.sum();
        snapshot.io.quarantined_files = read(&counters.quarantined_files);
    }

    fn measure_segments(&self, snapshot: &mut MetricsSnapshot) {
        let segments = &mut snapshot.segments;
        let route = self.route.load_full();
        segments.count = route.segments().len() as u64;
        for segment in route.segments() {
            let version: Arc<_> = segment.version().clone();
            segments.main_runs += version.main.len() as u64;
            segments.delta_runs += version.layers.iter().map(|layer| layer.runs.len() as u64).sum::<u64>();
            segments.stored_bytes += version.main_bytes() + version.delta_bytes();
        }
        segments.runs = segments.main_runs + segments.delta_runs;
        segments.entries_estimate = self.approximate_len();
        segments.splits = read(&self.counters.splits);
        segments.neighbour_merges = read(&self.counters.neighbour_merges);
        segments.delta_merges = read(&self.counters.delta_merges);
        segments.main_merges = read(&self.counters.main_merges);
    }

    fn measure_caches(&self, snapshot: &mut MetricsSnapshot) {
        let registry = self.registry.statistics();
        let chunks = self.registry.cache().statistics();
        let cache = &mut snapshot.cache;
        cache.hits = chunks.hits;
        cache.misses = chunks.misses;
        cache.bytes = chunks.bytes;
        cache.budget_bytes = self.config.cache.chunk_bytes;
        cache.loaded_bytes = registry.loaded_bytes;
        cache.loaded_segments = registry.loaded_segments;
        cache.evictions = chunks.evictions + registry.evictions;
        snapshot.io.chunk_reads = chunks.misses;
        let bloom = &mut snapshot.bloom;
        bloom.requests = registry.filters.requests;
        bloom.refused = registry.filters.refused;
        bloom.positives = registry.filters.positives;
        bloom.false_positives = registry.filters.false_positives;
    }

    fn measure_health(&self, snapshot: &mut MetricsSnapshot) {
        let health = &mut snapshot.health;
        if self.health.has_failed() {
            health.failure = self.health.cause().as_ref().to_owned();
        }
        health.writes_refused =
            self.refused_writes.cause().map_or_else(String::new, |cause| cause.to_string());
        health.background_failures = self.background_failures.count();
        health.last_background_failure = self.background_failures.last();
        let route = self.route.load_full();
        let damaged = |segment: &&Arc<Segment>| segment.damaged.load(Ordering::Acquire);
        health.damaged_segments = route.segments().iter().filter(damaged).count() as u64;
        health.failed_deletions = read(&self.counters.deletions_failed);
    }

    fn measure_log(&self, snapshot: &mut MetricsSnapshot) {
        let log = &mut snapshot.log;
        log.mode = self.durability().name().to_owned();
        (log.files, log.bytes) = self.logs.live_size();
        log.appended_bytes = self.counters.log_bytes.sum();
        log.appended_records = self.counters.log_records.sum();
        let syncs = self.counters.log_syncs.snapshot();
        log.syncs = syncs.count;
        log.sync_p50_micros = syncs.quantile(0.5) / 1_000;
        log.sync_p99_micros = syncs.quantile(0.99) / 1_000;
        log.sync_max_micros = syncs.max_nanos / 1_000;
        log.synced_seq = self.logs.synced_seq();
        log.last_seq = self.publisher.visible();
    }
}

fn measure_stalls(stalls: &Stalls, write_path: &mut WritePathMetrics) {
    let total = stalls.total();
    (write_path.stall_count, write_path.stall_micros) = (total.count, total.micros);
    let places = [
        (StallCause::Slowed, &mut write_path.stall_slowed_count, &mut write_path.stall_slowed_micros),
        (StallCause::Room, &mut write_path.stall_room_count, &mut write_path.stall_room_micros),
        (StallCause::Merges, &mut write_path.stall_merges_count, &mut write_path.stall_merges_micros),
        (StallCause::Log, &mut write_path.stall_log_count, &mut write_path.stall_log_micros),
        (StallCause::Commits, &mut write_path.stall_commits_count, &mut write_path.stall_commits_micros),
        (
            StallCause::Visibility,
            &mut write_path.stall_visibility_count,
            &mut write_path.stall_visibility_micros,
        ),
    ];
    for (cause, count, micros) in places {
        let stall = stalls.of(cause);
        (*count, *micros) = (stall.count, stall.micros);
    }
}
