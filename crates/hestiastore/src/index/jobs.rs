//! Maintenance jobs of a segment: freeze, flush, merge. Each ends in one manifest edit, in the order of
//! PROTOCOL D1: log synced, run synced and renamed, directory synced, edit synced, published.

use std::sync::Arc;

use super::core::Core;
use super::counters::add;
use super::keeper::Keeper;
use super::outputs::{PlanParts, add_run, put_segment, remove_run};
use super::refusal::Need;
use crate::error::{Error, Result};
use crate::manifest::Change;
use crate::segment::write_buffer::WriteBuffer;
use crate::segment::{
    FlushInput, Layer, MergedRun, Retention, RunRef, Segment, SegmentVersion, StructuralJob, merge_runs,
};
use crate::sync::atomic::Ordering;

impl Core {
    /// Freezes the active buffer, if it holds anything (PROTOCOL C3).
    pub(super) fn freeze(&self, segment: &Segment) {
        let expected_keys = segment.version().active.key_count().min(self.fair_share_of_keys());
        let fresh = Arc::new(WriteBuffer::in_pool(expected_keys, &self.slabs));
        let _installing = segment.installing.lock();
        let now = segment.version().clone();
        if now.active.is_empty() || segment.is_retired() {
            return;
        }
        let next = Arc::new(now.frozen(fresh));
        let section = self.section.lock();
        now.active.freeze(section.last_seq());
        let before = segment.publish(next);
        drop(section);
        drop(before);
        self.frozen_bytes.fetch_add(now.active.stamp_frozen_bytes(), Ordering::Relaxed);
    }

    /// Keys that a buffer is made for at most: were all of them that full, the budget would be too.
    fn fair_share_of_keys(&self) -> usize {
        const SMALL_ENTRY_BYTES: u64 = 128;
        let segments = self.route.load().segments().len().max(1) as u64;
        (self.budget.limit_bytes() / segments / SMALL_ENTRY_BYTES) as usize
    }

    /// Writes every frozen buffer of the segment out, oldest first; the active one is frozen if there is
    /// no other. Waits for a flush that is under way.
    pub(crate) fn flush_segment(&self, segment: &Arc<Segment>) -> Result<()> {
        let slot = segment.flush_slot.take();
        self.flush_in_slot(segment)?;
        drop(slot);
        self.wake_flush_if_needed();
        Ok(())
    }

    /// The same, if the segment holds anything through `seq` once a flush that is under way has ended.
    pub(super) fn flush_segment_through(&self, segment: &Arc<Segment>, seq: u64) -> Result<()> {
        let slot = segment.flush_slot.take();
        if segment.version().least_unflushed_seq() <= seq {
            self.flush_in_slot(segment)?;
        }
        drop(slot);
        self.wake_flush_if_needed();
        Ok(())
    }

    /// The same, unless a flush is under way: `false`.
    pub(crate) fn try_flush_segment(&self, segment: &Arc<Segment>) -> Result<bool> {
        let Some(slot) = segment.flush_slot.try_take() else { return Ok(false) };
        self.flush_in_slot(segment)?;
        drop(slot);
        // Who found the slot taken meanwhile went away, and a writer may wait for what it came for.
        self.wake_flush_if_needed();
        Ok(true)
    }

    fn flush_in_slot(&self, segment: &Arc<Segment>) -> Result<()> {
        if segment.version().unflushed().next().is_none() {
            self.freeze(segment);
        }
        while !segment.is_retired() {
            let Some(layer) = segment.version().unflushed().next().cloned() else { break };
            // Nothing is lost by a flush that fails: writes are refused until one succeeds.
            self.flush_layer(segment, &layer).map_err(|error| self.refuse_unless_over(Need::Flush, error))?;
            self.accept_writes(Need::Flush);
        }
        self.note_crowding();
        self.scheduler.request_structural(segment);
        // Logs that could go and stay for now are no failure of the flush.
        let trimmed = self.trim_logs();
        self.note_background_failure("giving up logs", &trimmed);
        if self.health.has_failed() { trimmed } else { Ok(()) }
    }

