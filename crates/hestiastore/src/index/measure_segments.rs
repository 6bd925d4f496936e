//! What is measured segment by segment, and of all runs together. Linear in the number of segments and runs.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::core::Core;
use super::counters::read;
use crate::metrics::{MetricsSnapshot, SegmentFigures};
use crate::route::RouteMap;
use crate::segment::{Layer, RunHandle, Segment, SegmentVersion};
use crate::types::TypeDescriptor;

impl Core {
    pub(crate) fn approximate_len(&self) -> u64 {
        approximate_len(&self.route.load_full())
    }

    pub(crate) fn segment_metrics(&self) -> Vec<SegmentFigures> {
        // A program's own type is shown as it is stored.
        let keys = TypeDescriptor::parse(&self.key_type).unwrap_or_else(|_| TypeDescriptor::bytes());
        self.route.load_full().segments().iter().map(|segment| figures_of(segment, &keys)).collect()
    }

    /// Runs and segments; `route` is the map whose counters are summed up.
    pub(super) fn measure_runs(&self, route: &RouteMap, snapshot: &mut MetricsSnapshot) {
        let segments = &mut snapshot.segments;
        let mut files: HashMap<u64, Arc<RunHandle>> = HashMap::new();
        let mut live_bytes = 0;
        segments.count = route.segments().len() as u64;
        for segment in route.segments() {
            let version: Arc<SegmentVersion> = segment.version().clone();
            segments.main_runs += version.main.len() as u64;
            segments.delta_runs += version.layers.iter().map(|layer| layer.runs.len() as u64).sum::<u64>();
            segments.stored_bytes += version.main_bytes() + version.delta_bytes();
            live_bytes += live_bytes_of(&version);
            files.extend(version.runs().map(|run| (run.handle.uid, Arc::clone(&run.handle))));
            snapshot.health.damaged_segments += u64::from(segment.damaged.load(Ordering::Acquire));
        }
        segments.runs = segments.main_runs + segments.delta_runs;
        segments.file_bytes = files.values().map(|run| run.file_bytes).sum();
        segments.entries_estimate = approximate_len(route);
        snapshot.amplification.space = ratio(segments.file_bytes, live_bytes);
        self.measure_readers(&files, snapshot);
    }

    /// Who reads in the past, and what is kept for them.
    fn measure_readers(&self, files: &HashMap<u64, Arc<RunHandle>>, snapshot: &mut MetricsSnapshot) {
        let (count, oldest) = {
            let section = self.section.lock();
            (section.readers.count(), section.readers.oldest())
        };
        let readers = &mut snapshot.snapshots;
        readers.open = count as u64;
        readers.oldest_seq = oldest.map(|reader| reader.seq);
        let now_micros = self.environment.clock.monotonic_micros();
        readers.oldest_age_micros = oldest.map(|reader| now_micros.saturating_sub(reader.since_micros));
        readers.pinned_bytes = self.graveyard.pinned_bytes();
        let kept = files.values().filter(|run| oldest.is_some_and(|reader| reader.seq < run.max_seq));
        readers.kept_version_bytes = kept.map(|run| run.kept_bytes).sum();
        readers.held_bytes = readers.pinned_bytes + readers.kept_version_bytes;
    }
}

/// How many of one there are for each of another; none of nothing.
pub(super) fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn approximate_len(route: &RouteMap) -> u64 {
    let mut entries = 0i64;
    for segment in route.segments() {
        let version = segment.version();
        for run in version.runs() {
            entries += run.entries as i64 - 2 * run.tombstones as i64;
        }
        let unflushed = version.unflushed().filter_map(|layer| layer.buffer.as_ref());
        entries += unflushed.chain([&version.active]).map(|buffer| buffer.key_count() as i64).sum::<i64>();
    }
    entries.max(0) as u64
}

fn live_bytes_of(version: &SegmentVersion) -> u64 {
    let largest_delta = version.layers.iter().map(Layer::stored_bytes).max().unwrap_or(0);
    version.main_bytes().max(largest_delta)
}

fn figures_of(segment: &Segment, keys: &TypeDescriptor) -> SegmentFigures {
    let version: Arc<SegmentVersion> = segment.version().clone();
    let counters = &segment.counters;
    let sums = counters.sums();
    let unflushed = version.unflushed().filter_map(|layer| layer.buffer.as_ref());
    SegmentFigures {
        id: segment.id,
        state: state_of(segment).to_owned(),
        lower: text_of(&segment.lower, keys),
        upper: segment.upper.as_deref().map(|upper| text_of(upper, keys)),
        stored_bytes: version.main_bytes() + version.delta_bytes(),
        entries: version.runs().map(|run| run.entries).sum(),
        main_runs: version.main.len() as u64,
        delta_runs: version.layers.iter().map(|layer| layer.runs.len() as u64).sum(),
        layers: version.layers.len() as u64,
        loaded_runs: version.runs().filter(|run| run.handle.loaded.load().is_some()).count() as u64,
        buffered_bytes: unflushed.chain([&version.active]).map(|buffer| buffer.charged_bytes()).sum(),
        flushed_seq: version.flushed_seq,
        reads: sums.reads,
        hits: sums.hits,
        reads_from_disk: sums.reads_from_disk,
        chunk_reads: sums.chunk_reads,
        filter_requests: sums.filter_refused + sums.filter_positives,
        filter_refused: sums.filter_refused,
        filter_false_positives: sums.filter_false_positives,
        writes: sums.writes,
        flushes: read(&counters.flushes),
        flushed_bytes: read(&counters.flushed_bytes),
        merges: read(&counters.merges),
        merged_bytes: read(&counters.merged_bytes),
        splits_inherited: segment.splits_inherited,
    }
}

fn state_of(segment: &Segment) -> &'static str {
    if segment.damaged.load(Ordering::Acquire) {
        "DAMAGED"
    } else if segment.merges_fail.load(Ordering::Acquire) {
        "FAILING"
    } else {
        "READY"
    }
}

/// A bound as people read it. A split may fall between keys: what is no key is shown as it is stored.
fn text_of(bound: &[u8], keys: &TypeDescriptor) -> String {
    let mut text = Vec::new();
    if bound.is_empty() || keys.write_text(bound, &mut text).is_err() {
        return bound.escape_ascii().to_string();
    }
    String::from_utf8(text).unwrap_or_else(|_| bound.escape_ascii().to_string())
}
