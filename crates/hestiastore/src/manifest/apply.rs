//! Applying edits: what an edit makes of a state, or why it cannot.
//!
//! An edit is worked out beside the state, on copies of what it touches, and put in place when all of it
//! holds; so a refused edit changes nothing, and the cost follows the edit, not the state.
//!
//! Invariant: a state whose segments tile the key space is only changed into another such. It is
//! enough to compare what the touched segments covered before with what they cover after.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use super::check::{Covered, Reason, check_segment, covered};
use super::edit::{Change, Edit};
use super::state::{Closed, LogEnd, LogState, ManifestState, RunReference, SegmentState};

const NAME_LIMIT_BYTES: usize = 255;

/// What an edit makes of a state: the new values of what it touches.
pub(super) struct Outcome {
    /// The state without its segments and pending deletions.
    head: ManifestState,
    /// The touched segments; `None` where one is gone.
    segments: BTreeMap<u64, Option<SegmentState>>,
    /// The touched pending deletions, and whether they are listed.
    deletions: BTreeMap<String, bool>,
}

impl ManifestState {
    /// Applies all of `edit`, or nothing and says why. The edit number grows by one.
    pub(crate) fn apply(&mut self, edit: &Edit) -> Result<(), String> {
        let outcome = self.outcome(edit)?;
        self.install(outcome);
        Ok(())
    }

    /// The run files that have references now and none once `edit` is applied: the edit must list
    /// their names as pending deletions (D7).
    pub(crate) fn obsolete_after(&self, edit: &Edit) -> Result<BTreeSet<u64>, String> {
        let after = self.outcome(edit)?.segments;
        let touched = after.keys().filter_map(|id| self.segments.get(id));
        let mut uids: BTreeSet<u64> = touched.flat_map(|old| &old.runs).map(|run| run.uid).collect();
        for segment in after.values().flatten() {
            for run in &segment.runs {
                uids.remove(&run.uid);
            }
        }
        let untouched = |id: &u64| !after.contains_key(id);
        uids.retain(|uid| {
            !self.segments.iter().any(|(id, segment)| untouched(id) && segment.references(*uid) > 0)
        });
        Ok(uids)
    }

    pub(super) fn outcome(&self, edit: &Edit) -> Result<Outcome, Reason> {
        let mut draft = Draft::new(self)?;
        draft.check_order(edit)?;
        for change in &edit.changes {
            draft.change(change)?;
        }
        draft.finish()
    }

    /// Puts an outcome in place and returns what undoes it.
    pub(super) fn install(&mut self, outcome: Outcome) -> Outcome {
        let mut segments = mem::take(&mut self.segments);
        let mut pending = mem::take(&mut self.pending_deletions);
        let head = mem::replace(self, outcome.head);
        let put_segment = |(id, new): (u64, Option<SegmentState>)| match new {
            Some(segment) => (id, segments.insert(id, segment)),
            None => (id, segments.remove(&id)),
        };
        let old_segments = outcome.segments.into_iter().map(put_segment).collect();
        let put_deletion = |(name, listed): (String, bool)| {
            let was_listed = if listed { !pending.insert(name.clone()) } else { pending.remove(&name) };
            (name, was_listed)
        };
        let old_deletions = outcome.deletions.into_iter().map(put_deletion).collect();
        self.segments = segments;
        self.pending_deletions = pending;
        Outcome { head, segments: old_segments, deletions: old_deletions }
    }

    /// A copy of everything but the two parts that may be large.
    fn head(&self) -> ManifestState {
        ManifestState {
            index_uuid: self.index_uuid,
            lineage: self.lineage,
            key_type: self.key_type.clone(),
            value_type: self.value_type.clone(),
            epoch: self.epoch,
            edit_number: self.edit_number,
            last_seq: self.last_seq,
            clock_mark_micros: self.clock_mark_micros,
            hash_seed: self.hash_seed,
            config: self.config.clone(),
            keyspaces: self.keyspaces.clone(),
            next_segment_id: self.next_segment_id,
            segments: BTreeMap::new(),
            logs: self.logs.clone(),
            pending_deletions: BTreeSet::new(),
            closed: self.closed,
            incompatible_features: self.incompatible_features,
            compatible_features: self.compatible_features,
        }
    }
}

struct Draft<'a> {
    before: &'a ManifestState,
    outcome: Outcome,
}

impl<'a> Draft<'a> {
    fn new(before: &'a ManifestState) -> Result<Self, Reason> {
        let mut head = before.head();
        head.edit_number = next(head.edit_number, "edit number")?;
        let outcome = Outcome { head, segments: BTreeMap::new(), deletions: BTreeMap::new() };
        Ok(Self { before, outcome })
    }

