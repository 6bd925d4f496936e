//! Which structural job a segment needs: deltas among themselves, deltas into main, small main runs into one, or
//! a split; and which neighbours belong together.

use std::sync::Arc;

use super::{RunRef, SegmentVersion};

/// The knobs of the policy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MergeLimits {
    /// What a segment should weigh; grows with the store (PROTOCOL D3).
    pub(crate) target_bytes: u64,
    /// So many deltas of about one size are merged.
    pub(crate) fan_in: usize,
    /// Deltas go into main when they weigh this share of it.
    pub(crate) main_percent: u64,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StructuralJob {
    /// Merge the deltas of the layers at these places (newest first) into one.
    MergeDeltas(std::ops::Range<usize>),
    /// Merge all flushed layers and the main runs they overlap into new main runs.
    MergeMain,
    /// Merge the main runs at these places: there are no deltas.
    MergeCrumbs(std::ops::Range<usize>),
    /// Replace the segment by so many.
    Split(u64),
}

/// So many small main runs in a row are merged into one.
const CRUMBS: usize = 8;
/// A main run below this share of the target is small, if it is below [`LARGEST_CRUMB_BYTES`] too: a large segment has
/// many runs, each with no more keys than a run may have.
const CRUMBS_PER_TARGET: u64 = 16;
const LARGEST_CRUMB_BYTES: u64 = 4 << 20;
/// So many neighbours are merged at once at most.
const MOST_NEIGHBOURS: usize = 16;

/// More layers than this many fan-ins are merged whatever their sizes.
pub(crate) const LAYERS_PER_FAN_IN: usize = 3;

impl MergeLimits {
    /// The job that `version` needs most, if any.
    pub(crate) fn next_job(
        &self,
        version: &SegmentVersion,
        unsplittable_bytes: u64,
    ) -> Option<StructuralJob> {
        let main_bytes = version.main_bytes();
        let delta_bytes = version.delta_bytes();
        let flushed = version.layers.iter().filter(|layer| layer.is_flushed()).count();
        if flushed > 0 && delta_bytes * 100 >= main_bytes * self.main_percent {
            return Some(StructuralJob::MergeMain);
        }
        let worth_a_try = main_bytes > unsplittable_bytes + unsplittable_bytes / 4;
        if let Some(parts) = self.parts(main_bytes).filter(|_| worth_a_try) {
            return Some(StructuralJob::Split(parts));
        }
        if flushed == 0 {
            return self.crumbs(&version.main).map(StructuralJob::MergeCrumbs);
        }
        self.tier(version).map(StructuralJob::MergeDeltas)
    }

    /// Small main runs in a row, as a merge of neighbours or many small flushes leave them.
    fn crumbs(&self, main: &[Arc<RunRef>]) -> Option<std::ops::Range<usize>> {
        let crumb_bytes = (self.target_bytes / CRUMBS_PER_TARGET).min(LARGEST_CRUMB_BYTES);
        let is_crumb = |run: &Arc<RunRef>| run.stored_bytes < crumb_bytes;
        let mut first = 0;
        for (place, run) in main.iter().enumerate() {
            if !is_crumb(run) {
                first = place + 1;
            } else if place + 1 - first >= CRUMBS {
                let more = main[place..].iter().take_while(|run| is_crumb(run)).count();
                return Some(first..place + more);
            }
        }
        None
    }

    /// Below this a segment is merged with its neighbours.
    pub(crate) fn small_bytes(&self) -> u64 {
        self.target_bytes / 4
    }

    /// The places of neighbours to be merged: small ones that stand together, or a small one and the lighter of those
    /// beside it. Together they weigh no more than the target, so that they must grow by half before they are
    /// split again. `None` stands for a segment that is to be left alone.
    pub(crate) fn neighbours(&self, weights: &[Option<u64>]) -> Option<std::ops::Range<usize>> {
        let weight = |place: usize| weights.get(place).copied().flatten();
        let is_small = |bytes: u64| bytes < self.small_bytes();
        let fits = |sum: u64| sum <= self.target_bytes;
        let mut place = 0;
        while place < weights.len() {
            let Some(first) = weight(place).filter(|bytes| is_small(*bytes)) else {
                place += 1;
                continue;
            };
            let (mut sum, mut end) = (first, place + 1);
            while end - place < MOST_NEIGHBOURS
                && let Some(next) = weight(end).filter(|next| is_small(*next) && fits(sum + next))
            {
                sum += next;
                end += 1;
            }
            if end - place > 1 {
                return Some(place..end);
            }
            let before = place.checked_sub(1).and_then(weight).map(|bytes| (bytes, place - 1..place + 1));
            let after = weight(end).map(|bytes| (bytes, place..end + 1));
            let beside = before.into_iter().chain(after).filter(|(bytes, _)| fits(sum + bytes));
            if let Some((_, lighter)) = beside.min_by_key(|(bytes, _)| *bytes) {
                return Some(lighter);
            }
            place = end;
        }
        None
    }

