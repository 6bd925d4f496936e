//! Merging runs into new ones, and writing sorted versions out with a cut at a target size.
//!
//! Inputs stand newest rank first, so that of equal keys the versions come newest first; a merge sees
//! every version and leaves to [`Retention`] what is kept.

use std::borrow::Cow;
use std::sync::Arc;

use super::retention::{Fate, Retention};
use super::write_buffer::key_head;
use super::{LoadRuns, RunRef, Segment};
use crate::directory::Directory;
use crate::error::{Error, Result};
use crate::run::{
    CursorPurpose, EntryKind, RunCursor, RunIdentity, RunSettings, RunSummary, RunWriter, run_file_name,
};

/// A new run, written and synced, its name not yet durable and nobody referring to it.
#[derive(Debug)]
pub(crate) struct MergedRun {
    pub(crate) summary: RunSummary,
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
    /// An output is also cut before each of these, ascending: the first keys of runs outside of the job
    /// that stand at its rank, so that key ranges at a rank stay disjoint.
    pub(crate) cut_before: &'a [Box<[u8]>],
    /// Seqs covered by all inputs together.
    pub(crate) covered_seqs: (u64, u64),
    /// Asked now and then: the index is closing or has failed.
    pub(crate) cancelled: &'a dyn Fn() -> bool,
    /// No older run outside of the job overlaps the job's range.
    pub(crate) bottom: bool,
}

/// Writes versions that come in order into one run after another.
pub(crate) struct SortedOutput<'a> {
    plan: &'a MergePlan<'a>,
    retention: Retention,
    writer: Option<RunWriter>,
    lower: Box<[u8]>,
    last_key: Option<Vec<u8>>,
    /// How many of the plan's `cut_before` lie behind.
    passed: usize,
    done: Vec<MergedRun>,
    steps: u64,
}

impl<'a> SortedOutput<'a> {
    pub(crate) fn new(plan: &'a MergePlan<'a>, retention: Retention) -> Self {
        Self {
            plan,
            retention,
            writer: None,
            lower: plan.identity.answered_lower.clone().into(),
            last_key: None,
            passed: 0,
            done: Vec::new(),
            steps: 0,
        }
    }

    /// Whether the next version belongs to another key than the last; then a cut may fall here.
    fn begin_key(&mut self, key: &[u8]) -> Result<()> {
        if self.last_key.as_deref() == Some(key) {
            return Ok(());
        }
        self.retention.next_key();
        let full = self.writer.as_ref().is_some_and(|writer| writer.estimated_bytes() >= self.plan.cut_bytes);
        let ahead = self.plan.cut_before.get(self.passed..).unwrap_or_default();
        let passed = ahead.iter().take_while(|first| ***first <= *key).count();
        self.passed += passed;
        if full || passed > 0 {
            self.cut(Some(key))?;
        }
        let last_key = self.last_key.get_or_insert_default();
        last_key.clear();
        last_key.extend_from_slice(key);
        Ok(())
    }

    /// Takes the next version; `value` is asked for only if the version is kept.
    pub(crate) fn add<'v>(
        &mut self,
        key: &[u8],
        seq: u64,
        kind: EntryKind,
        value: impl FnOnce() -> Result<Cow<'v, [u8]>>,
    ) -> Result<()> {
        const STEPS_BETWEEN_LOOKS: u64 = 4096;
        self.steps += 1;
        if self.steps.is_multiple_of(STEPS_BETWEEN_LOOKS) && (self.plan.cancelled)() {
            return Err(Error::Closed);
        }
        self.begin_key(key)?;
        match self.retention.decide(seq, kind, self.plan.bottom) {
            Fate::Drop => Ok(()),
            Fate::Keep(seq) => self.writer()?.add(key, seq, kind, &value()?),
        }
    }

    fn writer(&mut self) -> Result<&mut RunWriter> {
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
            self.done.push(MergedRun { summary });
            self.lower = upper.unwrap_or_default();
        }
        Ok(())
    }

    /// Ends the last run. No run at all comes out of a job that kept nothing.
    pub(crate) fn finish(mut self) -> Result<Vec<MergedRun>> {
        self.cut(None)?;
        Ok(std::mem::take(&mut self.done))
    }
}

impl Drop for SortedOutput<'_> {
    /// The runs of a job that was given up are of no use.
    fn drop(&mut self) {
        for run in self.done.drain(..) {
            // What cannot be removed now is removed at the next open.
            let _ = self.plan.directory.remove(&run_file_name(run.summary.properties.identity.uid));
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
    while let Some(first) = open.first_mut() {
        let cursor = &first.cursor;
        output.add(cursor.key(), cursor.seq(), cursor.kind(), || cursor.value())?;
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
    let mut open = Vec::with_capacity(inputs.len());
    for reference in inputs {
        let run = loader.load(segment, &reference.handle)?;
        let mut input =
            Input { cursor: run.cursor(CursorPurpose::Merge), reference: Arc::clone(reference), head: 0 };
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
