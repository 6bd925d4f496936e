//! Merging runs into new ones, and writing sorted versions out with a cut at a target size.
//!
//! Inputs stand newest rank first, so that of equal keys the versions come newest first; a merge sees
//! every version and leaves to [`Retention`] what is kept.

use std::sync::Arc;

use super::retention::{Fate, Retention};
use super::scratch::{JobScratch, Scratch};
use super::{LoadRuns, RunRef, Segment};
use crate::bytes::key_head;
use crate::config::{MERGE_AHEAD_BYTES, MOST_KEYS_A_RUN};
use crate::directory::Directory;
use crate::error::{Error, Result};
use crate::run::{
    CursorPurpose, EntryKind, RunCursor, RunIdentity, RunSettings, RunSummary, RunWriter, run_file_name,
};

/// A new run, written and synced, its name not yet durable and nobody referring to it.
#[derive(Debug)]
pub(crate) struct MergedRun {
    pub(crate) summary: RunSummary,
    /// Bytes of overwritten versions in it, kept for readers.
    pub(crate) kept_bytes: u64,
}

/// Where a job's output goes and how it is named.
pub(crate) struct MergePlan<'a> {
    pub(crate) directory: &'a Arc<dyn Directory>,
    pub(crate) settings: &'a RunSettings,
    /// The identity of the first output; the others differ by uid and range.
    pub(crate) identity: RunIdentity,
    /// Gives each output its uid.
    pub(crate) new_uid: &'a dyn Fn() -> u64,
    /// An output is cut, between keys, when it has reached this size.
    pub(crate) cut_bytes: u64,
    /// Seqs covered by all inputs together.
    pub(crate) covered_seqs: (u64, u64),
    /// Called now and then, with the bytes of entries that were read and written since: waits if the job is too
    /// fast, lets others have the thread, and says whether to give up.
    pub(crate) between_steps: &'a dyn Fn(u64) -> bool,
    /// No older run outside of the job overlaps the job's range.
    pub(crate) bottom: bool,
    /// First keys, ascending, of runs at the output's rank that the job leaves alone: no output may reach
    /// over one.
    pub(crate) fences: Vec<Box<[u8]>>,
    /// Where the job's memory is counted.
    pub(crate) scratch: &'a Scratch,
}

/// Writes versions that come in order into one run after another.
pub(crate) struct SortedOutput<'a> {
    plan: &'a MergePlan<'a>,
    retention: Retention,
    writer: Option<RunWriter>,
    lower: Box<[u8]>,
    last_key: Option<Vec<u8>>,
    done: Vec<MergedRun>,
    fences_passed: usize,
    /// No version of the last key was kept yet, so that a cut may fall before it.
    key_is_new: bool,
    /// Of the run being written.
    kept_bytes: u64,
    /// Versions, and their bytes, since the last look at the plan's `between_steps`.
    steps: u64,
    step_bytes: u64,
    scratch: JobScratch<'a>,
}

/// So many versions or bytes make a step.
const STEP_VERSIONS: u64 = 4096;
const STEP_BYTES: u64 = 256 * 1024;

impl<'a> SortedOutput<'a> {
    pub(crate) fn new(plan: &'a MergePlan<'a>, retention: Retention) -> Self {
        Self {
            plan,
            retention,
            writer: None,
            lower: plan.identity.answered_lower.clone().into(),
            last_key: None,
            done: Vec::new(),
            fences_passed: 0,
            key_is_new: false,
            kept_bytes: 0,
            steps: 0,
            step_bytes: 0,
            scratch: plan.scratch.of_job(),
        }
    }

    /// Goes on to the key of the next version, if it is another than the last.
    fn begin_key(&mut self, key: &[u8]) -> Result<()> {
        if self.last_key.as_deref() == Some(key) {
            return Ok(());
        }
        self.retention.next_key();
        self.pass_fences(key)?;
        self.key_is_new = true;
        let last_key = self.last_key.get_or_insert_default();
        last_key.clear();
        last_key.extend_from_slice(key);
        Ok(())
    }

