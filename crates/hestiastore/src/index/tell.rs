//! What an index tells the subscribers of `tracing`: a span for each piece of work, an event for each turn of its life. All
//! carry the index's name as `index`.
//!
//! Nothing here is on the way of a put or get, but for a put that has waited long. Without a subscriber a span or event
//! costs a look at one flag.

use std::time::Duration;

use tracing::Span;
use tracing::{debug, error, info, info_span, warn};

use super::core::Core;
use super::refusal::Need;
use crate::error::Error;
use crate::segment::Segment;

/// A put that waited longer than this is worth a word.
const LONG_STALL: Duration = Duration::from_secs(1);
/// So is a recovery.
const LONG_RECOVERY: Duration = Duration::from_secs(5);

/// A kind of work that gets a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    Flush,
    DeltaMerge,
    MainMerge,
    Split,
    NeighbourMerge,
}

/// The name of an index: the last part of where it is.
pub(crate) fn name_of(location: &str) -> String {
    location.trim_end_matches('/').rsplit('/').next().unwrap_or(location).to_owned()
}

pub(crate) fn opening_span(name: &str) -> Span {
    info_span!("open", index = name)
}

impl Core {
    /// A span for work on one segment.
    pub(super) fn span_of(&self, work: Work, segment: &Segment) -> Span {
        let (index, segment) = (&*self.name, segment.id);
        match work {
            Work::Flush => info_span!("flush", index, segment),
            Work::DeltaMerge => info_span!("merge", index, segment, into = "deltas"),
            Work::MainMerge => info_span!("merge", index, segment, into = "main"),
            Work::Split => info_span!("split", index, segment),
            Work::NeighbourMerge => info_span!("neighbour_merge", index, segment),
        }
    }

    pub(super) fn recovery_span(&self) -> Span {
        info_span!("recovery", index = &*self.name)
    }

    pub(super) fn check_span(&self) -> Span {
        info_span!("check", index = &*self.name)
    }

    pub(super) fn scrub_span(&self) -> Span {
        info_span!("scrub", index = &*self.name)
    }

    pub(super) fn closing_span(&self) -> Span {
        info_span!("close", index = &*self.name)
    }

    pub(super) fn tell_opened(&self, took: Duration) {
        let segments = self.route.load().segments().len();
        let (index, read_only, micros) = (&*self.name, self.read_only, took.as_micros() as u64);
        info!(index, segments, read_only, micros, "opened");
        if let Some(loss) = self.log_loss.get() {
            warn!(index, %loss, "a damaged log was cut");
        }
    }

    pub(super) fn tell_recovered(&self, took: Duration) {
        let (index, micros) = (&*self.name, took.as_micros() as u64);
        if took >= LONG_RECOVERY {
            warn!(index, micros, "recovery took long");
        } else {
            debug!(index, micros, "recovered");
        }
    }

    pub(super) fn tell_opened_for_writing(&self) {
        info!(index = &*self.name, "opened for writing");
    }

    /// The counters of operations, as the reference logs them at the end.
    pub(super) fn tell_closed(&self, failure: Option<&Error>) {
        if let Some(failure) = failure {
            warn!(index = &*self.name, %failure, "the close has failed");
        }
        if !tracing::enabled!(tracing::Level::INFO) {
            return;
        }
        let metrics = self.metrics_snapshot();
        let operations = &metrics.operations;
        info!(
            index = &*self.name,
            puts = operations.puts,
            gets = operations.gets,
            get_hits = operations.get_hits,
            deletes = operations.deletes,
            batches = operations.batches,
            batch_operations = operations.batch_operations,
            iterators = operations.iterators,
            entries_read = operations.entries_read,
            given_bytes = operations.given_bytes,
            written_bytes = metrics.io.written_bytes,
            read_bytes = metrics.io.read_bytes,
            flushes = metrics.maintenance.flush.done,
            merges = metrics.maintenance.delta_merge.done + metrics.maintenance.main_merge.done,
            splits = metrics.maintenance.split.done,
            "closed"
        );
    }

    pub(super) fn tell_failed(&self, cause: &Error) {
        error!(index = &*self.name, %cause, "ERROR: nothing more is written");
    }

    pub(super) fn tell_stalled(&self, waited: Duration) {
        if waited >= LONG_STALL {
            let micros = waited.as_micros() as u64;
            warn!(index = &*self.name, micros, "a write has waited for room");
        }
    }

    pub(super) fn tell_refused(&self, need: Need, cause: &str) {
        warn!(index = &*self.name, ?need, cause, "writes are refused");
    }

    pub(super) fn tell_accepted(&self, need: Need) {
        info!(index = &*self.name, ?need, "writes are accepted again");
    }

    pub(super) fn tell_background_failure(&self, job: &str, failure: &Error) {
        warn!(index = &*self.name, job, %failure, "a job in the background has failed");
    }

    pub(super) fn tell_damaged(&self, segment: &Segment) {
        warn!(index = &*self.name, segment = segment.id, "merges of a segment stop at a damaged run");
    }
}

#[cfg(test)]
mod tests {
    use super::name_of;

    #[test]
    fn an_index_is_named_by_the_last_part_of_its_place() {
        for (location, name) in [("/data/orders", "orders"), ("orders/", "orders"), ("memory", "memory")] {
            assert_eq!(name_of(location), name);
        }
    }
}
