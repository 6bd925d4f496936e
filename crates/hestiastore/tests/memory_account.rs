//! What the allocator gives out stays below what the configuration says (PROTOCOL M3).

#![allow(unsafe_code, reason = "a counting allocator needs it")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use hestiastore::SegmentIndex;
use hestiastore::config::Config;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: hands everything on to the system's allocator; counting touches no heap.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(held, Ordering::Relaxed);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn m3_the_allocator_gives_out_no_more_than_the_estimate_says() {
    const KEYS: u64 = 60_000;
    let value = |n: u64| [n as u8; 200];
    let folder = tempfile::tempdir().unwrap();
    let before = HELD.load(Ordering::Relaxed);
    let index = SegmentIndex::<u64, Vec<u8>>::builder(folder.path())
        .write_buffer(|w| w.budget_bytes(2 << 20).delta_cache_bytes(1 << 20))
        .cache(|c| c.chunk_bytes(1 << 20).loaded_bytes(1 << 20))
        .segment(|s| s.target_bytes(1 << 20))
        .create()
        .unwrap();
    for n in 0..KEYS {
        index.put(n.wrapping_mul(0x9e37_79b9_7f4a_7c15), value(n)).unwrap();
    }
    for n in (0..KEYS).step_by(5) {
        assert_eq!(index.get(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).unwrap(), Some(value(n).to_vec()));
    }
    let peak = PEAK.load(Ordering::Relaxed) - before;
    let metrics = index.metrics_snapshot();
    let estimate = metrics.memory.estimate_bytes;
    assert!(estimate < Config::default().memory_estimate_bytes());
    assert!(peak as u64 <= estimate, "{peak} bytes of {estimate}\n{metrics}");
    assert!(metrics.memory.total_bytes <= peak as u64, "{peak}\n{metrics}");
}
