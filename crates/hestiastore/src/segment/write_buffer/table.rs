//! The hash table of a write buffer: keys, each with its chain of versions.
//!
//! ```text
//! table (open addressing)        arena
//! tags  [ . | 7 | . | 3 ]        Node { key, versions -> Version(seq 9) -> Version(seq 4) }
//! nodes [ . | o | . | o ] -----> Node { .. }
//!                                each node also links to the one inserted before it
//! ```
//!
//! Thread safety: one inserter at a time, by the insert lock; readers take no lock at all.
//!
//! Invariants:
//! 1. A node and a version never change once they can be reached, except a version's `older` and a
//!    node's `versions`, which only ever get a further version linked in, ordered by falling seq.
//! 2. Nothing is unlinked or freed before the table is dropped (PROTOCOL C5 needs no `cut` mark then:
//!    overwritten versions are dead bytes, counted, and left behind by the flush).
//! 3. A slot's tag is stored after its node; a grown slot array is published after it is filled. A
//!    reader that has loaded `visible` finds everything up to it.

#![expect(unsafe_code, reason = "lock-free readers over nodes that live as long as the table")]

use std::ptr::{self, NonNull};
use std::sync::Arc;

use super::arena::Arena;
use super::slabs::SlabPool;
use crate::bytes::key_head;
use crate::run::EntryKind;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering};

const FIRST_SLOTS: usize = 16;

#[repr(C)]
struct NodeHeader {
    versions: AtomicPtr<VersionHeader>,
    /// The node that was inserted before this one; null for the first.
    inserted_before: *const NodeHeader,
    /// The first eight bytes of the key, zero padded: decides most comparisons.
    head: u64,
    hash: u32,
    key_bytes: u32,
    // the key follows
}

#[repr(C)]
struct VersionHeader {
    older: AtomicPtr<VersionHeader>,
    seq: u64,
    value_bytes: u32,
    kind: EntryKind,
    // the value follows
}

/// Memory that one more entry takes at most, beside slot arrays and what slabs waste at their ends.
pub(super) fn entry_bytes(key_bytes: usize, value_bytes: usize) -> usize {
    size_of::<NodeHeader>()
        + key_bytes.next_multiple_of(8)
        + size_of::<VersionHeader>()
        + value_bytes.next_multiple_of(8)
}

/// One slot array. Arrays are replaced when they fill; readers may still be in an old one.
struct Slots {
    mask: usize,
    /// Zero for an empty slot.
    tags: Box<[AtomicU8]>,
    nodes: Box<[AtomicPtr<NodeHeader>]>,
}

impl Slots {
    fn new(count: usize) -> Box<Self> {
        Box::new(Self {
            mask: count - 1,
            tags: (0..count).map(|_| AtomicU8::new(0)).collect(),
            nodes: (0..count).map(|_| AtomicPtr::new(ptr::null_mut())).collect(),
        })
    }

    fn bytes(&self) -> usize {
        self.tags.len() * (1 + size_of::<usize>())
    }

    /// An array twice as large with the same nodes.
    fn grown(&self) -> Box<Self> {
        let larger = Self::new(self.tags.len() * 2);
        for node in self.nodes.iter() {
            let node = node.load(Ordering::Relaxed);
            if let Some(header) = NonNull::new(node) {
                // SAFETY: a placed node; only its immutable hash is read.
                larger.place(unsafe { header.as_ref() }.hash, node);
            }
        }
        larger
    }

    /// Puts a node into the first empty slot of its sequence; there must be one.
    fn place(&self, hash: u32, node: *mut NodeHeader) {
        let mut slot = slot_of(hash) & self.mask;
        while self.tags[slot].load(Ordering::Relaxed) != 0 {
            slot = (slot + 1) & self.mask;
        }
        self.nodes[slot].store(node, Ordering::Relaxed);
        self.tags[slot].store(tag_of(hash), Ordering::Release);
    }
}

fn tag_of(hash: u32) -> u8 {
    (hash >> 24) as u8 | 1
}

fn slot_of(hash: u32) -> usize {
    hash as usize
}

