//! Writes refused for now: a full disk or quota is met before the commit section, and passes (PROTOCOL D8).
//!
//! Reads go on, and so do writes while there is room in memory and in the log. Who finds no room is
//! told why instead of waiting. Flushes are tried again now and then; the first that succeeds ends it.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::core::Core;
use crate::error::Error;

/// Why writes are refused, while they are.
#[derive(Debug, Default)]
pub(crate) struct RefusedWrites {
    cause: ArcSwapOption<String>,
}

impl RefusedWrites {
    pub(crate) fn is_active(&self) -> bool {
        self.cause.load().is_some()
    }

    pub(crate) fn cause(&self) -> Option<Arc<str>> {
        self.cause.load().as_deref().map(|cause| cause.as_str().into())
    }
}

impl Core {
    /// Notes that there is no space; the error for whoever met it.
    pub(crate) fn refuse_writes(&self, error: &Error) -> Error {
        let cause = error.to_string();
        self.refused_writes.cause.store(Some(Arc::new(cause.clone())));
        self.budget.wake();
        Error::WritesRefused { cause: cause.into() }
    }

    /// Something was written: there is space again.
    pub(crate) fn accept_writes(&self) {
        if self.refused_writes.is_active() {
            self.refused_writes.cause.store(None);
        }
    }
}
