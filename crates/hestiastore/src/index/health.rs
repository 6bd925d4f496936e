//! The state of an index, as the reference names it, and what ended it.
//!
//! ```text
//! OPENING -> READY -> CLOSING -> CLOSED
//!      \        \         \
//!       `--------`---------`--> ERROR   (final, but for close; CLOSED is final)
//! ```

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::sync::OnceLock;
use crate::sync::atomic::{AtomicU8, Ordering};

/// The life of an index.
///
/// ```
/// use hestiastore::{IndexState, SegmentIndex};
///
/// let index = SegmentIndex::<u64, String>::in_memory().create()?;
/// assert_eq!(index.state(), IndexState::Ready);
/// # Ok::<(), hestiastore::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum IndexState {
    /// Recovery is running; no call is answered yet.
    Opening = 0,
    /// Open for business.
    Ready = 1,
    /// `close` was called; what was begun is being ended.
    Closing = 2,
    /// Closed; the directory's lock is given up.
    Closed = 3,
    /// A write of log or manifest failed. Only `close` is of use; reopening recovers.
    Error = 4,
}

impl IndexState {
    fn from_u8(value: u8) -> Self {
        match value {
            0 => Self::Opening,
            1 => Self::Ready,
            2 => Self::Closing,
            3 => Self::Closed,
            _ => Self::Error,
        }
    }

    /// The state's name, in the reference's capitals.
    pub fn name(self) -> &'static str {
        match self {
            Self::Opening => "OPENING",
            Self::Ready => "READY",
            Self::Closing => "CLOSING",
            Self::Closed => "CLOSED",
            Self::Error => "ERROR",
        }
    }
}

/// The state and the first failure.
#[derive(Debug)]
pub(crate) struct Health {
    state: AtomicU8,
    cause: OnceLock<Arc<str>>,
}

impl Health {
    pub(crate) fn new() -> Self {
        Self { state: AtomicU8::new(IndexState::Opening as u8), cause: OnceLock::new() }
    }

    pub(crate) fn state(&self) -> IndexState {
        IndexState::from_u8(self.state.load(Ordering::Acquire))
    }

    /// Goes on to `next`. ERROR is never left but for CLOSED, and CLOSED never.
    pub(crate) fn advance(&self, next: IndexState) {
        let _ = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| {
            let stuck = now == IndexState::Error as u8 && next != IndexState::Closed;
            let over = now == IndexState::Closed as u8;
            (!stuck && !over).then_some(next as u8)
        });
    }

    /// Records the first failure and goes to ERROR. `false` if there was one before.
    pub(crate) fn fail(&self, cause: &str) -> bool {
        let is_first = self.cause.set(cause.into()).is_ok();
        self.advance(IndexState::Error);
        is_first
    }

    pub(crate) fn cause(&self) -> Arc<str> {
        self.cause.get().cloned().unwrap_or_else(|| "unknown".into())
    }

    /// Whether reads may go on: in READY, and during recovery.
    #[inline]
    pub(crate) fn check_readable(&self) -> Result<()> {
        if self.state.load(Ordering::Acquire) <= IndexState::Ready as u8 {
            return Ok(());
        }
        Err(self.refusal())
    }

    /// What who is refused is told: that the index has failed or ended. In READY it is a close that takes
    /// no writes while it saves what is in memory only: if it cannot, the index stays open.
    pub(crate) fn refusal(&self) -> Error {
        match self.state() {
            IndexState::Opening | IndexState::Ready => {
                Error::WritesRefused { cause: "a close is saving what is in memory only".into() }
            }
            IndexState::Closing | IndexState::Closed => Error::Closed,
            IndexState::Error => Error::Failed { cause: self.cause() },
        }
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.state() == IndexState::Error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d8_the_first_failure_stays() {
        let health = Health::new();
        health.advance(IndexState::Ready);
        health.fail("disk gone");
        health.fail("later");
        health.advance(IndexState::Ready);
        assert_eq!(health.state(), IndexState::Error);
        assert!(health.refusal().to_string().contains("disk gone"));
        health.advance(IndexState::Closed);
        assert!(matches!(health.refusal(), Error::Closed));
    }

    #[test]
    fn c7_closed_stays_closed() {
        let health = Health::new();
        health.advance(IndexState::Ready);
        health.advance(IndexState::Closed);
        health.fail("too late");
        assert_eq!(health.state(), IndexState::Closed);
    }
}
