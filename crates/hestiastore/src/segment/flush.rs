//! Writing a frozen write buffer out as a delta run.

use std::sync::Arc;

use super::Segment;
use super::compaction::{MergePlan, MergedRun, SortedOutput};
use super::retention::Retention;
use super::write_buffer::{BufferView, WriteBuffer};
use crate::error::Result;

/// The part of a frozen buffer that lies in a segment's range (an inherited buffer holds more), sorted.
/// Everything in the buffer must be visible (PROTOCOL C3, C5).
pub(crate) struct FlushInput {
    view: BufferView,
    range: std::ops::Range<usize>,
}

impl FlushInput {
    /// Sorts with up to `threads` threads.
    pub(crate) fn new(segment: &Segment, buffer: &Arc<WriteBuffer>, threads: usize) -> Self {
        let view = BufferView::in_one_list(buffer, threads);
        let range = view.range_of(segment, 0);
        Self { view, range }
    }

    /// The first and last key, if there is any.
    pub(crate) fn key_range(&self) -> Option<(&[u8], &[u8])> {
        let first = self.view.node(0, self.range.start).filter(|_| !self.range.is_empty())?;
        let last = self.view.node(0, self.range.end - 1)?;
        Some((first.key(), last.key()))
    }

    /// Writes the versions that `retention` keeps.
    pub(crate) fn write(&self, plan: &MergePlan<'_>, retention: Retention) -> Result<Vec<MergedRun>> {
        let mut output = SortedOutput::new(plan, retention);
        for node in self.range.clone().filter_map(|index| self.view.node(0, index)) {
            for version in node.versions() {
                output.add(node.key(), version.seq, version.kind, version.value)?;
            }
        }
        output.finish()
    }
}
