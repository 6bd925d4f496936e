//! The order of age between runs that overlap: reads go by rank, so of one key the newer rank must hold the
//! newer versions (PROTOCOL D2).
//!
//! Runs whose covered seqs do not meet need no look at their entries. That is nearly always so; a merge that went
//! around main runs can cover seqs on both sides of theirs.

use std::collections::VecDeque;
use std::sync::Arc;

use super::CheckReport;
use super::references::RunFacts;
use crate::error::{Error, Result};
use crate::index::core::Core;
use crate::problems::Shown;
use crate::run::{ChunkCache, CursorPurpose, Run, RunCursor, run_file_name};
use crate::segment::{RunRef, Segment};

/// Pairs of runs of one segment that overlap and whose seqs do not tell their order.
#[derive(Debug)]
pub(super) struct OverlapCheck {
    /// The newer rank first.
    pairs: VecDeque<(Arc<RunRef>, Arc<RunRef>)>,
}

impl OverlapCheck {
    pub(super) fn new<'a>(segments: Vec<Arc<Segment>>, facts: impl Fn(u64) -> Option<&'a RunFacts>) -> Self {
        let mut pairs = VecDeque::new();
        for segment in segments {
            let version = segment.version();
            let runs: Vec<&Arc<RunRef>> = version.runs().collect();
            for (place, newer) in runs.iter().enumerate() {
                let Some(newer_facts) = facts(newer.handle.uid) else { continue };
                for older in runs.iter().skip(place + 1).filter(|older| older.rank < newer.rank) {
                    let Some(older_facts) = facts(older.handle.uid) else { continue };
                    if meet(newer, older) && !told_by_seqs(newer_facts, older_facts) {
                        pairs.push_back((Arc::clone(newer), Arc::clone(older)));
                    }
                }
            }
        }
        Self { pairs }
    }

    /// Compares the next pair; the bytes of both, or `None` if there is none left.
    pub(super) fn step(
        &mut self,
        core: &Core,
        cache: &Arc<ChunkCache>,
        report: &mut CheckReport,
    ) -> Result<Option<u64>> {
        let Some((newer, older)) = self.pairs.pop_front() else { return Ok(None) };
        match compare(core, cache, &newer, &older) {
            Ok(None) => {}
            Ok(Some(problem)) | Err(problem) => report.add(problem),
        }
        Ok(Some(newer.stored_bytes + older.stored_bytes))
    }
}

fn meet(a: &RunRef, b: &RunRef) -> bool {
    let before_end = |key: &[u8], run: &RunRef| run.upper.as_deref().is_none_or(|upper| key < upper);
    a.overlaps(b.first_key(), &b.handle.largest_key) && before_end(a.first_key(), b)
}

fn told_by_seqs(newer: &RunFacts, older: &RunFacts) -> bool {
    match (newer.seqs, older.seqs) {
        (Some((least, _)), Some((_, greatest))) => least > greatest,
        _ => true,
    }
}

/// The first key whose newest version in the older run is not older than its oldest in the newer.
fn compare(core: &Core, cache: &Arc<ChunkCache>, newer: &RunRef, older: &RunRef) -> Result<Option<Error>> {
    let from = newer.first_key().max(older.first_key());
    let (mut above, mut below) =
        (Entries::open(core, cache, newer, from)?, Entries::open(core, cache, older, from)?);
    while above.on_entry && below.on_entry {
        match above.cursor.key().cmp(below.cursor.key()) {
            std::cmp::Ordering::Less => above.next_key()?,
            std::cmp::Ordering::Greater => below.next_key()?,
            std::cmp::Ordering::Equal => {
                let (key, newest_below) = (below.cursor.key().to_vec(), below.cursor.seq());
                let oldest_above = above.last_seq_of_key()?;
                if oldest_above <= newest_below {
                    let (rank, other) = (newer.rank, older.handle.uid);
                    let detail = format!(
                        "at rank {rank} it holds seq {oldest_above} of key {}, run {other:016x} below it seq \
                         {newest_below}",
                        Shown(&key)
                    );
                    return Ok(Some(Error::corruption(run_file_name(newer.handle.uid), 0, detail)));
                }
                below.next_key()?;
            }
        }
    }
    Ok(None)
}

/// A run's entries between the bounds of a reference.
struct Entries<'a> {
    cursor: RunCursor,
    reference: &'a RunRef,
    on_entry: bool,
}

impl<'a> Entries<'a> {
    fn open(core: &Core, cache: &Arc<ChunkCache>, reference: &'a RunRef, from: &[u8]) -> Result<Self> {
        let run = Run::open(&core.directory, reference.handle.uid, core.index_uuid, Arc::clone(cache))?;
        let mut cursor = Arc::new(run).cursor(CursorPurpose::Merge);
        let on_entry = cursor.seek(from, u64::MAX)?;
        let mut entries = Self { cursor, reference, on_entry };
        entries.settle();
        Ok(entries)
    }

    fn settle(&mut self) {
        self.on_entry = self.on_entry && self.reference.within_bounds(self.cursor.key());
    }

    fn advance(&mut self) -> Result<()> {
        self.on_entry = self.cursor.next()?;
        self.settle();
        Ok(())
    }

    fn next_key(&mut self) -> Result<()> {
        self.last_seq_of_key().map(drop)
    }

    /// Goes on to the next key; the seq of the last version of the one before.
    fn last_seq_of_key(&mut self) -> Result<u64> {
        let key = self.cursor.key().to_vec();
        let mut seq = self.cursor.seq();
        while self.on_entry && *self.cursor.key() == *key {
            seq = self.cursor.seq();
            self.advance()?;
        }
        Ok(seq)
    }
}
