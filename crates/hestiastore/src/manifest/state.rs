//! What a manifest says: the whole state of an index beside the contents of its runs and logs.
//!
//! A state is changed by edits alone ([`ManifestState::apply`]), so that what is in memory is what
//! a later open reads.

use std::collections::{BTreeMap, BTreeSet};

use super::edit::{Change, Edit};

/// Everything the manifest knows. The default is the blank state that a base edit is applied to; it
/// has no segments and is not valid as the state of an index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ManifestState {
    pub(crate) index_uuid: u128,
    /// Begins anew with each checkpoint, so that its logs are not taken for the original's.
    pub(crate) lineage: u64,
    pub(crate) key_type: String,
    pub(crate) value_type: String,
    /// How often the index was opened for writing.
    pub(crate) epoch: u64,
    /// Number of the last edit.
    pub(crate) edit_number: u64,
    /// A lower bound of the last sequence number given out.
    pub(crate) last_seq: u64,
    /// High-water mark of the clock (D4).
    pub(crate) clock_mark_micros: u64,
    pub(crate) hash_seed: u64,
    /// The configuration, opaque here.
    pub(crate) config: Vec<u8>,
    pub(crate) keyspaces: BTreeMap<u8, String>,
    /// Greater than the id of every segment that ever was.
    pub(crate) next_segment_id: u64,
    pub(crate) segments: BTreeMap<u64, SegmentState>,
    /// In ascending order of their numbers. The first is the floor (L5).
    pub(crate) logs: Vec<LogState>,
    /// Names of files that no state refers to any more and that may still exist (D7).
    pub(crate) pending_deletions: BTreeSet<String>,
    /// Set between a clean close and the next OPEN edit.
    pub(crate) closed: Option<Closed>,
    pub(crate) incompatible_features: u32,
    pub(crate) compatible_features: u32,
}

/// A segment: a range of keys and the runs that hold it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SegmentState {
    /// Inclusive; empty in the first segment.
    pub(crate) lower: Vec<u8>,
    /// Exclusive; absent in the last segment.
    pub(crate) upper: Option<Vec<u8>>,
    /// Operations of this range up to this seq are in runs.
    pub(crate) flushed_seq: u64,
    /// Greater than the rank of every run.
    pub(crate) next_rank: u64,
    /// By ascending rank (oldest first), then by lower bound.
    pub(crate) runs: Vec<RunReference>,
}

/// A part of a run file that belongs to a segment. Only keys within the bounds count (D2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RunReference {
    /// The uid of the run's file.
    pub(crate) uid: u64,
    /// Inclusive.
    pub(crate) lower: Vec<u8>,
    /// Exclusive; absent means no bound.
    pub(crate) upper: Option<Vec<u8>>,
    /// Age; greater is newer. Disjoint runs may share one.
    pub(crate) rank: u64,
    /// Bytes between the bounds.
    pub(crate) stored_bytes: u64,
    pub(crate) entries: u64,
    pub(crate) tombstones: u64,
    /// Size of the whole file in bytes.
    pub(crate) file_bytes: u64,
    pub(crate) max_seq: u64,
    pub(crate) smallest_key: Vec<u8>,
    pub(crate) largest_key: Vec<u8>,
}

/// A log that recovery reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LogState {
    pub(crate) number: u64,
    /// The uid of the log's file.
    pub(crate) uid: u64,
    /// Set where a recovery cut the log.
    pub(crate) end: Option<LogEnd>,
}

/// Where a log ends, by decision of a recovery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LogEnd {
    pub(crate) offset: u64,
    pub(crate) last_seq: u64,
}

/// Where a clean close left the log; the next open goes on there (L8).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Closed {
    /// A listed log, or 0 when none is listed.
    pub(crate) log_number: u64,
    pub(crate) end_offset: u64,
    pub(crate) last_seq: u64,
}

impl ManifestState {
    /// How many references there are to the run file `uid`, over all segments. Looks at all of them.
    pub(crate) fn references(&self, uid: u64) -> usize {
        self.segments.values().map(|segment| segment.references(uid)).sum()
    }

    /// The greatest logged seq that is proven to have been synced: that of an installed run (D1), or of a
    /// clean close (L8).
    pub(crate) fn proven_synced_seq(&self) -> u64 {
        let runs = self.segments.values().flat_map(|segment| &segment.runs);
        let closed = self.closed.map(|closed| closed.last_seq);
        runs.map(|run| run.max_seq).chain(closed).max().unwrap_or(0)
    }

    /// The listed logs: those that an open leaves out, and the others. The first are a log that an earlier
    /// recovery cut, and all before it, once everything through the cut is flushed: they are on their way to
    /// quarantine, or there.
    pub(crate) fn spent_and_needed_logs(&self) -> (&[LogState], &[LogState]) {
        let flushed_seq = self.segments.values().map(|segment| segment.flushed_seq).min().unwrap_or(0);
        let is_spent = |log: &LogState| log.end.is_some_and(|end| end.last_seq <= flushed_seq);
        let spent = self.logs.iter().rposition(is_spent).map_or(0, |place| place + 1);
        self.logs.split_at_checked(spent).unwrap_or((&[], &self.logs))
    }

    /// The least listed log: everything before it is gone or free for recycling.
    #[cfg(test)]
    pub(crate) fn log_floor(&self) -> Option<u64> {
        self.logs.first().map(|log| log.number)
    }

    /// One edit that makes this state out of the blank one, but for the edit number.
    pub(crate) fn to_base_edit(&self) -> Edit {
        let mut changes = vec![
            Change::Identity { uuid: self.index_uuid, lineage: self.lineage, hash_seed: self.hash_seed },
            Change::SetTypes { key_type: self.key_type.clone(), value_type: self.value_type.clone() },
            Change::SetConfig(self.config.clone()),
            Change::Feature {
                incompatible: self.incompatible_features,
                compatible: self.compatible_features,
            },
            Change::LastSeq(self.last_seq),
            Change::ClockMark(self.clock_mark_micros),
            Change::NextSegmentId(self.next_segment_id),
        ];
        if self.epoch > 0 {
            changes.push(Change::Open { epoch: self.epoch });
        }
        changes
            .extend(self.keyspaces.iter().map(|(id, name)| Change::Keyspace { id: *id, name: name.clone() }));
        for (id, segment) in &self.segments {
            segment.describe(*id, &mut changes);
        }
        for log in &self.logs {
            log.describe(&mut changes);
        }
        changes.extend(
            self.pending_deletions.iter().map(|name| Change::AddPendingDeletion { name: name.clone() }),
        );
        changes.extend(self.closed.map(Change::Close));
        Edit { changes }
    }
}

impl SegmentState {
    /// How many of this segment's references are to the run file `uid`.
    pub(crate) fn references(&self, uid: u64) -> usize {
        self.runs.iter().filter(|run| run.uid == uid).count()
    }

    fn describe(&self, id: u64, changes: &mut Vec<Change>) {
        changes.push(Change::PutSegment {
            id,
            lower: self.lower.clone(),
            upper: self.upper.clone(),
            flushed_seq: self.flushed_seq,
            next_rank: self.next_rank,
        });
        changes.extend(self.runs.iter().map(|run| Change::AddRun { segment: id, run: run.clone() }));
    }
}

impl LogState {
    fn describe(&self, changes: &mut Vec<Change>) {
        changes.push(Change::AddLog { number: self.number, uid: self.uid });
        changes.extend(self.end.map(|end| Change::EndLog {
            number: self.number,
            offset: end.offset,
            last_seq: end.last_seq,
        }));
    }
}
