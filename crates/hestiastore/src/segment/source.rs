//! One source of a scan, seen at a snapshot: at most one version a key, the newest that may be seen.
//!
//! A source stands on an entry or on none. After it ran out at one end it must be sought again.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::RunRef;
use super::write_buffer::BufferView;
use crate::bytes::key_head;
use crate::error::Result;
use crate::run::{CursorPurpose, EntryKind, Run, RunCursor};

/// A list of a buffer's view, or a run.
pub(crate) enum Source {
    Buffer(BufferSource),
    Run(Box<RunSource>),
}

impl Source {
    pub(crate) fn valid(&self) -> bool {
        match self {
            Self::Buffer(source) => source.current.is_some(),
            Self::Run(source) => source.valid,
        }
    }

    /// The first eight bytes of the key.
    #[inline]
    pub(crate) fn head(&self) -> u64 {
        match self {
            Self::Buffer(source) => source.head,
            Self::Run(source) => key_head(source.cursor.key()),
        }
    }

    #[inline]
    pub(crate) fn key(&self) -> &[u8] {
        match self {
            Self::Buffer(source) => source.key(),
            Self::Run(source) => source.cursor.key(),
        }
    }

    pub(crate) fn kind(&self) -> EntryKind {
        match self {
            Self::Buffer(source) => source.kind(),
            Self::Run(source) => source.cursor.kind(),
        }
    }

    pub(crate) fn value(&self) -> Result<Cow<'_, [u8]>> {
        match self {
            Self::Buffer(source) => Ok(Cow::Borrowed(source.value())),
            Self::Run(source) => source.cursor.value(),
        }
    }

    /// Stands on the first key that is not less than `key`.
    pub(crate) fn seek(&mut self, key: &[u8]) -> Result<()> {
        match self {
            Self::Buffer(source) => source.seek(key),
            Self::Run(source) => return source.seek(key),
        }
        Ok(())
    }

    /// Stands on the last key that is less than `key`; on the last of all for `None`.
    pub(crate) fn seek_before(&mut self, key: Option<&[u8]>) -> Result<()> {
        match self {
            Self::Buffer(source) => source.seek_before(key),
            Self::Run(source) => return source.seek_before(key),
        }
        Ok(())
    }

    pub(crate) fn next(&mut self) -> Result<()> {
        match self {
            Self::Buffer(source) => source.next(),
            Self::Run(source) => return source.next(),
        }
        Ok(())
    }

    pub(crate) fn prev(&mut self) -> Result<()> {
        match self {
            Self::Buffer(source) => source.prev(),
            Self::Run(source) => return source.prev(),
        }
        Ok(())
    }
}

impl Source {
    /// How many entries behind the current one, with keys less than `limit`, are seen just as they lie: a scan may
    /// take so many by [`Self::stride_forward`], without asking anything.
    pub(crate) fn stride_ahead(&self, limit: Option<&[u8]>) -> usize {
        match self {
            Self::Buffer(_) => 0,
            Self::Run(source) => source.stride_ahead(limit),
        }
    }

    /// The same backward, with keys greater than `other` and not less than `least`.
    pub(crate) fn stride_behind(&self, other: Option<&[u8]>, least: &[u8]) -> usize {
        match self {
            Self::Buffer(_) => 0,
            Self::Run(source) => source.stride_behind(other, least),
        }
    }

    #[inline]
    pub(crate) fn stride_forward(&mut self) {
        if let Self::Run(source) = self {
            source.cursor.next_in_chunk();
        }
    }

    #[inline]
    pub(crate) fn stride_backward(&mut self) {
        if let Self::Run(source) = self {
            source.cursor.prev_in_chunk();
        }
    }
}

/// The part of one sorted list of a write buffer that belongs to the segment: a buffer inherited in a
/// split holds keys of others too.
pub(crate) struct BufferSource {
    view: BufferView,
    list: usize,
    range: Range<usize>,
    snapshot_seq: u64,
    current: Option<usize>,
    head: u64,
}

impl BufferSource {
    pub(crate) fn new(view: BufferView, list: usize, range: Range<usize>, snapshot_seq: u64) -> Self {
        Self { view, list, range, snapshot_seq, current: None, head: 0 }
    }

    fn key(&self) -> &[u8] {
        self.current.and_then(|index| self.view.node(self.list, index)).map_or(&[], |node| node.key())
    }

    fn version(&self) -> Option<super::write_buffer::Version<'_>> {
        self.view.node(self.list, self.current?)?.version_at(self.snapshot_seq)
    }

    fn kind(&self) -> EntryKind {
        self.version().map_or(EntryKind::Delete, |version| version.kind)
    }

    fn value(&self) -> &[u8] {
        self.version().map_or(&[], |version| version.value)
    }

    /// Stands on the first node from `index` on that has a version to be seen.
    fn settle_forward(&mut self, mut index: usize) {
        self.current = None;
        while let Some(node) = self.view.node(self.list, index).filter(|_| index < self.range.end) {
            if node.version_at(self.snapshot_seq).is_some() {
                self.head = node.head();
                self.current = Some(index);
                return;
            }
            index += 1;
        }
    }

    /// The same towards the front, from the node before `end`.
    fn settle_backward(&mut self, mut end: usize) {
        self.current = None;
        while end > self.range.start {
            end -= 1;
            let index = end;
            let Some(node) = self.view.node(self.list, index) else { continue };
            if node.version_at(self.snapshot_seq).is_some() {
                self.head = node.head();
                self.current = Some(index);
                return;
            }
        }
    }

    fn seek(&mut self, key: &[u8]) {
        self.settle_forward(self.view.lower_bound(self.list, key).max(self.range.start));
    }

    fn seek_before(&mut self, key: Option<&[u8]>) {
        let end = match key {
            Some(key) => self.view.lower_bound(self.list, key).min(self.range.end),
            None => self.range.end,
        };
        self.settle_backward(end);
    }

    fn next(&mut self) {
        if let Some(index) = self.current {
            self.settle_forward(index + 1);
        }
    }

    fn prev(&mut self) {
        if let Some(index) = self.current {
            self.settle_backward(index);
        }
    }
}

