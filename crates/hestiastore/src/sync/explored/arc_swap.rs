//! Atomic pointers, each operation after a scheduling point.

use std::sync::Arc;

use arc_swap::{AsRaw, RefCnt};

use super::scheduling_point;

pub(crate) use arc_swap::Guard;

#[derive(Debug, Default)]
pub(crate) struct ArcSwapAny<T: RefCnt>(arc_swap::ArcSwapAny<T>);

pub(crate) type ArcSwap<T> = ArcSwapAny<Arc<T>>;
pub(crate) type ArcSwapOption<T> = ArcSwapAny<Option<Arc<T>>>;

#[allow(dead_code, reason = "as in the crate whose place this takes")]
impl<T: RefCnt> ArcSwapAny<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(arc_swap::ArcSwapAny::new(value))
    }

    pub(crate) fn load(&self) -> Guard<T> {
        scheduling_point();
        self.0.load()
    }

    pub(crate) fn load_full(&self) -> T {
        scheduling_point();
        self.0.load_full()
    }

    pub(crate) fn store(&self, value: T) {
        drop(self.swap(value));
    }

    pub(crate) fn swap(&self, value: T) -> T {
        scheduling_point();
        self.0.swap(value)
    }

    pub(crate) fn compare_and_swap(&self, current: impl AsRaw<T::Base>, new: T) -> Guard<T> {
        scheduling_point();
        self.0.compare_and_swap(current, new)
    }
}

impl<T> ArcSwapAny<Arc<T>> {
    pub(crate) fn from_pointee(value: T) -> Self {
        Self::new(Arc::new(value))
    }
}

impl<T> ArcSwapAny<Option<Arc<T>>> {
    pub(crate) const fn const_empty() -> Self {
        Self(arc_swap::ArcSwapOption::const_empty())
    }

    pub(crate) fn empty() -> Self {
        Self::const_empty()
    }
}
