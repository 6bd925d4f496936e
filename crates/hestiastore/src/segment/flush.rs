//! Writing frozen write buffers out as a delta run.

use std::sync::Arc;

use super::Segment;
use super::compaction::{MergePlan, MergedRun, SortedOutput};
use super::retention::Retention;
use super::write_buffer::{BufferView, WriteBuffer};
use crate::error::Result;

/// What of frozen buffers lies in a segment's range (an inherited buffer holds more), sorted. Everything in
/// the buffers must be visible (PROTOCOL C3, C5).
pub(crate) struct FlushInput {
    /// In key order: of several buffers no two hold keys between each other's.
    parts: Vec<Part>,
}

/// What lies in the range, of one buffer. Never empty.
struct Part {
    view: BufferView,
    range: std::ops::Range<usize>,
}

impl Part {
    fn first_key(&self) -> Option<&[u8]> {
        Some(self.view.node(0, self.range.start)?.key())
    }

    fn last_key(&self) -> Option<&[u8]> {
        Some(self.view.node(0, self.range.end - 1)?.key())
    }
}

impl FlushInput {
    /// Sorts with up to `threads` threads.
    pub(crate) fn new<'a>(
        segment: &Segment,
        buffers: impl Iterator<Item = &'a Arc<WriteBuffer>>,
        threads: usize,
    ) -> Self {
        let part = |buffer| {
            let view = BufferView::in_one_list(buffer, threads);
            let range = view.range_of(segment, 0);
            Part { view, range }
        };
        let mut parts: Vec<Part> = buffers.map(part).filter(|part| !part.range.is_empty()).collect();
        parts.sort_by(|a, b| a.first_key().cmp(&b.first_key()));
        Self { parts }
    }

    /// The first and last key, if there is any.
    pub(crate) fn key_range(&self) -> Option<(&[u8], &[u8])> {
        Some((self.parts.first()?.first_key()?, self.parts.last()?.last_key()?))
    }

    /// Writes the versions that `retention` keeps.
    pub(crate) fn write(&self, plan: &MergePlan<'_>, retention: Retention) -> Result<Vec<MergedRun>> {
        let mut output = SortedOutput::new(plan, retention);
        for Part { view, range } in &self.parts {
            for node in range.clone().filter_map(|index| view.node(0, index)) {
                for version in node.versions() {
                    output.add(node.key(), version.seq, version.kind, version.value)?;
                }
            }
        }
        output.finish()
    }
}