/// What only the inserter touches.
struct Inserter {
    arena: Arena,
    /// Every slot array there was; the last is current. Freed with the table: readers may be in any.
    arrays: Vec<NonNull<Slots>>,
    count: usize,
}

/// See the module. Neighbours in an array share no cache line.
#[repr(align(128))]
pub(super) struct Table {
    /// Null before the first insert.
    current: AtomicPtr<Slots>,
    newest: AtomicPtr<NodeHeader>,
    node_count: AtomicUsize,
    /// What [`entry_bytes`] says of all that was inserted, and all slot arrays.
    charged_bytes: AtomicU64,
    /// Of these, all slot arrays.
    slot_bytes: AtomicU64,
    inserter: Mutex<Inserter>,
    /// Slots of the first array.
    first_slots: usize,
    pool: Arc<SlabPool>,
}

// SAFETY: nodes are shared by the rules of the module: immutable but for atomics, alive with the table.
unsafe impl Send for Table {}
// SAFETY: as above; insertion is serialised by the `inserter` lock.
unsafe impl Sync for Table {}

/// A key in the table, with its versions.
#[derive(Clone, Copy)]
pub(crate) struct Node<'a> {
    header: &'a NodeHeader,
    key: &'a [u8],
}

/// One version of a key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Version<'a> {
    pub(crate) seq: u64,
    pub(crate) kind: EntryKind,
    pub(crate) value: &'a [u8],
}

/// The address of a node; good for as long as its table lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NodeAddress(NonNull<NodeHeader>);

// SAFETY: an address alone reads nothing.
unsafe impl Send for NodeAddress {}
// SAFETY: as above.
unsafe impl Sync for NodeAddress {}

impl NodeAddress {
    /// # Safety
    /// The node's table must outlive `'a`.
    pub(super) unsafe fn node<'a>(self) -> Node<'a> {
        // SAFETY: the caller's promise, and invariants 1 and 2.
        unsafe { Node::at(self.0) }
    }
}

impl<'a> Node<'a> {
    /// # Safety
    /// `header` must be a published node of a table that outlives `'a`.
    unsafe fn at(header: NonNull<NodeHeader>) -> Self {
        // SAFETY: the node was written in full, key bytes behind the header, before it was published.
        unsafe {
            let reference = header.as_ref();
            let key = header.add(1).cast::<u8>();
            let key = std::slice::from_raw_parts(key.as_ptr(), reference.key_bytes as usize);
            Self { header: reference, key }
        }
    }

    pub(crate) fn key(&self) -> &'a [u8] {
        self.key
    }

    pub(crate) fn head(&self) -> u64 {
        self.header.head
    }

    /// The newest version that a reader at `snapshot_seq` may see.
    pub(crate) fn version_at(&self, snapshot_seq: u64) -> Option<Version<'a>> {
        self.versions().find(|version| version.seq <= snapshot_seq)
    }

    /// All versions, newest first.
    pub(crate) fn versions(&self) -> impl Iterator<Item = Version<'a>> + use<'a> {
        let mut next = self.header.versions.load(Ordering::Acquire);
        std::iter::from_fn(move || {
            let header = NonNull::new(next)?;
            // SAFETY: a linked version was written in full, value bytes behind the header, and lives
            // as long as the table (invariants 1 and 2).
            unsafe {
                let reference = header.as_ref();
                next = reference.older.load(Ordering::Acquire);
                let value = header.add(1).cast::<u8>();
                Some(Version {
                    seq: reference.seq,
                    kind: reference.kind,
                    value: std::slice::from_raw_parts(value.as_ptr(), reference.value_bytes as usize),
                })
            }
        })
    }
}

/// The address of a value; good for as long as the table it came from. Made and read here only, by
/// [`super::PinnedValue`], which holds that table.
#[derive(Clone, Debug)]
pub(super) struct ValueAddress(NonNull<[u8]>);

// SAFETY: an address alone reads nothing.
unsafe impl Send for ValueAddress {}
// SAFETY: as above.
unsafe impl Sync for ValueAddress {}

impl Version<'_> {
    pub(super) fn address(&self) -> ValueAddress {
        ValueAddress(NonNull::from(self.value))
    }
}

