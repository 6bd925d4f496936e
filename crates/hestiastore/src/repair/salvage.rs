//! One damaged run: what can be read of it, and writing that into a new run.

use super::report::{Action, KeyRange};
use super::survey::{FoundRun, RunCondition, Survey};
use crate::directory::Directory;
use crate::error::Result;
use crate::run::{
    LostKeys, RemainingValue, RunHints, RunIdentity, RunProperties, RunRemains, RunSettings, RunSummary,
    RunWriter,
};
use std::sync::Arc;

/// What is there of a run that is damaged, or has another run's name.
#[derive(Debug, Clone)]
pub(super) struct Remains {
    pub(super) properties: Option<RunProperties>,
    /// Entries that can be read.
    pub(super) entries: u64,
    pub(super) lost: Vec<LostKeys>,
    /// Whether an entry that can be read lies in the lost range at the same place: it may be older than what is lost.
    older_is_left: Vec<bool>,
    /// First and last key that can be read.
    pub(super) keys: Option<(Vec<u8>, Vec<u8>)>,
    /// Least and greatest seq of the entries that can be read, without zeroed ones.
    pub(super) seqs: Option<(u64, u64)>,
}

impl Remains {
    pub(super) fn examine(survey: &Survey, run: &FoundRun) -> Result<Self> {
        let remains = RunRemains::search(&*survey.directory, &run.file, &survey.hints(run.uid))?;
        let (mut entries, mut keys, mut seqs) = (0u64, None::<(Vec<u8>, Vec<u8>)>, None::<(u64, u64)>);
        let lost = remains.read_entries(&mut |key, seq, _| {
            entries += 1;
            match &mut keys {
                Some((_, last)) => key.clone_into(last),
                None => keys = Some((key.to_vec(), key.to_vec())),
            }
            if seq != 0 {
                let (least, greatest) = seqs.unwrap_or((seq, seq));
                seqs = Some((least.min(seq), greatest.max(seq)));
            }
            Ok(())
        })?;
        let mut older_is_left = vec![false; lost.len()];
        if !lost.is_empty() {
            remains.read_entries(&mut |key, _, _| {
                let behind = lost.partition_point(|range| &*range.lower <= key);
                let Some(at) = behind.checked_sub(1) else { return Ok(()) };
                let within =
                    lost.get(at).is_some_and(|range| range.upper.as_deref().is_none_or(|upper| key < upper));
                if let Some(left) = older_is_left.get_mut(at).filter(|_| within) {
                    *left = true;
                }
                Ok(())
            })?;
        }
        Ok(Self { properties: remains.properties().cloned(), entries, lost, older_is_left, keys, seqs })
    }

    /// How many entries are missing, if `expected` or the run itself tells how many there were.
    pub(super) fn missing(&self, expected: Option<u64>) -> Option<u64> {
        let expected = self.properties.as_ref().map(|known| known.entries).or(expected);
        expected.map(|expected| expected.saturating_sub(self.entries))
    }

    /// The seqs that a run of these entries covers which does not tell them itself; the manifest knows the greatest. The
    /// least must not be too low: a later merge would cover, and so replace, what never went into it.
    pub(super) fn covered_seqs(&self, recorded: Option<u64>) -> (u64, u64) {
        match (self.seqs, recorded) {
            (Some((least, greatest)), recorded) => (least, greatest.max(recorded.unwrap_or(0))),
            (None, recorded) => (recorded.unwrap_or(0), recorded.unwrap_or(0)),
        }
    }

    /// What is lost, and whether older entries of these keys are left in the run itself.
    pub(super) fn lost_and_older(&self) -> impl Iterator<Item = (KeyRange, bool)> {
        self.lost_ranges().zip(self.older_is_left.iter().copied())
    }

    pub(super) fn lost_ranges(&self) -> impl Iterator<Item = KeyRange> {
        self.lost.iter().map(|lost| KeyRange::new(&lost.lower, lost.upper.as_deref()))
    }

    pub(super) fn action(&self) -> Action {
        match (self.entries, self.lost.is_empty()) {
            (0, _) => Action::RunDropped,
            (_, true) => Action::RunRebuilt,
            (_, false) => Action::RunSalvaged,
        }
    }
}

/// A run to be written anew.
#[derive(Debug, Clone)]
pub(super) struct Salvage {
    /// The uid that the plan's state still names.
    pub(super) old_uid: u64,
    pub(super) file: String,
    pub(super) hints: RunHints,
    /// Of the new run, but for the uid.
    pub(super) identity: RunIdentity,
    pub(super) seqs: (u64, u64),
}

impl Salvage {
    pub(super) fn new(survey: &Survey, run: &FoundRun, identity: RunIdentity, seqs: (u64, u64)) -> Self {
        let hints = survey.hints(run.uid);
        let identity =
            RunIdentity { salvaged_from: Some(run.uid), index_uuid: survey.index_uuid, ..identity };
        Self { old_uid: run.uid, file: run.file.clone(), hints, identity, seqs }
    }

    /// Writes what can be read under a new name; content and name are durable after a sync of the directory.
    pub(super) fn write(
        &self,
        directory: &Arc<dyn Directory>,
        settings: &RunSettings,
        new_uid: u64,
    ) -> Result<RunSummary> {
        let remains = RunRemains::search(&**directory, &self.file, &self.hints)?;
        let identity = RunIdentity { uid: new_uid, ..self.identity.clone() };
        let mut writer = RunWriter::create(directory, settings, identity)?;
        writer.cover_seqs(self.seqs.0, self.seqs.1);
        remains.read_entries(&mut |key, seq, value| match value {
            RemainingValue::Here(kind, value) => writer.add(key, seq, kind, value),
            RemainingValue::Apart(chunk) => writer.add_value_chunk(key, seq, &remains.load(&chunk)?),
        })?;
        writer.finish()
    }
}

/// The properties of a sound run under another's name are known; those of a damaged one only if they can be read.
pub(super) fn known_properties<'a>(
    run: &'a FoundRun,
    remains: Option<&'a Remains>,
) -> Option<&'a RunProperties> {
    match &run.condition {
        RunCondition::Sound { properties, .. } => Some(properties),
        RunCondition::Damaged { .. } => remains.and_then(|remains| remains.properties.as_ref()),
    }
}
