//! A write buffer in key order, for scans and flushes (PROTOCOL M4).
//!
//! The order is kept as a few sorted lists of falling size. A scan sorts only the keys that came
//! since the last one, and merges lists while the newest is at least half as long as the one before:
//! each key is moved O(log n) times in the life of a buffer.

#![expect(unsafe_code, reason = "turns addresses of the buffer's own nodes into references")]

use std::ops::{Deref, Range};
use std::sync::Arc;

use super::super::Segment;
use super::slabs::CountedView;
use super::table::{Node, NodeAddress};
use super::{SHARDS, WriteBuffer};

/// Sorting a list shorter than this on two threads costs more than it saves.
const PARALLEL_SORT_KEYS: usize = 32 * 1024;

/// A key's place in a sorted list: the head decides most comparisons without touching the node.
#[derive(Clone, Copy)]
struct Place {
    head: u64,
    address: NodeAddress,
}

/// Places in the order of their keys, counted among the views of the buffer's pool.
struct SortedList {
    places: Vec<Place>,
    _counted: CountedView,
}

impl SortedList {
    fn new(buffer: &WriteBuffer, places: Vec<Place>) -> Arc<Self> {
        let bytes = places.capacity() * size_of::<Place>();
        let counted = CountedView::new(&buffer.pool, bytes as u64);
        Arc::new(Self { places, _counted: counted })
    }
}

impl Deref for SortedList {
    type Target = [Place];

    fn deref(&self) -> &[Place] {
        &self.places
    }
}

/// The lists as of some moment, and how far back they reach.
#[derive(Clone, Default)]
pub(super) struct Lists {
    lists: Vec<Arc<SortedList>>,
    newest: Newest,
}

/// For each shard the newest node that is in the lists.
type Newest = [Option<NodeAddress>; SHARDS];

/// A buffer's keys in order: several sorted lists, no key in two of them.
#[derive(Clone)]
pub(crate) struct BufferView {
    /// Keeps the nodes alive.
    _buffer: Arc<WriteBuffer>,
    lists: Arc<Lists>,
}

impl BufferView {
    /// All keys of the buffer that are visible now, and perhaps more.
    pub(crate) fn new(buffer: &Arc<WriteBuffer>) -> Self {
        let known = buffer.sorted.load_full();
        let (fresh, newest) = newer_than(buffer, &known.newest);
        let lists = if fresh.is_empty() {
            known
        } else {
            let extended = Arc::new(extend(buffer, &known, fresh, newest));
            // Of two scans that sort at once one keeps its work for later ones; both may use theirs.
            buffer.sorted.compare_and_swap(&known, Arc::clone(&extended));
            extended
        };
        Self { _buffer: Arc::clone(buffer), lists }
    }

    pub(crate) fn list_count(&self) -> usize {
        self.lists.lists.len()
    }

    pub(crate) fn list_len(&self, list: usize) -> usize {
        self.lists.lists.get(list).map_or(0, |list| list.len())
    }

    /// The node at `index` of a list.
    pub(crate) fn node(&self, list: usize, index: usize) -> Option<Node<'_>> {
        let place = self.lists.lists.get(list)?.get(index)?;
        // SAFETY: the address came from one of this buffer's tables, which `self` keeps alive.
        Some(unsafe { place.address.node() })
    }

    /// The index of the first key of a list that is not less than `key`.
    pub(crate) fn lower_bound(&self, list: usize, key: &[u8]) -> usize {
        let head = crate::bytes::key_head(key);
        self.lists.lists.get(list).map_or(0, |places| {
            places.partition_point(|place| {
                // SAFETY: as in `node`.
                place.head < head || (place.head == head && unsafe { place.address.node() }.key() < key)
            })
        })
    }

    /// The part of a list that lies within a segment's bounds.
    pub(crate) fn range_of(&self, segment: &Segment, list: usize) -> Range<usize> {
        let end = segment.upper.as_deref().map_or(self.list_len(list), |upper| self.lower_bound(list, upper));
        self.lower_bound(list, &segment.lower)..end
    }

    /// One list of all keys, sorted with up to `threads` threads.
    pub(crate) fn in_one_list(buffer: &Arc<WriteBuffer>, threads: usize) -> Self {
        let known = buffer.sorted.load_full();
        let (mut fresh, newest) = newer_than(buffer, &known.newest);
        sort(&mut fresh, threads);
        let list = known.lists.iter().rev().fold(fresh, |sorted, list| merge(&sorted, list));
        let lists = Lists { lists: vec![SortedList::new(buffer, list)], newest };
        Self { _buffer: Arc::clone(buffer), lists: Arc::new(lists) }
    }
}