    /// Cuts where a run that stays lies between the last key and this one.
    fn pass_fences(&mut self, key: &[u8]) -> Result<()> {
        let plan = self.plan;
        while let Some(fence) = plan.fences.get(self.fences_passed).filter(|fence| &***fence <= key) {
            self.fences_passed += 1;
            self.cut(Some(fence))?;
            self.lower = key.into();
        }
        Ok(())
    }

    /// Takes the next version, if anybody can see it.
    pub(crate) fn add(&mut self, key: &[u8], seq: u64, kind: EntryKind, value: &[u8]) -> Result<()> {
        match self.decide(key, seq, kind)? {
            Some(seq) => {
                self.note_if_overwritten(key.len() + value.len());
                self.writer()?.add(key, seq, kind, value)?;
                self.note_bytes(key.len() + value.len())
            }
            None => self.note_bytes(0),
        }
    }

    /// Takes the version that a cursor stands on; a large value is copied as it is stored.
    fn take(&mut self, cursor: &RunCursor) -> Result<()> {
        let key = cursor.key();
        let Some(seq) = self.decide(key, cursor.seq(), cursor.kind())? else {
            return self.note_bytes(key.len());
        };
        let value_bytes = match cursor.stored_value_chunk()? {
            Some(stored) => {
                self.note_if_overwritten(key.len() + stored.stored_bytes());
                self.writer()?.add_value_chunk(key, seq, &stored)?;
                stored.stored_bytes()
            }
            None => {
                let value = cursor.value()?;
                self.note_if_overwritten(key.len() + value.len());
                self.writer()?.add(key, seq, cursor.kind(), &value)?;
                value.len()
            }
        };
        // Read and written.
        self.note_bytes(2 * (key.len() + value_bytes))
    }

    /// A version is about to be written. All but the newest of a key are there for readers in the past.
    fn note_if_overwritten(&mut self, bytes: usize) {
        if !self.key_is_new {
            self.kept_bytes += bytes as u64;
        }
    }

    /// Ends a step when it has become long enough.
    fn note_bytes(&mut self, bytes: usize) -> Result<()> {
        self.steps += 1;
        self.step_bytes += bytes as u64;
        if self.steps < STEP_VERSIONS && self.step_bytes < STEP_BYTES {
            return Ok(());
        }
        self.scratch.set(self.writer.as_ref().map_or(0, RunWriter::memory_bytes));
        self.steps = 0;
        let bytes = std::mem::take(&mut self.step_bytes);
        if (self.plan.between_steps)(bytes) { Err(Error::Closed) } else { Ok(()) }
    }

    /// The seq to keep the next version with, if it is kept.
    fn decide(&mut self, key: &[u8], seq: u64, kind: EntryKind) -> Result<Option<u64>> {
        self.begin_key(key)?;
        Ok(match self.retention.decide(seq, kind, self.plan.bottom) {
            Fate::Drop => None,
            Fate::Keep(seq) => Some(seq),
        })
    }

    /// The run that the version just decided on goes to. A full one is cut before a key that is kept, not
    /// sooner: the last run of a job answers for its range to the end, whatever was dropped there (F6).
    fn writer(&mut self) -> Result<&mut RunWriter> {
        let full = |writer: &RunWriter| {
            writer.estimated_bytes() >= self.plan.cut_bytes || writer.keys() >= MOST_KEYS_A_RUN
        };
        if std::mem::take(&mut self.key_is_new) && self.writer.as_ref().is_some_and(full) {
            let key = self.last_key.clone().unwrap_or_default();
            self.cut(Some(&key))?;
        }
        if self.writer.is_none() {
            let mut identity = self.plan.identity.clone();
            identity.uid = (self.plan.new_uid)();
            identity.answered_lower = self.lower.to_vec();
            let mut writer = RunWriter::create(self.plan.directory, self.plan.settings, identity)?;
            writer.cover_seqs(self.plan.covered_seqs.0, self.plan.covered_seqs.1);
            self.writer = Some(writer);
        }
        self.writer.as_mut().ok_or(Error::Closed)
    }

