//! The same names for the exploration of schedules: all threads are coroutines of one, and a scheduler picks who
//! goes on at every point below.
//!
//! What is explored is every order of steps, as if memory were sequentially consistent; that the weaker orderings
//! suffice is for ThreadSanitizer and Miri to say. Time does not pass: a timed wait may end at any moment. Outside of
//! an exploration locks cannot be used; atomics and pointers can.

mod arc_swap;
pub(crate) mod atomic;
mod condvar;
mod lock;
mod once;
#[cfg(test)]
mod schedule;

pub(crate) use self::arc_swap::{ArcSwap, ArcSwapOption, Guard};
pub(crate) use self::condvar::Condvar;
#[cfg(any(test, feature = "simulation"))]
pub(crate) use self::lock::RwLockReadGuard;
pub(crate) use self::lock::{Mutex, MutexGuard, RwLock};
pub(crate) use self::once::OnceLock;
#[cfg(test)]
pub(crate) use self::schedule::{calmly, explore, explore_panics};
pub(crate) use shuttle::thread_local;

pub(crate) mod hint {
    pub(crate) use shuttle::hint::spin_loop;
}

pub(crate) mod thread {
    pub(crate) use shuttle::thread::{Builder, JoinHandle, current, sleep, yield_now};
}

/// Anybody may go on from here.
fn scheduling_point() {
    if shuttle::current::try_get_current_task().is_some() {
        // The scheduler's plain switch: without time, a sleep is nothing else.
        thread::sleep(std::time::Duration::ZERO);
    }
}