fn extend(buffer: &WriteBuffer, known: &Lists, mut sorted: Vec<Place>, newest: Newest) -> Lists {
    sort(&mut sorted, 1);
    let mut lists = known.lists.clone();
    while let Some(last) = lists.pop_if(|last| sorted.len() * 2 >= last.len()) {
        sorted = merge(&last, &sorted);
    }
    lists.push(SortedList::new(buffer, sorted));
    Lists { lists, newest }
}

/// The keys that came after the known ones, in no order, and how far they reach.
fn newer_than(buffer: &WriteBuffer, known: &Newest) -> (Vec<Place>, Newest) {
    let mut fresh = Vec::new();
    let mut newest = *known;
    for (shard, newest) in buffer.shards.iter().zip(&mut newest) {
        let nodes = shard.newer_than(*newest);
        *newest = nodes.first().copied().or(*newest);
        fresh.extend(nodes.into_iter().map(|address| Place {
            // SAFETY: the address came from the table of a buffer that the caller holds.
            head: unsafe { address.node() }.head(),
            address,
        }));
    }
    (fresh, newest)
}

fn less(a: &Place, b: &Place) -> std::cmp::Ordering {
    // SAFETY: as in `newer_than`.
    a.head.cmp(&b.head).then_with(|| unsafe { a.address.node().key().cmp(b.address.node().key()) })
}

fn sort(places: &mut Vec<Place>, threads: usize) {
    if threads < 2 || places.len() < PARALLEL_SORT_KEYS {
        places.sort_unstable_by(less);
        return;
    }
    let half = places.len() / 2;
    let (left, right) = places.split_at_mut(half);
    std::thread::scope(|scope| {
        let helped = std::thread::Builder::new().spawn_scoped(scope, || left.sort_unstable_by(less));
        right.sort_unstable_by(less);
        helped.map(drop)
    })
    // Without another thread nothing is sorted yet of that half.
    .unwrap_or_else(|_| places[..half].sort_unstable_by(less));
    let (left, right) = places.split_at(half);
    *places = merge(left, right);
}

fn merge(a: &[Place], b: &[Place]) -> Vec<Place> {
    let mut merged = Vec::with_capacity(a.len() + b.len());
    let (mut a, mut b) = (a, b);
    while let (Some(first_a), Some(first_b)) = (a.first(), b.first()) {
        if less(first_a, first_b).is_le() {
            merged.push(*first_a);
            a = &a[1..];
        } else {
            merged.push(*first_b);
            b = &b[1..];
        }
    }
    merged.extend_from_slice(a);
    merged.extend_from_slice(b);
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::EntryKind;

    #[test]
    fn m4_a_scan_sorts_only_what_came_since_the_last_one() {
        let buffer = Arc::new(WriteBuffer::new(0));
        let put = |n: u64| {
            let _ = buffer.insert(&n.to_be_bytes(), n, n, EntryKind::Put, b"");
        };
        (0..1_000).rev().for_each(put);
        let first = BufferView::new(&buffer);
        assert_eq!((first.list_count(), first.list_len(0)), (1, 1_000));
        (1_000..1_010).for_each(put);
        let second = BufferView::new(&buffer);
        assert_eq!((second.list_count(), second.list_len(1)), (2, 10));
        assert!(Arc::ptr_eq(&first.lists.lists[0], &second.lists.lists[0]), "not sorted again");
        let third = BufferView::new(&buffer);
        assert!(Arc::ptr_eq(&second.lists, &third.lists));
    }
}