impl Table {
    /// The value at an address that this very table gave.
    pub(super) fn value_at(&self, address: &ValueAddress) -> &[u8] {
        // SAFETY: `PinnedValue`, the only one that keeps addresses, keeps the buffer of the table with
        // each, and asks that table; values never change or move while the table lives.
        unsafe { address.0.as_ref() }
    }

    /// Takes no memory for entries before the first insert.
    pub(super) fn new(expected_keys: usize, pool: &Arc<SlabPool>) -> Self {
        Self {
            current: AtomicPtr::new(ptr::null_mut()),
            newest: AtomicPtr::new(ptr::null_mut()),
            node_count: AtomicUsize::new(0),
            charged_bytes: AtomicU64::new(0),
            slot_bytes: AtomicU64::new(0),
            inserter: Mutex::new(Inserter { arena: Arena::new(pool), arrays: Vec::new(), count: 0 }),
            first_slots: (expected_keys * 2).next_power_of_two().max(FIRST_SLOTS),
            pool: Arc::clone(pool),
        }
    }

    /// The number of distinct keys.
    pub(super) fn node_count(&self) -> usize {
        self.node_count.load(Ordering::Relaxed)
    }

    pub(super) fn charged_bytes(&self) -> u64 {
        self.charged_bytes.load(Ordering::Relaxed)
    }

    /// The same without slot arrays.
    pub(super) fn entry_bytes(&self) -> u64 {
        self.charged_bytes().saturating_sub(self.slot_bytes.load(Ordering::Relaxed))
    }

    /// Memory held, slabs and slot arrays.
    pub(super) fn memory_bytes(&self) -> usize {
        let inserter = self.inserter.lock();
        // SAFETY: the arrays live until the table is dropped.
        let arrays: usize = inserter.arrays.iter().map(|slots| unsafe { slots.as_ref() }.bytes()).sum();
        inserter.arena.reserved_bytes() + arrays
    }

    fn publish(&self, inserter: &mut Inserter, slots: Box<Slots>) -> &Slots {
        self.pool.count(slots.bytes() as u64);
        let address = NonNull::from(Box::leak(slots));
        inserter.arrays.push(address);
        self.current.store(address.as_ptr(), Ordering::Release);
        // SAFETY: kept until the table is dropped.
        unsafe { address.as_ref() }
    }

    fn slots(&self) -> Option<&Slots> {
        // SAFETY: `current` is null or one of `arrays`, which are kept until the table is dropped.
        unsafe { self.current.load(Ordering::Acquire).as_ref() }
    }

