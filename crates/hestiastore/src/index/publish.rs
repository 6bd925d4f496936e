//! Raises `visible` in the order of commits (PROTOCOL C4).
//!
//! The commit section hands out tickets, 0, 1, 2, ..; after it, writers copy and insert side by side,
//! and each reports its ticket as complete. `visible` is the last seq of the longest complete prefix.
//!
//! Thread safety: all methods may be called from any thread. Invariants:
//! 1. `visible` never falls, and says that every commit up to it is copied into the log and inserted.
//! 2. At most [`IN_FLIGHT_LIMIT`] tickets are open at once (the commit section sees to it), so a slot
//!    of the ring is free again before its turn comes back.

use crate::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Condvar, Mutex, hint, thread};

/// How many commits may be between their section and their publication. Few where schedules are explored, so that
/// they meet the limit.
pub(crate) const IN_FLIGHT_LIMIT: u64 = if cfg!(feature = "exploration") { 4 } else { 1024 };

/// How often a writer looks again before it sleeps.
const SPINS: usize = if cfg!(feature = "exploration") { 1 } else { 200 };

/// A counter on a cache line of its own.
#[repr(align(128))]
struct Padded(AtomicU64);

struct Slot {
    /// The ticket that completed here last, plus one.
    completed: AtomicU64,
    last_seq: AtomicU64,
}

/// See the module.
pub(crate) struct Publisher {
    visible: Padded,
    /// The first ticket that is not published.
    head: Padded,
    ring: Box<[Slot]>,
    sleepers: AtomicUsize,
    failed: AtomicBool,
    lock: Mutex<()>,
    wake: Condvar,
}

/// The index failed while somebody waited.
#[derive(Debug)]
pub(crate) struct Wedged;

impl Publisher {
    pub(crate) fn new(visible: u64) -> Self {
        let slot = || Slot { completed: AtomicU64::new(0), last_seq: AtomicU64::new(0) };
        Self {
            visible: Padded(AtomicU64::new(visible)),
            head: Padded(AtomicU64::new(0)),
            ring: (0..IN_FLIGHT_LIMIT).map(|_| slot()).collect(),
            sleepers: AtomicUsize::new(0),
            failed: AtomicBool::new(false),
            lock: Mutex::new(()),
            wake: Condvar::new(),
        }
    }

    /// The seq up to which every commit can be read.
    #[inline]
    pub(crate) fn visible(&self) -> u64 {
        self.visible.0.load(Ordering::Acquire)
    }

    /// Starts over at `visible`; only while nobody else is there yet, after recovery.
    pub(crate) fn reset(&self, visible: u64) {
        self.visible.0.store(visible, Ordering::Release);
    }

    /// Whether one more ticket may be handed out after `next_ticket - 1`.
    pub(crate) fn has_room(&self, next_ticket: u64) -> bool {
        next_ticket - self.head.0.load(Ordering::Acquire) < IN_FLIGHT_LIMIT
    }

    /// Reports that everything of `ticket` is copied and inserted.
    pub(crate) fn complete(&self, ticket: u64, last_seq: u64) {
        let slot = self.slot(ticket);
        slot.last_seq.store(last_seq, Ordering::Relaxed);
        slot.completed.store(ticket + 1, Ordering::SeqCst);
        self.advance();
    }

    fn slot(&self, ticket: u64) -> &Slot {
        &self.ring[(ticket % IN_FLIGHT_LIMIT) as usize]
    }

    /// Publishes every complete ticket at the head. Whoever completes the head's ticket sees it, or
    /// another thread that is advancing does.
    fn advance(&self) {
        let mut raised = false;
        loop {
            let head = self.head.0.load(Ordering::SeqCst);
            let slot = self.slot(head);
            if slot.completed.load(Ordering::SeqCst) != head + 1 {
                break;
            }
            let last_seq = slot.last_seq.load(Ordering::Relaxed);
            let taken = self.head.0.compare_exchange(head, head + 1, Ordering::SeqCst, Ordering::SeqCst);
            if taken.is_ok() {
                // Two threads may publish neighbouring tickets in either order.
                self.visible.0.fetch_max(last_seq, Ordering::SeqCst);
                raised = true;
            }
        }
        if raised && self.sleepers.load(Ordering::SeqCst) > 0 {
            drop(self.lock.lock());
            self.wake.notify_all();
        }
    }

    /// Whether `seq` can be read now or after a few looks.
    pub(crate) fn is_visible_soon(&self, seq: u64) -> bool {
        for _ in 0..SPINS {
            if self.visible() >= seq {
                return true;
            }
            hint::spin_loop();
        }
        false
    }

    /// Waits until `seq` can be read.
    pub(crate) fn wait_visible(&self, seq: u64) -> Result<(), Wedged> {
        if self.is_visible_soon(seq) {
            return Ok(());
        }
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        let mut guard = self.lock.lock();
        let waited = loop {
            if self.visible.0.load(Ordering::SeqCst) >= seq {
                break Ok(());
            }
            if self.failed.load(Ordering::SeqCst) {
                break Err(Wedged);
            }
            self.wake.wait(&mut guard);
        };
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
        waited
    }

    /// Whether anybody sleeps until something is visible.
    #[cfg(test)]
    pub(super) fn has_sleepers(&self) -> bool {
        self.sleepers.load(Ordering::SeqCst) > 0
    }

    /// Waits until all of the first `tickets` are complete. Only for the end: marks are not waited for
    /// elsewhere, and take but a write each.
    pub(crate) fn wait_complete(&self, tickets: u64) -> Result<(), Wedged> {
        while self.head.0.load(Ordering::SeqCst) < tickets {
            if self.failed.load(Ordering::SeqCst) {
                return Err(Wedged);
            }
            thread::yield_now();
        }
        Ok(())
    }

    /// Wakes everyone: a commit will never complete.
    pub(crate) fn fail(&self) {
        self.failed.store(true, Ordering::SeqCst);
        drop(self.lock.lock());
        self.wake.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c4_visible_rises_in_seq_order() {
        let publisher = Publisher::new(10);
        publisher.complete(1, 12);
        assert_eq!(publisher.visible(), 10);
        publisher.complete(2, 15);
        assert_eq!(publisher.visible(), 10);
        publisher.complete(0, 11);
        assert_eq!(publisher.visible(), 15);
    }

    #[test]
    fn c4_a_failure_wakes_everyone_who_waits() {
        let publisher = Publisher::new(0);
        std::thread::scope(|scope| {
            let waiting: Vec<_> = (0..3).map(|_| scope.spawn(|| publisher.wait_visible(5))).collect();
            publisher.fail();
            for thread in waiting {
                assert!(thread.join().unwrap().is_err());
            }
        });
    }

    #[test]
    fn many_threads_complete_out_of_order() {
        let publisher = Publisher::new(0);
        let next = Mutex::new(0u64);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..5_000 {
                        let ticket = loop {
                            let mut next = next.lock();
                            if publisher.has_room(*next) {
                                *next += 1;
                                break *next - 1;
                            }
                        };
                        publisher.complete(ticket, ticket + 1);
                        publisher.wait_visible(ticket + 1).unwrap();
                        assert!(publisher.visible() > ticket, "it never falls");
                    }
                });
            }
        });
        assert_eq!(publisher.visible(), 20_000);
    }
}
