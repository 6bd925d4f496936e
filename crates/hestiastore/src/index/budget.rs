//! Room for writes: one budget in bytes over all write buffers (PROTOCOL C2, M3).
//!
//! Room is taken before the commit section, as one amount, all or nothing. Who finds none waits in
//! line; whoever comes later waits behind, even for less. A single amount larger than the budget is
//! let through alone.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Condvar, Mutex};

/// See the module.
#[derive(Debug)]
pub(crate) struct WriteBudget {
    limit_bytes: u64,
    used_bytes: AtomicU64,
    /// Somebody waits: nobody may pass by taking what is free.
    crowded: AtomicBool,
    stopped: AtomicBool,
    line: Mutex<Line>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct Line {
    waiting: VecDeque<Waiting>,
    next_number: u64,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    bytes: u64,
}

/// Why somebody who waited gets no room.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoRoom {
    /// None will come for now, and why.
    Refused(Arc<str>),
    /// The index has failed or ended.
    Stopped,
}

impl WriteBudget {
    pub(crate) fn new(limit_bytes: u64) -> Self {
        Self {
            limit_bytes,
            used_bytes: AtomicU64::new(0),
            crowded: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            line: Mutex::default(),
            moved: Condvar::new(),
        }
    }

    pub(crate) fn limit_bytes(&self) -> u64 {
        self.limit_bytes
    }

    pub(crate) fn used_bytes(&self) -> u64 {
        self.used_bytes.load(Ordering::Relaxed)
    }

    /// Takes `bytes` if nobody waits and they are free.
    #[inline]
    pub(crate) fn try_take(&self, bytes: u64) -> bool {
        !self.crowded.load(Ordering::SeqCst) && self.take_if_free(bytes)
    }

    fn take_if_free(&self, bytes: u64) -> bool {
        let fits = |used: u64| (used == 0 || used + bytes <= self.limit_bytes).then_some(used + bytes);
        self.used_bytes.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fits).is_ok()
    }

    /// The amount that the first in line waits for.
    pub(crate) fn wanted_bytes(&self) -> Option<u64> {
        if !self.crowded.load(Ordering::Acquire) {
            return None;
        }
        self.line.lock().waiting.front().map(|first| first.bytes)
    }

    /// Waits in line for `bytes`. `on_wait` is called before each sleep at the front of the line, to ask
    /// for flushes until what [`WriteBudget::wanted_bytes`] says fits.
    ///
    /// Gives up when `refused` says why no room will come for now; see [`WriteBudget::wake`].
    pub(crate) fn take(
        &self,
        bytes: u64,
        on_wait: impl Fn(),
        refused: impl Fn() -> Option<Arc<str>>,
    ) -> Result<(), NoRoom> {
        let mut line = self.line.lock();
        let number = line.next_number;
        line.next_number += 1;
        line.waiting.push_back(Waiting { number, bytes });
        self.crowded.store(true, Ordering::SeqCst);
        let taken = loop {
            if self.stopped.load(Ordering::Acquire) {
                break Err(NoRoom::Stopped);
            }
            if line.waiting.front().is_some_and(|first| first.number == number) {
                if self.take_if_free(bytes) {
                    break Ok(());
                }
                on_wait();
            }
            if let Some(cause) = refused() {
                break Err(NoRoom::Refused(cause));
            }
            self.moved.wait(&mut line);
        };
        line.waiting.retain(|waiting| waiting.number != number);
        self.crowded.store(!line.waiting.is_empty(), Ordering::SeqCst);
        drop(line);
        self.moved.notify_all();
        taken
    }

    /// Takes `bytes` whatever is free: for replay, whose writes are in the log already.
    pub(crate) fn force(&self, bytes: u64) {
        self.used_bytes.fetch_add(bytes, Ordering::AcqRel);
    }

    /// Gives `bytes` back.
    pub(crate) fn release(&self, bytes: u64) {
        self.used_bytes.fetch_sub(bytes, Ordering::SeqCst);
        if self.crowded.load(Ordering::SeqCst) {
            drop(self.line.lock());
            self.moved.notify_all();
        }
    }

    /// Lets everyone who waits look again.
    pub(crate) fn wake(&self) {
        drop(self.line.lock());
        self.moved.notify_all();
    }

    /// Wakes everyone with an error, now and later.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        drop(self.line.lock());
        self.moved.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m3_one_amount_larger_than_the_budget_is_let_through_alone() {
        let budget = WriteBudget::new(100);
        assert!(budget.try_take(500));
        assert!(!budget.try_take(1));
        budget.release(500);
        assert!(budget.try_take(60));
        assert!(!budget.try_take(500));
    }

    #[test]
    fn c2_room_is_given_first_come_first_served() {
        let budget = WriteBudget::new(100);
        assert!(budget.try_take(90));
        let order = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                budget.take(80, || (), || None).unwrap();
                order.lock().push(80);
                budget.release(80);
            });
            while budget.line.lock().waiting.is_empty() {
                std::thread::yield_now();
            }
            // Ten bytes are free, and would be enough for this one.
            assert!(!budget.try_take(5));
            scope.spawn(|| {
                budget.take(30, || (), || None).unwrap();
                order.lock().push(30);
            });
            while budget.line.lock().waiting.len() < 2 {
                std::thread::yield_now();
            }
            budget.release(90);
        });
        assert_eq!(*order.lock(), [80, 30]);
    }

    #[test]
    fn c2_who_is_first_in_line_asks_again_while_too_little_is_given_back() {
        let budget = WriteBudget::new(100);
        assert!(budget.try_take(90));
        let asked = AtomicU64::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let ask = || {
                    asked.fetch_add(1, Ordering::SeqCst);
                };
                budget.take(80, ask, || None).unwrap();
            });
            for given_back in 1..=2 {
                while asked.load(Ordering::SeqCst) < given_back {
                    std::thread::yield_now();
                }
                assert_eq!(budget.wanted_bytes(), Some(80));
                budget.release(30);
            }
            while asked.load(Ordering::SeqCst) < 3 && budget.used_bytes() < 80 {
                std::thread::yield_now();
            }
            budget.release(30);
        });
        assert_eq!(budget.wanted_bytes(), None);
        assert_eq!(budget.used_bytes(), 80);
    }

    /// The refusal may be over by the time that the writer looks for its cause.
    #[test]
    fn d8_who_is_refused_is_told_the_cause_that_was_seen() {
        let budget = WriteBudget::new(10);
        assert!(budget.try_take(10));
        let cause = Mutex::new(Some(Arc::from("full")));
        let outcome = budget.take(1, || (), || cause.lock().take());
        assert_eq!(outcome, Err(NoRoom::Refused("full".into())));
    }

    #[test]
    fn stopping_wakes_who_waits() {
        let budget = WriteBudget::new(10);
        assert!(budget.try_take(10));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| budget.take(1, || (), || None));
            budget.stop();
            assert_eq!(waiting.join().unwrap(), Err(NoRoom::Stopped));
        });
    }
}
