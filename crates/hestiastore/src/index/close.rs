//! Ending: what was begun is finished, what is unflushed is safe, the lock is given up last.

use std::sync::Arc;
use std::time::Duration;

use super::core::Core;
use super::health::IndexState;
use crate::error::{Error, Result};
use crate::manifest::{Change, Closed};
use crate::registry::RegistryState;
use crate::segment::Segment;
use crate::sync::atomic::Ordering;

/// A clean close leaves so much in the log at most; more is flushed (PROTOCOL L8).
const LEFT_IN_LOG_BYTES: u64 = 1 << 20;

/// What a close does about writes that it can save nowhere, as in the mode `Off` on a full disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsaved {
    /// Says so and leaves the index open.
    Keep,
    /// Gives them up.
    GiveUp,
}

/// A log that the next open would have to read so much of, flushed writes included, is not left either.
const LOG_LEFT_BYTES: u64 = 4 << 20;

impl Core {
    /// Closes. The first of several callers does it; the others return when it is done.
    pub(crate) fn close(self: &Arc<Self>, unsaved: Unsaved) -> Result<()> {
        let _one = self.closing.lock();
        if self.health.state() == IndexState::Closed {
            return Ok(());
        }
        let _span = self.closing_span().entered();
        if unsaved == Unsaved::Keep {
            self.save_without_log()?;
        }
        self.health.advance(IndexState::Closing);
        // Merges are not waited for: they see that it is over.
        self.scheduler.pool().wake();
        self.section.lock().accepting = false;
        self.budget.stop();
        // A first write, a new log and flushes of callers that are under way end first; further ones are
        // refused from now on.
        self.wait_first_write();
        self.logs.wait_prepared();
        drop(self.callers_at_work.write());
        let outcome = self.finish_writing();
        self.end_threads();
        self.stop_scrubbing();
        let outcome = outcome.and_then(|()| self.write_close_edit());
        self.registry.set_state(RegistryState::Closed);
        self.health.advance(IndexState::Closed);
        *self.directory_lock.lock() = None;
        let runtime = self.runtime.lock().take();
        drop(runtime);
        self.tell_closed(outcome.as_ref().err());
        outcome.map_err(finally)
    }

    /// Waits for the jobs under way, which are to end or have been cancelled.
    fn end_threads(&self) {
        self.scheduler.pool().leave(self);
        self.logs.stop();
        self.threads.lock().join();
    }

    fn wait_first_write(&self) {
        drop(self.first_write.lock());
    }

    /// Without a log all that is unflushed would be lost by the close: it is flushed before anything is
    /// ended. Where that is refused the index goes on.
    fn save_without_log(&self) -> Result<()> {
        let is_open = self.health.state() == IndexState::Ready;
        if self.has_log() || !is_open {
            return Ok(());
        }
        let last_seq = {
            let mut section = self.section.lock();
            section.accepting = false;
            section.last_seq()
        };
        // Whoever is in the section before has done the first write; one under way now brings nothing.
        self.wait_first_write();
        if !self.opened_for_writing.load(Ordering::Acquire) {
            return Ok(());
        }
        let visible = self.publisher.wait_visible(last_seq).map_err(|_| self.health.refusal());
        match visible.and_then(|()| self.flush_everything()) {
            Err(Error::WritesRefused { cause }) => {
                self.section.lock().accepting = true;
                Err(Error::WritesRefused { cause: self.describe_unsaved(&cause).into() })
            }
            // Whatever else it is, the close itself finds it again.
            _ => Ok(()),
        }
    }

    fn describe_unsaved(&self, cause: &str) -> String {
        let route = self.route.load_full();
        let unsaved = |segment: &&Arc<Segment>| segment.version().least_unflushed_seq() != u64::MAX;
        let segments = route.segments().iter().filter(unsaved).count();
        let bytes = self.unflushed_bytes();
        format!("{bytes} bytes of {segments} segments are in memory only, and the index stays open: {cause}")
    }

    /// Waits for commits under way and ends the jobs; flushes what the log is not to keep.
    fn finish_writing(self: &Arc<Self>) -> Result<()> {
        if self.health.has_failed() {
            return Err(self.health.refusal());
        }
        if !self.opened_for_writing.load(Ordering::Acquire) {
            return self.renew_recovered();
        }
        let last_seq = self.section.lock().last_seq();
        self.publisher.wait_visible(last_seq).map_err(|_| self.health.refusal())?;
        self.end_threads();
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
        // A split hands what is unflushed to segments that this round does not know.
        while !self.is_all_flushed() {
            self.flush_here_through(u64::MAX - 1)?;
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
        let route = self.route.load_full();
        route.segments().iter().map(|segment| segment.version().unflushed_entry_bytes()).sum()
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
        self.commit_closing_edit(vec![Change::LastSeq(last_seq), clock_mark, Change::Close(closed)])
            .map(|_| ())
    }
}

/// The error of a close that has ended the index all the same: refused for now would say that it is open.
fn finally(error: Error) -> Error {
    match error {
        Error::WritesRefused { cause } => Error::Failed { cause },
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Unsaved;
    use crate::config::Durability;
    use crate::directory::SimulatedDirectory;
    use crate::index::IndexState;
    use crate::{Error, SegmentIndex};

    type Index = SegmentIndex<u64, Vec<u8>>;

    fn without_log(directory: &SimulatedDirectory) -> Index {
        let builder = Index::builder_in(Arc::new(directory.clone()));
        builder.log(|l| l.durability(Durability::Off)).create().unwrap()
    }

    /// What it commits would be found by nobody else.
    #[test]
    fn d8_without_a_log_a_close_looks_for_writes_when_the_first_one_under_way_is_done() {
        let index = without_log(&SimulatedDirectory::new());
        let first_write = index.core.first_write.lock();
        std::thread::scope(|scope| {
            let closing = scope.spawn(|| index.close());
            while index.core.section.lock().accepting {
                std::thread::yield_now();
            }
            let state = index.state();
            drop(first_write);
            closing.join().unwrap().unwrap();
            assert_eq!(state, IndexState::Ready);
        });
        assert_eq!(index.state(), IndexState::Closed);
    }

    #[test]
    fn d8_a_close_that_has_ended_the_index_does_not_answer_refused_for_now() {
        let directory = SimulatedDirectory::new();
        let index = without_log(&directory);
        index.put(1, b"lost").unwrap();
        directory.set_capacity_bytes(Some(0));
        let outcome = index.core.close(Unsaved::GiveUp);
        assert!(matches!(outcome, Err(Error::Failed { .. })), "{outcome:?}");
        assert_eq!(index.state(), IndexState::Closed);
    }
}
