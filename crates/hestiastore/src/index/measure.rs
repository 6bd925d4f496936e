//! The metrics of an open index.

use super::core::Core;
use super::counters::{CallCount, read};
use super::measure_segments::ratio;
use super::stalls::{StallCause, Stalls};
use crate::metrics::{FileKind, LatencyMetrics, MetricsSnapshot, SegmentSums, Timed, WritePathMetrics};
use crate::route::RouteMap;

impl Core {
    pub(crate) fn metrics_snapshot(&self) -> MetricsSnapshot {
        let mut snapshot = MetricsSnapshot {
            name: self.name.as_ref().to_owned(),
            location: self.directory.location(),
            state: self.health.state().name().to_owned(),
            ..MetricsSnapshot::default()
        };
        // The map before the segments that are in it no more: see `PastSegments`.
        let route = self.route.load_full();
        let reads = self.reads_in_all(&route);
        self.measure_calls(&reads, &mut snapshot);
        self.measure_latencies(&mut snapshot);
        self.measure_write_path(&mut snapshot);
        self.measure_runs(&route, &mut snapshot);
        self.measure_maintenance(&mut snapshot);
        self.measure_caches(&reads, &mut snapshot);
        self.measure_log(&mut snapshot);
        self.measure_io(&reads, &mut snapshot);
        self.measure_scrub(&mut snapshot);
        self.measure_health(&mut snapshot);
        snapshot.memory = self.memory_by_kind();
        snapshot
    }

    /// What segments have counted, those that were replaced included. The route map must be loaded first.
    pub(super) fn reads_in_all(&self, route: &RouteMap) -> SegmentSums {
        let past = self.counters.past_segments.sums(route.segments());
        route.segments().iter().fold(past, |sums, segment| sums + segment.counters.sums())
    }

    fn measure_calls(&self, reads: &SegmentSums, snapshot: &mut MetricsSnapshot) {
        let calls = self.counters.calls();
        let operations = &mut snapshot.operations;
        operations.puts = calls.of(CallCount::Puts);
        operations.gets = reads.reads;
        operations.get_hits = reads.hits;
        operations.gets_from_disk = reads.reads_from_disk;
        operations.deletes = calls.of(CallCount::Deletes);
        operations.batches = calls.of(CallCount::Batches);
        operations.batch_operations = calls.of(CallCount::BatchOperations);
        operations.given_bytes = calls.of(CallCount::GivenBytes);
        operations.iterators = calls.of(CallCount::Iterators);
        operations.entries_read = calls.of(CallCount::EntriesRead);
    }

    fn measure_latencies(&self, snapshot: &mut MetricsSnapshot) {
        let latencies = &self.counters.latencies;
        let latency = &mut snapshot.latency;
        latency.get = latencies.figures(Timed::Get);
        latency.put = latencies.figures(Timed::Put);
        latency.delete = latencies.figures(Timed::Delete);
        latency.batch = latencies.figures(Timed::Batch);
        latency.sync = LatencyMetrics::of(&self.counters.log_syncs.snapshot());
    }

    fn measure_write_path(&self, snapshot: &mut MetricsSnapshot) {
        let counters = &self.counters;
        let flushes = counters.flushes.metrics();
        let write_path = &mut snapshot.write_path;
        write_path.buffered_bytes = self.budget.used_bytes();
        write_path.budget_bytes = self.budget.limit_bytes();
        write_path.delta_cache_bytes = self.delta_cache.lock().bytes();
        write_path.flushes = flushes.done;
        write_path.flushed_bytes = flushes.written_bytes;
        measure_stalls(&counters.stalls, write_path);
    }

    fn measure_maintenance(&self, snapshot: &mut MetricsSnapshot) {
        let counters = &self.counters;
        let maintenance = &mut snapshot.maintenance;
        (maintenance.waiting_flushes, maintenance.waiting_merges, maintenance.waiting_compactions) =
            self.scheduler.waiting();
        maintenance.flush = counters.flushes.metrics();
        maintenance.delta_merge = counters.delta_merges.metrics();
        maintenance.main_merge = counters.main_merges.metrics();
        maintenance.split = counters.splits.metrics();
        maintenance.neighbour_merge = counters.neighbour_merges.metrics();
        maintenance.throttled_micros = read(&counters.throttled_micros);
        let segments = &mut snapshot.segments;
        segments.splits = maintenance.split.done;
        segments.neighbour_merges = maintenance.neighbour_merge.done;
        segments.delta_merges = maintenance.delta_merge.done;
        segments.main_merges = maintenance.main_merge.done;
    }

