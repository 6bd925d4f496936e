//! A segment: the stable shard that owns one range of keys.
//!
//! ```text
//! writes -> active write buffer -> frozen buffers -> delta runs -> main runs
//!           \________________ newest first, by rank ________________/
//! ```
//!
//! What a segment holds at some moment is a [`SegmentVersion`]: an immutable value behind an atomic
//! pointer. Readers load it once and are never disturbed; jobs build the next one beside it.

#[cfg(feature = "benching")]
pub(crate) mod benching;
pub(crate) mod compaction;
mod flush;
mod policy;
mod retention;
mod scan;
mod scratch;
mod search;
mod source;
mod split;
mod version;
pub(crate) mod write_buffer;

use std::sync::Arc;

pub(crate) use compaction::{MergePlan, MergedRun, merge_runs};
pub(crate) use flush::FlushInput;
pub(crate) use policy::{LAYERS_PER_FAN_IN, MergeLimits, StructuralJob};
pub(crate) use retention::Retention;
pub(crate) use scan::{SegmentScan, Step};
pub(crate) use scratch::Scratch;
pub(crate) use search::{Hit, search};
pub(crate) use split::split_keys;
pub(crate) use version::{Graveyard, Layer, MAIN_RANK, RunHandle, RunRef, SegmentVersion};

use crate::error::Result;
use crate::metrics::SegmentCounters;
use crate::run::Run;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{ArcSwap, Condvar, Guard, Mutex};

/// Loads a run's sparse index and filter, or finds them loaded. The registry does.
pub(crate) trait LoadRuns {
    /// The loaded run of a segment's reference.
    fn load(&self, segment: &Segment, handle: &Arc<RunHandle>) -> Result<Arc<Run>>;
}

/// One shard. Its bounds never change; a split or merge makes other segments.
pub(crate) struct Segment {
    pub(crate) id: u64,
    /// First key that may live here.
    pub(crate) lower: Box<[u8]>,
    /// First key that may not; `None` for the last segment.
    pub(crate) upper: Option<Box<[u8]>>,
    version: ArcSwap<SegmentVersion>,
    /// Held by whoever replaces the version, from reading it to publishing the next.
    pub(crate) installing: Mutex<()>,
    /// At most one flush (PROTOCOL D2).
    pub(crate) flush_slot: JobSlot,
    /// At most one structural job: merge, split (PROTOCOL D2).
    pub(crate) structural_slot: JobSlot,
    /// A corrupt input stops the structural jobs of this segment, not the index (PROTOCOL D8).
    pub(crate) damaged: AtomicBool,
    /// The last structural job failed.
    pub(crate) merges_fail: AtomicBool,
    /// At this size of the main runs no key was found to split at.
    pub(crate) unsplittable_bytes: AtomicU64,
    /// Not merged with its neighbours before this time of the monotonic clock.
    pub(crate) apart_until_micros: AtomicU64,
    /// A split found a flush under way, which is to do it in its place.
    pub(crate) split_waits: AtomicBool,
    /// Replaced by others in the route map: no job begins here any more.
    pub(crate) retired: AtomicBool,
    pub(crate) counters: Arc<SegmentCounters>,
    /// How many splits since the index was opened lie behind it.
    pub(crate) splits_inherited: u64,
}

impl Segment {
    pub(crate) fn new(
        id: u64,
        lower: Box<[u8]>,
        upper: Option<Box<[u8]>>,
        version: SegmentVersion,
    ) -> Arc<Self> {
        Self::after_splits(0, id, (lower, upper), version)
    }

    /// A part of a segment, `splits` splits after the one that was found at the opening.
    pub(crate) fn after_splits(
        splits: u64,
        id: u64,
        (lower, upper): (Box<[u8]>, Option<Box<[u8]>>),
        version: SegmentVersion,
    ) -> Arc<Self> {
        Arc::new(Self {
            id,
            lower,
            upper,
            version: ArcSwap::from_pointee(version),
            installing: Mutex::new(()),
            flush_slot: JobSlot::default(),
            structural_slot: JobSlot::default(),
            damaged: AtomicBool::new(false),
            merges_fail: AtomicBool::new(false),
            unsplittable_bytes: AtomicU64::new(0),
            apart_until_micros: AtomicU64::new(0),
            split_waits: AtomicBool::new(false),
            retired: AtomicBool::new(false),
            counters: Arc::default(),
            splits_inherited: splits,
        })
    }

    /// The version as of now, without touching a counter that other readers share.
    #[inline]
    pub(crate) fn version(&self) -> Guard<Arc<SegmentVersion>> {
        self.version.load()
    }

    /// Publishes the next version and gives back the one before, to be dropped outside of locks. The
    /// caller holds `installing`.
    pub(crate) fn publish(&self, next: Arc<SegmentVersion>) -> Arc<SegmentVersion> {
        self.version.swap(next)
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }
}

impl std::fmt::Debug for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Segment").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A place for one job at a time. What looks free can be taken: nobody who sees so and fails comes again and again
/// while the one at work stands still.
#[derive(Debug, Default)]
pub(crate) struct JobSlot {
    is_taken: Mutex<bool>,
    freed: Condvar,
}

/// A taken [`JobSlot`]; free again when dropped.
#[derive(Debug)]
pub(crate) struct TakenSlot<'a>(&'a JobSlot);

impl JobSlot {
    pub(crate) fn try_take(&self) -> Option<TakenSlot<'_>> {
        let was_taken = std::mem::replace(&mut *self.is_taken.lock(), true);
        (!was_taken).then(|| TakenSlot(self))
    }

    /// Waits for the job that is under way. Never to be called by a thread that other jobs need.
    pub(crate) fn take(&self) -> TakenSlot<'_> {
        let mut is_taken = self.is_taken.lock();
        while *is_taken {
            self.freed.wait(&mut is_taken);
        }
        *is_taken = true;
        TakenSlot(self)
    }

    /// Whether a job is under way.
    pub(crate) fn is_taken(&self) -> bool {
        *self.is_taken.lock()
    }
}

impl Drop for TakenSlot<'_> {
    fn drop(&mut self) {
        *self.0.is_taken.lock() = false;
        self.0.freed.notify_one();
    }
}
