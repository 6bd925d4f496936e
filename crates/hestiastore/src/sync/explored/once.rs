//! A cell that is set once, each operation after a scheduling point.

use super::scheduling_point;

#[derive(Debug, Default)]
pub(crate) struct OnceLock<T>(std::sync::OnceLock<T>);

impl<T> OnceLock<T> {
    pub(crate) const fn new() -> Self {
        Self(std::sync::OnceLock::new())
    }

    pub(crate) fn get(&self) -> Option<&T> {
        scheduling_point();
        self.0.get()
    }

    pub(crate) fn set(&self, value: T) -> Result<(), T> {
        scheduling_point();
        self.0.set(value)
    }
}
