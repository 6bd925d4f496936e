//! A store that lives through many kills, and what is known of its contents.

use std::path::Path;

use hestiastore::CheckReport;
use hestiastore::config::Durability;
use tempfile::TempDir;

use super::commits::{CommitId, Entries, LANES, lane_of};
use super::history::History;
use super::pipe::Promises;
use super::plan::{Index, Round, builder};
use crate::chance::Chance;
use crate::outcome::{Outcome, failure};

/// See the module.
#[derive(Debug)]
pub(super) struct Store {
    place: TempDir,
    lanes: [Entries; LANES as usize],
    /// Without a log, a run that no edit came to name is all there is of its entries, and is kept.
    may_quarantine: bool,
}

impl Store {
    pub(super) fn new(beside: Option<&Path>) -> Outcome<Self> {
        let place = match beside {
            Some(folder) => tempfile::tempdir_in(folder)?,
            None => tempfile::tempdir()?,
        };
        Ok(Self { place, lanes: Default::default(), may_quarantine: false })
    }

    pub(super) fn path(&self) -> &Path {
        self.place.path()
    }

    /// Keeps the directory for whoever looks for the fault.
    pub(super) fn keep(self) -> std::path::PathBuf {
        self.place.keep()
    }

    /// Opens what a killed process has left, and compares it with what that process has promised.
    /// What `check` went through.
    pub(super) fn verify(&mut self, round: &Round, promises: &Promises) -> Outcome<CheckReport> {
        self.may_quarantine |= round.mode == Durability::Off;
        if !has_manifest(self.path())? {
            // Killed while it created the index.
            if promises.commits() > 0 {
                return failure("there is no MANIFEST");
            }
            return Ok(CheckReport::default());
        }
        let chance = Chance::of(&[round.seed, round.store, round.round, 300]);
        let index = match chance.one_in(2) {
            true => builder(self.path()).open()?,
            false => builder(self.path()).open_read_only()?,
        };
        let report = index.check()?;
        if !report.is_clean() {
            return failure(format!("check: {report}"));
        }
        let found = by_lane(&index)?;
        for lane in 0..LANES {
            let at = usize::from(lane);
            let at_work = lane < round.lanes();
            let history = History {
                base: &self.lanes[at],
                id: CommitId { seed: round.seed, store: round.store, round: round.round, lane, number: 0 },
                acknowledged: promises.acknowledged[at],
                flushed: promises.flushed[at],
                at_work,
            };
            match round.mode {
                Durability::Off => history.check_segments(&found[at], report.segments)?,
                _ => history.check_whole(&found[at])?,
            }
        }
        check_reads(&index, &found, &chance)?;
        index.close()?;
        self.lanes = found;
        self.check_quarantine()?;
        Ok(report)
    }

    fn check_quarantine(&self) -> Outcome {
        if !self.may_quarantine && self.path().join("quarantine").exists() {
            return failure("a file went to quarantine");
        }
        Ok(())
    }
}

fn has_manifest(place: &Path) -> Outcome<bool> {
    Ok(place.join("MANIFEST").try_exists()?)
}

/// Everything in the index.
fn by_lane(index: &Index) -> Outcome<[Entries; LANES as usize]> {
    let mut lanes: [Entries; LANES as usize] = Default::default();
    for entry in index.iter()? {
        let (key, value) = entry?;
        let Some(lane) = lane_of(&key) else {
            return failure(format!("nobody wrote the key {}", key.escape_ascii()));
        };
        lanes[usize::from(lane)].insert(key, value);
    }
    Ok(lanes)
}

/// Other ways to read give the same.
fn check_reads(index: &Index, found: &[Entries], chance: &Chance) -> Outcome {
    let all: Entries = found.iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect();
    for (key, value) in all.iter().skip(chance.below(97) as usize).step_by(97) {
        if index.get(key)?.as_ref() != Some(value) {
            return failure(format!("get of {} differs from the scan", key.escape_ascii()));
        }
    }
    let mut expected = all.iter().rev();
    for entry in index.iter()?.rev() {
        let (key, value) = entry?;
        if expected.next() != Some((&key, &value)) {
            return failure("a backward scan differs from the forward one");
        }
    }
    match expected.next() {
        None => Ok(()),
        Some(_) => failure("a backward scan ends too early"),
    }
}
