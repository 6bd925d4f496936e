//! When something that failed is tried again: after a pause that doubles with each failure.

use std::time::Duration;

use crate::sync::Mutex;

/// See the module. Times are those of the monotonic clock, in microseconds.
#[derive(Debug)]
pub(crate) struct Retry {
    first_pause_micros: u64,
    longest_pause_micros: u64,
    plan: Mutex<Option<Plan>>,
}

#[derive(Debug, Clone, Copy)]
struct Plan {
    due_micros: u64,
    pause_micros: u64,
}

impl Retry {
    pub(crate) const fn new(first_pause: Duration, longest_pause: Duration) -> Self {
        Self {
            first_pause_micros: first_pause.as_micros() as u64,
            longest_pause_micros: longest_pause.as_micros() as u64,
            plan: Mutex::new(None),
        }
    }

    /// It failed. Several failures within one pause count once: `false` but for the first.
    pub(crate) fn note_failure(&self, now_micros: u64) -> bool {
        let mut plan = self.plan.lock();
        let pause_micros = match *plan {
            None => self.first_pause_micros,
            Some(plan) if now_micros < plan.due_micros => return false,
            Some(plan) => (plan.pause_micros * 2).min(self.longest_pause_micros),
        };
        *plan = Some(Plan { due_micros: now_micros + pause_micros, pause_micros });
        true
    }

    /// It did not fail, or there is nothing left to try.
    pub(crate) fn note_success(&self) {
        *self.plan.lock() = None;
    }

    /// When it is to be tried again, if it failed.
    pub(crate) fn due_micros(&self) -> Option<u64> {
        self.plan.lock().map(|plan| plan.due_micros)
    }

    /// It failed, and is to be tried again now.
    pub(crate) fn is_due(&self, now_micros: u64) -> bool {
        self.plan.lock().is_some_and(|plan| now_micros >= plan.due_micros)
    }

    /// It failed, and is not to be tried again yet.
    pub(crate) fn must_wait(&self, now_micros: u64) -> bool {
        self.plan.lock().is_some_and(|plan| now_micros < plan.due_micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let retry = Retry::new(Duration::from_micros(10), Duration::from_micros(25));
        assert!(!retry.is_due(0) && !retry.must_wait(0));
        assert!(retry.note_failure(100));
        assert!(!retry.note_failure(105));
        assert_eq!(retry.due_micros(), Some(110));
        assert!(retry.must_wait(109) && retry.is_due(110));
        retry.note_failure(110);
        assert!(retry.must_wait(129) && retry.is_due(130));
        retry.note_failure(130);
        assert!(retry.must_wait(154) && retry.is_due(155));
        retry.note_success();
        assert!(!retry.is_due(1_000) && !retry.must_wait(0));
    }
}