    /// Finds a key. Takes no lock.
    pub(super) fn find(&self, key: &[u8], hash: u32) -> Option<Node<'_>> {
        let slots = self.slots()?;
        let tag = tag_of(hash);
        let mut slot = slot_of(hash) & slots.mask;
        loop {
            match slots.tags[slot].load(Ordering::Acquire) {
                0 => return None,
                found if found == tag => {
                    let node = NonNull::new(slots.nodes[slot].load(Ordering::Relaxed))?;
                    // SAFETY: published by the tag (invariant 3), alive with `self`.
                    let node = unsafe { Node::at(node) };
                    if node.header.hash == hash && node.key == key {
                        return Some(node);
                    }
                }
                _ => {}
            }
            slot = (slot + 1) & slots.mask;
        }
    }

    /// Adds a version of `key`, at its place among the versions by seq. Returns the bytes by which the slot arrays
    /// grew: 0, nearly always.
    pub(super) fn insert(&self, key: &[u8], hash: u32, seq: u64, kind: EntryKind, value: &[u8]) -> u64 {
        let mut inserter = self.inserter.lock();
        self.charge(&mut inserter, entry_bytes(key.len(), value.len()) as u64);
        let version = new_version(&mut inserter.arena, seq, kind, value);
        if let Some(node) = self.find(key, hash) {
            link_version(node.header, version);
            return 0;
        }
        let (slots, grown_bytes) = self.slots_for_one_more(&mut inserter);
        let before = self.newest.load(Ordering::Relaxed);
        let node = new_node(&mut inserter.arena, key, hash, version, before);
        slots.place(hash, node.as_ptr());
        self.newest.store(node.as_ptr(), Ordering::Release);
        inserter.count += 1;
        self.node_count.store(inserter.count, Ordering::Relaxed);
        grown_bytes
    }

    /// Only the inserter writes it: no need for an addition that locks the line.
    fn charge(&self, _: &mut Inserter, bytes: u64) {
        self.charged_bytes.store(self.charged_bytes() + bytes, Ordering::Relaxed);
    }

    /// Slots with an empty one among them, and the bytes that had to be added for that.
    fn slots_for_one_more(&self, inserter: &mut Inserter) -> (&Slots, u64) {
        let slots = match self.slots() {
            Some(slots) if (inserter.count + 1) * 4 <= slots.tags.len() * 3 => return (slots, 0),
            Some(full) => full.grown(),
            None => Slots::new(self.first_slots),
        };
        let bytes = slots.bytes() as u64;
        self.charge(inserter, bytes);
        self.slot_bytes.fetch_add(bytes, Ordering::Relaxed);
        (self.publish(inserter, slots), bytes)
    }

    /// The nodes from the newest back to `known` (left out), which a former call gave as newest.
    pub(super) fn newer_than(&self, known: Option<NodeAddress>) -> Vec<NodeAddress> {
        let mut found = Vec::new();
        let mut next = self.newest.load(Ordering::Acquire).cast_const();
        let stop = known.map_or(ptr::null(), |known| known.0.as_ptr().cast_const());
        while next != stop {
            let Some(header) = NonNull::new(next.cast_mut()) else {
                break;
            };
            found.push(NodeAddress(header));
            // SAFETY: reached from a published node; nodes live as long as the table.
            next = unsafe { header.as_ref() }.inserted_before;
        }
        found
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        for slots in self.inserter.get_mut().arrays.drain(..) {
            // SAFETY: each came from `Box::leak` in `publish` and is dropped once.
            let slots = unsafe { Box::from_raw(slots.as_ptr()) };
            self.pool.discount(slots.bytes() as u64);
        }
    }
}

fn new_version(arena: &mut Arena, seq: u64, kind: EntryKind, value: &[u8]) -> NonNull<VersionHeader> {
    let place = arena.allocate(size_of::<VersionHeader>() + value.len()).cast::<VersionHeader>();
    // SAFETY: fresh memory, aligned to 8, of the header's and the value's size.
    unsafe {
        place.write(VersionHeader {
            older: AtomicPtr::new(ptr::null_mut()),
            seq,
            value_bytes: value.len() as u32,
            kind,
        });
        let bytes = place.add(1).cast::<u8>();
        ptr::copy_nonoverlapping(value.as_ptr(), bytes.as_ptr(), value.len());
    }
    place
}

fn new_node(
    arena: &mut Arena,
    key: &[u8],
    hash: u32,
    version: NonNull<VersionHeader>,
    inserted_before: *const NodeHeader,
) -> NonNull<NodeHeader> {
    let place = arena.allocate(size_of::<NodeHeader>() + key.len()).cast::<NodeHeader>();
    // SAFETY: fresh memory, aligned to 8, of the header's and the key's size.
    unsafe {
        place.write(NodeHeader {
            versions: AtomicPtr::new(version.as_ptr()),
            inserted_before,
            head: key_head(key),
            hash,
            key_bytes: key.len() as u32,
        });
        let bytes = place.add(1).cast::<u8>();
        ptr::copy_nonoverlapping(key.as_ptr(), bytes.as_ptr(), key.len());
    }
    place
}

/// Links a version in by seq, not by arrival. The caller holds the insert lock.
fn link_version(node: &NodeHeader, version: NonNull<VersionHeader>) {
    // SAFETY: not reachable by others yet.
    let new = unsafe { version.as_ref() };
    let mut link = &node.versions;
    loop {
        let older = link.load(Ordering::Acquire);
        match NonNull::new(older) {
            // SAFETY: a linked version lives as long as the table.
            Some(header) if unsafe { header.as_ref() }.seq > new.seq => {
                // SAFETY: as above.
                link = &unsafe { &*older }.older;
            }
            _ => {
                new.older.store(older, Ordering::Relaxed);
                link.store(version.as_ptr(), Ordering::Release);
                return;
            }
        }
    }
}
