//! The memory that the write buffers of an index are made of: counted, given back, used again.
//!
//! Slabs have few sizes, so that what one buffer gives back fits another. A new one is a quarter of what its
//! table holds already, or less: a small buffer costs little, an idle segment's buffer nothing.

use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sync::Mutex;

/// Memory of 8-byte words.
pub(super) type Slab = Box<[MaybeUninit<u64>]>;

const SMALLEST_WORDS: usize = 32;
pub(super) const LARGEST_WORDS: usize = 32 * 1024;
/// The sizes double from the smallest to the largest.
const SIZES: usize = (LARGEST_WORDS / SMALLEST_WORDS).ilog2() as usize + 1;

/// See the module.
#[derive(Debug)]
pub(crate) struct SlabPool {
    spare: Mutex<Spare>,
    /// At most so much is kept for later.
    spare_limit_bytes: u64,
    /// In buffers that exist, slot arrays included.
    held_bytes: AtomicU64,
    /// In sorted views of them.
    view_bytes: AtomicU64,
}

#[derive(Debug, Default)]
struct Spare {
    of_size: [Vec<Slab>; SIZES],
    bytes: u64,
}

impl SlabPool {
    pub(crate) fn new(spare_limit_bytes: u64) -> Arc<Self> {
        Arc::new(Self {
            spare: Mutex::default(),
            spare_limit_bytes,
            held_bytes: AtomicU64::new(0),
            view_bytes: AtomicU64::new(0),
        })
    }

    /// Bytes of all buffers that exist, those that only a reader still holds included.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.held_bytes.load(Ordering::Relaxed)
    }

    /// Bytes kept for buffers to come.
    pub(crate) fn spare_bytes(&self) -> u64 {
        self.spare.lock().bytes
    }

    /// Bytes of sorted views.
    pub(crate) fn view_bytes(&self) -> u64 {
        self.view_bytes.load(Ordering::Relaxed)
    }

    /// The words of a slab for an arena that holds so many bytes, with room for several allocations like this.
    pub(super) fn usual_words(held_bytes: usize, wanted_words: usize) -> usize {
        let by_held = (held_bytes / 8 / 4).checked_ilog2().map_or(1, |log| 1 << log);
        let by_wanted = (wanted_words * 4).next_power_of_two();
        by_held.max(by_wanted).clamp(SMALLEST_WORDS, LARGEST_WORDS)
    }

    /// A slab of exactly so many words.
    pub(super) fn take(&self, words: usize) -> Slab {
        self.count(words as u64 * 8);
        let spare = size_index(words).and_then(|index| {
            let mut spare = self.spare.lock();
            let slab = spare.of_size[index].pop()?;
            spare.bytes -= bytes_of(&slab);
            Some(slab)
        });
        spare.unwrap_or_else(|| Box::new_uninit_slice(words))
    }

    /// Keeps the slab for later, or frees it.
    pub(super) fn give_back(&self, slab: Slab) {
        let bytes = bytes_of(&slab);
        self.discount(bytes);
        let Some(index) = size_index(slab.len()) else { return };
        let mut spare = self.spare.lock();
        if spare.bytes + bytes <= self.spare_limit_bytes {
            spare.bytes += bytes;
            spare.of_size[index].push(slab);
        }
    }

    /// Counts other memory of a buffer.
    pub(super) fn count(&self, bytes: u64) {
        self.held_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn discount(&self, bytes: u64) {
        self.held_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

fn bytes_of(slab: &Slab) -> u64 {
    slab.len() as u64 * 8
}

/// Which of the sizes that are kept this is, if it is one.
fn size_index(words: usize) -> Option<usize> {
    let is_kept = words.is_power_of_two() && (SMALLEST_WORDS..=LARGEST_WORDS).contains(&words);
    is_kept.then(|| (words / SMALLEST_WORDS).ilog2() as usize)
}

/// Counts the bytes of a sorted view while it exists.
#[derive(Debug)]
pub(super) struct CountedView {
    pool: Arc<SlabPool>,
    bytes: u64,
}

impl CountedView {
    pub(super) fn new(pool: &Arc<SlabPool>, bytes: u64) -> Self {
        pool.view_bytes.fetch_add(bytes, Ordering::Relaxed);
        Self { pool: Arc::clone(pool), bytes }
    }
}

impl Drop for CountedView {
    fn drop(&mut self) {
        self.pool.view_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m3_slabs_are_used_again_and_counted() {
        let pool = SlabPool::new(1 << 20);
        let slab = pool.take(1024);
        let address = slab.as_ptr();
        assert_eq!((pool.held_bytes(), pool.spare_bytes()), (8192, 0));
        pool.give_back(slab);
        assert_eq!((pool.held_bytes(), pool.spare_bytes()), (0, 8192));
        let again = pool.take(1024);
        assert_eq!(again.as_ptr(), address);
        assert_eq!((pool.held_bytes(), pool.spare_bytes()), (8192, 0));
    }

    #[test]
    fn m3_no_more_is_kept_than_may_be() {
        let pool = SlabPool::new(10_000);
        let slabs = [pool.take(1024), pool.take(1024), pool.take(100), pool.take(128)];
        slabs.into_iter().for_each(|slab| pool.give_back(slab));
        assert_eq!((pool.held_bytes(), pool.spare_bytes()), (0, 8192 + 1024));
    }

    #[test]
    fn slabs_grow_with_their_buffer_and_with_what_is_wanted() {
        assert_eq!(SlabPool::usual_words(0, 1), SMALLEST_WORDS);
        assert_eq!(SlabPool::usual_words(0, 100), 512);
        assert_eq!(SlabPool::usual_words((2 << 20) - 1, 1), 32 * 1024);
        assert_eq!(SlabPool::usual_words(100_000, 1), 2 * 1024);
        assert_eq!(SlabPool::usual_words(1 << 30, 1), LARGEST_WORDS);
    }
}
