//! What is done when nothing is asked: deltas go into main all the way, crumbs and files of which little is still
//! referred to are rewritten, small neighbours are merged (PROTOCOL D3). So a quiet store ends in main runs only.
//!
//! One segment at a time, and what is at work gives way as soon as another job waits. What is in the buffers stays
//! there and in the log, unless it is much.

use std::collections::HashMap;
use std::sync::Arc;

use super::core::Core;
use super::counters::CallCount;
use super::jobs::{MergeScope, Occasion};
use crate::error::{Error, Result};
use crate::segment::{Segment, SegmentVersion};
use crate::sync::atomic::Ordering;

/// A buffer that holds so much is flushed.
const LARGE_BUFFER_BYTES: u64 = 1 << 20;

/// What the idle work knows of the last time it looked.
#[derive(Debug, Default)]
pub(crate) struct IdleWork {
    /// How much had been asked for.
    asked: u64,
    /// The manifest's edit after which there was nothing to do.
    tidy_at_edit: Option<u64>,
}

/// What idle work did with a segment.
enum Tidied {
    Done,
    NotNeeded,
    /// For a reason that may pass without an edit.
    NotNow,
}

impl Core {
    pub(super) fn start_idle_work(&self) {
        if self.config.maintenance.automatic {
            self.idle_work.lock().asked = self.asked_so_far();
            self.schedule_idle_work();
        }
    }

    fn schedule_idle_work(&self) {
        let pause_micros = u64::try_from(self.config.maintenance.idle_after.as_micros()).unwrap_or(u64::MAX);
        let due_micros = self.environment.clock.monotonic_micros().saturating_add(pause_micros);
        self.scheduler.schedule_idle(due_micros);
    }

    /// One piece of idle work, if nothing was asked since the last look, and when to look again: at once
    /// while there is more.
    pub(super) fn idle_step(&self) -> Result<()> {
        let asked = self.asked_so_far();
        let is_quiet = std::mem::replace(&mut self.idle_work.lock().asked, asked) == asked;
        let outcome = if is_quiet { self.tidy_next() } else { Ok(false) };
        match &outcome {
            Ok(true) => self.scheduler.schedule_idle(0),
            _ => self.schedule_idle_work(),
        }
        outcome.map(drop)
    }

    /// Grows with whatever is asked; with what an iterator reads, now and then.
    fn asked_so_far(&self) -> u64 {
        let calls = self.counters.calls();
        let asked = [
            CallCount::Puts,
            CallCount::Deletes,
            CallCount::Batches,
            CallCount::Iterators,
            CallCount::EntriesRead,
        ];
        let reads = self.reads_in_all(&self.route.load_full()).reads;
        asked.into_iter().map(|what| calls.of(what)).fold(reads, u64::wrapping_add)
    }

    /// Does the first thing that there is to do. `false`: there was nothing, or it gave way.
    fn tidy_next(&self) -> Result<bool> {
        let route = self.route.load_full();
        for segment in route.segments() {
            if segment.version().active.entry_bytes() >= LARGE_BUFFER_BYTES {
                self.scheduler.request_flush(segment, self.publisher.visible());
            }
        }
        let edit_number = self.manifest.lock().state.edit_number;
        if self.idle_work.lock().tidy_at_edit == Some(edit_number) {
            return Ok(false);
        }
        let referenced = referenced_bytes(route.segments());
        let mut is_tidy = true;
        for segment in route.segments() {
            match self.note_damage(segment, self.tidy_segment(segment, &referenced)) {
                Ok(Tidied::NotNeeded) => {}
                Ok(Tidied::NotNow) => is_tidy = false,
                Ok(Tidied::Done) => return Ok(true),
                // It gave way.
                Err(Error::Closed) => return Ok(false),
                Err(error) => {
                    self.note_failed_merge(segment);
                    return Err(error);
                }
            }
        }
        self.look_for_small_neighbours();
        if is_tidy {
            self.idle_work.lock().tidy_at_edit = Some(edit_number);
        }
        Ok(false)
    }

    /// Merges the deltas of a segment into main, or rewrites what needs it.
    fn tidy_segment(&self, segment: &Arc<Segment>, referenced: &HashMap<u64, u64>) -> Result<Tidied> {
        let now_micros = self.environment.clock.monotonic_micros();
        let Some(slot) = segment.structural_slot.try_take() else { return Ok(Tidied::NotNow) };
        if segment.damaged.load(Ordering::Acquire) {
            return Ok(Tidied::NotNeeded);
        }
        if segment.is_retired() || segment.merges_fail.load(Ordering::Acquire) || self.is_ending() {
            return Ok(Tidied::NotNow);
        }
        let version = segment.version().clone();
        let flushed = version.flushed_layers();
        let scope = if !flushed.is_empty() {
            MergeScope::OverlappedMain
        } else if let Some(place) = place_of_remnant(&version, referenced) {
            MergeScope::MainAt(place..place + 1)
        } else if segment.apart_until_micros.load(Ordering::Acquire) > now_micros {
            // It may belong together with its neighbours, later.
            return Ok(Tidied::NotNow);
        } else {
            return Ok(Tidied::NotNeeded);
        };
        self.merge_layers(segment, &version, flushed, &scope, Occasion::WhenIdle)?;
        drop(slot);
        // It may be large enough to be split, or full of crumbs.
        self.scheduler.request_structural(segment);
        Ok(Tidied::Done)
    }
}

/// The bytes that all references to a file have together, by its uid.
fn referenced_bytes(segments: &[Arc<Segment>]) -> HashMap<u64, u64> {
    let mut referenced = HashMap::new();
    for segment in segments {
        for run in segment.version().runs() {
            *referenced.entry(run.handle.uid).or_default() += run.stored_bytes;
        }
    }
    referenced
}

/// The place of a main run whose file is less than half referred to.
fn place_of_remnant(version: &SegmentVersion, referenced: &HashMap<u64, u64>) -> Option<usize> {
    version.main.iter().position(|run| {
        let bytes = referenced.get(&run.handle.uid).copied().unwrap_or(u64::MAX);
        run.is_clipped() && bytes < run.handle.file_bytes / 2
    })
}

#[cfg(test)]
pub(super) mod tests;
