//! The merge of a segment's sources at a snapshot, both ways: what a reader sees, in key order.
//!
//! Sources are numbered newest rank first. Those that stand on an entry are kept in order of their
//! keys; of equal keys the lowest number (the newest rank) comes first and wins. After a step usually
//! the same source comes first again, which costs one comparison.
//!
//! A scan pins the one version it was opened on (PROTOCOL C6).

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use super::source::{BufferSource, RunSource, Source};
use super::write_buffer::{BufferView, WriteBuffer};
use super::{LoadRuns, RunRef, Segment, SegmentVersion};
use crate::error::Result;
use crate::run::EntryKind;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Forward,
    Backward,
}

/// See the module.
pub(crate) struct SegmentScan {
    sources: Vec<Source>,
    /// The numbers of the sources that stand on an entry; the first one's entry is next.
    order: Vec<usize>,
    direction: Direction,
    /// Scratch: the key that all sources leave together.
    left_key: Vec<u8>,
}

impl SegmentScan {
    /// A scan over what `version` shows at `snapshot_seq`. It stands nowhere until it is sought.
    pub(crate) fn new(
        segment: &Segment,
        version: &SegmentVersion,
        loader: &impl LoadRuns,
        snapshot_seq: u64,
    ) -> Result<Self> {
        let mut sources = Vec::new();
        add_buffer(&mut sources, segment, &version.active, snapshot_seq);
        for layer in &version.layers {
            match &layer.buffer {
                Some(buffer) => add_buffer(&mut sources, segment, buffer, snapshot_seq),
                None => {
                    for run in &layer.runs {
                        sources.push(run_source(segment, loader, run, snapshot_seq)?);
                    }
                }
            }
        }
        for run in &version.main {
            sources.push(run_source(segment, loader, run, snapshot_seq)?);
        }
        Ok(Self {
            order: Vec::with_capacity(sources.len()),
            sources,
            direction: Direction::Forward,
            left_key: Vec::new(),
        })
    }

    /// Stands on the first visible entry whose key is not less than `key`.
    pub(crate) fn seek(&mut self, key: &[u8]) -> Result<bool> {
        self.direction = Direction::Forward;
        for source in &mut self.sources {
            source.seek(key)?;
        }
        self.rebuild_order();
        self.skip_tombstones()
    }

    /// Stands on the last visible entry whose key is less than `key`; on the last of all for `None`.
    pub(crate) fn seek_before(&mut self, key: Option<&[u8]>) -> Result<bool> {
        self.direction = Direction::Backward;
        for source in &mut self.sources {
            source.seek_before(key)?;
        }
        self.rebuild_order();
        self.skip_tombstones()
    }

    pub(crate) fn valid(&self) -> bool {
        !self.order.is_empty()
    }

    /// The key stood on. Empty when there is none.
    pub(crate) fn key(&self) -> &[u8] {
        self.current().map_or(&[], Source::key)
    }

    /// The value stood on; owned only when it came from a value chunk.
    pub(crate) fn value(&self) -> Result<Cow<'_, [u8]>> {
        self.current().map_or(Ok(Cow::Borrowed(&[])), Source::value)
    }

    fn current(&self) -> Option<&Source> {
        self.sources.get(*self.order.first()?)
    }

    /// Goes on to the next larger key.
    pub(crate) fn next(&mut self) -> Result<bool> {
        if self.direction == Direction::Backward && self.valid() {
            let mut after = self.key().to_vec();
            after.push(0);
            return self.seek(&after);
        }
        self.step()?;
        self.skip_tombstones()
    }

    /// Goes on to the next smaller key.
    pub(crate) fn prev(&mut self) -> Result<bool> {
        if self.direction == Direction::Forward && self.valid() {
            let key = self.key().to_vec();
            return self.seek_before(Some(&key));
        }
        self.step()?;
        self.skip_tombstones()
    }

    fn skip_tombstones(&mut self) -> Result<bool> {
        while self.current().is_some_and(|source| source.kind() == EntryKind::Delete) {
            self.step()?;
        }
        Ok(self.valid())
    }

    /// Moves every source that stands on the current key.
    fn step(&mut self) -> Result<()> {
        let Some(&first) = self.order.first() else { return Ok(()) };
        let tied = self.order.get(1).is_some_and(|second| self.compare_keys(first, *second).is_eq());
        if !tied {
            return self.advance_first();
        }
        let mut left_key = std::mem::take(&mut self.left_key);
        left_key.clear();
        left_key.extend_from_slice(self.key());
        while self.valid() && self.key() == left_key {
            self.advance_first()?;
        }
        self.left_key = left_key;
        Ok(())
    }

    /// Moves the first source and puts it back where its new key belongs.
    fn advance_first(&mut self) -> Result<()> {
        let first = self.order[0];
        let source = &mut self.sources[first];
        match self.direction {
            Direction::Forward => source.next()?,
            Direction::Backward => source.prev()?,
        }
        if !source.valid() {
            self.order.remove(0);
            return Ok(());
        }
        let mut place = 0;
        while place + 1 < self.order.len() && self.comes_after(first, self.order[place + 1]) {
            self.order[place] = self.order[place + 1];
            place += 1;
        }
        self.order[place] = first;
        Ok(())
    }

    #[inline]
    fn compare_keys(&self, a: usize, b: usize) -> Ordering {
        let (a, b) = (&self.sources[a], &self.sources[b]);
        a.head().cmp(&b.head()).then_with(|| a.key().cmp(b.key()))
    }

    #[inline]
    fn comes_after(&self, a: usize, b: usize) -> bool {
        self.order_of(a, b).is_gt()
    }

    fn order_of(&self, a: usize, b: usize) -> Ordering {
        let by_key = self.compare_keys(a, b);
        let by_key = match self.direction {
            Direction::Forward => by_key,
            Direction::Backward => by_key.reverse(),
        };
        by_key.then(a.cmp(&b))
    }

    fn rebuild_order(&mut self) {
        let mut order = std::mem::take(&mut self.order);
        order.clear();
        order.extend((0..self.sources.len()).filter(|number| self.sources[*number].valid()));
        order.sort_by(|a, b| self.order_of(*a, *b));
        self.order = order;
    }
}

/// A buffer that several segments inherited from their parent holds more than this one's range.
fn add_buffer(sources: &mut Vec<Source>, segment: &Segment, buffer: &Arc<WriteBuffer>, snapshot_seq: u64) {
    if buffer.is_empty() {
        return;
    }
    let view = BufferView::new(buffer);
    for list in 0..view.list_count() {
        let mut range = 0..view.list_len(list);
        if buffer.is_shared() {
            range.start = view.lower_bound(list, &segment.lower);
            range.end = segment.upper.as_deref().map_or(range.end, |upper| view.lower_bound(list, upper));
        }
        sources.push(Source::Buffer(BufferSource::new(view.clone(), list, range, snapshot_seq)));
    }
}

fn run_source(
    segment: &Segment,
    loader: &impl LoadRuns,
    run: &Arc<RunRef>,
    snapshot_seq: u64,
) -> Result<Source> {
    let loaded = loader.load(segment, &run.handle)?;
    Ok(Source::Run(Box::new(RunSource::new(&loaded, run, snapshot_seq)?)))
}