    /// D6: a manifest ends in CLOSE, and goes on with OPEN.
    fn check_order(&self, edit: &Edit) -> Result<(), Reason> {
        let opens = matches!(edit.changes.first(), Some(Change::Open { .. }));
        if self.before.closed.is_some() && !opens {
            return Err("an edit after a close does not begin with an open".into());
        }
        let early_close = edit.changes.iter().rev().skip(1).any(|c| matches!(c, Change::Close(_)));
        if early_close {
            return Err("changes follow a close in the same edit".into());
        }
        Ok(())
    }

    fn change(&mut self, change: &Change) -> Result<(), Reason> {
        let head = &mut self.outcome.head;
        match change {
            Change::Identity { uuid, lineage, hash_seed } => {
                if head.index_uuid != 0 && head.index_uuid != *uuid {
                    return Err("the index uuid cannot change".into());
                }
                head.index_uuid = *uuid;
                head.lineage = *lineage;
                head.hash_seed = *hash_seed;
            }
            Change::SetTypes { key_type, value_type } => {
                head.key_type.clone_from(key_type);
                head.value_type.clone_from(value_type);
            }
            Change::SetConfig(config) => head.config.clone_from(config),
            Change::Feature { incompatible, compatible } => {
                head.incompatible_features |= incompatible;
                head.compatible_features |= compatible;
            }
            Change::Keyspace { id, name } => self.keyspace(*id, name)?,
            Change::Open { epoch } => self.open(*epoch)?,
            Change::Close(closed) => self.close(*closed)?,
            Change::LastSeq(seq) => head.last_seq = head.last_seq.max(*seq),
            Change::ClockMark(micros) => {
                head.clock_mark_micros = head.clock_mark_micros.max(*micros);
            }
            Change::NextSegmentId(id) => head.next_segment_id = head.next_segment_id.max(*id),
            Change::PutSegment { id, lower, upper, flushed_seq, next_rank } => {
                self.put_segment(*id, lower, upper.as_ref(), *flushed_seq, *next_rank)?
            }
            Change::DropSegment { id } => {
                self.segment(*id)?;
                self.outcome.segments.insert(*id, None);
            }
            Change::AddRun { segment, run } => self.add_run(*segment, run)?,
            Change::RemoveRun { segment, uid, lower } => self.remove_run(*segment, *uid, lower)?,
            Change::AddLog { number, uid } => self.add_log(*number, *uid)?,
            Change::LogFloor { number } => self.log_floor(*number)?,
            Change::EndLog { number, offset, last_seq } => self.end_log(*number, *offset, *last_seq)?,
            Change::AddPendingDeletion { name } => self.add_deletion(name)?,
            Change::DonePendingDeletion { name } => {
                self.outcome.deletions.insert(name.clone(), false);
            }
        }
        Ok(())
    }

    fn keyspace(&mut self, id: u8, name: &str) -> Result<(), Reason> {
        let keyspaces = &mut self.outcome.head.keyspaces;
        if let Some((other, known)) =
            keyspaces.iter().find(|(other, known)| (**other == id) != (*known == name))
        {
            return Err(format!("keyspace {id} {name:?} clashes with {other} {known:?}"));
        }
        keyspaces.insert(id, name.into());
        Ok(())
    }

    fn open(&mut self, epoch: u64) -> Result<(), Reason> {
        let head = &mut self.outcome.head;
        if epoch <= head.epoch {
            return Err(format!("epoch {epoch} does not follow {}", head.epoch));
        }
        head.epoch = epoch;
        head.closed = None;
        Ok(())
    }

    fn close(&mut self, closed: Closed) -> Result<(), Reason> {
        let head = &mut self.outcome.head;
        let number = closed.log_number;
        let known =
            if head.logs.is_empty() { number == 0 } else { head.logs.iter().any(|log| log.number == number) };
        if !known {
            return Err(format!("the close names log {number}, which is not listed"));
        }
        head.last_seq = head.last_seq.max(closed.last_seq);
        head.closed = Some(closed);
        Ok(())
    }

    /// The segment as this edit has it so far, to be changed.
    fn segment(&mut self, id: u64) -> Result<&mut SegmentState, Reason> {
        let before = self.before;
        self.outcome
            .segments
            .entry(id)
            .or_insert_with(|| before.segments.get(&id).cloned())
            .as_mut()
            .ok_or_else(|| format!("there is no segment {id}"))
    }