    fn cut(&mut self, before: Option<&[u8]>) -> Result<()> {
        let upper =
            before.map(Box::from).or_else(|| self.plan.identity.answered_upper.clone().map(Into::into));
        if let Some(mut writer) = self.writer.take() {
            writer.answer_until(upper.as_deref());
            let summary = writer.finish()?;
            self.done.push(MergedRun { summary, kept_bytes: std::mem::take(&mut self.kept_bytes) });
            self.lower = upper.unwrap_or_default();
        }
        Ok(())
    }

    /// Ends the last run. No run at all comes out of a job that kept nothing.
    ///
    /// It does not answer for the range of a run behind it that the job left alone (F6).
    pub(crate) fn finish(mut self) -> Result<Vec<MergedRun>> {
        let plan = self.plan;
        self.cut(plan.fences.get(self.fences_passed).map(|fence| &**fence))?;
        Ok(std::mem::take(&mut self.done))
    }
}

impl Drop for SortedOutput<'_> {
    /// Removes what a job that failed half-way has finished: nobody will ever name it.
    fn drop(&mut self) {
        for run in &self.done {
            let name = run_file_name(run.summary.properties.identity.uid);
            // What stays is found by the next open.
            let _ = self.plan.directory.remove(&name);
        }
    }
}

/// One input of a merge, between the bounds of its reference.
struct Input {
    cursor: RunCursor,
    reference: Arc<RunRef>,
    head: u64,
}

impl Input {
    fn settle(&mut self, on_entry: bool) -> bool {
        let within =
            on_entry && self.reference.upper.as_deref().is_none_or(|upper| self.cursor.key() < upper);
        if within {
            self.head = key_head(self.cursor.key());
        }
        within
    }
}

/// Merges `inputs`, newest rank first.
pub(crate) fn merge_runs(
    segment: &Segment,
    inputs: &[Arc<RunRef>],
    loader: &impl LoadRuns,
    plan: &MergePlan<'_>,
    retention: Retention,
) -> Result<Vec<MergedRun>> {
    let mut output = SortedOutput::new(plan, retention);
    let mut open = open_inputs(segment, inputs, loader)?;
    let mut scratch = plan.scratch.of_job();
    scratch.set(open.iter().map(|input| input.cursor.memory_bytes()).sum());
    while let Some(first) = open.first_mut() {
        output.take(&first.cursor)?;
        let on_entry = first.cursor.next()?;
        if first.settle(on_entry) {
            sift(&mut open);
        } else {
            open.remove(0);
        }
    }
    output.finish()
}

/// The inputs that have entries, in order of their first ones.
fn open_inputs(segment: &Segment, inputs: &[Arc<RunRef>], loader: &impl LoadRuns) -> Result<Vec<Input>> {
    let ahead_bytes = MERGE_AHEAD_BYTES as usize / inputs.len().max(1);
    let mut open = Vec::with_capacity(inputs.len());
    for reference in inputs {
        let run = loader.load(segment, &reference.handle)?;
        let cursor = run.cursor(CursorPurpose::Merge).reading_ahead(ahead_bytes);
        let mut input = Input { cursor, reference: Arc::clone(reference), head: 0 };
        let on_entry = input.cursor.seek(&reference.lower, u64::MAX)?;
        if input.settle(on_entry) {
            open.push(input);
        }
    }
    // Stable: of equal keys the newer rank stays first.
    open.sort_by(|a, b| a.cursor.key().cmp(b.cursor.key()));
    Ok(open)
}

/// Moves the first input back to where its new key belongs. Among equal keys a lower rank number is
/// older, and comes later.
fn sift(open: &mut [Input]) {
    let mut place = 0;
    while place + 1 < open.len() && comes_after(&open[place], &open[place + 1]) {
        open.swap(place, place + 1);
        place += 1;
    }
}

fn comes_after(a: &Input, b: &Input) -> bool {
    let by_key = a.head.cmp(&b.head).then_with(|| a.cursor.key().cmp(b.cursor.key()));
    by_key.then_with(|| b.reference.rank.cmp(&a.reference.rank)).is_gt()
}
