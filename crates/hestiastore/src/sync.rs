//! Locks, atomics, atomic pointers and threads: whatever decides the order in which threads see each other's doings.
//!
//! The engine takes them from here and nowhere else, so that a build for tests can put others in their place, whose
//! every use is a point where a schedule is chosen. In the ordinary build this is a list of names and nothing more.
//! Counters of metrics order nothing and stay with the standard library; so do tests, which drive the engine from
//! outside.

pub(crate) use std::sync::OnceLock;
pub(crate) use std::thread_local;

pub(crate) use arc_swap::{ArcSwap, ArcSwapOption, Guard};
#[cfg(any(test, feature = "simulation"))]
pub(crate) use parking_lot::RwLockReadGuard;
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};

pub(crate) mod atomic {
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering};
}

pub(crate) mod hint {
    pub(crate) use std::hint::spin_loop;
}

pub(crate) mod thread {
    pub(crate) use std::thread::{Builder, JoinHandle, current, sleep, yield_now};
}
