//! What a failure means (PROTOCOL D8), and where it can be seen.
//!
//! * A write or sync that fails on a log in use, on the manifest or on the directory is final: ERROR.
//! * Whatever stands in the way before the commit section (a full disk or quota, a file-size limit, too many
//!   open files, a run that cannot be written) refuses writes for now. Reads go on, and so do writes while
//!   there is room in memory and in the log; who finds none is told why instead of waiting. What failed
//!   is tried again now and then, and by each write that is refused; the first success ends it.
//! * A failure in the background that neither ends the index nor refuses writes is counted and kept.

use std::sync::Arc;

use super::core::Core;
use super::retry::Retry;
use crate::error::{Error, Result};
use crate::sync::ArcSwapOption;
use crate::sync::atomic::{AtomicU64, Ordering};

/// What writes need that cannot be had. Each is refused, and accepted again, for itself: a new log does not
/// say that buffers can be flushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// The first write's preparations, and the next log.
    Log,
    /// Room in memory, which flushes give back.
    Flush,
}

/// Why writes are refused, while they are.
#[derive(Debug, Default)]
pub(crate) struct RefusedWrites {
    by_log: ArcSwapOption<String>,
    by_flush: ArcSwapOption<String>,
}

impl RefusedWrites {
    fn of(&self, need: Need) -> &ArcSwapOption<String> {
        match need {
            Need::Log => &self.by_log,
            Need::Flush => &self.by_flush,
        }
    }

    /// Whether no room will come for now.
    pub(crate) fn is_without_room(&self) -> bool {
        self.by_flush.load().is_some()
    }

    pub(crate) fn cause(&self) -> Option<Arc<str>> {
        [Need::Flush, Need::Log].into_iter().find_map(|need| self.cause_of(need))
    }

    pub(crate) fn cause_of(&self, need: Need) -> Option<Arc<str>> {
        self.of(need).load_full().map(|cause| cause.as_str().into())
    }
}

/// Failures that nobody waits for.
#[derive(Debug, Default)]
pub(crate) struct BackgroundFailures {
    count: AtomicU64,
    last: ArcSwapOption<String>,
}

impl BackgroundFailures {
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// What the last one was about; empty if there was none.
    pub(crate) fn last(&self) -> String {
        self.last.load().as_deref().cloned().unwrap_or_default()
    }
}

impl Core {
    /// Notes that writes cannot be taken for now; the error for whoever met it.
    pub(crate) fn refuse_writes(&self, need: Need, error: &Error) -> Error {
        let cause: Arc<str> = match error {
            Error::WritesRefused { cause } => Arc::clone(cause),
            other => other.to_string().into(),
        };
        let before = self.refused_writes.of(need).swap(Some(Arc::new(cause.as_ref().to_owned())));
        if before.is_none() {
            self.tell_refused(need, &cause);
        }
        self.plan_retry(self.retry_of(need));
        if need == Need::Flush {
            self.budget.wake();
        }
        Error::WritesRefused { cause }
    }

    /// What stood in the way is gone.
    pub(crate) fn accept_writes(&self, need: Need) {
        let refused = self.refused_writes.of(need);
        if refused.load().is_some() && refused.swap(None).is_some() {
            self.retry_of(need).note_success();
            self.tell_accepted(need);
        }
    }

    fn retry_of(&self, need: Need) -> &Retry {
        match need {
            Need::Log => &self.log_retry,
            Need::Flush => &self.flush_retry,
        }
    }

    /// It failed: the log thread is to try it again when it is due.
    pub(super) fn plan_retry(&self, retry: &Retry) {
        if retry.note_failure(self.environment.clock.monotonic_micros()) {
            self.logs.look_again();
        }
    }

    /// Judges a failure to make a log or manifest: an obstacle refuses writes, all else is final. So is a
    /// failed sync whatever it says: what it left on disk is not known.
    pub(super) fn judge(&self, error: Error) -> Error {
        match error {
            Error::Closed | Error::ReadOnly => error,
            Error::WritesRefused { .. } => self.refuse_writes(Need::Log, &error),
            Error::Io { operation, .. } if operation != "sync" && error.is_obstacle() => {
                self.refuse_writes(Need::Log, &error)
            }
            error => self.fail(&error),
        }
    }

    /// Judges a failure after which everything is as before: unless the index has failed or ended, writes
    /// are refused for now.
    pub(super) fn refuse_unless_over(&self, need: Need, error: Error) -> Error {
        match error {
            Error::Closed | Error::ReadOnly | Error::Failed { .. } | Error::Indeterminate { .. } => error,
            error if self.health.has_failed() => error,
            error => self.refuse_writes(need, &error),
        }
    }

    /// Keeps the failure of a job that nobody waits for. That the index ends is none.
    pub(crate) fn note_background_failure(&self, job: &str, outcome: &Result<()>) {
        if let Err(error) = outcome
            && !matches!(error, Error::Closed)
        {
            self.background_failures.count.fetch_add(1, Ordering::Relaxed);
            self.background_failures.last.store(Some(Arc::new(format!("{job}: {error}"))));
            self.tell_background_failure(job, error);
        }
    }
}