    fn put_segment(
        &mut self,
        id: u64,
        lower: &[u8],
        upper: Option<&Vec<u8>>,
        flushed_seq: u64,
        next_rank: u64,
    ) -> Result<(), Reason> {
        let runs = self.segment(id).map_or_else(|_| Vec::new(), |old| mem::take(&mut old.runs));
        let segment =
            SegmentState { lower: lower.to_vec(), upper: upper.cloned(), flushed_seq, next_rank, runs };
        let head = &mut self.outcome.head;
        head.next_segment_id = head.next_segment_id.max(next(id, "segment id")?);
        self.outcome.segments.insert(id, Some(segment));
        Ok(())
    }

    fn add_run(&mut self, id: u64, run: &RunReference) -> Result<(), Reason> {
        let segment = self.segment(id)?;
        segment.next_rank = segment.next_rank.max(next(run.rank, "rank")?);
        segment.runs.push(run.clone());
        Ok(())
    }

    fn remove_run(&mut self, id: u64, uid: u64, lower: &[u8]) -> Result<(), Reason> {
        let segment = self.segment(id)?;
        let place = segment.runs.iter().position(|run| run.uid == uid && run.lower == lower);
        let place = place.ok_or_else(|| {
            let lower = lower.escape_ascii();
            format!("segment {id} has no reference to run {uid:016x} from \"{lower}\"")
        })?;
        segment.runs.remove(place);
        Ok(())
    }

    fn add_log(&mut self, number: u64, uid: u64) -> Result<(), Reason> {
        let logs = &mut self.outcome.head.logs;
        if let Some(last) = logs.last().filter(|last| number <= last.number) {
            return Err(format!("log {number} does not follow log {}", last.number));
        }
        logs.push(LogState { number, uid, end: None });
        Ok(())
    }

    fn log_floor(&mut self, number: u64) -> Result<(), Reason> {
        let logs = &mut self.outcome.head.logs;
        let listed = logs.iter().any(|log| log.number == number);
        let beyond = logs.last().is_none_or(|last| last.number < number);
        if !listed && !beyond {
            return Err(format!("the floor names log {number}, which is not listed"));
        }
        logs.retain(|log| log.number >= number);
        Ok(())
    }

    fn end_log(&mut self, number: u64, offset: u64, last_seq: u64) -> Result<(), Reason> {
        let logs = &mut self.outcome.head.logs;
        logs.retain(|log| log.number <= number);
        let log = logs.last_mut().filter(|log| log.number == number);
        let log = log.ok_or_else(|| format!("there is no log {number} to end"))?;
        let end = LogEnd { offset, last_seq };
        if let Some(known) = log.end.filter(|known| *known != end) {
            return Err(format!("log {number} ends at {known:?} already, not at {end:?}"));
        }
        log.end = Some(end);
        Ok(())
    }

    /// The name is handed to the directory for deletion, so a forged one must not lead out of it.
    fn add_deletion(&mut self, name: &str) -> Result<(), Reason> {
        let odd = |c: char| c == '/' || c == '\\' || c.is_control();
        let special = name.is_empty() || name.starts_with('.') || name == super::MANIFEST_NAME;
        if special || name.len() > NAME_LIMIT_BYTES || name.contains(odd) {
            return Err(format!("{name:?} is no name of a file that may be deleted"));
        }
        self.outcome.deletions.insert(name.into(), true);
        Ok(())
    }

    fn finish(mut self) -> Result<Outcome, Reason> {
        for (id, segment) in &mut self.outcome.segments {
            if let Some(segment) = segment {
                check_segment(segment).map_err(|reason| format!("segment {id}: {reason}"))?;
            }
        }
        self.check_tiling()?;
        self.check_logs()?;
        Ok(self.outcome)
    }

    fn check_tiling(&self) -> Result<(), Reason> {
        let touched = self.outcome.segments.keys();
        let old = covered(touched.filter_map(|id| self.before.segments.get(id)));
        let new = covered(self.outcome.segments.values().flatten());
        let everything: Covered<'_> = vec![(&[], None)];
        let from_blank = self.before.segments.is_empty() && new == everything;
        if old == new || from_blank {
            return Ok(());
        }
        Err("the segments would not tile the key space".into())
    }

    fn check_logs(&self) -> Result<(), Reason> {
        let logs = &self.outcome.head.logs;
        let uids: BTreeSet<u64> = logs.iter().map(|log| log.uid).collect();
        if uids.len() != logs.len() {
            return Err("two logs have one uid".into());
        }
        Ok(())
    }
}

fn next(number: u64, what: &str) -> Result<u64, Reason> {
    number.checked_add(1).ok_or_else(|| format!("{what} {number} is the last there is"))
}
