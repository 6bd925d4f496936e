//! How far the layers of segments pile up, where merges do not keep pace with flushes.

use super::core::Core;
use super::stalls::StallCause;
use crate::segment::Segment;
use crate::sync::atomic::Ordering;

/// So many times the fan-in of layers, and a merge must come before the next flush of the segment.
const CROWDED_FAN_INS: u64 = 8;

impl Core {
    /// Whether merges come at all now.
    fn merges_come(&self) -> bool {
        self.config.maintenance.automatic && !self.scheduler.is_paused()
    }

    /// Layers of a segment per thousand of those with which it is crowded. 0 where its merges fail: nobody is to
    /// wait for one.
    fn layers_per_mille(&self, segment: &Segment) -> u64 {
        if segment.damaged.load(Ordering::Acquire) || segment.merges_fail.load(Ordering::Acquire) {
            return 0;
        }
        let most = CROWDED_FAN_INS * u64::from(self.config.segment.delta_fan_in);
        segment.version().layers.len() as u64 * 1000 / most
    }

    /// Whether a segment has so many deltas that a merge must come before the next flush: writers wait
    /// rather than readers suffer. Never where no merge will come.
    pub(super) fn is_crowded(&self, segment: &Segment) -> bool {
        self.layers_per_mille(segment) >= 1000 && self.merges_come()
    }

    /// Slows writers down by the layers of the segments that they write to, from half of the most on.
    pub(super) fn note_crowding(&self) {
        let crowding = self.mean_by_active_bytes(|per_mille| (per_mille.min(1000) * 2).saturating_sub(1000));
        self.budget.set_crowding(crowding);
    }

    /// What a writer waits for that finds the write budget full.
    pub(super) fn cause_of_full_budget(&self) -> StallCause {
        let crowded_per_mille =
            self.mean_by_active_bytes(|per_mille| if per_mille >= 1000 { 1000 } else { 0 });
        if crowded_per_mille >= 500 { StallCause::Merges } else { StallCause::Room }
    }

    /// The mean over all segments of a number made of their layers per thousand, each weighted by the bytes that
    /// wait to be flushed there. 0 where no merge will come.
    fn mean_by_active_bytes(&self, number: impl Fn(u64) -> u64) -> u64 {
        if !self.merges_come() {
            return 0;
        }
        let route = self.route.load_full();
        let (mut sum, mut weights) = (0u64, 0u64);
        for segment in route.segments() {
            let weight = segment.version().active.charged_bytes();
            weights = weights.saturating_add(weight);
            sum = sum.saturating_add(weight.saturating_mul(number(self.layers_per_mille(segment))));
        }
        sum / weights.max(1)
    }
}
