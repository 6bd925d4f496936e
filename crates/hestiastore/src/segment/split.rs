//! Where to split a segment: keys that cut its stored bytes into equal parts.

use std::sync::Arc;

use super::{LoadRuns, RunRef, Segment};
use crate::error::Result;

/// The keys that begin the second and later of `parts` parts, ascending, all inside the segment. Fewer,
/// perhaps none, when the main runs offer no such keys.
///
/// The beginning of a run is preferred where one is near: then no file is shared between the parts.
pub(crate) fn split_keys(
    segment: &Segment,
    main: &[Arc<RunRef>],
    parts: u64,
    loader: &impl LoadRuns,
) -> Result<Vec<Box<[u8]>>> {
    let total: u64 = main.iter().map(|run| run.stored_bytes).sum();
    let slack = total / parts.max(1) / 4;
    let mut keys: Vec<Box<[u8]>> = Vec::new();
    for part in 1..parts {
        let ideal = total * part / parts;
        let key = match run_beginning_near(main, ideal, slack) {
            Some(key) => Some(key),
            None => separator_near(segment, main, ideal, loader)?,
        };
        let inside = |key: &[u8]| key > &*segment.lower && keys.last().is_none_or(|last| key > &**last);
        if let Some(key) = key.filter(|key| inside(key)) {
            keys.push(key);
        }
    }
    Ok(keys)
}

fn run_beginning_near(main: &[Arc<RunRef>], ideal: u64, slack: u64) -> Option<Box<[u8]>> {
    let mut before = 0u64;
    for run in main {
        if before > 0 && before.abs_diff(ideal) <= slack {
            return Some(run.first_key().into());
        }
        before += run.stored_bytes;
    }
    None
}

fn separator_near(
    segment: &Segment,
    main: &[Arc<RunRef>],
    ideal: u64,
    loader: &impl LoadRuns,
) -> Result<Option<Box<[u8]>>> {
    let mut before = 0;
    for run in main {
        if before + run.stored_bytes < ideal {
            before += run.stored_bytes;
            continue;
        }
        let loaded = loader.load(segment, &run.handle)?;
        // Bytes before the reference's own part do not count.
        let mut skipped = None;
        for (key, position) in loaded.separators() {
            if !run.within_bounds(&key) {
                continue;
            }
            let start = *skipped.get_or_insert(position);
            if before + (position - start) >= ideal && position > start {
                return Ok(Some(key.into()));
            }
        }
        return Ok(None);
    }
    Ok(None)
}
