//! The runs that jobs write: how they are made, named in the manifest, and thrown away.

use std::sync::Arc;

use super::core::Core;
use super::health::IndexState;
use crate::error::{Error, Result};
use crate::manifest::{Change, RunReference};
use crate::run::{RunIdentity, RunSummary, run_file_name};
use crate::segment::{LoadRuns, MergePlan, MergedRun, Retention, RunHandle, RunRef, Segment, SegmentVersion};

/// A run that cannot be written is tried again under a new name so often (PROTOCOL D8).
const RUN_ATTEMPTS: u32 = 3;

/// What differs between the jobs that write runs.
pub(super) struct PlanParts {
    pub(super) rank: u64,
    pub(super) covered_seqs: (u64, u64),
    pub(super) inputs: Vec<u64>,
    pub(super) bottom: bool,
    pub(super) cut_bytes: u64,
    pub(super) fences: Vec<Box<[u8]>>,
    /// The job ends with `Closed` when another one waits.
    pub(super) gives_way: bool,
}

impl Core {
    /// Removes runs that no edit came to name. After a failed edit it is not known whether one did: then
    /// they stay, and the next open decides.
    pub(super) fn discard(&self, runs: &[MergedRun]) {
        if self.health.has_failed() {
            return;
        }
        for run in runs {
            self.graveyard.push(run_file_name(run.summary.properties.identity.uid));
        }
        self.unlink_obsolete_files();
    }

    /// Writes a job's runs, again under new names if that fails (PROTOCOL D8). After an error none is left.
    pub(super) fn write_runs(
        &self,
        segment: &Segment,
        parts: &PlanParts,
        retention: impl Fn() -> Retention,
        write: impl Fn(&MergePlan<'_>, Retention) -> Result<Vec<MergedRun>>,
    ) -> Result<Vec<MergedRun>> {
        let new_uid = || self.new_uid();
        // A flush finishes whatever comes; the threads are kept for it.
        let is_flush = parts.inputs.is_empty();
        let between_steps = |bytes: u64| match is_flush {
            true => self.health.has_failed(),
            false => (parts.gives_way && self.scheduler.pool().has_waiting()) || self.end_step(bytes),
        };
        let plan = MergePlan {
            directory: &self.directory,
            settings: &self.run_settings,
            identity: self.identity(segment, parts),
            new_uid: &new_uid,
            cut_bytes: parts.cut_bytes,
            covered_seqs: parts.covered_seqs,
            between_steps: &between_steps,
            bottom: parts.bottom,
            fences: parts.fences.clone(),
            scratch: &self.scratch,
        };
        let mut attempts = 1;
        loop {
            let error = match write(&plan, retention()) {
                Err(error @ Error::Io { .. }) => error,
                outcome => return outcome,
            };
            // What the disk refuses for now it would refuse again; too many open files can be helped.
            let helped =
                !error.is_obstacle() || (error.is_out_of_descriptors() && self.registry.unload_half());
            if attempts >= RUN_ATTEMPTS || !helped {
                return Err(error);
            }
            attempts += 1;
        }
    }

    fn identity(&self, segment: &Segment, parts: &PlanParts) -> RunIdentity {
        RunIdentity {
            index_uuid: self.index_uuid,
            uid: 0,
            key_type: self.key_type.clone(),
            value_type: self.value_type.clone(),
            segment: segment.id,
            rank: parts.rank,
            edit_number: self.manifest.lock().state.edit_number,
            inputs: parts.inputs.clone(),
            salvaged_from: None,
            answered_lower: segment.lower.to_vec(),
            answered_upper: segment.upper.as_deref().map(<[u8]>::to_vec),
        }
    }

    pub(super) fn covered_seqs(&self, segment: &Segment, inputs: &[Arc<RunRef>]) -> Result<(u64, u64)> {
        let mut covered: Option<(u64, u64)> = None;
        for run in inputs {
            let loaded = self.registry.load(segment, &run.handle)?;
            if let Some((least, greatest)) = loaded.properties().seqs {
                let (low, high) = covered.unwrap_or((least, greatest));
                covered = Some((low.min(least), high.max(greatest)));
            }
        }
        Ok(covered.unwrap_or_default())
    }

    /// Opens what readers will find in place of runs that are open now: who merges waits for that, not they. And what
    /// cannot be read back replaces nothing.
    pub(super) fn load_ahead(&self, segment: &Segment, runs: &[Arc<RunRef>]) -> Result<()> {
        runs.iter().try_for_each(|run| self.registry.load(segment, &run.handle).map(drop))
    }

    pub(super) fn references(&self, runs: &[MergedRun], rank: u64) -> Vec<Arc<RunRef>> {
        runs.iter().map(|run| Arc::new(self.reference(run, rank))).collect()
    }

    fn reference(&self, run: &MergedRun, rank: u64) -> RunRef {
        let RunSummary { properties, file_bytes } = &run.summary;
        let keys = (properties.first_key.clone().into(), properties.last_key.clone().into());
        let max_seq = properties.seqs.map_or(0, |(_, greatest)| greatest);
        // No further than its keys: beside it there may be others of the same rank.
        let after_last = [&*properties.last_key, &[0]].concat();
        RunRef {
            handle: RunHandle::new(
                properties.identity.uid,
                *file_bytes,
                max_seq,
                keys,
                run.kept_bytes,
                &self.graveyard,
            ),
            lower: properties.first_key.clone().into(),
            upper: Some(after_last.into()),
            rank,
            stored_bytes: *file_bytes,
            entries: properties.entries,
            tombstones: properties.tombstones,
        }
    }

    pub(super) fn is_ending(&self) -> bool {
        self.health.state() != IndexState::Ready
    }
}

pub(super) fn put_segment(segment: &Segment, version: &SegmentVersion) -> Change {
    Change::PutSegment {
        id: segment.id,
        lower: segment.lower.to_vec(),
        upper: segment.upper.as_deref().map(<[u8]>::to_vec),
        flushed_seq: version.flushed_seq,
        next_rank: version.next_rank,
    }
}

pub(super) fn add_run(segment: u64, run: &RunRef) -> Change {
    let reference = RunReference {
        uid: run.handle.uid,
        lower: run.lower.to_vec(),
        upper: run.upper.as_deref().map(<[u8]>::to_vec),
        rank: run.rank,
        stored_bytes: run.stored_bytes,
        entries: run.entries,
        tombstones: run.tombstones,
        file_bytes: run.handle.file_bytes,
        max_seq: run.handle.max_seq,
        smallest_key: run.handle.smallest_key.to_vec(),
        largest_key: run.handle.largest_key.to_vec(),
    };
    Change::AddRun { segment, run: reference }
}

pub(super) fn remove_run(segment: u64, run: &RunRef) -> Change {
    Change::RemoveRun { segment, uid: run.handle.uid, lower: run.lower.to_vec() }
}
