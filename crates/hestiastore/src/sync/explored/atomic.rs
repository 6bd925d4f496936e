//! Atomics of the same size as the standard library's, each operation after a scheduling point.

use std::sync::atomic;

pub(crate) use std::sync::atomic::Ordering;

use super::scheduling_point;

macro_rules! atomic {
    ($name:ident, $inner:ty, $value:ty, [$($generic:tt)*]) => {
        #[derive(Debug, Default)]
        #[repr(transparent)]
        pub(crate) struct $name$($generic)*($inner);

        #[allow(dead_code, reason = "the same for all")]
        impl$($generic)* $name$($generic)* {
            pub(crate) const fn new(value: $value) -> Self {
                Self(<$inner>::new(value))
            }

            pub(crate) fn load(&self, order: Ordering) -> $value {
                scheduling_point();
                self.0.load(order)
            }

            pub(crate) fn store(&self, value: $value, order: Ordering) {
                scheduling_point();
                self.0.store(value, order);
            }

            pub(crate) fn swap(&self, value: $value, order: Ordering) -> $value {
                scheduling_point();
                self.0.swap(value, order)
            }

            pub(crate) fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                scheduling_point();
                self.0.compare_exchange(current, new, success, failure)
            }

            /// Never fails without a reason.
            pub(crate) fn compare_exchange_weak(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.compare_exchange(current, new, success, failure)
            }

            pub(crate) fn get_mut(&mut self) -> &mut $value {
                self.0.get_mut()
            }

            pub(crate) fn into_inner(self) -> $value {
                self.0.into_inner()
            }
        }
    };
}

macro_rules! numbers {
    ($name:ident, $value:ty) => {
        atomic!($name, atomic::$name, $value, []);

        #[allow(dead_code, reason = "the same for all")]
        impl $name {
            pub(crate) fn fetch_add(&self, value: $value, order: Ordering) -> $value {
                scheduling_point();
                self.0.fetch_add(value, order)
            }

            pub(crate) fn fetch_sub(&self, value: $value, order: Ordering) -> $value {
                scheduling_point();
                self.0.fetch_sub(value, order)
            }

            pub(crate) fn fetch_max(&self, value: $value, order: Ordering) -> $value {
                scheduling_point();
                self.0.fetch_max(value, order)
            }

            pub(crate) fn fetch_min(&self, value: $value, order: Ordering) -> $value {
                scheduling_point();
                self.0.fetch_min(value, order)
            }

            pub(crate) fn fetch_or(&self, value: $value, order: Ordering) -> $value {
                scheduling_point();
                self.0.fetch_or(value, order)
            }

            pub(crate) fn fetch_and(&self, value: $value, order: Ordering) -> $value {
                scheduling_point();
                self.0.fetch_and(value, order)
            }

            /// A load and an exchange, tried until nobody came between, as in the standard library.
            pub(crate) fn fetch_update(
                &self,
                set_order: Ordering,
                fetch_order: Ordering,
                mut change: impl FnMut($value) -> Option<$value>,
            ) -> Result<$value, $value> {
                let mut seen = self.load(fetch_order);
                while let Some(next) = change(seen) {
                    match self.compare_exchange(seen, next, set_order, fetch_order) {
                        Ok(previous) => return Ok(previous),
                        Err(other) => seen = other,
                    }
                }
                Err(seen)
            }
        }
    };
}

numbers!(AtomicU8, u8);
numbers!(AtomicU64, u64);
numbers!(AtomicUsize, usize);
atomic!(AtomicBool, atomic::AtomicBool, bool, []);
atomic!(AtomicPtr, atomic::AtomicPtr<T>, *mut T, [<T>]);
