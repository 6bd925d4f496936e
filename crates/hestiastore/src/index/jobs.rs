//! Maintenance jobs of a segment: freeze, flush, merge. Each ends in one manifest edit, in the order of
//! PROTOCOL D1: log synced, run synced and renamed, directory synced, edit synced, published.

use std::sync::Arc;

use super::core::Core;
use super::keeper::Keeper;
use super::outputs::{PlanParts, add_run, put_segment, remove_run};
use super::refusal::Need;
use super::tell::Work;
use crate::error::{Error, Result};
use crate::manifest::Change;
use crate::segment::write_buffer::WriteBuffer;
use crate::segment::{
    FlushInput, Layer, MergedRun, Retention, RunRef, Segment, SegmentVersion, StructuralJob, TakenSlot,
    merge_runs,
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
    /// no other. Waits for a flush that is under way: for the threads of callers.
    pub(crate) fn flush_segment(&self, segment: &Arc<Segment>) -> Result<()> {
        self.flush_in_slot(segment, segment.flush_slot.take())
    }

    /// The same, unless a flush is under way: `false`.
    pub(crate) fn try_flush_segment(&self, segment: &Arc<Segment>) -> Result<bool> {
        self.try_flush_segment_through(segment, u64::MAX)
    }

    /// The same, if the segment holds anything through `seq`.
    pub(super) fn try_flush_segment_through(&self, segment: &Arc<Segment>, seq: u64) -> Result<bool> {
        let Some(slot) = segment.flush_slot.try_take() else { return Ok(false) };
        if segment.version().least_unflushed_seq() <= seq {
            self.flush_in_slot(segment, slot)?;
        }
        Ok(true)
    }

    fn flush_in_slot(&self, segment: &Arc<Segment>, slot: TakenSlot<'_>) -> Result<()> {
        let outcome = self.flush_layers_of(segment);
        if outcome.is_ok() {
            self.split_if_waited_for(segment);
        }
        drop(slot);
        if outcome.is_ok() {
            // Only now: a split that found the slot taken has gone away.
            self.scheduler.request_structural(segment);
            // So has who came for the next flush, for which a writer may wait.
            self.wake_flush_if_needed();
        } else {
            self.scheduler.pool().wake();
        }
        outcome
    }

    fn flush_layers_of(&self, segment: &Arc<Segment>) -> Result<()> {
        if segment.version().unflushed().next().is_none() {
            self.freeze(segment);
        }
        self.flush_frozen(segment, Structural::Free)?;
        self.note_crowding();
        // Logs that could go and stay for now are no failure of the flush.
        let trimmed = self.trim_logs();
        self.note_background_failure("giving up logs", &trimmed);
        if self.health.has_failed() { trimmed } else { Ok(()) }
    }

    /// Writes out all that is frozen, oldest first. The caller holds the flush slot.
    pub(super) fn flush_frozen(&self, segment: &Arc<Segment>, structural: Structural) -> Result<()> {
        while !segment.is_retired() {
            let layers = segment.version().next_to_flush();
            if layers.is_empty() {
                break;
            }
            // Nothing is lost by a flush that fails: writes are refused until one succeeds.
            self.flush_together(segment, &layers, structural)
                .map_err(|error| self.refuse_unless_over(Need::Flush, error))?;
            self.accept_writes(Need::Flush);
        }
        Ok(())
    }

    fn flush_together(&self, segment: &Arc<Segment>, layers: &[Layer], structural: Structural) -> Result<()> {
        let _span = self.span_of(Work::Flush, segment).entered();
        let job = self.counters.flushes.begin();
        let outcome = self.write_and_install_layers(segment, layers, structural);
        job.note_failure(&outcome);
        if let Some(runs) = outcome? {
            let written_bytes = file_bytes(&runs);
            job.note_done(0, written_bytes);
            segment.counters.note_flush(written_bytes);
        }
        Ok(())
    }

    /// The runs; `None` if there was nothing to write.
    fn write_and_install_layers(
        &self,
        segment: &Arc<Segment>,
        layers: &[Layer],
        structural: Structural,
    ) -> Result<Option<Vec<MergedRun>>> {
        let _measured = self.budget.begin_flush();
        // A merge into main under way would not know of a run that joins meanwhile.
        let alone = segment.structural_slot.try_take();
        let may_join_main = alone.is_some() || structural == Structural::Held;
        let cut = self.wait_for_cut(layers)?;
        if layers.iter().filter_map(|layer| layer.buffer.as_ref()).all(|buffer| buffer.is_empty()) {
            self.drop_empty(segment, layers);
            return Ok(None);
        }
        // The log first: a run that a crash leaves unnamed holds nothing that the log does not.
        self.sync_through(cut, std::time::Duration::ZERO)?;
        let (rank, cut, runs) = self.write_buffers_out(segment, layers, may_join_main)?;
        let _alone = alone.filter(|_| rank == crate::segment::MAIN_RANK);
        self.sync_directory()?;
        self.install_flush(segment, layers, rank, cut, &runs).inspect_err(|_| self.discard(&runs))?;
        Ok(Some(runs))
    }

    /// Publishes the version without frozen buffers in which nothing came to be. The manifest does not know, and so
    /// the flushed seq stays: the log need not be on disk so far.
    fn drop_empty(&self, segment: &Arc<Segment>, layers: &[Layer]) {
        let _installing = segment.installing.lock();
        let mut next = segment.version().as_ref().clone();
        next.layers.retain(|other| !layers.iter().any(|layer| layer.rank == other.rank));
        let _before = segment.publish(Arc::new(next));
        layers
            .iter()
            .filter_map(|layer| layer.buffer.as_ref())
            .for_each(|buffer| self.release_buffer(buffer));
    }

    /// Waits until everything in frozen layers is visible; the seq they were cut at.
    fn wait_for_cut(&self, layers: &[Layer]) -> Result<u64> {
        let buffers = layers.iter().filter_map(|layer| layer.buffer.as_ref());
        let cut = buffers.filter_map(|buffer| buffer.cut()).max().unwrap_or(0);
        self.publisher.wait_visible(cut).map_err(|_| self.health.refusal())?;
        Ok(cut)
    }

    /// Writes the entries of frozen layers, oldest first, into runs; their rank, the cut, and the runs. They may
    /// join the main runs if no structural job can come between.
    pub(super) fn write_buffers_out(
        &self,
        segment: &Segment,
        layers: &[Layer],
        may_join_main: bool,
    ) -> Result<(u64, u64, Vec<MergedRun>)> {
        let buffers = || layers.iter().filter_map(|layer| layer.buffer.as_ref());
        let cut = self.wait_for_cut(layers)?;
        let input = FlushInput::new(segment, buffers(), self.config.maintenance.threads as usize);
        let into_main = may_join_main && joins_main(&segment.version(), &input);
        let oldest_rank = layers.first().map_or(0, |layer| layer.rank);
        let rank = if into_main { crate::segment::MAIN_RANK } else { oldest_rank };
        let (visible, readers) = self.capture_readers();
        let least_seq = buffers().map(|buffer| buffer.least_seq()).min().unwrap_or(cut);
        let plan = PlanParts {
            rank,
            covered_seqs: (least_seq.min(cut), cut),
            inputs: Vec::new(),
            bottom: into_main,
            cut_bytes: if into_main { self.merge_limits().target_bytes } else { u64::MAX },
            fences: Vec::new(),
            gives_way: false,
        };
        let runs = self.write_runs(
            segment,
            &plan,
            || Retention::new(readers.clone(), visible),
            |plan, retention| input.write(plan, retention),
        )?;
        Ok((rank, cut, runs))
    }

    /// Commits the runs that hold the frozen layers' entries, and publishes the version without them.
    fn install_flush(
        &self,
        segment: &Arc<Segment>,
        layers: &[Layer],
        rank: u64,
        cut: u64,
        runs: &[MergedRun],
    ) -> Result<()> {
        let is_flushed_now = |other: &Layer| layers.iter().any(|layer| layer.rank == other.rank);
        let installing = segment.installing.lock();
        let mut next = segment.version().as_ref().clone();
        let references = self.references(runs, rank);
        next.flushed_seq = next.flushed_seq.max(cut);
        let mut changes = vec![put_segment(segment, &next)];
        changes.extend(references.iter().map(|run| add_run(segment.id, run)));
        changes.push(Change::LastSeq(cut));
        self.commit_edit(changes)?;
        let mut kept = None;
        if rank == crate::segment::MAIN_RANK || references.is_empty() {
            next.layers.retain(|other| !is_flushed_now(other));
            next.add_to_main(references);
        } else {
            next.layers.retain(|other| other.rank == rank || !is_flushed_now(other));
            kept = self.to_be_kept(layers);
            if let Some(place) = next.layers.iter_mut().find(|other| other.rank == rank) {
                place.runs = references;
                place.buffer.clone_from(&kept);
            }
        }
        let before = segment.publish(Arc::new(next));
        drop(installing);
        drop(before);
        layers
            .iter()
            .filter_map(|layer| layer.buffer.as_ref())
            .for_each(|buffer| self.release_buffer(buffer));
        if let Some(buffer) = &kept {
            self.keep_in_delta_cache(segment, buffer);
        }
        Ok(())
    }

    /// The buffer that stays as the resident form of its run: one that nobody shares.
    fn to_be_kept(&self, layers: &[Layer]) -> Option<Arc<WriteBuffer>> {
        let [Layer { buffer: Some(buffer), .. }] = layers else { return None };
        let keep = !buffer.is_shared() && self.config.write_buffer.delta_cache_bytes > 0;
        keep.then(|| Arc::clone(buffer))
    }

    /// Gives the budget back what a flushed buffer took, once all that flush it are done.
    fn release_buffer(&self, buffer: &WriteBuffer) {
        if buffer.end_use() {
            self.frozen_bytes.fetch_sub(buffer.stamped_bytes(), Ordering::Relaxed);
            self.budget.release_flushed(buffer.charged_bytes());
        }
    }

    /// The structural job that the segment needs most. If it needs another one, that waits for its turn among
    /// the jobs of other segments.
    pub(crate) fn tend_segment(&self, segment: &Arc<Segment>) -> Result<()> {
        if self.tend_once(segment)? {
            self.scheduler.request_structural(segment);
        }
        Ok(())
    }

    /// The same; whether to come again.
    fn tend_once(&self, segment: &Arc<Segment>) -> Result<bool> {
        if !self.config.maintenance.automatic {
            return Ok(false);
        }
        // Whoever is at it may have looked before what this is for had come.
        let Some(_slot) = segment.structural_slot.try_take() else { return Ok(true) };
        if segment.is_retired() || segment.damaged.load(Ordering::Acquire) || self.is_ending() {
            return Ok(false);
        }
        // Places in the version mean something in this version only.
        let version = segment.version().clone();
        let Some(job) = self.needed_job(segment, &version) else { return Ok(false) };
        let outcome = match job {
            StructuralJob::MergeDeltas(layers) => {
                let scope = MergeScope::Deltas;
                self.merge_layers(segment, &version, layers, &scope, Occasion::Asked).map(|()| true)
            }
            StructuralJob::MergeMain => {
                self.merge_all(segment, &version, MergeScope::OverlappedMain).map(|()| true)
            }
            StructuralJob::MergeCrumbs(places) => {
                let scope = MergeScope::MainAt(places);
                self.merge_layers(segment, &version, 0..0, &scope, Occasion::Asked).map(|()| true)
            }
            StructuralJob::Split(parts) => self.split_or_leave_to_flush(segment, parts),
        };
        self.note_damage(segment, outcome)
    }

    /// What the policy says that a version of the segment needs most.
    pub(super) fn needed_job(&self, segment: &Segment, version: &SegmentVersion) -> Option<StructuralJob> {
        let unsplittable = segment.unsplittable_bytes.load(Ordering::Acquire);
        self.merge_limits().next_job(version, unsplittable)
    }

    /// Merges everything of the segment into new main runs, if that changes anything, and splits it. `false`
    /// if a structural job is under way.
    pub(crate) fn try_compact_segment(&self, segment: &Arc<Segment>) -> Result<bool> {
        let Some(slot) = segment.structural_slot.try_take() else { return Ok(false) };
        let version = segment.version().clone();
        if segment.is_retired() || !version.can_compact() {
            return Ok(true);
        }
        let outcome = self.merge_all(segment, &version, MergeScope::WholeMain);
        self.note_damage(segment, outcome)?;
        drop(slot);
        while !self.scheduler.is_paused() && self.tend_once(segment)? {
            if segment.structural_slot.is_taken() {
                break;
            }
        }
        self.scheduler.request_structural(segment);
        Ok(true)
    }

    /// A corrupt input stops the structural jobs of its segment, not the index (PROTOCOL D8).
    pub(super) fn note_damage<T>(&self, segment: &Segment, outcome: Result<T>) -> Result<T> {
        if matches!(outcome, Err(Error::Corruption { .. } | Error::Unsupported { .. })) {
            segment.damaged.store(true, Ordering::Release);
            self.tell_damaged(segment);
        }
        outcome
    }

    /// Merges all that is flushed, with the main runs that `scope` adds. The caller holds the structural slot.
    pub(super) fn merge_all(
        &self,
        segment: &Arc<Segment>,
        version: &SegmentVersion,
        scope: MergeScope,
    ) -> Result<()> {
        self.merge_layers(segment, version, version.flushed_layers(), &scope, Occasion::Asked)
    }

    /// Merges the layers at these places of `version`, all of them flushed, and the main runs that
    /// `scope` adds. The caller holds the structural slot, so the layers are still there at the end.
    pub(super) fn merge_layers(
        &self,
        segment: &Arc<Segment>,
        version: &SegmentVersion,
        layers: std::ops::Range<usize>,
        scope: &MergeScope,
        occasion: Occasion,
    ) -> Result<()> {
        let (work, jobs) = match scope {
            MergeScope::Deltas => (Work::DeltaMerge, &self.counters.delta_merges),
            MergeScope::OverlappedMain | MergeScope::WholeMain | MergeScope::MainAt(_) => {
                (Work::MainMerge, &self.counters.main_merges)
            }
        };
        let _span = self.span_of(work, segment).entered();
        let job = jobs.begin();
        let outcome = self.write_and_install_merge(segment, version, layers, scope, occasion);
        job.note_failure(&outcome);
        if let Some((read_bytes, outputs)) = outcome? {
            let written_bytes = file_bytes(&outputs);
            job.note_done(read_bytes, written_bytes);
            segment.counters.note_merge(written_bytes);
        }
        Ok(())
    }

    /// The bytes that were read, and the runs; `None` where there is nothing to merge.
    fn write_and_install_merge(
        &self,
        segment: &Arc<Segment>,
        version: &SegmentVersion,
        layers: std::ops::Range<usize>,
        scope: &MergeScope,
        occasion: Occasion,
    ) -> Result<Option<(u64, Vec<MergedRun>)>> {
        let Some(merged) = version.layers.get(layers) else { return Ok(None) };
        let deltas: Vec<Arc<RunRef>> = merged.iter().flat_map(|layer| &layer.runs).cloned().collect();
        let main = scope.main_inputs(version, &deltas);
        let inputs: Vec<Arc<RunRef>> = deltas.iter().chain(&main).cloned().collect();
        let total: u64 = inputs.iter().map(|run| run.stored_bytes).sum();
        let into_main = *scope != MergeScope::Deltas;
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
            gives_way: occasion == Occasion::WhenIdle,
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
        let references = self.references(&outputs, plan.rank);
        self.load_ahead(segment, &references)
            .and_then(|()| self.install_merge(segment, &ranks, &inputs, plan.rank, &references))
            .inspect_err(|_| {
                references.iter().for_each(|run| self.registry.forget(&run.handle));
                self.discard(&outputs);
            })?;
        Ok(Some((total, outputs)))
    }

    /// Replaces the layers of these ranks, and the other inputs, by the outputs.
    fn install_merge(
        &self,
        segment: &Arc<Segment>,
        ranks: &[u64],
        inputs: &[Arc<RunRef>],
        rank: u64,
        references: &[Arc<RunRef>],
    ) -> Result<()> {
        let installing = segment.installing.lock();
        let mut next = segment.version().as_ref().clone();
        let mut changes: Vec<Change> = inputs.iter().map(|run| remove_run(segment.id, run)).collect();
        changes.extend(references.iter().map(|run| add_run(segment.id, run)));
        let committed = self.commit_edit(changes)?;
        let place = next.layers.iter().position(|layer| ranks.contains(&layer.rank)).unwrap_or(0);
        next.layers.retain(|layer| !ranks.contains(&layer.rank));
        next.main.retain(|run| !inputs.iter().any(|input| Arc::ptr_eq(input, run)));
        if rank == crate::segment::MAIN_RANK {
            next.add_to_main(references.to_vec());
        } else if !references.is_empty() {
            next.layers.insert(place, Layer { rank, buffer: None, runs: references.to_vec() });
        }
        let before = segment.publish(Arc::new(next));
        drop(installing);
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

fn file_bytes(runs: &[MergedRun]) -> u64 {
    runs.iter().map(|run| run.summary.file_bytes).sum()
}

/// Whether who flushes holds the segment's structural slot already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Structural {
    Free,
    Held,
}

/// Whether a merge ends without a result when other jobs wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    Asked,
    WhenIdle,
}

/// Which main runs a merge of deltas takes along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum MergeScope {
    Deltas,
    OverlappedMain,
    WholeMain,
    /// Those at these places. Only without deltas: what a merge makes answers for all that is older than its newest
    /// input (F6).
    MainAt(std::ops::Range<usize>),
}

impl MergeScope {
    fn main_inputs(&self, version: &SegmentVersion, deltas: &[Arc<RunRef>]) -> Vec<Arc<RunRef>> {
        let meets_a_delta = |run: &&Arc<RunRef>| {
            deltas.iter().any(|delta| run.overlaps(delta.first_key(), &delta.handle.largest_key))
        };
        match self {
            Self::Deltas => Vec::new(),
            Self::OverlappedMain => version.main.iter().filter(meets_a_delta).cloned().collect(),
            Self::WholeMain => version.main.clone(),
            Self::MainAt(places) => version.main.get(places.clone()).unwrap_or_default().to_vec(),
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
