//! Time that writers were held up, by cause.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Why a writer was held up. The later, the more severe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StallCause {
    /// The write budget fills faster than flushes empty it.
    Slowed,
    /// The write budget is full.
    Room,
    /// The same, and what fills it must wait for merges.
    Merges,
    /// The log is full and the next one is not ready.
    Log,
    /// Too many commits are under way.
    Commits,
    /// An earlier commit is not visible yet.
    Visibility,
}

impl StallCause {
    const COUNT: usize = Self::Visibility as usize + 1;
}

#[derive(Debug, Default)]
struct Stall {
    count: AtomicU64,
    micros: AtomicU64,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Stalls([Stall; StallCause::COUNT]);

/// How often, and how long in all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct StallTime {
    pub(crate) count: u64,
    pub(crate) micros: u64,
}

impl Stalls {
    pub(crate) fn note(&self, cause: StallCause, time: Duration) {
        let stall = &self.0[cause as usize];
        stall.count.fetch_add(1, Ordering::Relaxed);
        stall.micros.fetch_add(time.as_micros() as u64, Ordering::Relaxed);
    }

    pub(crate) fn of(&self, cause: StallCause) -> StallTime {
        let stall = &self.0[cause as usize];
        StallTime { count: stall.count.load(Ordering::Relaxed), micros: stall.micros.load(Ordering::Relaxed) }
    }

    /// Of all causes together.
    pub(crate) fn total(&self) -> StallTime {
        self.0.iter().fold(StallTime::default(), |sum, stall| StallTime {
            count: sum.count + stall.count.load(Ordering::Relaxed),
            micros: sum.micros + stall.micros.load(Ordering::Relaxed),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_is_counted_for_itself() {
        let stalls = Stalls::default();
        stalls.note(StallCause::Slowed, Duration::from_micros(7));
        stalls.note(StallCause::Slowed, Duration::from_micros(5));
        stalls.note(StallCause::Visibility, Duration::from_millis(1));
        assert_eq!(stalls.of(StallCause::Slowed), StallTime { count: 2, micros: 12 });
        assert_eq!(stalls.of(StallCause::Room), StallTime::default());
        assert_eq!(stalls.total(), StallTime { count: 3, micros: 1_012 });
    }
}
