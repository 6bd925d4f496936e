//! The merge of a segment's sources at a snapshot, both ways: what a reader sees, in key order.
//!
//! Sources are numbered newest rank first. Those that stand on an entry are kept in order of their
//! keys; of equal keys the lowest number (the newest rank) comes first and wins. After a step usually
//! the same source comes first again, which costs one comparison.
//!
//! Where a run's next entries are seen just as they lie (each its key's only version, no deletion, no other source's key
//! between) the scan takes them as a *stride*: up to the end of their chunk without a comparison.
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

/// Where a step has led.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// To an entry within the bounds that were given.
    WithinBounds,
    /// To an entry that may lie beyond them.
    Entry,
    End,
}

impl Step {
    fn of(on_entry: bool) -> Self {
        if on_entry { Self::Entry } else { Self::End }
    }
}

/// A source, and the head of the key that it stands on. While the source strides the head stays behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Standing {
    head: u64,
    source: usize,
}

/// To look for a stride costs about as much as so many steps.
const STEADY_STEPS: u32 = 4;

/// See the module.
pub(crate) struct SegmentScan {
    version: Arc<SegmentVersion>,
    sources: Vec<Source>,
    /// The sources that stand on an entry; the first one's entry is next.
    order: Vec<Standing>,
    direction: Direction,
    /// Entries of the first source that may be taken in the direction without asking.
    stride: usize,
    /// How many steps the first source has been the first.
    steady_steps: u32,
    /// Scratch: the key that all sources leave together.
    left_key: Vec<u8>,
}