    fn flush_layer(&self, segment: &Arc<Segment>, layer: &Layer) -> Result<()> {
        let _measured = self.budget.begin_flush();
        // A merge into main under way would not know of a run that joins meanwhile.
        let alone = segment.structural_slot.try_take();
        // The log first: a run that a crash leaves unnamed holds nothing that the log does not.
        self.sync_through(self.wait_for_cut(layer)?, std::time::Duration::ZERO)?;
        let (rank, cut, runs) = self.write_buffer_out(segment, layer, alone.is_some())?;
        let _alone = alone.filter(|_| rank == crate::segment::MAIN_RANK);
        self.sync_directory()?;
        self.install_flush(segment, layer, rank, cut, &runs).inspect_err(|_| self.discard(&runs))?;
        add(&self.counters.flushes, 1);
        Ok(())
    }

    /// Waits until everything in a frozen layer is visible; the seq it was cut at.
    fn wait_for_cut(&self, layer: &Layer) -> Result<u64> {
        let cut = layer.buffer.as_ref().and_then(|buffer| buffer.cut()).unwrap_or(0);
        self.publisher.wait_visible(cut).map_err(|_| self.health.refusal())?;
        Ok(cut)
    }

    /// Writes a frozen layer's entries into runs; their rank, the cut, and the runs. They may join the
    /// main runs if no structural job can come between.
    pub(super) fn write_buffer_out(
        &self,
        segment: &Segment,
        layer: &Layer,
        may_join_main: bool,
    ) -> Result<(u64, u64, Vec<MergedRun>)> {
        let Some(buffer) = &layer.buffer else { return Ok((layer.rank, 0, Vec::new())) };
        let cut = self.wait_for_cut(layer)?;
        let input = FlushInput::new(segment, buffer, self.config.maintenance.threads as usize);
        let into_main = may_join_main && joins_main(&segment.version(), &input);
        let rank = if into_main { crate::segment::MAIN_RANK } else { layer.rank };
        let (visible, readers) = self.capture_readers();
        let plan = PlanParts {
            rank,
            covered_seqs: (buffer.least_seq().min(cut), cut),
            inputs: Vec::new(),
            bottom: into_main,
            cut_bytes: if into_main { self.merge_limits().target_bytes } else { u64::MAX },
            fences: Vec::new(),
        };
        let runs = self.write_runs(
            segment,
            &plan,
            || Retention::new(readers.clone(), visible),
            |plan, retention| input.write(plan, retention),
        )?;
        Ok((rank, cut, runs))
    }

    /// Commits the runs that hold the frozen layer's entries, and publishes the version without it.
    fn install_flush(
        &self,
        segment: &Arc<Segment>,
        layer: &Layer,
        rank: u64,
        cut: u64,
        runs: &[MergedRun],
    ) -> Result<()> {
        let Some(buffer) = &layer.buffer else { return Ok(()) };
        let installing = segment.installing.lock();
        let mut next = segment.version().as_ref().clone();
        let references = self.references(runs, rank);
        next.flushed_seq = next.flushed_seq.max(cut);
        let mut changes = vec![put_segment(segment, &next)];
        changes.extend(references.iter().map(|run| add_run(segment.id, run)));
        changes.push(Change::LastSeq(cut));
        self.commit_edit(changes)?;
        let mut keep = false;
        if rank == crate::segment::MAIN_RANK || references.is_empty() {
            next.layers.retain(|other| other.rank != layer.rank);
            next.add_to_main(references);
        } else if let Some(place) = next.layers.iter_mut().find(|other| other.rank == layer.rank) {
            place.runs = references;
            keep = !buffer.is_shared() && self.config.write_buffer.delta_cache_bytes > 0;
            place.buffer = keep.then(|| Arc::clone(buffer));
        }
        let before = segment.publish(Arc::new(next));
        drop(installing);
        drop(before);
        self.count_runs(runs);
        add(&self.counters.flushed_bytes, runs.iter().map(|run| run.summary.file_bytes).sum());
        self.release_buffer(buffer);
        if keep {
            self.keep_in_delta_cache(segment, buffer);
        }
        Ok(())
    }

    /// Gives the budget back what a flushed buffer took, once all that flush it are done.
    fn release_buffer(&self, buffer: &WriteBuffer) {
        if buffer.end_use() {
            self.frozen_bytes.fetch_sub(buffer.stamped_bytes(), Ordering::Relaxed);
            self.budget.release_flushed(buffer.charged_bytes());
        }
    }

