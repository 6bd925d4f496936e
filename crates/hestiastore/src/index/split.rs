//! Splitting a segment: a change of references, committed by one edit (PROTOCOL D3).

use std::sync::Arc;

use super::core::Core;
use super::outputs::{add_run, put_segment};
use super::tell::Work;
use crate::error::Result;
use crate::manifest::Change;
use crate::route::RouteMap;
use crate::segment::write_buffer::WriteBuffer;
use crate::segment::{Layer, LoadRuns, RunRef, Segment, SegmentVersion, StructuralJob, split_keys};
use crate::sync::atomic::Ordering;

/// The bounds of a child.
struct Part {
    lower: Box<[u8]>,
    upper: Option<Box<[u8]>>,
}

impl Core {
    /// Splits the segment; the caller holds its structural slot. A split is never to wait for a flush under way,
    /// which does it in its place at its end. `true` if there is no key to split at: it may need another job.
    pub(super) fn split_or_leave_to_flush(&self, segment: &Arc<Segment>, parts: u64) -> Result<bool> {
        let mut slot = segment.flush_slot.try_take();
        if slot.is_none() {
            segment.split_waits.store(true, Ordering::Release);
            // The flush may have ended between; if not, it asks for structural jobs again when it has.
            slot = segment.flush_slot.try_take();
        }
        let Some(_slot) = slot else { return Ok(false) };
        segment.split_waits.store(false, Ordering::Release);
        self.split_in_slots(segment, parts).map(|is_split| !is_split)
    }

    /// A split that found this flush under way; the caller holds the flush slot.
    pub(super) fn split_if_waited_for(&self, segment: &Arc<Segment>) {
        if !segment.split_waits.swap(false, Ordering::AcqRel) || self.scheduler.is_paused() {
            return;
        }
        let Some(_slot) = segment.structural_slot.try_take() else { return };
        if segment.is_retired() || segment.damaged.load(Ordering::Acquire) || self.is_ending() {
            return;
        }
        if let Some(StructuralJob::Split(parts)) = self.needed_job(segment, &segment.version()) {
            let outcome = self.note_damage(segment, self.split_in_slots(segment, parts)).map(drop);
            self.note_background_failure("split", &self.note_structural(segment, outcome));
        }
    }

    fn split_in_slots(&self, segment: &Arc<Segment>, parts: u64) -> Result<bool> {
        let is_split = self.split_segment(segment, parts)?;
        if !is_split {
            // Not asked again until the segment has grown.
            segment.unsplittable_bytes.store(segment.version().main_bytes(), Ordering::Release);
        }
        Ok(is_split)
    }

    /// Splits the segment into up to `parts`; the caller holds its structural and its flush slot. `false` if it
    /// offers no key to split at.
    ///
    /// The parent's buffers that no run holds yet are inherited by all children: no flush of it is under
    /// way, and each child flushes its own part of them.
    pub(super) fn split_segment(&self, segment: &Arc<Segment>, parts: u64) -> Result<bool> {
        let _span = self.span_of(Work::Split, segment).entered();
        let job = self.counters.splits.begin();
        let outcome = self.publish_parts(segment, parts);
        job.note_failure(&outcome);
        let children = outcome?;
        if children.is_empty() {
            return Ok(false);
        }
        job.note_done(0, 0);
        for child in &children {
            self.keep_apart(child);
            // What it inherited is its first flush.
            self.scheduler.request_flush(child, u64::MAX);
        }
        Ok(true)
    }

    /// The children; none if there is no key to split at.
    fn publish_parts(&self, segment: &Arc<Segment>, parts: u64) -> Result<Vec<Arc<Segment>>> {
        let keys = split_keys(segment, &segment.version().main, parts, &self.registry)?;
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        self.publish_split(segment, &parts_between(segment, &keys))
    }

    fn publish_split(&self, segment: &Arc<Segment>, parts: &[Part]) -> Result<Vec<Arc<Segment>>> {
        let publication = self.route_publication.lock();
        let installing = segment.installing.lock();
        let parent = segment.version().clone();
        let children = self.children(segment, &parent, parts)?;
        let mut changes = vec![Change::DropSegment { id: segment.id }];
        for child in &children {
            changes.push(put_segment(child, &child.version()));
            changes.extend(child.version().runs().map(|run| add_run(child.id, run)));
        }
        changes.push(Change::NextSegmentId(self.next_segment_id.load(Ordering::Relaxed)));
        self.commit_edit(changes)?;
        let route = self.route.load_full();
        let place = route.place_of(&segment.lower);
        let next_route = Arc::new(route.replaced(place..place + 1, &children));
        for buffer in parent.unflushed().filter_map(|layer| layer.buffer.as_ref()).chain([&parent.active]) {
            buffer.share_between(children.len());
        }
        // Before the children can flush it and take the same bytes off again.
        self.frozen_bytes.fetch_add(parent.active.stamp_frozen_bytes(), Ordering::Relaxed);
        self.counters.past_segments.retire(segment);
        let before = self.swap_route(&[&parent.active], next_route);
        segment.retired.store(true, Ordering::Release);
        drop((installing, publication, before));
        Ok(children)
    }

