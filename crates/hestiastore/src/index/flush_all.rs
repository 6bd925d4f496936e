//! Flushing every buffer in one edit: after an unclean end, and during a replay that outgrows memory.
//! Nobody else is at work then.

use std::sync::Arc;

use super::core::Core;
use super::jobs::{add_run, put_segment};
use crate::error::Result;
use crate::manifest::Change;
use crate::segment::{Layer, MAIN_RANK, RunRef, Segment, SegmentVersion};

/// A segment, and the version in which its buffer has become a run.
pub(super) struct Flushed {
    segment: Arc<Segment>,
    next: SegmentVersion,
    runs: Vec<Arc<RunRef>>,
    charged_bytes: u64,
}

impl Core {
    /// Writes the active buffer of every segment into runs that nobody refers to yet.
    pub(super) fn flush_all_at_once(&self) -> Result<Vec<Flushed>> {
        let mut flushed = Vec::new();
        for segment in self.route.load_full().segments() {
            self.freeze(segment);
            let Some(layer) = segment.version().unflushed().next().cloned() else { continue };
            let Some(buffer) = &layer.buffer else { continue };
            let (rank, cut, runs) = self.write_buffer_out(segment, &layer, true)?;
            let references = self.references(&runs, rank);
            let mut next = segment.version().as_ref().clone();
            next.flushed_seq = next.flushed_seq.max(cut);
            next.layers.retain(|other| other.rank != layer.rank);
            if rank == MAIN_RANK {
                next.add_to_main(references.clone());
            } else if !references.is_empty() {
                next.layers.insert(0, Layer { rank, buffer: None, runs: references.clone() });
            }
            let charged_bytes = buffer.charged_bytes();
            flushed.push(Flushed { segment: Arc::clone(segment), next, runs: references, charged_bytes });
        }
        Ok(flushed)
    }

    /// Commits them all, with `extra`, and publishes.
    pub(super) fn publish_all_at_once(&self, flushed: Vec<Flushed>, extra: Vec<Change>) -> Result<()> {
        if flushed.is_empty() && extra.is_empty() {
            return Ok(());
        }
        self.sync_directory()?;
        let mut changes = Vec::new();
        for Flushed { segment, next, runs, .. } in &flushed {
            changes.push(put_segment(segment, next));
            changes.extend(runs.iter().map(|run| add_run(segment.id, run)));
            // No run may be left of the last of it, and no log.
            changes.push(Change::LastSeq(next.flushed_seq));
        }
        changes.extend(extra);
        self.commit_edit(changes)?;
        for Flushed { segment, next, charged_bytes, .. } in flushed {
            let _installing = segment.installing.lock();
            segment.publish(Arc::new(next));
            self.frozen_bytes.fetch_sub(charged_bytes, std::sync::atomic::Ordering::Relaxed);
            self.budget.release(charged_bytes);
        }
        Ok(())
    }
}
