//! Keeping maintenance from beginning anything.

use std::sync::Arc;

use super::core::Core;
use super::scheduler::Scheduler;

/// While it lives, no merge, split or background scrub of its index begins by itself; see
/// [`SegmentIndex::pause_maintenance`](crate::SegmentIndex::pause_maintenance).
///
/// ```
/// use hestiastore::SegmentIndex;
///
/// let index = SegmentIndex::<u64, u64>::in_memory().create()?;
/// let pause = index.pause_maintenance();
/// index.put(&1, &2)?;
/// drop(pause);
/// # Ok::<(), hestiastore::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "maintenance goes on when this is dropped"]
pub struct MaintenancePause {
    scheduler: Arc<Scheduler>,
}

impl Drop for MaintenancePause {
    /// How far merges are behind is noted by the next flush or merge.
    fn drop(&mut self) {
        self.scheduler.resume();
    }
}

impl Core {
    pub(crate) fn pause_maintenance(&self) -> MaintenancePause {
        self.scheduler.pause();
        // A flush may have been put off until a merge that will not come now, or writers slowed down for it.
        self.note_crowding();
        self.wake_flush_if_needed();
        MaintenancePause { scheduler: Arc::clone(&self.scheduler) }
    }
}
