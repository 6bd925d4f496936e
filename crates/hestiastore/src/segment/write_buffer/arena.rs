//! Memory that only grows, with addresses that stay until all of it is given back.
//!
//! One thread allocates at a time (the table's insert lock sees to it); any number may read what was
//! allocated, for as long as the arena lives. Slabs come from a pool and go back there.

#![expect(unsafe_code, reason = "hands out raw memory of slabs that live as long as the arena")]

use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Arc;

use super::slabs::{LARGEST_WORDS, SlabPool};

/// A larger allocation gets a slab of its own: the rest of the one in use would be lost for little.
const LARGEST_SHARED_WORDS: usize = LARGEST_WORDS / 8;

/// A bump allocator of 8-byte words.
#[derive(Debug)]
pub(super) struct Arena {
    pool: Arc<SlabPool>,
    /// Kept as raw pointers: a `Box` that is moved would assert that nobody else points into it.
    slabs: Vec<NonNull<[MaybeUninit<u64>]>>,
    /// The slab that small allocations come from, and how many of its words are taken.
    current: Option<NonNull<[MaybeUninit<u64>]>>,
    used_words: usize,
    /// In all slabs that small allocations came from.
    shared_bytes: usize,
    reserved_bytes: usize,
}

// SAFETY: the arena owns its slabs; the pointers are its own and carry no thread's state.
unsafe impl Send for Arena {}

impl Arena {
    /// Takes no memory yet.
    pub(super) fn new(pool: &Arc<SlabPool>) -> Self {
        Self {
            pool: Arc::clone(pool),
            slabs: Vec::new(),
            current: None,
            used_words: 0,
            shared_bytes: 0,
            reserved_bytes: 0,
        }
    }

    /// Bytes of memory taken from the pool.
    pub(super) fn reserved_bytes(&self) -> usize {
        self.reserved_bytes
    }

    /// Fresh memory of at least `bytes` bytes, aligned to 8, valid for reads and writes until the
    /// arena is dropped.
    pub(super) fn allocate(&mut self, bytes: usize) -> NonNull<u8> {
        let words = bytes.div_ceil(8).max(1);
        if words > LARGEST_SHARED_WORDS {
            return self.add_slab(words).cast::<u8>();
        }
        let slab = match self.current {
            Some(slab) if slab.len() - self.used_words >= words => slab,
            _ => {
                let slab = self.add_slab(SlabPool::usual_words(self.shared_bytes, words));
                self.shared_bytes += slab.len() * 8;
                self.current = Some(slab);
                self.used_words = 0;
                slab
            }
        };
        let start = self.used_words;
        self.used_words += words;
        // SAFETY: `start + words` lies within the slab: either there was room, or the slab was just
        // made with at least `words` words.
        unsafe { slab.cast::<u64>().add(start).cast::<u8>() }
    }

    fn add_slab(&mut self, words: usize) -> NonNull<[MaybeUninit<u64>]> {
        let slab = NonNull::from(Box::leak(self.pool.take(words)));
        self.reserved_bytes += words * 8;
        self.slabs.push(slab);
        slab
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        for slab in self.slabs.drain(..) {
            // SAFETY: each pointer came from `Box::leak` of exactly this slice and is taken back once; nobody
            // reads the arena's memory any more.
            self.pool.give_back(unsafe { Box::from_raw(slab.as_ptr()) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arena() -> Arena {
        Arena::new(&SlabPool::new(1 << 20))
    }

    #[test]
    fn allocations_do_not_overlap_and_stay() {
        let mut arena = arena();
        let mut taken = Vec::new();
        for i in 0..2_000usize {
            let bytes = 1 + (i * 37) % 700;
            let place = arena.allocate(bytes);
            // SAFETY: fresh memory of `bytes` bytes.
            unsafe { place.as_ptr().write_bytes(i as u8, bytes) };
            taken.push((place, bytes, i as u8));
        }
        for (place, bytes, mark) in taken {
            // SAFETY: the arena still lives and the bytes were written above.
            let content = unsafe { std::slice::from_raw_parts(place.as_ptr(), bytes) };
            assert!(content.iter().all(|byte| *byte == mark));
        }
    }

    #[test]
    fn m3_an_arena_takes_little_more_than_is_asked_of_it() {
        for size in [1usize, 40, 500, 9_000, 30_000, 70_000, 600_000] {
            let mut arena = arena();
            assert_eq!(arena.reserved_bytes(), 0);
            let mut asked = 0;
            while asked < 40 * size.max(100) {
                arena.allocate(size);
                asked += size.next_multiple_of(8);
                let most = asked * 5 / 3 + 8 * (size + 8).next_power_of_two().max(64);
                assert!(arena.reserved_bytes() <= most, "{} for {asked} in {size}", arena.reserved_bytes());
            }
        }
    }

    #[test]
    fn m3_a_large_allocation_leaves_the_slab_in_use() {
        let mut arena = arena();
        let mut asked = 0;
        for _ in 0..20 {
            arena.allocate(600_000);
            arena.allocate(16);
            asked += 600_016;
        }
        assert!(arena.reserved_bytes() < asked + 1_024, "{} for {asked}", arena.reserved_bytes());
    }

    #[test]
    fn slabs_go_back_to_the_pool_and_come_again() {
        let pool = SlabPool::new(1 << 20);
        let mut arena = Arena::new(&pool);
        arena.allocate(100);
        let held = pool.held_bytes();
        drop(arena);
        assert_eq!((pool.held_bytes(), pool.spare_bytes()), (0, held));
        let mut arena = Arena::new(&pool);
        let place = arena.allocate(100);
        // SAFETY: fresh memory of 100 bytes.
        unsafe { place.as_ptr().write_bytes(7, 100) };
        assert_eq!((pool.held_bytes(), pool.spare_bytes()), (held, 0));
    }
}