/// A run between the bounds of its reference.
pub(crate) struct RunSource {
    cursor: RunCursor,
    reference: Arc<RunRef>,
    /// The file holds keys outside of the bounds: each step must look.
    clipped: bool,
    /// The file holds one version a key: nothing to skip.
    single_versions: bool,
    /// And all of them may be seen.
    plain: bool,
    snapshot_seq: u64,
    valid: bool,
    /// Scratch for the key whose versions are being passed over.
    passed_key: Vec<u8>,
}

impl RunSource {
    pub(crate) fn new(run: &Arc<Run>, reference: &Arc<RunRef>, snapshot_seq: u64) -> Result<Self> {
        let properties = run.properties();
        let single_versions = properties.entries == properties.keys;
        Ok(Self {
            cursor: run.cursor(CursorPurpose::Read),
            reference: Arc::clone(reference),
            clipped: reference.is_clipped(),
            single_versions,
            plain: single_versions && reference.handle.max_seq <= snapshot_seq,
            snapshot_seq,
            valid: false,
            passed_key: Vec::new(),
        })
    }

    fn stride_ahead(&self, limit: Option<&[u8]>) -> usize {
        if !self.plain {
            return 0;
        }
        let upper = self.reference.upper.as_deref().filter(|_| self.clipped);
        self.cursor.puts_ahead(match (limit, upper) {
            (Some(limit), Some(upper)) => Some(limit.min(upper)),
            (limit, upper) => limit.or(upper),
        })
    }

    fn stride_behind(&self, other: Option<&[u8]>, least: &[u8]) -> usize {
        if !self.plain {
            return 0;
        }
        let least = if self.clipped { least.max(&*self.reference.lower) } else { least };
        let stride = self.cursor.puts_behind(other.map_or(least, |other| other.max(least)));
        // The first of them may have the other's key itself.
        if other.is_some() { stride.saturating_sub(1) } else { stride }
    }

    fn settled(&mut self, on_entry: bool) -> Result<()> {
        self.valid = on_entry && (!self.clipped || self.reference.within_bounds(self.cursor.key()));
        Ok(())
    }

    /// From any version, goes forward to one that may be seen and is its key's newest such.
    fn settle_forward(&mut self, mut on_entry: bool) -> Result<()> {
        while on_entry && self.cursor.seq() > self.snapshot_seq {
            on_entry = self.cursor.next()?;
        }
        self.settled(on_entry)
    }

    /// From the oldest version of a key, goes backward to the same.
    fn settle_backward(&mut self, mut on_entry: bool) -> Result<()> {
        loop {
            if !on_entry {
                return self.settled(false);
            }
            if self.cursor.seq() <= self.snapshot_seq {
                break;
            }
            // The oldest version of this key is too new, so all are.
            on_entry = self.cursor.prev()?;
        }
        if self.single_versions {
            return self.settled(true);
        }
        self.passed_key.clear();
        self.passed_key.extend_from_slice(self.cursor.key());
        loop {
            let before = self.cursor.prev()?;
            let newer =
                before && self.cursor.key() == self.passed_key && self.cursor.seq() <= self.snapshot_seq;
            if newer {
                continue;
            }
            let back = if before { self.cursor.next()? } else { self.cursor.seek_to_first()? };
            return self.settled(back);
        }
    }

    fn seek(&mut self, key: &[u8]) -> Result<()> {
        let from = key.max(&self.reference.lower);
        let on_entry = self.cursor.seek(from, u64::MAX)?;
        self.settle_forward(on_entry)
    }

    fn seek_before(&mut self, key: Option<&[u8]>) -> Result<()> {
        let limit = match (key, self.reference.upper.as_deref()) {
            (Some(key), Some(upper)) => Some(key.min(upper)),
            (key, upper) => key.or(upper),
        };
        let on_entry = match limit {
            Some(limit) => self.cursor.seek_before(limit)?,
            None => self.cursor.seek_to_last()?,
        };
        self.settle_backward(on_entry)
    }

    fn next(&mut self) -> Result<()> {
        if self.plain {
            let on_entry = self.cursor.next()?;
            return self.settled(on_entry);
        }
        if self.single_versions {
            let on_entry = self.cursor.next()?;
            return self.settle_forward(on_entry);
        }
        self.passed_key.clear();
        self.passed_key.extend_from_slice(self.cursor.key());
        let mut on_entry = self.cursor.next()?;
        while on_entry && (self.cursor.key() == self.passed_key || self.cursor.seq() > self.snapshot_seq) {
            on_entry = self.cursor.next()?;
        }
        self.settled(on_entry)
    }

    fn prev(&mut self) -> Result<()> {
        if self.plain {
            let on_entry = self.cursor.prev()?;
            return self.settled(on_entry);
        }
        if self.single_versions {
            let on_entry = self.cursor.prev()?;
            return self.settle_backward(on_entry);
        }
        self.passed_key.clear();
        self.passed_key.extend_from_slice(self.cursor.key());
        let mut on_entry = self.cursor.prev()?;
        while on_entry && self.cursor.key() == self.passed_key {
            on_entry = self.cursor.prev()?;
        }
        self.settle_backward(on_entry)
    }
}
