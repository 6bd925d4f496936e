//! A cached read without a copy allocates nothing (DESIGN, read path; PROTOCOL M1).

#![allow(unsafe_code, reason = "a counting allocator needs it")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use hestiastore::SegmentIndex;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: hands everything on to the system's allocator; counting touches no heap.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations_of(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}

#[test]
fn m1_a_cached_read_allocates_nothing() {
    let index = SegmentIndex::<u64, Vec<u8>>::in_memory().create().unwrap();
    for n in 0..20_000u64 {
        index.put(n, n.to_be_bytes()).unwrap();
    }
    index.compact_and_wait().unwrap();
    index.put(50_000, b"in the write buffer").unwrap();
    let read_all = || {
        for n in (0..20_000u64).step_by(7) {
            assert_eq!(&*index.get_ref(n).unwrap().unwrap(), &n.to_be_bytes());
            assert_eq!(index.get_with(n, <[u8]>::len).unwrap(), Some(8));
        }
        assert_eq!(&*index.get_ref(50_000).unwrap().unwrap(), b"in the write buffer");
        assert!(index.get_ref(60_000).unwrap().is_none());
    };
    read_all();
    assert_eq!(allocations_of(read_all), 0);
}
