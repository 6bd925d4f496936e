//! Maintenance that a caller asks for.

use std::sync::Arc;

use super::core::Core;
use super::iter::Bounds;
use crate::error::Result;
use crate::segment::Segment;

/// The bounds of all keys.
const EVERYTHING: &Bounds = &(Vec::new(), None);

impl Core {
    /// The segments that own keys of a range, as of now.
    fn segments_of(&self, (lower, upper): &Bounds) -> Vec<Arc<Segment>> {
        self.route.load().overlapping(lower, upper.as_deref()).to_vec()
    }

    /// Asks for a flush of everything written so far.
    pub(crate) fn request_flushes(self: &Arc<Self>) -> Result<()> {
        self.check_writable()?;
        self.ensure_opened_for_writing()?;
        let visible = self.publisher.visible();
        self.request_flushes_through(visible, EVERYTHING);
        Ok(())
    }

    fn request_flushes_through(&self, seq: u64, range: &Bounds) {
        for segment in self.segments_of(range) {
            if segment.version().least_unflushed_seq() <= seq {
                self.scheduler.request_flush(&segment, seq);
            }
        }
    }

    /// Flushes everything written before the call, and returns when it is in runs and durable.
    pub(crate) fn flush_and_wait(self: &Arc<Self>) -> Result<()> {
        self.flush_range_and_wait(EVERYTHING)
    }

    /// The same for the segments that own keys of a range.
    fn flush_range_and_wait(self: &Arc<Self>, range: &Bounds) -> Result<()> {
        self.check_writable()?;
        self.ensure_opened_for_writing()?;
        let target = self.publisher.visible();
        self.request_flushes_through(target, range);
        loop {
            let failures = self.scheduler.flush_failures();
            self.scheduler.wait_until(|| {
                let done = self.is_flushed_through(target, range)
                    || self.is_over()
                    || self.scheduler.flush_failures() != failures;
                if !done {
                    self.request_flushes_through(target, range);
                }
                done
            });
            if self.is_flushed_through(target, range) {
                return Ok(());
            }
            if self.is_over() || self.scheduler.flush_failures() == failures {
                return Err(self.health.refusal());
            }
            // That may have begun before the call; this one tells how it is now.
            self.flush_for_caller(target, range)?;
        }
    }

    /// Flushes in the thread of a caller. `close` may come between: it waits for the flush of one segment,
    /// and no other begins.
    fn flush_for_caller(&self, seq: u64, range: &Bounds) -> Result<()> {
        for segment in self.segments_of(range) {
            let _at_work = self.callers_at_work.read();
            self.check_writable()?;
            self.flush_one_through(&segment, seq)?;
        }
        Ok(())
    }

    /// Flushes in the calling thread, which is the one that closes.
    pub(super) fn flush_here_through(&self, seq: u64) -> Result<()> {
        self.route.load_full().segments().iter().try_for_each(|segment| self.flush_one_through(segment, seq))
    }

    fn flush_one_through(&self, segment: &Arc<Segment>, seq: u64) -> Result<()> {
        while segment.version().least_unflushed_seq() <= seq && !segment.is_retired() {
            self.flush_segment(segment)?;
        }
        Ok(())
    }

    fn is_flushed_through(&self, seq: u64, range: &Bounds) -> bool {
        self.segments_of(range).iter().all(|segment| segment.version().least_unflushed_seq() > seq)
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
    pub(crate) fn compact_and_wait(self: &Arc<Self>) -> Result<()> {
        self.compact_range(EVERYTHING)
    }

    /// The same for the segments that own keys of a range.
    ///
    /// A segment may split, or be merged with others, while its turn comes: those that take its place are asked
    /// again. Writes meanwhile bring ever new deltas, so the rounds are bounded.
    pub(crate) fn compact_range(self: &Arc<Self>, range: &Bounds) -> Result<()> {
        const ROUNDS: u32 = 4;
        self.flush_range_and_wait(range)?;
        self.scheduler.take_compaction_failure();
        for _ in 0..ROUNDS {
            for segment in self.segments_of(range) {
                if segment.version().can_compact() {
                    self.scheduler.request_compaction(&segment);
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