    /// Into how many segments so many bytes belong, if more than one.
    pub(crate) fn parts(&self, main_bytes: u64) -> Option<u64> {
        let target = self.target_bytes.max(1);
        // Rounded, so it is two from one and a half targets on.
        let parts = (main_bytes + target / 2) / target;
        (parts >= 2).then_some(parts)
    }

    /// How large a merge's outputs are to be, when they come to `total_bytes` together: one each for the
    /// segments that a split will make of them.
    pub(crate) fn cut_bytes(&self, total_bytes: u64) -> u64 {
        let parts = self.parts(total_bytes).unwrap_or(1);
        // A little more, so that estimates that are a little low do not leave a crumb at the end.
        let even = total_bytes / parts;
        (even + even / 16).max(1)
    }

    /// The newest layers that are ready to be merged: each not much larger than all newer ones together.
    fn tier(&self, version: &SegmentVersion) -> Option<std::ops::Range<usize>> {
        let first = version.layers.iter().position(|layer| layer.is_flushed())?;
        let sizes: Vec<u64> = version.layers[first..].iter().map(|layer| layer.stored_bytes()).collect();
        if sizes.len() > self.fan_in * LAYERS_PER_FAN_IN {
            return Some(first..version.layers.len());
        }
        let mut sum = 0;
        let mut count = 0;
        for size in &sizes {
            let joins = count == 0 || *size <= sum * 3 / 2;
            if !joins {
                break;
            }
            sum += size;
            count += 1;
        }
        (count >= self.fan_in.max(2)).then(|| first..first + count)
    }
}

impl SegmentVersion {
    /// Whether a full compaction would change anything: deltas, clipped references, or tombstones in main.
    pub(crate) fn can_compact(&self) -> bool {
        let messy = |run: &Arc<RunRef>| run.is_clipped() || run.tombstones > 0;
        self.layers.iter().any(|layer| layer.is_flushed()) || self.main.iter().any(messy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d3_a_segment_is_split_from_one_and_a_half_targets_on() {
        let limits = MergeLimits { target_bytes: 100, fan_in: 4, main_percent: 50 };
        let parts: Vec<_> = [0, 100, 149, 150, 249, 250, 1_000].map(|bytes| limits.parts(bytes)).into();
        assert_eq!(parts, [None, None, None, Some(2), Some(2), Some(3), Some(10)]);
        let odd = MergeLimits { target_bytes: 3, ..limits };
        assert_eq!((odd.parts(4), odd.parts(5)), (None, Some(2)));
    }

    #[test]
    fn d3_neighbours_below_a_quarter_of_the_target_are_merged_up_to_the_target() {
        let limits = MergeLimits { target_bytes: 100, fan_in: 4, main_percent: 50 };
        let neighbours = |weights: &[u64]| {
            let weights: Vec<Option<u64>> = weights.iter().copied().map(Some).collect();
            limits.neighbours(&weights)
        };
        assert_eq!(neighbours(&[]), None);
        assert_eq!(neighbours(&[3]), None);
        assert_eq!(neighbours(&[25, 25, 25]), None, "none of them is small");
        assert_eq!(neighbours(&[60, 24, 30, 80]), Some(1..3), "with the lighter one");
        assert_eq!(neighbours(&[30, 24, 60, 80]), Some(0..2));
        assert_eq!(neighbours(&[80, 21, 90]), None, "it would be split again soon");
        assert_eq!(neighbours(&[80, 20, 90]), Some(0..2));
        assert_eq!(neighbours(&[90, 24, 24, 24, 24, 24, 90]), Some(1..5));
        assert_eq!(neighbours(&[0; 40]), Some(0..16));
        assert_eq!(
            limits.neighbours(&[Some(10), None, Some(10), None]),
            None,
            "those between are to be left"
        );
    }
}
