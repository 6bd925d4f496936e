//! Merging small neighbours: a change of references, committed by one edit (PROTOCOL D3).
//!
//! The parents are first flushed through one common cut and hold no deltas older than that. So one flushed seq is
//! true for all keys of the merged segment, no replay brings back a version that a run holds already, and the
//! seqs that deltas cover rise with their ranks, as a rebuild of a lost manifest takes for granted (F6).
//!
//! What is written between that cut and the swap of the route stays in the parents' buffers. The merged segment
//! inherits them, and flushes them together, into one run: a run answers for all keys of its segment.

use std::sync::Arc;
use std::time::Duration;

use super::core::Core;
use super::jobs::{MergeScope, Structural};
use super::outputs::{add_run, put_segment};
use super::tell::Work;
use crate::error::{Error, Result};
use crate::manifest::Change;
use crate::segment::write_buffer::WriteBuffer;
use crate::segment::{Layer, MAIN_RANK, RunRef, Segment, SegmentVersion, TakenSlot};
use crate::sync::atomic::Ordering;

/// So long the parts of a split are not merged again.
const APART: Duration = Duration::from_secs(10);
/// A segment whose buffer holds this share of the target is written to: it is left alone.
const HOT_PER_TARGET: u64 = 16;

impl Core {
    /// Notes that a segment comes from a split.
    pub(super) fn keep_apart(&self, segment: &Segment) {
        let until_micros = self.environment.clock.monotonic_micros() + APART.as_micros() as u64;
        segment.apart_until_micros.store(until_micros, Ordering::Release);
    }

    /// Asks for a merge of small neighbours, if there are any.
    pub(super) fn look_for_small_neighbours(&self) {
        if self.config.maintenance.automatic && self.small_neighbours().is_some() {
            self.scheduler.request_neighbours();
        }
    }

    fn small_neighbours(&self) -> Option<Vec<Arc<Segment>>> {
        let limits = self.merge_limits();
        let now_micros = self.environment.clock.monotonic_micros();
        let route = self.route.load();
        let weight = |segment: &Arc<Segment>| {
            let version = segment.version();
            let buffered_bytes = version.buffered_bytes();
            let is_hot = buffered_bytes > limits.target_bytes / HOT_PER_TARGET;
            let is_left_alone = segment.damaged.load(Ordering::Acquire)
                || segment.merges_fail.load(Ordering::Acquire)
                || segment.apart_until_micros.load(Ordering::Acquire) > now_micros;
            let bytes = version.main_bytes() + version.delta_bytes() + buffered_bytes;
            (!is_hot && !is_left_alone).then_some(bytes)
        };
        let weights: Vec<Option<u64>> = route.segments().iter().map(weight).collect();
        let places = limits.neighbours(&weights)?;
        Some(route.segments()[places].to_vec())
    }

    /// Merges the first small neighbours there are. If others are at work on them nothing is done: these look
    /// for neighbours when they are done.
    pub(super) fn merge_small_neighbours(&self) -> Result<()> {
        let Some(parents) = self.small_neighbours() else { return Ok(()) };
        let merged = self.merge_neighbours(&parents);
        if matches!(&merged, Err(error) if !matches!(error, Error::Closed)) {
            parents.iter().for_each(|parent| self.note_failed_merge(parent));
        }
        if merged? {
            // There may be more.
            self.look_for_small_neighbours();
        }
        Ok(())
    }

    fn merge_in_slots(&self, parents: &[Arc<Segment>]) -> Result<Arc<Segment>> {
        let _span = parents.first().map(|first| self.span_of(Work::NeighbourMerge, first).entered());
        let cut = self.freeze_together(parents);
        for parent in parents {
            self.flush_frozen(parent, Structural::Held)?;
        }
        // The edit says that all through the cut is flushed (PROTOCOL D1).
        self.sync_through(cut, Duration::ZERO)?;
        self.publish_merged(parents, cut)
    }

