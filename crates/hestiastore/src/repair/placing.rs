//! Segments and ranks for the runs that count.
//!
//! Any tiling of the key space is a legal one, since a run may be referred to by parts. The bounds chosen are those
//! between which the runs answer for the same keys, so that each segment's flushed seq is the greatest seq of its
//! runs. Age is the greatest seq covered: of two runs that hold a key and of which neither replaced the other,
//! one begins where the other ends.

use std::collections::{BTreeMap, BTreeSet};

use super::rebuild::Candidate;
use super::report::KeyRange;
use super::survey::Survey;
use crate::error::Result;
use crate::manifest::{ManifestState, RunReference, SegmentState};
use crate::run::{ChunkCache, Run};

/// The rank of main runs, and the first of others.
pub(super) const MAIN_RANK: u64 = 0;

/// What is to be placed.
pub(super) struct Placing<'a> {
    pub(super) survey: &'a Survey,
    pub(super) known: Option<&'a ManifestState>,
    pub(super) kept: &'a [Candidate],
}

/// The result.
pub(super) struct Segments {
    pub(super) segments: BTreeMap<u64, SegmentState>,
    /// Files of runs that share keys and seqs, the one taken for older first, and the keys.
    pub(super) unproven: Vec<(String, String, KeyRange)>,
}

impl Placing<'_> {
    pub(super) fn segments(&self) -> Result<Segments> {
        let mut placed = Segments { segments: BTreeMap::new(), unproven: Vec::new() };
        for (id, (tile, runs)) in (self.first_id()..).zip(self.tiles()) {
            let segment = self.segment(&tile, &runs, &mut placed.unproven)?;
            placed.segments.insert(id, segment);
        }
        Ok(placed)
    }

    /// Behind every id that a file or the manifest names.
    fn first_id(&self) -> u64 {
        let by_runs = self.kept.iter().map(|run| run.identity.segment);
        let by_manifest = self.known.map(|known| known.next_segment_id.saturating_sub(1));
        by_runs.chain(by_manifest).max().unwrap_or(0).saturating_add(1)
    }

    /// Ranges of keys that tile the key space, each with the runs that count in it; neighbours that are alike are
    /// one.
    fn tiles(&self) -> Vec<(KeyRange, Vec<&Candidate>)> {
        let live = self.kept.iter().flat_map(|run| run.live.iter().chain([&run.answered]));
        let mut bounds: BTreeSet<Vec<u8>> =
            live.flat_map(|range| [Some(range.lower.clone()), range.upper.clone()]).flatten().collect();
        let segments = self.known.into_iter().flat_map(|known| known.segments.values());
        bounds.extend(segments.map(|segment| segment.lower.clone()));
        bounds.insert(Vec::new());
        let uppers = bounds.iter().skip(1).cloned().map(Some).chain([None]);
        let ranges = bounds.iter().cloned().zip(uppers).map(|(lower, upper)| KeyRange { lower, upper });
        let mut tiles: Vec<(KeyRange, Vec<&Candidate>)> = Vec::new();
        for range in ranges {
            let counts = |run: &&Candidate| run.live.iter().any(|live| live.holds(&range));
            let runs: Vec<&Candidate> = self.kept.iter().filter(counts).collect();
            let flushed = self.flushed_seq(&range);
            let alike = |(before, others): &(KeyRange, Vec<&Candidate>)| {
                others.iter().map(|run| run.uid).eq(runs.iter().map(|run| run.uid))
                    && self.flushed_seq(before) == flushed
                    && !self.is_known_bound(&range.lower)
            };
            match tiles.pop_if(|last| alike(last)) {
                Some((before, runs)) => {
                    tiles.push((KeyRange { lower: before.lower, upper: range.upper }, runs));
                }
                None => tiles.push((range, runs)),
            }
        }
        tiles
    }

    fn is_known_bound(&self, key: &[u8]) -> bool {
        self.known.is_some_and(|known| known.segments.values().any(|segment| segment.lower == key))
    }

    /// Everything up to this seq was flushed: a run that answers for all of the range holds it, or one that it
    /// replaced did.
    fn flushed_seq(&self, range: &KeyRange) -> u64 {
        let answering = self.kept.iter().filter(|run| run.answered.holds(range) && run.age_is_proven);
        let segments = self.known.into_iter().flat_map(|known| known.segments.values());
        let holding = segments
            .filter(|segment| KeyRange::new(&segment.lower, segment.upper.as_deref()).holds(range))
            .map(|segment| segment.flushed_seq);
        answering.map(|run| run.seqs.1).chain(holding).max().unwrap_or(0)
    }

    fn segment(
        &self,
        tile: &KeyRange,
        runs: &[&Candidate],
        unproven: &mut Vec<(String, String, KeyRange)>,
    ) -> Result<SegmentState> {
        let mut parts: Vec<(&Candidate, KeyRange)> =
            runs.iter().filter_map(|run| Some((*run, run.keys.meet(tile)?))).collect();
        parts.sort_by_key(|(run, _)| (run.seqs.1, run.identity.edit_number, run.uid));
        let mut next_rank = MAIN_RANK + 1;
        let mut placed: Vec<RunReference> = Vec::new();
        for (place, (run, keys)) in parts.iter().enumerate() {
            let mut alone = true;
            for (older, others) in parts.iter().take(place) {
                let Some(shared) = others.meet(keys) else { continue };
                alone = false;
                if run.seqs.0 <= older.seqs.1 || !run.age_is_proven || !older.age_is_proven {
                    unproven.push((older.file.clone(), run.file.clone(), shared));
                }
            }
            let rank = if alone && run.identity.rank == MAIN_RANK { MAIN_RANK } else { next_rank };
            next_rank += u64::from(rank != MAIN_RANK);
            placed.push(self.reference(run, keys, rank)?);
        }
        placed.sort_by(|a, b| (a.rank, &a.lower).cmp(&(b.rank, &b.lower)));
        Ok(SegmentState {
            lower: tile.lower.clone(),
            upper: tile.upper.clone(),
            flushed_seq: self.flushed_seq(tile),
            next_rank,
            runs: placed,
        })
    }

    fn reference(&self, run: &Candidate, keys: &KeyRange, rank: u64) -> Result<RunReference> {
        let largest_key = run.keys.upper.as_deref().and_then(<[u8]>::split_last).map(|(_, key)| key.to_vec());
        let mut reference = RunReference {
            uid: run.uid,
            lower: keys.lower.clone(),
            upper: keys.upper.clone(),
            rank,
            stored_bytes: run.file_bytes,
            entries: run.entries,
            tombstones: run.tombstones,
            file_bytes: run.file_bytes,
            max_seq: run.seqs.1,
            smallest_key: run.keys.lower.clone(),
            largest_key: largest_key.unwrap_or_default(),
        };
        // What is written anew is measured then.
        if run.sound && *keys != run.keys {
            let survey = self.survey;
            let opened = Run::open(&survey.directory, run.uid, survey.index_uuid, ChunkCache::new(0))?;
            measure(&mut reference, &opened);
        }
        Ok(reference)
    }
}

/// Bytes and entries between the bounds of a reference to a part of a run.
pub(super) fn measure(reference: &mut RunReference, run: &Run) {
    let (bytes, entries) = run.bytes_between(Some(&reference.lower), reference.upper.as_deref());
    reference.tombstones = reference.tombstones.saturating_mul(entries) / reference.entries.max(1);
    reference.stored_bytes = bytes;
    reference.entries = entries;
}
