//! The manifest as the open index keeps it: the state in force and the file that edits go to.

use std::collections::BTreeSet;

use super::core::Core;
use crate::error::{Error, Result};
use crate::manifest::{Change, Edit, ManifestFile, ManifestState};
use crate::run::run_file_name;
use crate::wal::log_file_name;

/// So many deletions are reported in one edit, so that any edit stays small.
const DELETIONS_AN_EDIT: usize = 64;

/// How an edit is committed: as an ordinary one, or as one of a close.
type Commit = fn(&mut ManifestFile, &mut ManifestState, &Edit) -> Result<u64>;

/// See the module.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) state: ManifestState,
    /// `None` until the first write of this open.
    pub(crate) file: Option<ManifestFile>,
    /// Unlinked files whose names a power cut may bring back: they stay listed.
    pub(crate) unlinked: Vec<String>,
    /// Pending deletions that are done, durably; the next edit says so.
    pub(crate) deleted: Vec<String>,
}

/// What an edit brought about.
#[derive(Debug)]
pub(crate) struct Committed {
    pub(crate) edit_number: u64,
    /// Run files that nothing refers to any more.
    pub(crate) obsolete: BTreeSet<u64>,
}

impl Keeper {
    pub(crate) fn new(state: ManifestState) -> Self {
        Self { state, file: None, unlinked: Vec::new(), deleted: Vec::new() }
    }
}

/// A log that is listed under a name that is still to be deleted would be deleted with all that is in it.
fn refuse_names_to_be_deleted(state: &ManifestState, changes: &[Change]) -> Result<()> {
    let name = |change: &Change| match change {
        Change::AddLog { number, .. } => Some(log_file_name(*number)),
        _ => None,
    };
    let mut names = changes.iter().filter_map(name);
    match names.find(|name| state.pending_deletions.contains(name)) {
        None => Ok(()),
        Some(name) => Err(Error::Failed { cause: format!("{name} is to be deleted, and no new log").into() }),
    }
}

impl Core {
    /// Commits an edit: appended, synced, in force. Files that lose their last reference are listed as
    /// pending deletions in the same edit (PROTOCOL D7).
    ///
    /// A failure ends the index, but for a full disk, which refuses this edit only.
    pub(crate) fn commit_edit(&self, changes: Vec<Change>) -> Result<Committed> {
        self.commit_by(changes, ManifestFile::commit)
    }

    /// The same for the edits of a close: they find room in the manifest also on a full disk.
    pub(crate) fn commit_closing_edit(&self, changes: Vec<Change>) -> Result<Committed> {
        self.commit_by(changes, ManifestFile::commit_closing)
    }

    fn commit_by(&self, changes: Vec<Change>, commit: Commit) -> Result<Committed> {
        let mut keeper = self.manifest.lock();
        let outcome = self.commit_locked(&mut keeper, changes, commit);
        outcome.map_err(|error| match error {
            Error::WritesRefused { .. } => error,
            error => self.fail(&error),
        })
    }

    fn commit_locked(
        &self,
        keeper: &mut Keeper,
        mut changes: Vec<Change>,
        commit: Commit,
    ) -> Result<Committed> {
        let Keeper { state, file, deleted, .. } = keeper;
        let Some(file) = file else {
            return Err(Error::Failed { cause: "an edit before the open edit".into() });
        };
        refuse_names_to_be_deleted(state, &changes)?;
        let closing = changes.pop_if(|change| matches!(change, Change::Close(_)));
        let told = deleted.len().min(DELETIONS_AN_EDIT);
        let done = deleted.iter().take(told);
        changes.extend(done.map(|name| Change::DonePendingDeletion { name: name.clone() }));
        let mut edit = Edit { changes };
        let obsolete =
            state.obsolete_after(&edit).map_err(|reason| Error::Failed { cause: reason.into() })?;
        let pending = obsolete.iter().map(|uid| Change::AddPendingDeletion { name: run_file_name(*uid) });
        edit.changes.extend(pending);
        edit.changes.extend(closing);
        let edit_number = commit(file, state, &edit)?;
        deleted.drain(..told);
        if file.should_rewrite() {
            match file.rewrite(&*self.directory, &self.environment, state) {
                // The old file goes on; the next edit tries again.
                Err(_) if !file.is_poisoned() => {}
                outcome => outcome?,
            }
        }
        Ok(Committed { edit_number, obsolete })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SegmentIndex;

    #[test]
    fn d7_no_log_is_listed_under_a_name_that_is_to_be_deleted() {
        let index: SegmentIndex<u64, u64> = SegmentIndex::in_memory().create().unwrap();
        index.put(1, 1).unwrap();
        let name = log_file_name(99);
        index.core.commit_edit(vec![Change::AddPendingDeletion { name: name.clone() }]).unwrap();
        let error = index.core.commit_edit(vec![Change::AddLog { number: 99, uid: 7 }]).unwrap_err();
        assert!(error.to_string().contains(&name), "{error}");
        assert!(index.core.manifest.lock().state.logs.iter().all(|log| log.number < 99));
    }
}