    /// Replaces neighbours, in key order, by one segment. `false` if somebody else is at work on one of them.
    pub(super) fn merge_neighbours(&self, parents: &[Arc<Segment>]) -> Result<bool> {
        for parent in parents {
            if !self.merge_deltas_into_main(parent)? {
                return Ok(false);
            }
        }
        let Some(slots) = take_slots(parents) else { return Ok(false) };
        let untouched = |parent: &Arc<Segment>| !parent.is_retired() && parent.version().layers.is_empty();
        if !parents.iter().all(untouched) || self.is_ending() {
            return Ok(false);
        }
        let job = self.counters.neighbour_merges.begin();
        let outcome = self.merge_in_slots(parents);
        job.note_failure(&outcome);
        drop(slots);
        // Who came for a flush meanwhile, for which a writer may wait, has gone away.
        self.wake_flush_if_needed();
        let merged = outcome?;
        job.note_done(0, 0);
        self.scheduler.request_flush(&merged, u64::MAX);
        Ok(true)
    }

    /// `false` if somebody else is at work, or not all of them could go.
    fn merge_deltas_into_main(&self, segment: &Arc<Segment>) -> Result<bool> {
        let Some(_slot) = segment.structural_slot.try_take() else { return Ok(false) };
        let version = segment.version().clone();
        if segment.is_retired() || version.unflushed().next().is_some() {
            return Ok(false);
        }
        if version.layers.is_empty() {
            return Ok(true);
        }
        let merged = self.merge_all(segment, &version, MergeScope::OverlappedMain);
        self.note_damage(segment, merged).map(|()| true)
    }

    /// Freezes the active buffers of all parents at one cut.
    fn freeze_together(&self, parents: &[Arc<Segment>]) -> u64 {
        let fresh: Vec<Arc<WriteBuffer>> =
            parents.iter().map(|_| Arc::new(WriteBuffer::in_pool(0, &self.slabs))).collect();
        let installing: Vec<_> = parents.iter().map(|parent| parent.installing.lock()).collect();
        let frozen: Vec<Arc<WriteBuffer>> =
            parents.iter().map(|parent| Arc::clone(&parent.version().active)).collect();
        let mut nexts: Vec<Arc<SegmentVersion>> = parents
            .iter()
            .zip(fresh)
            .map(|(parent, fresh)| Arc::new(parent.version().frozen(fresh)))
            .collect();
        let section = self.section.lock();
        let cut = section.last_seq();
        for ((parent, frozen), next) in parents.iter().zip(&frozen).zip(&mut nexts) {
            frozen.freeze(cut);
            *next = parent.publish(Arc::clone(next));
        }
        drop(section);
        drop(installing);
        let stamped: u64 = frozen.iter().map(|buffer| buffer.stamp_frozen_bytes()).sum();
        self.frozen_bytes.fetch_add(stamped, Ordering::Relaxed);
        cut
    }

    fn publish_merged(&self, parents: &[Arc<Segment>], cut: u64) -> Result<Arc<Segment>> {
        let publication = self.route_publication.lock();
        let installing: Vec<_> = parents.iter().map(|parent| parent.installing.lock()).collect();
        let merged = self.merged_segment(parents, cut)?;
        let version = merged.version().clone();
        let mut changes: Vec<Change> =
            parents.iter().map(|parent| Change::DropSegment { id: parent.id }).collect();
        changes.push(put_segment(&merged, &version));
        changes.extend(version.runs().map(|run| add_run(merged.id, run)));
        changes.push(Change::NextSegmentId(self.next_segment_id.load(Ordering::Relaxed)));
        // No log may be left that tells of the cut, and no seq is given out twice.
        changes.push(Change::LastSeq(cut));
        self.commit_edit(changes)?;
        let next_route = {
            let route = self.route.load();
            let first = route.place_of(&merged.lower);
            Arc::new(route.replaced(first..first + parents.len(), &[Arc::clone(&merged)]))
        };
        let inherited: Vec<&Arc<WriteBuffer>> =
            version.unflushed().filter_map(|layer| layer.buffer.as_ref()).collect();
        // Before anybody can flush them and take the same bytes off again.
        let stamped: u64 = inherited.iter().map(|buffer| buffer.stamp_frozen_bytes()).sum();
        self.frozen_bytes.fetch_add(stamped, Ordering::Relaxed);
        parents.iter().for_each(|parent| self.counters.past_segments.retire(parent));
        let before = self.swap_route(&inherited, next_route);
        parents.iter().for_each(|parent| parent.retired.store(true, Ordering::Release));
        drop((installing, publication, before));
        Ok(merged)
    }

