//! Memory that only grows, with addresses that stay until all of it is given back.
//!
//! One thread allocates at a time (the table's insert lock sees to it); any number may read what was
//! allocated, for as long as the arena lives.

#![expect(unsafe_code, reason = "hands out raw memory of slabs that live as long as the arena")]

use std::mem::MaybeUninit;
use std::ptr::NonNull;

const FIRST_SLAB_WORDS: usize = 128;
const LARGEST_SLAB_WORDS: usize = 32 * 1024;

/// A bump allocator of 8-byte words.
#[derive(Debug)]
pub(super) struct Arena {
    /// Kept as raw pointers: a `Box` that is moved would assert that nobody else points into it.
    slabs: Vec<NonNull<[MaybeUninit<u64>]>>,
    /// Words of the newest slab that are taken.
    used_words: usize,
    reserved_bytes: usize,
}

// SAFETY: the arena owns its slabs; the pointers are its own and carry no thread's state.
unsafe impl Send for Arena {}

impl Arena {
    pub(super) fn new() -> Self {
        Self { slabs: Vec::new(), used_words: 0, reserved_bytes: 0 }
    }

    /// Bytes of memory taken from the system.
    pub(super) fn reserved_bytes(&self) -> usize {
        self.reserved_bytes
    }

    /// Fresh memory of at least `bytes` bytes, aligned to 8, valid for reads and writes until the
    /// arena is dropped.
    pub(super) fn allocate(&mut self, bytes: usize) -> NonNull<u8> {
        let words = bytes.div_ceil(8).max(1);
        let room = self.slabs.last().map_or(0, |slab| slab.len() - self.used_words);
        if words > room {
            self.add_slab(words);
        }
        let start = self.used_words;
        self.used_words += words;
        let slab = self.slabs[self.slabs.len() - 1];
        // SAFETY: `start + words` lies within the slab: either there was room, or the slab was just
        // made with at least `words` words.
        unsafe { slab.cast::<u64>().add(start).cast::<u8>() }
    }

    fn add_slab(&mut self, least_words: usize) {
        // In proportion to what there is, so that little of a small buffer lies idle.
        let usual = (self.reserved_bytes / 8 / 4).clamp(FIRST_SLAB_WORDS, LARGEST_SLAB_WORDS);
        let slab = Box::new_uninit_slice(usual.max(least_words));
        self.reserved_bytes += slab.len() * 8;
        self.slabs.push(NonNull::from(Box::leak(slab)));
        self.used_words = 0;
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        for slab in self.slabs.drain(..) {
            // SAFETY: each pointer came from `Box::leak` of exactly this slice and is dropped once.
            drop(unsafe { Box::from_raw(slab.as_ptr()) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocations_do_not_overlap_and_stay() {
        let mut arena = Arena::new();
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
    fn one_allocation_may_be_larger_than_a_slab() {
        let mut arena = Arena::new();
        arena.allocate(1);
        arena.allocate(LARGEST_SLAB_WORDS * 8 + 1);
        assert!(arena.reserved_bytes() > LARGEST_SLAB_WORDS * 8);
    }
}