impl SegmentScan {
    /// A scan over what `version` shows at `snapshot_seq`. It stands nowhere until it is sought.
    pub(crate) fn new(
        segment: &Segment,
        version: Arc<SegmentVersion>,
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
            version,
            order: Vec::with_capacity(sources.len()),
            sources,
            direction: Direction::Forward,
            stride: 0,
            steady_steps: 0,
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

    /// Whether it was opened on this version.
    pub(crate) fn is_on(&self, version: &Arc<SegmentVersion>) -> bool {
        Arc::ptr_eq(&self.version, version)
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
        self.sources.get(self.order.first()?.source)
    }

    /// Goes on to the next larger key. What is at or beyond `upper` need not be found.
    #[inline]
    pub(crate) fn next(&mut self, upper: Option<&[u8]>) -> Result<Step> {
        if self.direction == Direction::Forward && self.stride > 0 {
            self.stride -= 1;
            self.first_mut().map(Source::stride_forward);
            return Ok(Step::WithinBounds);
        }
        self.next_by_merge(upper)
    }

    fn next_by_merge(&mut self, upper: Option<&[u8]>) -> Result<Step> {
        if self.direction == Direction::Backward && self.valid() {
            let mut after = self.key().to_vec();
            after.push(0);
            return self.seek(&after).map(Step::of);
        }
        self.step()?;
        let on_entry = self.skip_tombstones()?;
        if self.steady_steps >= STEADY_STEPS
            && let Some(first) = self.current()
        {
            self.stride = first.stride_ahead(match (self.second_key(), upper) {
                (Some(other), Some(upper)) => Some(other.min(upper)),
                (other, upper) => other.or(upper),
            });
        }
        Ok(Step::of(on_entry))
    }

    /// Goes on to the next smaller key. What is less than `lower` need not be found.
    #[inline]
    pub(crate) fn prev(&mut self, lower: &[u8]) -> Result<Step> {
        if self.direction == Direction::Backward && self.stride > 0 {
            self.stride -= 1;
            self.first_mut().map(Source::stride_backward);
            return Ok(Step::WithinBounds);
        }
        self.prev_by_merge(lower)
    }

    fn prev_by_merge(&mut self, lower: &[u8]) -> Result<Step> {
        if self.direction == Direction::Forward && self.valid() {
            let key = self.key().to_vec();
            return self.seek_before(Some(&key)).map(Step::of);
        }
        self.step()?;
        let on_entry = self.skip_tombstones()?;
        if self.steady_steps >= STEADY_STEPS
            && let Some(first) = self.current()
        {
            self.stride = first.stride_behind(self.second_key(), lower);
        }
        Ok(Step::of(on_entry))
    }

    #[inline]
    fn first_mut(&mut self) -> Option<&mut Source> {
        self.sources.get_mut(self.order.first()?.source)
    }

    fn second_key(&self) -> Option<&[u8]> {
        self.sources.get(self.order.get(1)?.source).map(Source::key)
    }

    fn skip_tombstones(&mut self) -> Result<bool> {
        while self.current().is_some_and(|source| source.kind() == EntryKind::Delete) {
            self.step()?;
        }
        Ok(self.valid())
    }

    /// Moves every source that stands on the current key.
    fn step(&mut self) -> Result<()> {
        self.end_stride();
        let Some(&first) = self.order.first() else { return Ok(()) };
        if !self.order.get(1).is_some_and(|second| self.compare_keys(&first, second).is_eq()) {
            self.advance_first()?;
            let stays = self.order.first().is_some_and(|now| now.source == first.source);
            self.steady_steps = if stays { self.steady_steps.saturating_add(1) } else { 0 };
            return Ok(());
        }
        self.steady_steps = 0;
        let mut left_key = std::mem::take(&mut self.left_key);
        left_key.clear();
        left_key.extend_from_slice(self.key());
        while self.valid() && self.key() == left_key {
            self.advance_first()?;
        }
        self.left_key = left_key;
        Ok(())
    }

    fn end_stride(&mut self) {
        self.stride = 0;
        let Some(first) = self.order.first_mut() else { return };
        first.head = self.sources.get(first.source).map_or(first.head, Source::head);
    }

    /// Moves the first source and puts it back where its new key belongs.
    fn advance_first(&mut self) -> Result<()> {
        let Some(&Standing { source: number, .. }) = self.order.first() else { return Ok(()) };
        let Some(source) = self.sources.get_mut(number) else { return Ok(()) };
        match self.direction {
            Direction::Forward => source.next()?,
            Direction::Backward => source.prev()?,
        }
        if !source.valid() {
            self.order.remove(0);
            return Ok(());
        }
        let moved = Standing { head: source.head(), source: number };
        let before = |other: &Standing| self.order_of(&moved, other).is_gt();
        let place = self.order.iter().skip(1).take_while(|other| before(other)).count();
        self.order.copy_within(1..=place, 0);
        if let Some(standing) = self.order.get_mut(place) {
            *standing = moved;
        }
        Ok(())
    }

    #[inline]
    fn compare_keys(&self, a: &Standing, b: &Standing) -> Ordering {
        let key = |standing: &Standing| self.sources.get(standing.source).map_or(&[][..], Source::key);
        a.head.cmp(&b.head).then_with(|| key(a).cmp(key(b)))
    }

    #[inline]
    fn order_of(&self, a: &Standing, b: &Standing) -> Ordering {
        let by_key = self.compare_keys(a, b);
        let by_key = match self.direction {
            Direction::Forward => by_key,
            Direction::Backward => by_key.reverse(),
        };
        by_key.then(a.source.cmp(&b.source))
    }

    fn rebuild_order(&mut self) {
        self.stride = 0;
        self.steady_steps = 0;
        let mut order = std::mem::take(&mut self.order);
        order.clear();
        let standing = self.sources.iter().enumerate().filter(|(_, source)| source.valid());
        order.extend(standing.map(|(number, source)| Standing { head: source.head(), source: number }));
        order.sort_by(|a, b| self.order_of(a, b));
        self.order = order;
    }
}

fn add_buffer(sources: &mut Vec<Source>, segment: &Segment, buffer: &Arc<WriteBuffer>, snapshot_seq: u64) {
    if buffer.is_empty() {
        return;
    }
    let view = BufferView::new(buffer);
    for list in 0..view.list_count() {
        let range = if buffer.is_shared() { view.range_of(segment, list) } else { 0..view.list_len(list) };
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
