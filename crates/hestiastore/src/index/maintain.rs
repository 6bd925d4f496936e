//! Maintenance that a caller asks for.

use std::sync::Arc;

use super::core::Core;
use crate::error::Result;

impl Core {
    /// Asks for a flush of everything written so far.
    pub(crate) fn request_flushes(self: &Arc<Self>) -> Result<()> {
        self.check_writable()?;
        self.ensure_opened_for_writing()?;
        let visible = self.publisher.visible();
        self.request_flushes_through(visible);
        Ok(())
    }

    fn request_flushes_through(&self, seq: u64) {
        for segment in self.route.load_full().segments() {
            if segment.version().least_unflushed_seq() <= seq {
                self.scheduler.request_flush(segment, seq);
            }
        }
    }

    /// Flushes everything written before the call, and returns when it is in runs and durable.
    pub(crate) fn flush_and_wait(self: &Arc<Self>) -> Result<()> {
        self.request_flushes()?;
        let target = self.publisher.visible();
        loop {
            let failures = self.scheduler.flush_failures();
            self.scheduler.wait_until(|| {
                let done = self.is_flushed_through(target)
                    || self.is_over()
                    || self.scheduler.flush_failures() != failures;
                if !done {
                    self.request_flushes_through(target);
                }
                done
            });
            if self.is_flushed_through(target) {
                return Ok(());
            }
            if self.is_over() || self.scheduler.flush_failures() == failures {
                return Err(self.health.refusal());
            }
            // That may have begun before the call; this one tells how it is now.
            self.flush_here_through(target)?;
        }
    }

    /// Flushes in the calling thread.
    pub(super) fn flush_here_through(&self, seq: u64) -> Result<()> {
        for segment in self.route.load_full().segments() {
            while segment.version().least_unflushed_seq() <= seq && !segment.is_retired() {
                self.flush_segment(segment)?;
            }
        }
        Ok(())
    }

    fn is_flushed_through(&self, seq: u64) -> bool {
        self.route.load_full().segments().iter().all(|segment| segment.version().least_unflushed_seq() > seq)
    }

    fn is_over(&self) -> bool {
        self.health.check_readable().is_err()
    }

    /// Asks for a compaction of every segment, after a flush of what is written.
    pub(crate) fn request_compactions(self: &Arc<Self>) -> Result<()> {
        self.request_flushes()?;
        for segment in self.route.load_full().segments() {
            self.scheduler.request_compaction(segment);
        }
        Ok(())
    }

    /// Compacts every segment: what was written before the call is in main runs when it returns.
    ///
    /// A segment may split while its turn comes: its children are asked again. Writes meanwhile bring
    /// ever new deltas, so the rounds are bounded.
    pub(crate) fn compact_and_wait(self: &Arc<Self>) -> Result<()> {
        const ROUNDS: u32 = 4;
        self.flush_and_wait()?;
        self.scheduler.take_compaction_failure();
        for _ in 0..ROUNDS {
            for segment in self.route.load_full().segments() {
                if segment.version().can_compact() {
                    self.scheduler.request_compaction(segment);
                }
            }
            self.scheduler.wait_until(|| self.scheduler.compactions_done() || self.is_over());
            self.health.check_readable()?;
            if let Some(failure) = self.scheduler.take_compaction_failure() {
                return Err(failure);
            }
        }
        Ok(())
    }

    /// Returns when no maintenance is waiting or under way. New writes may bring new work at any time.
    pub(crate) fn wait_until_idle(&self) -> Result<()> {
        self.scheduler.wait_until(|| self.scheduler.is_idle() || self.is_over());
        self.health.check_readable()
    }
}
