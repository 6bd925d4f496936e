//! Condition variables whose timed waits can end at any moment, and do end when nothing else can go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use shuttle::rand::{Rng, thread_rng};

use super::lock::MutexGuard;
use super::{scheduling_point, thread};

/// A timed wait that nobody has called ends in one of so many looks.
const LOOKS_TO_TIME_OUT: u32 = 4;

/// The list of those who wait. Held for no scheduling point, so the real lock under it is always free.
#[derive(Debug, Default)]
pub(crate) struct Condvar {
    waiting: parking_lot::Mutex<Vec<Arc<Waiter>>>,
}

#[derive(Debug, Default)]
struct Waiter {
    called: AtomicBool,
    lock: shuttle::sync::Mutex<()>,
    wake: shuttle::sync::Condvar,
}

/// How a timed wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    pub(crate) fn timed_out(self) -> bool {
        self.0
    }
}

#[allow(dead_code, reason = "as in the crate whose place this takes")]
impl Condvar {
    pub(crate) const fn new() -> Self {
        Self { waiting: parking_lot::Mutex::new(Vec::new()) }
    }

    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        let waiter = self.enlist();
        guard.without(|| waiter.sleep());
    }

    pub(crate) fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, _timeout: Duration) -> WaitTimeoutResult {
        let waiter = self.enlist();
        guard.without(|| {
            loop {
                thread::yield_now();
                if waiter.called.load(Ordering::SeqCst) {
                    return WaitTimeoutResult(false);
                }
                if thread_rng().gen_ratio(1, LOOKS_TO_TIME_OUT) {
                    self.waiting.lock().retain(|other| !Arc::ptr_eq(other, &waiter));
                    return WaitTimeoutResult(true);
                }
            }
        })
    }

    /// Wakes any one of those who wait.
    pub(crate) fn notify_one(&self) {
        scheduling_point();
        let called = {
            let mut waiting = self.waiting.lock();
            if waiting.is_empty() {
                return;
            }
            let chosen = thread_rng().gen_range(0..waiting.len());
            waiting.remove(chosen)
        };
        called.wake_up();
    }

    pub(crate) fn notify_all(&self) {
        scheduling_point();
        let called = std::mem::take(&mut *self.waiting.lock());
        // At once for all: who waits from here on is not called.
        called.iter().for_each(|waiter| waiter.called.store(true, Ordering::SeqCst));
        called.iter().for_each(|waiter| waiter.wake_up());
    }

    fn enlist(&self) -> Arc<Waiter> {
        let waiter = Arc::<Waiter>::default();
        self.waiting.lock().push(Arc::clone(&waiter));
        waiter
    }
}

impl Waiter {
    fn sleep(&self) {
        let mut guard = self.lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        while !self.called.load(Ordering::SeqCst) {
            guard = self.wake.wait(guard).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    fn wake_up(&self) {
        self.called.store(true, Ordering::SeqCst);
        drop(self.lock.lock());
        self.wake.notify_all();
    }
}