    /// One structural job after another, until the segment needs none.
    pub(crate) fn tend_segment(&self, segment: &Arc<Segment>) -> Result<()> {
        if !self.config.maintenance.automatic {
            return Ok(());
        }
        while let Some(_slot) = segment.structural_slot.try_take() {
            if segment.is_retired() || segment.damaged.load(Ordering::Acquire) || self.is_ending() {
                break;
            }
            let unsplittable = segment.unsplittable_bytes.load(Ordering::Acquire);
            // Places in the version mean something in this version only.
            let version = segment.version().clone();
            let Some(job) = self.merge_limits().next_job(&version, unsplittable) else { break };
            let outcome = match job {
                StructuralJob::MergeDeltas(layers) => {
                    self.merge_layers(segment, &version, layers, MergeScope::Deltas)
                }
                StructuralJob::MergeMain => self.merge_all(segment, &version, MergeScope::OverlappedMain),
                StructuralJob::Split(parts) => match self.split_segment(segment, parts) {
                    Ok(true) => break,
                    Ok(false) => return self.stop_splitting(segment),
                    Err(error) => Err(error),
                },
            };
            self.note_damage(segment, outcome)?;
        }
        Ok(())
    }

    /// Merges everything of the segment into new main runs, if that changes anything, and splits it.
    pub(crate) fn compact_segment(&self, segment: &Arc<Segment>) -> Result<()> {
        let slot = segment.structural_slot.take();
        let version = segment.version().clone();
        if segment.is_retired() || !version.can_compact() {
            return Ok(());
        }
        let outcome = self.merge_all(segment, &version, MergeScope::WholeMain);
        self.note_damage(segment, outcome)?;
        drop(slot);
        self.tend_segment(segment)
    }

    /// A corrupt input stops the structural jobs of its segment, not the index (PROTOCOL D8).
    fn note_damage(&self, segment: &Segment, outcome: Result<()>) -> Result<()> {
        if matches!(outcome, Err(Error::Corruption { .. } | Error::Unsupported { .. })) {
            segment.damaged.store(true, Ordering::Release);
        }
        outcome
    }

    /// No key to split at: not asked again until the segment has grown.
    fn stop_splitting(&self, segment: &Segment) -> Result<()> {
        segment.unsplittable_bytes.store(segment.version().main_bytes(), Ordering::Release);
        Ok(())
    }

    fn merge_all(&self, segment: &Arc<Segment>, version: &SegmentVersion, scope: MergeScope) -> Result<()> {
        let first = version.layers.iter().position(Layer::is_flushed).unwrap_or(version.layers.len());
        self.merge_layers(segment, version, first..version.layers.len(), scope)
    }

    /// Merges the layers at these places of `version`, all of them flushed, and the main runs that
    /// `scope` adds. The caller holds the structural slot, so the layers are still there at the end.
    fn merge_layers(
        &self,
        segment: &Arc<Segment>,
        version: &SegmentVersion,
        layers: std::ops::Range<usize>,
        scope: MergeScope,
    ) -> Result<()> {
        let Some(merged) = version.layers.get(layers) else { return Ok(()) };
        let deltas: Vec<Arc<RunRef>> = merged.iter().flat_map(|layer| &layer.runs).cloned().collect();
        let main = scope.main_inputs(version, &deltas);
        let inputs: Vec<Arc<RunRef>> = deltas.iter().chain(&main).cloned().collect();
        let total: u64 = inputs.iter().map(|run| run.stored_bytes).sum();
        let into_main = scope != MergeScope::Deltas;
        let plan = PlanParts {
            rank: if into_main {
                crate::segment::MAIN_RANK
            } else {
                merged.first().map_or(0, |layer| layer.rank)
            },
            covered_seqs: self.covered_seqs(segment, &inputs)?,
            inputs: inputs.iter().map(|run| run.handle.uid).collect(),
            bottom: into_main,
            cut_bytes: if into_main { self.merge_limits().cut_bytes(total) } else { u64::MAX },
            fences: if into_main { fences(version, &inputs) } else { Vec::new() },
        };
        let (visible, readers) = self.capture_readers();
        let outputs = self.write_runs(
            segment,
            &plan,
            || Retention::new(readers.clone(), visible),
            |plan, retention| merge_runs(segment, &inputs, &self.registry, plan, retention),
        )?;
        self.sync_directory()?;
        let ranks: Vec<u64> = merged.iter().map(|layer| layer.rank).collect();
        self.install_merge(segment, &ranks, &inputs, plan.rank, &outputs)
            .inspect_err(|_| self.discard(&outputs))?;
        add(if into_main { &self.counters.main_merges } else { &self.counters.delta_merges }, 1);
        Ok(())
    }

