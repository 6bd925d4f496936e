//! Point lookup in one segment: buffers, delta cache, delta runs newest first, main run.

use std::sync::Arc;

use super::write_buffer::{Version, WriteBuffer};
use super::{LoadRuns, RunRef, Segment, SegmentVersion};
use crate::error::Result;
use crate::run::{Found, Probe};

/// Where a version was found.
#[derive(Debug)]
pub(crate) enum Hit<'v> {
    /// In a write buffer of the segment's version.
    Buffered(&'v Arc<WriteBuffer>, Version<'v>),
    /// In a run.
    Stored(Found),
}

/// Finds the newest version of `key` that a reader at `snapshot_seq` may see, tombstones included.
///
/// Costs a hash probe a buffer, a filter probe a run, and one chunk where a filter says "perhaps".
pub(crate) fn search<'v>(
    segment: &Segment,
    version: &'v SegmentVersion,
    loader: &impl LoadRuns,
    key: &[u8],
    hash: u64,
    snapshot_seq: u64,
) -> Result<Option<Hit<'v>>> {
    if let Some(found) = version.active.get(key, hash, snapshot_seq) {
        return Ok(Some(Hit::Buffered(&version.active, found)));
    }
    let mut probe = Probe::new(&segment.counters);
    for layer in &version.layers {
        if let Some(buffer) = &layer.buffer {
            if let Some(found) = buffer.get(key, hash, snapshot_seq) {
                return Ok(Some(Hit::Buffered(buffer, found)));
            }
            continue;
        }
        for run in layer.runs.iter().filter(|run| run.covers(key)) {
            if let Some(found) = in_run(segment, loader, run, key, hash, snapshot_seq, &mut probe)? {
                return Ok(Some(Hit::Stored(found)));
            }
        }
    }
    match version.main_for(key) {
        Some(run) => Ok(in_run(segment, loader, run, key, hash, snapshot_seq, &mut probe)?.map(Hit::Stored)),
        None => Ok(None),
    }
}

#[inline]
fn in_run(
    segment: &Segment,
    loader: &impl LoadRuns,
    run: &RunRef,
    key: &[u8],
    hash: u64,
    snapshot_seq: u64,
    probe: &mut Probe<'_>,
) -> Result<Option<Found>> {
    if let Some(loaded) = &*run.handle.loaded.load() {
        run.handle.touch();
        return loaded.get(key, hash, snapshot_seq, probe);
    }
    loader.load(segment, &run.handle)?.get(key, hash, snapshot_seq, probe)
}