    fn merged_segment(&self, parents: &[Arc<Segment>], cut: u64) -> Result<Arc<Segment>> {
        const DELTA_RANK: u64 = MAIN_RANK + 1;
        let versions: Vec<Arc<SegmentVersion>> =
            parents.iter().map(|parent| parent.version().clone()).collect();
        let deltas = self.joined(parents, &versions, |version| {
            version.layers.iter().flat_map(|layer| &layer.runs).cloned().collect()
        })?;
        let main = self.joined(parents, &versions, |version| version.main.clone())?;
        let inherited_ranks = DELTA_RANK + 1..DELTA_RANK + 1 + versions.len() as u64;
        let next_rank = inherited_ranks.end;
        let mut layers: Vec<Layer> = inherited_ranks
            .rev()
            .zip(&versions)
            .map(|(rank, version)| Layer {
                rank,
                buffer: Some(Arc::clone(&version.active)),
                runs: Vec::new(),
            })
            .collect();
        if !deltas.is_empty() {
            layers.push(Layer { rank: DELTA_RANK, buffer: None, runs: with_rank(deltas, DELTA_RANK) });
        }
        let version = SegmentVersion {
            active: Arc::new(WriteBuffer::in_pool(0, &self.slabs)),
            layers,
            main,
            flushed_seq: cut,
            next_rank,
        };
        let id = self.next_segment_id.fetch_add(1, Ordering::Relaxed);
        let lower = parents.first().map(|first| first.lower.clone()).unwrap_or_default();
        let upper = parents.last().and_then(|last| last.upper.clone());
        let splits = parents.iter().map(|parent| parent.splits_inherited).max().unwrap_or(0);
        let merged = Segment::after_splits(splits, id, (lower, upper), version);
        let is_damaged = parents.iter().any(|parent| parent.damaged.load(Ordering::Acquire));
        merged.damaged.store(is_damaged, Ordering::Release);
        Ok(merged)
    }

    /// The references of all parents, in key order. Where one ends and the next goes on in the same file they
    /// become one.
    fn joined(
        &self,
        parents: &[Arc<Segment>],
        versions: &[Arc<SegmentVersion>],
        of: impl Fn(&SegmentVersion) -> Vec<Arc<RunRef>>,
    ) -> Result<Vec<Arc<RunRef>>> {
        let mut joined: Vec<Arc<RunRef>> = Vec::new();
        for (parent, version) in parents.iter().zip(versions) {
            for run in of(version) {
                let goes_on = |last: &&mut Arc<RunRef>| {
                    Arc::ptr_eq(&last.handle, &run.handle) && last.upper.as_ref() == Some(&run.lower)
                };
                match joined.last_mut().filter(goes_on) {
                    Some(last) => {
                        let mut whole = RunRef { upper: run.upper.clone(), ..last.as_ref().clone() };
                        self.note_damage(parent, self.measure_part(parent, &mut whole))?;
                        *last = Arc::new(whole);
                    }
                    None => joined.push(run),
                }
            }
        }
        Ok(joined)
    }
}

fn with_rank(runs: Vec<Arc<RunRef>>, rank: u64) -> Vec<Arc<RunRef>> {
    runs.into_iter().map(|run| Arc::new(RunRef { rank, ..run.as_ref().clone() })).collect()
}

/// The structural and the flush slots of all, or of none: nobody waits for one while holding another.
fn take_slots(segments: &[Arc<Segment>]) -> Option<Vec<TakenSlot<'_>>> {
    let slots = segments.iter().flat_map(|segment| [&segment.structural_slot, &segment.flush_slot]);
    slots.map(|slot| slot.try_take()).collect()
}

#[cfg(test)]
mod tests;