    /// Replaces the layers of these ranks, and the other inputs, by the outputs.
    fn install_merge(
        &self,
        segment: &Arc<Segment>,
        ranks: &[u64],
        inputs: &[Arc<RunRef>],
        rank: u64,
        outputs: &[MergedRun],
    ) -> Result<()> {
        let installing = segment.installing.lock();
        let mut next = segment.version().as_ref().clone();
        let references = self.references(outputs, rank);
        let mut changes: Vec<Change> = inputs.iter().map(|run| remove_run(segment.id, run)).collect();
        changes.extend(references.iter().map(|run| add_run(segment.id, run)));
        let committed = self.commit_edit(changes)?;
        let place = next.layers.iter().position(|layer| ranks.contains(&layer.rank)).unwrap_or(0);
        next.layers.retain(|layer| !ranks.contains(&layer.rank));
        next.main.retain(|run| !inputs.iter().any(|input| Arc::ptr_eq(input, run)));
        if rank == crate::segment::MAIN_RANK {
            next.add_to_main(references);
        } else if !references.is_empty() {
            next.layers.insert(place, Layer { rank, buffer: None, runs: references });
        }
        let before = segment.publish(Arc::new(next));
        drop(installing);
        self.count_runs(outputs);
        self.note_crowding();
        for run in inputs.iter().filter(|run| committed.obsolete.contains(&run.handle.uid)) {
            run.handle.mark_obsolete();
            self.registry.forget(&run.handle);
        }
        drop(before);
        Ok(())
    }

    /// Makes names durable; what was unlinked before is gone for good.
    ///
    /// One at a time, under the lock that edits take too: the system tells of a failed sync once, so a
    /// second one beside it would succeed and not know that the names before it are lost.
    pub(crate) fn sync_directory(&self) -> Result<()> {
        let mut keeper = self.manifest.lock();
        if self.health.has_failed() {
            return Err(self.health.refusal());
        }
        self.directory.sync().map_err(|source| {
            let error = Error::io("sync", self.directory.location(), source);
            self.fail(&error)
        })?;
        let Keeper { unlinked, deleted, .. } = &mut *keeper;
        deleted.append(unlinked);
        Ok(())
    }
}

/// Which main runs a merge of deltas takes along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MergeScope {
    Deltas,
    OverlappedMain,
    WholeMain,
}

impl MergeScope {
    fn main_inputs(self, version: &SegmentVersion, deltas: &[Arc<RunRef>]) -> Vec<Arc<RunRef>> {
        let meets_a_delta = |run: &&Arc<RunRef>| {
            deltas.iter().any(|delta| run.overlaps(delta.first_key(), &delta.handle.largest_key))
        };
        match self {
            Self::Deltas => Vec::new(),
            Self::OverlappedMain => version.main.iter().filter(meets_a_delta).cloned().collect(),
            Self::WholeMain => version.main.clone(),
        }
    }
}

/// The first keys of the main runs that a merge of `inputs` leaves alone.
fn fences(version: &SegmentVersion, inputs: &[Arc<RunRef>]) -> Vec<Box<[u8]>> {
    let stays = |run: &&Arc<RunRef>| !inputs.iter().any(|input| Arc::ptr_eq(input, run));
    version.main.iter().filter(stays).map(|run| run.first_key().into()).collect()
}

/// Whether a flush may join the main runs as it is: nothing older overlaps it (PROTOCOL D2).
fn joins_main(version: &SegmentVersion, input: &FlushInput) -> bool {
    let Some((first, last)) = input.key_range() else { return false };
    !version.runs().any(|run| run.overlaps(first, last))
}

#[cfg(test)]
mod tests;