    fn measure_caches(&self, reads: &SegmentSums, snapshot: &mut MetricsSnapshot) {
        let chunks = self.registry.cache().statistics();
        let cache = &mut snapshot.cache;
        let hits = (chunks.requests + reads.chunk_requests).saturating_sub(chunks.misses);
        cache.hits = self.counters.cache_hits.at_least(hits);
        cache.misses = chunks.misses;
        cache.bytes = chunks.bytes;
        cache.budget_bytes = self.config.cache.chunk_bytes;
        cache.evictions = chunks.evictions;
        let loaded = self.registry.statistics();
        let registry = &mut snapshot.registry;
        registry.state = loaded.state.name().to_owned();
        registry.loaded_bytes = loaded.loaded_bytes;
        registry.budget_bytes = loaded.budget_bytes;
        registry.loaded_runs = loaded.loaded_runs;
        registry.loaded_segments = loaded.loaded_segments;
        registry.loads = loaded.loads;
        registry.load_failures = loaded.load_failures;
        registry.evictions = loaded.evictions;
        registry.waiting = loaded.waiting;
        let bloom = &mut snapshot.bloom;
        bloom.requests = reads.filter_refused + reads.filter_positives;
        bloom.refused = reads.filter_refused;
        bloom.positives = reads.filter_positives;
        bloom.false_positives = reads.filter_false_positives;
        let absent = bloom.refused + bloom.false_positives;
        bloom.false_positive_rate = ratio(bloom.false_positives, absent);
    }

    fn measure_log(&self, snapshot: &mut MetricsSnapshot) {
        let log = &mut snapshot.log;
        log.mode = self.durability().name().to_owned();
        (log.files, log.bytes) = self.logs.live_size();
        log.appended_bytes = self.counters.io.traffic(FileKind::Log).written_bytes;
        if self.has_log() {
            log.appended_records = self.section.lock().commits();
        }
        log.syncs = snapshot.latency.sync.count;
        log.synced_seq = self.logs.synced_seq();
        log.last_seq = self.publisher.visible();
    }

    fn measure_io(&self, reads: &SegmentSums, snapshot: &mut MetricsSnapshot) {
        let [runs, logs, manifest] =
            [FileKind::Run, FileKind::Log, FileKind::Manifest].map(|kind| self.counters.io.traffic(kind));
        let io = &mut snapshot.io;
        io.chunk_reads = snapshot.cache.misses;
        io.read_bytes = runs.read_bytes + logs.read_bytes + manifest.read_bytes;
        io.run_written_bytes = runs.written_bytes;
        io.log_written_bytes = logs.written_bytes;
        io.manifest_written_bytes = manifest.written_bytes;
        io.written_bytes = runs.written_bytes + logs.written_bytes + manifest.written_bytes;
        io.syncs = runs.syncs + logs.syncs + manifest.syncs;
        io.quarantined_files = read(&self.counters.quarantined_files);
        let amplification = &mut snapshot.amplification;
        amplification.write = ratio(io.written_bytes, snapshot.operations.given_bytes);
        amplification.read = ratio(reads.chunk_reads, reads.reads_from_disk);
    }

    fn measure_scrub(&self, snapshot: &mut MetricsSnapshot) {
        let scrub = &mut snapshot.scrub;
        scrub.scrubbed_bytes = read(&self.counters.scrubbed_bytes);
        scrub.finished = read(&self.counters.scrubs_finished);
        scrub.last_finished_micros =
            Some(read(&self.counters.last_scrub_micros)).filter(|micros| *micros > 0);
        scrub.problems = read(&self.counters.scrub_problems);
    }

    /// Damaged segments are counted with their runs.
    fn measure_health(&self, snapshot: &mut MetricsSnapshot) {
        let health = &mut snapshot.health;
        if self.health.has_failed() {
            health.failure = self.health.cause().as_ref().to_owned();
        }
        health.writes_refused =
            self.refused_writes.cause().map_or_else(String::new, |cause| cause.to_string());
        health.background_failures = self.background_failures.count();
        health.last_background_failure = self.background_failures.last();
        health.failed_deletions = read(&self.counters.deletions_failed);
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

#[cfg(test)]
mod tests {
    use crate::SegmentIndex;

    /// Readers count a request, and if need be a miss, while others sum up both.
    #[test]
    fn hits_of_the_cache_never_fall() {
        let index: SegmentIndex<u64, u64> = SegmentIndex::in_memory()
            .write_buffer(|w| w.delta_cache_bytes(0))
            .cache(|c| c.chunk_bytes(0))
            .create()
            .unwrap();
        (0..1_000).for_each(|n| index.put(n, n).unwrap());
        index.flush_and_wait().unwrap();
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| (0..5_000).all(|n| index.get(n % 1_000).unwrap() == Some(n % 1_000)));
            let mut shown = 0;
            while !reader.is_finished() {
                let hits = index.metrics_snapshot().cache.hits;
                assert!(hits >= shown, "{shown}, then {hits}");
                shown = hits;
            }
            assert!(reader.join().unwrap());
        });
    }

    /// Whoever holds these may be waiting for a disk. Would hang otherwise.
    #[test]
    fn a_snapshot_of_metrics_waits_for_nobody_who_does_io() {
        let index: SegmentIndex<u64, u64> = SegmentIndex::in_memory().create().unwrap();
        index.put(1, 1).unwrap();
        let core = &index.core;
        let route = core.route.load_full();
        let segment = &route.segments()[0];
        let _slots = (segment.flush_slot.take(), segment.structural_slot.take(), segment.installing.lock());
        let _held = (core.first_write.lock(), core.closing.lock(), core.route_publication.lock());
        let _manifest = core.manifest.lock();
        assert_eq!(index.metrics_snapshot().operations.puts, 1);
        assert_eq!(index.segment_metrics().len(), 1);
    }
}