    /// The route swap and the freeze of the parents' active buffers, in one commit section.
    pub(super) fn swap_route(
        &self,
        parents_active: &[&Arc<WriteBuffer>],
        next: Arc<RouteMap>,
    ) -> Arc<RouteMap> {
        let mut section = self.section.lock();
        for active in parents_active {
            active.freeze(section.last_seq());
        }
        section.route_generation = next.generation;
        self.route.swap(next)
    }

    fn children(
        &self,
        segment: &Segment,
        parent: &SegmentVersion,
        parts: &[Part],
    ) -> Result<Vec<Arc<Segment>>> {
        let mut children = Vec::with_capacity(parts.len());
        for part in parts {
            let version = self.child_version(segment, parent, part)?;
            let id = self.next_segment_id.fetch_add(1, Ordering::Relaxed);
            let bounds = (part.lower.clone(), part.upper.clone());
            children.push(Segment::after_splits(segment.splits_inherited + 1, id, bounds, version));
        }
        Ok(children)
    }

    /// Everything of the parent, clipped, at its rank; the parent's active buffer becomes the newest
    /// frozen one.
    fn child_version(
        &self,
        segment: &Segment,
        parent: &SegmentVersion,
        part: &Part,
    ) -> Result<SegmentVersion> {
        let inherited =
            Layer { rank: parent.next_rank, buffer: Some(Arc::clone(&parent.active)), runs: Vec::new() };
        let mut layers = vec![inherited];
        for layer in &parent.layers {
            let runs = self.clip_all(segment, &layer.runs, part)?;
            if !layer.is_flushed() {
                layers.push(layer.clone());
            } else if !runs.is_empty() {
                layers.push(Layer { rank: layer.rank, buffer: None, runs });
            }
        }
        Ok(SegmentVersion {
            active: Arc::new(WriteBuffer::in_pool(0, &self.slabs)),
            layers,
            main: self.clip_all(segment, &parent.main, part)?,
            flushed_seq: parent.flushed_seq,
            next_rank: parent.next_rank + 1,
        })
    }

    fn clip_all(&self, segment: &Segment, runs: &[Arc<RunRef>], part: &Part) -> Result<Vec<Arc<RunRef>>> {
        let mut clipped = Vec::new();
        for run in runs {
            clipped.extend(self.clip(segment, run, part)?.map(Arc::new));
        }
        Ok(clipped)
    }

    /// The part of a reference that lies within a child's bounds, if any does.
    fn clip(&self, segment: &Segment, run: &RunRef, part: &Part) -> Result<Option<RunRef>> {
        let lower = (&*run.lower).max(&*part.lower);
        let upper = match (run.upper.as_deref(), part.upper.as_deref()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let misses = lower > &*run.handle.largest_key || upper.is_some_and(|upper| upper <= run.first_key());
        if misses {
            return Ok(None);
        }
        let mut clipped = RunRef { lower: lower.into(), upper: upper.map(Into::into), ..run.clone() };
        let same = clipped.first_key() == run.first_key() && clipped.within_bounds(&run.handle.largest_key);
        if !same {
            self.measure_part(segment, &mut clipped)?;
        }
        Ok(Some(clipped))
    }

    /// What lies between the bounds of a reference, as the file tells: exact for a whole one.
    pub(super) fn measure_part(&self, segment: &Segment, run: &mut RunRef) -> Result<()> {
        let loaded = self.registry.load(segment, &run.handle)?;
        let whole = loaded.properties();
        let (bytes, entries) = match run.is_clipped() {
            true => loaded.bytes_between(Some(&run.lower), run.upper.as_deref()),
            false => (run.handle.file_bytes, whole.entries),
        };
        run.tombstones = whole.tombstones * entries / whole.entries.max(1);
        (run.stored_bytes, run.entries) = (bytes, entries);
        Ok(())
    }
}

fn parts_between(segment: &Segment, keys: &[Box<[u8]>]) -> Vec<Part> {
    let lowers = std::iter::once(&segment.lower).chain(keys);
    let uppers = keys.iter().map(|key| Some(key.clone())).chain([segment.upper.clone()]);
    lowers.zip(uppers).map(|(lower, upper)| Part { lower: lower.clone(), upper }).collect()
}
