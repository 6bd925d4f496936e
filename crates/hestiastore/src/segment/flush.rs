//! Writing a frozen write buffer out as a delta run.

use std::borrow::Cow;
use std::sync::Arc;

use super::Segment;
use super::compaction::{MergePlan, MergedRun, SortedOutput};
use super::retention::Retention;
use super::write_buffer::{BufferView, WriteBuffer};
use crate::error::Result;

/// Writes the part of `buffer` that lies in the segment's range (an inherited buffer holds more), sorted
/// with up to `threads` threads. Everything in the buffer must be visible (PROTOCOL C3, C5).
pub(crate) fn flush_buffer(
    segment: &Segment,
    buffer: &Arc<WriteBuffer>,
    threads: usize,
    plan: &MergePlan<'_>,
    retention: Retention,
) -> Result<Vec<MergedRun>> {
    let view = BufferView::in_one_list(buffer, threads);
    let first = view.lower_bound(0, &segment.lower);
    let end = segment.upper.as_deref().map_or(view.list_len(0), |upper| view.lower_bound(0, upper));
    let mut output = SortedOutput::new(plan, retention);
    for node in (first..end).filter_map(|index| view.node(0, index)) {
        for version in node.versions() {
            output.add(node.key(), version.seq, version.kind, || Ok(Cow::Borrowed(version.value)))?;
        }
    }
    output.finish()
}

