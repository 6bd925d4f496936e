//! The slots of one run.

use std::sync::Arc;

use crate::run::entries::EntryChunk;
use crate::sync::atomic::{AtomicU8, Ordering};
use crate::sync::{ArcSwapOption, Guard};

/// Uses are counted up to here; more would only lengthen a chunk's stay.
const MAX_USES: u8 = 3;

/// One place a chunk.
#[derive(Debug)]
pub(in crate::run) struct RunSlots {
    pub(super) id: u64,
    slots: Box<[ArcSwapOption<EntryChunk>]>,
    /// The epoch in which a chunk was last evicted, 0 for never.
    evicted: Box<[AtomicU8]>,
}

impl RunSlots {
    pub(super) fn new(id: u64, chunks: usize) -> Self {
        Self {
            id,
            slots: (0..chunks).map(|_| ArcSwapOption::const_empty()).collect(),
            evicted: (0..chunks).map(|_| AtomicU8::new(0)).collect(),
        }
    }

    pub(in crate::run) fn memory_bytes(&self) -> usize {
        self.slots.len() * (size_of::<ArcSwapOption<EntryChunk>>() + 1) + size_of::<Self>()
    }

    /// The chunk, if it is here. The guard pins it.
    #[inline]
    pub(in crate::run) fn get(&self, at: usize) -> Option<Guard<Option<Arc<EntryChunk>>>> {
        let guard = self.slots.get(at)?.load();
        let chunk = guard.as_deref()?;
        let uses = chunk.uses.load(Ordering::Relaxed);
        if uses < MAX_USES {
            chunk.uses.store(uses + 1, Ordering::Relaxed);
        }
        Some(guard)
    }

    /// Fills an empty slot, or returns what is in it.
    pub(super) fn fill(&self, at: usize, chunk: &Arc<EntryChunk>) -> Result<(), Arc<EntryChunk>> {
        let Some(slot) = self.slots.get(at) else {
            return Err(Arc::clone(chunk));
        };
        let empty: Option<Arc<EntryChunk>> = None;
        let before = slot.compare_and_swap(&empty, Some(Arc::clone(chunk)));
        match Guard::into_inner(before) {
            None => Ok(()),
            Some(earlier) => Err(earlier),
        }
    }

    /// Empties a slot and remembers when. Returns the bytes that it held.
    pub(super) fn empty(&self, at: usize, epoch: u8) -> u64 {
        if let Some(evicted) = self.evicted.get(at) {
            evicted.store(epoch, Ordering::Relaxed);
        }
        let chunk = self.slots.get(at).and_then(|slot| slot.swap(None));
        chunk.map_or(0, |chunk| chunk.memory_bytes())
    }

    /// Empties all. Returns the bytes that they held.
    pub(super) fn clear(&self) -> u64 {
        let bytes =
            |slot: &ArcSwapOption<EntryChunk>| slot.swap(None).map_or(0, |chunk| chunk.memory_bytes());
        self.slots.iter().map(bytes).sum()
    }

    pub(super) fn was_evicted_lately(&self, at: usize, epoch: u8) -> bool {
        let evicted = self.evicted.get(at).map_or(0, |evicted| evicted.load(Ordering::Relaxed));
        evicted != 0 && (evicted == epoch || evicted == epoch.wrapping_sub(1))
    }

    /// Whether the chunk was used; forgets that.
    pub(super) fn take_uses(&self, at: usize) -> bool {
        self.change_uses(at, |_| 0)
    }

    /// Whether the chunk was used; forgets one use.
    pub(super) fn take_one_use(&self, at: usize) -> bool {
        self.change_uses(at, |uses| uses.saturating_sub(1))
    }

    fn change_uses(&self, at: usize, change: fn(u8) -> u8) -> bool {
        let Some(guard) = self.slots.get(at).map(|slot| slot.load()) else {
            return false;
        };
        let Some(chunk) = guard.as_deref() else {
            return false;
        };
        let uses = chunk.uses.load(Ordering::Relaxed);
        chunk.uses.store(change(uses), Ordering::Relaxed);
        uses > 0
    }
}
