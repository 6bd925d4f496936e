//! Ending: what was begun is finished, what is unflushed is safe, the lock is given up last.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::core::Core;
use super::health::IndexState;
use crate::error::Result;
use crate::manifest::{Change, Closed};
use crate::registry::RegistryState;

/// A clean close leaves so much in the log at most; more is flushed (PROTOCOL L8).
const LEFT_IN_LOG_BYTES: u64 = 1 << 20;

impl Core {
    /// Closes. The first of several callers does it; the others return when it is done.
    pub(crate) fn close(self: &Arc<Self>) -> Result<()> {
        let _one = self.closing.lock();
        if self.health.state() == IndexState::Closed {
            return Ok(());
        }
        self.health.advance(IndexState::Closing);
        self.section.lock().accepting = false;
        let outcome = self.finish_writing();
        self.scheduler.stop();
        self.logs.stop();
        self.threads.lock().join();
        let outcome = outcome.and_then(|()| self.write_close_edit());
        self.registry.set_state(RegistryState::Closed);
        self.health.advance(IndexState::Closed);
        self.budget.stop();
        *self.directory_lock.lock() = None;
        outcome
    }

    /// Waits for commits under way and ends the jobs; flushes what the log is not to keep.
    fn finish_writing(self: &Arc<Self>) -> Result<()> {
        if !self.opened_for_writing.load(Ordering::Acquire) {
            return self.sync_recovered();
        }
        if self.health.has_failed() {
            return Err(self.health.refusal());
        }
        let last_seq = self.section.lock().last_seq();
        self.publisher.wait_visible(last_seq).map_err(|_| self.health.refusal())?;
        self.scheduler.stop();
        self.logs.stop();
        self.threads.lock().join();
        if !self.has_log() || self.unflushed_bytes() > LEFT_IN_LOG_BYTES {
            for segment in self.route.load_full().segments() {
                self.flush_segment(segment)?;
                // A buffer frozen earlier may have come before the active one.
                self.flush_segment(segment)?;
            }
        }
        self.sync_through(last_seq, Duration::ZERO)
    }

    fn unflushed_bytes(&self) -> u64 {
        self.budget.used_bytes()
    }

    fn write_close_edit(&self) -> Result<()> {
        if !self.opened_for_writing.load(Ordering::Acquire) {
            return Ok(());
        }
        self.unlink_obsolete_files();
        let last_seq = self.section.lock().last_seq();
        let mut changes = Vec::new();
        let all_flushed = self.unflushed_bytes() == 0;
        if all_flushed {
            changes.extend(self.drop_all_logs()?);
        }
        let end = if all_flushed { None } else { self.log_end() };
        changes.push(Change::LastSeq(last_seq));
        changes.push(Change::ClockMark(self.environment.clock.wall_micros()));
        changes.push(Change::Close(Closed {
            log_number: end.as_ref().map_or(0, |(log, _)| log.number),
            end_offset: end.map_or(0, |(_, offset)| offset),
            last_seq,
        }));
        self.commit_edit(changes).map(|_| ())
    }
}
