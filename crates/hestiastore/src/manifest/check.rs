//! What must hold of segments: their bounds, their runs, and what they cover together.

use std::collections::BTreeSet;

use super::state::{RunReference, SegmentState};

/// Why an edit does not apply, as a sentence.
pub(super) type Reason = String;

/// Sorts the runs and checks what holds within one segment.
pub(super) fn check_segment(segment: &mut SegmentState) -> Result<(), Reason> {
    if !is_range(&segment.lower, segment.upper.as_deref()) {
        return Err("its bounds hold no key".into());
    }
    segment.runs.sort_by(|a, b| (a.rank, &a.lower).cmp(&(b.rank, &b.lower)));
    let named: BTreeSet<_> = segment.runs.iter().map(|run| (run.uid, &run.lower)).collect();
    if named.len() != segment.runs.len() {
        return Err("two references have one uid and one lower bound".into());
    }
    for run in &segment.runs {
        let within = run.lower >= segment.lower && ends_within(run, segment);
        if !within || !is_range(&run.lower, run.upper.as_deref()) {
            return Err(format!("run {:016x} does not lie within it", run.uid));
        }
        if run.smallest_key > run.largest_key {
            return Err(format!("run {:016x} ends before it begins", run.uid));
        }
        if run.rank >= segment.next_rank {
            let (rank, next) = (run.rank, segment.next_rank);
            return Err(format!("rank {rank} is in use and {next} would be the next"));
        }
    }
    let mut pairs = segment.runs.iter().zip(segment.runs.iter().skip(1));
    match pairs.find(|(a, b)| a.rank == b.rank && !precedes(a.upper.as_deref(), &b.lower)) {
        Some((a, b)) => {
            let (a, b, rank) = (a.uid, b.uid, a.rank);
            Err(format!("runs {a:016x} and {b:016x} overlap at rank {rank}"))
        }
        None => Ok(()),
    }
}

fn is_range(lower: &[u8], upper: Option<&[u8]>) -> bool {
    upper.is_none_or(|upper| lower < upper)
}

fn precedes(upper: Option<&[u8]>, lower: &[u8]) -> bool {
    upper.is_some_and(|upper| upper <= lower)
}

fn ends_within(run: &RunReference, segment: &SegmentState) -> bool {
    match (&run.upper, &segment.upper) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(run), Some(segment)) => run <= segment,
    }
}

/// Ranges in ascending order, joined where they touch.
pub(super) type Covered<'a> = Vec<(&'a [u8], Option<&'a [u8]>)>;

/// What some segments cover together. Where two overlap, so do two of the ranges, and the result is
/// unlike that of any segments that do not.
pub(super) fn covered<'a>(segments: impl Iterator<Item = &'a SegmentState>) -> Covered<'a> {
    let mut ranges: Covered<'_> = segments.map(|s| (s.lower.as_slice(), s.upper.as_deref())).collect();
    ranges.sort_unstable();
    let mut joined: Covered<'_> = Vec::new();
    for (lower, upper) in ranges {
        match joined.last_mut() {
            Some((_, end)) if *end == Some(lower) => *end = upper,
            _ => joined.push((lower, upper)),
        }
    }
    joined
}
