//! Ending: what was begun is finished, what is unflushed is safe, the lock is given up last.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::core::Core;
use super::health::IndexState;
use crate::error::{Error, Result};
use crate::manifest::{Change, Closed};
use crate::registry::RegistryState;

/// A clean close leaves so much in the log at most; more is flushed (PROTOCOL L8).
const LEFT_IN_LOG_BYTES: u64 = 1 << 20;

/// A log that the next open would have to read so much of, flushed writes included, is not left either.
const LOG_LEFT_BYTES: u64 = 4 << 20;

impl Core {
    /// Closes. The first of several callers does it; the others return when it is done.
    pub(crate) fn close(self: &Arc<Self>) -> Result<()> {
        let _one = self.closing.lock();
        if self.health.state() == IndexState::Closed {
            return Ok(());
        }
        self.health.advance(IndexState::Closing);
        self.section.lock().accepting = false;
        // A first write and a new log that are under way end first; further ones are refused from now on.
        drop(self.first_write.lock());
        self.logs.wait_prepared();
        let outcome = self.finish_writing();
        self.scheduler.stop();
        self.logs.stop();
        self.threads.lock().join();
        self.stop_scrubbing();
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
        let worth_keeping =
            self.unflushed_bytes() <= LEFT_IN_LOG_BYTES && self.log_used_bytes() <= LOG_LEFT_BYTES;
        if !self.has_log() || !worth_keeping {
            match self.flush_everything() {
                // What does not fit on the disk stays in the log (PROTOCOL D8).
                Err(Error::WritesRefused { .. }) if self.has_log() => {}
                outcome => outcome?,
            }
        }
        self.sync_through(last_seq, Duration::ZERO)
    }

    fn flush_everything(&self) -> Result<()> {
        for segment in self.route.load_full().segments() {
            while segment.version().least_unflushed_seq() != u64::MAX {
                self.flush_segment(segment)?;
            }
        }
        Ok(())
    }

    /// Whether no buffer holds anything. The budget does not tell: a writer who was refused may not have
    /// given its room back yet.
    fn is_all_flushed(&self) -> bool {
        let route = self.route.load_full();
        route.segments().iter().all(|segment| segment.version().least_unflushed_seq() == u64::MAX)
    }

    fn unflushed_bytes(&self) -> u64 {
        self.budget.used_bytes()
    }

    /// The last edit. Logs that hold nothing unflushed go before it, with their files.
    fn write_close_edit(&self) -> Result<()> {
        if !self.opened_for_writing.load(Ordering::Acquire) {
            return Ok(());
        }
        // What is loaded stays; nothing is loaded or evicted any more.
        self.registry.set_state(RegistryState::Freeze);
        let end = if self.is_all_flushed() {
            self.drop_all_logs()?;
            None
        } else {
            let end = self.end_log()?;
            // The last SYNC mark came after the sync that it tells of; CLOSE names an end that is on disk.
            if let Some((log, _)) = &end {
                log.sync().map_err(|error| self.fail(&error))?;
            }
            end
        };
        self.unlink_obsolete_files();
        self.sync_directory()?;
        let last_seq = self.section.lock().last_seq();
        let closed = Closed {
            log_number: end.as_ref().map_or(0, |(log, _)| log.number),
            end_offset: end.map_or(0, |(_, offset)| offset),
            last_seq,
        };
        let clock_mark = Change::ClockMark(self.environment.clock.wall_micros());
        self.commit_edit(vec![Change::LastSeq(last_seq), clock_mark, Change::Close(closed)]).map(|_| ())
    }
}
