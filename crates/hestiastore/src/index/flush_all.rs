//! Flushing every buffer in one edit: after an unclean end, and during a replay that outgrows memory.
//! Nobody else is at work then.

use std::sync::Arc;

use super::core::Core;
use super::outputs::{add_run, put_segment};
use super::refusal::Need;
use crate::error::Result;
use crate::manifest::Change;
use crate::segment::{Layer, MAIN_RANK, MergedRun, RunRef, Segment, SegmentVersion};
use crate::sync::atomic::Ordering;

/// A segment, and the version in which its buffers have become runs.
pub(super) struct Flushed {
    segment: Arc<Segment>,
    next: SegmentVersion,
    runs: Vec<Arc<RunRef>>,
    outputs: Vec<MergedRun>,
    charged_bytes: u64,
}

impl Core {
    /// Writes all buffers of every segment into runs that nobody refers to yet: all of them, or none
    /// stays behind.
    pub(super) fn flush_all_at_once(&self) -> Result<Vec<Flushed>> {
        let mut flushed = Vec::new();
        for segment in self.route.load_full().segments() {
            self.freeze(segment);
            let mut whole = Flushed {
                segment: Arc::clone(segment),
                next: segment.version().as_ref().clone(),
                runs: Vec::new(),
                outputs: Vec::new(),
                charged_bytes: 0,
            };
            let outcome = self.flush_layers(&mut whole);
            if whole.charged_bytes > 0 {
                flushed.push(whole);
            }
            if let Err(error) = outcome {
                self.discard_all(&flushed);
                return Err(error);
            }
        }
        Ok(flushed)
    }

    /// Oldest first. There are several if an earlier flush was refused.
    fn flush_layers(&self, flushed: &mut Flushed) -> Result<()> {
        let segment = Arc::clone(&flushed.segment);
        let layers: Vec<Layer> = segment.version().unflushed().cloned().collect();
        for layer in &layers {
            let Some(buffer) = &layer.buffer else { continue };
            let (rank, cut, outputs) =
                self.write_buffers_out(&segment, std::slice::from_ref(layer), layers.len() == 1)?;
            flushed.replace(layer.rank, rank, cut, self.references(&outputs, rank));
            flushed.outputs.extend(outputs);
            flushed.charged_bytes += buffer.charged_bytes();
        }
        Ok(())
    }

    fn discard_all(&self, flushed: &[Flushed]) {
        flushed.iter().for_each(|flushed| self.discard(&flushed.outputs));
    }

    /// Commits them all, with `extra`, and publishes. All segments count as flushed through
    /// `flushed_seq`.
    pub(super) fn publish_all_at_once(
        &self,
        flushed: Vec<Flushed>,
        flushed_seq: u64,
        extra: Vec<Change>,
    ) -> Result<()> {
        if flushed.is_empty() && extra.is_empty() {
            return Ok(());
        }
        self.sync_directory()?;
        let mut flushed = self.with_all_segments(flushed, flushed_seq);
        let mut changes = Vec::new();
        for Flushed { segment, next, runs, .. } in &mut flushed {
            next.flushed_seq = next.flushed_seq.max(flushed_seq);
            changes.push(put_segment(segment, next));
            changes.extend(runs.iter().map(|run| add_run(segment.id, run)));
            // No run may be left of the last of it, and no log.
            changes.push(Change::LastSeq(next.flushed_seq));
        }
        changes.extend(extra);
        self.commit_edit(changes).inspect_err(|_| self.discard_all(&flushed))?;
        for Flushed { segment, next, charged_bytes, .. } in flushed {
            let _installing = segment.installing.lock();
            segment.publish(Arc::new(next));
            self.frozen_bytes.fetch_sub(charged_bytes, Ordering::Relaxed);
            self.budget.release(charged_bytes);
        }
        self.accept_writes(Need::Flush);
        Ok(())
    }

    /// Adds the segments that had nothing to flush, if they are behind `flushed_seq`.
    fn with_all_segments(&self, mut flushed: Vec<Flushed>, flushed_seq: u64) -> Vec<Flushed> {
        for segment in self.route.load_full().segments() {
            let version = segment.version();
            let is_listed = flushed.iter().any(|flushed| Arc::ptr_eq(&flushed.segment, segment));
            if !is_listed && version.flushed_seq < flushed_seq {
                flushed.push(Flushed {
                    segment: Arc::clone(segment),
                    next: version.as_ref().clone(),
                    runs: Vec::new(),
                    outputs: Vec::new(),
                    charged_bytes: 0,
                });
            }
        }
        flushed
    }
}

impl Flushed {
    /// The layer of `layer_rank` has become `runs` at `rank`.
    fn replace(&mut self, layer_rank: u64, rank: u64, cut: u64, runs: Vec<Arc<RunRef>>) {
        let next = &mut self.next;
        next.flushed_seq = next.flushed_seq.max(cut);
        if rank == MAIN_RANK || runs.is_empty() {
            next.layers.retain(|layer| layer.rank != layer_rank);
            next.add_to_main(runs.clone());
        } else if let Some(layer) = next.layers.iter_mut().find(|layer| layer.rank == layer_rank) {
            layer.buffer = None;
            layer.runs.clone_from(&runs);
        }
        self.runs.extend(runs);
    }
}
