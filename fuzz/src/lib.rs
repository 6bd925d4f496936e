//! Runs an entry point with a count of what it allocates.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What a decoder may hold at once, beside [`PER_INPUT_BYTE`]: buffers of fixed size, of which the largest are
/// pieces of files that the harness lays out around the input.
const FIXED_BYTES: usize = 1 << 20;
const PER_INPUT_BYTE: usize = 64;

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST_HELD: AtomicUsize = AtomicUsize::new(0);

struct Counting;

fn count_taken(bytes: usize) {
    let held = HELD.fetch_add(bytes, Relaxed).wrapping_add(bytes);
    // More than half of all memory: what was freed here was taken before counting began.
    if held <= usize::MAX / 2 {
        MOST_HELD.fetch_max(held, Relaxed);
    }
}

// SAFETY: hands everything on to the system's allocator; counting touches no heap.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count_taken(layout.size());
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count_taken(layout.size());
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, new_bytes: usize) -> *mut u8 {
        count_taken(new_bytes);
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.realloc(place, layout, new_bytes) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// One execution. Panics if more was allocated than a small multiple of the input.
pub fn run(target: fn(&[u8]), data: &[u8]) {
    run_within(target, data, PER_INPUT_BYTE, FIXED_BYTES);
}

/// [`run`] with other limits: so many bytes a byte of input, and so many beside.
pub fn run_within(target: fn(&[u8]), data: &[u8], per_input_byte: usize, fixed_bytes: usize) {
    let before = HELD.load(Relaxed);
    MOST_HELD.store(before, Relaxed);
    target(data);
    let most = MOST_HELD.load(Relaxed).saturating_sub(before);
    let limit = data.len() * per_input_byte + fixed_bytes;
    assert!(most <= limit, "{most} bytes were held at once for an input of {}, limit {limit}", data.len());
}
