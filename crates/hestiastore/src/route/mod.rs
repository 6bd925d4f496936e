//! The key-to-segment map: which segment owns a key.
//!
//! A map is an immutable value; a split or merge publishes the next one whole. Its segments tile the key space:
//! the first begins at the empty key, each ends where the next begins, the last has no end.

use std::ops::Range;
use std::sync::Arc;

use crate::bytes::key_head;
use crate::segment::Segment;

/// See the module.
#[derive(Debug)]
pub(crate) struct RouteMap {
    /// Rises with every change; the commit section tests it (PROTOCOL C2).
    pub(crate) generation: u64,
    /// The first eight bytes of each lower bound, to decide most comparisons in one cache line.
    heads: Vec<u64>,
    segments: Vec<Arc<Segment>>,
}

impl RouteMap {
    /// A map over `segments`, which stand in key order and tile the key space.
    pub(crate) fn new(generation: u64, segments: Vec<Arc<Segment>>) -> Self {
        debug_assert!(!segments.is_empty());
        let heads = segments.iter().map(|segment| key_head(&segment.lower)).collect();
        Self { generation, heads, segments }
    }

    pub(crate) fn segments(&self) -> &[Arc<Segment>] {
        &self.segments
    }

    /// The place of the segment that owns `key`.
    #[inline]
    pub(crate) fn place_of(&self, key: &[u8]) -> usize {
        let head = key_head(key);
        let mut after = self.heads.partition_point(|lower| *lower <= head);
        // Bounds whose head equals the key's may still lie behind it.
        while after > 1 && self.heads[after - 1] == head && &*self.segments[after - 1].lower > key {
            after -= 1;
        }
        after.max(1) - 1
    }

    /// The segment that owns `key`.
    #[inline]
    pub(crate) fn find(&self, key: &[u8]) -> &Arc<Segment> {
        &self.segments[self.place_of(key)]
    }

    /// The place of the segment that holds the last keys before `key`; the last one for `None`.
    pub(crate) fn place_before(&self, key: Option<&[u8]>) -> usize {
        let Some(key) = key else { return self.segments.len() - 1 };
        let place = self.place_of(key);
        let begins_here = *self.segments[place].lower == *key;
        place - usize::from(begins_here && place > 0)
    }

    /// The segments that own keys from `lower` to before `upper`.
    pub(crate) fn overlapping(&self, lower: &[u8], upper: Option<&[u8]>) -> &[Arc<Segment>] {
        if upper.is_some_and(|upper| upper <= lower) {
            return &[];
        }
        &self.segments[self.place_of(lower)..=self.place_before(upper)]
    }

    /// The next map: the segments at `places` replaced by others of the same range.
    pub(crate) fn replaced(&self, places: Range<usize>, others: &[Arc<Segment>]) -> Self {
        let mut segments = self.segments.clone();
        segments.splice(places, others.iter().cloned());
        Self::new(self.generation + 1, segments)
    }
}
