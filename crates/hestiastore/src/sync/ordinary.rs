//! What the engine runs on.

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
