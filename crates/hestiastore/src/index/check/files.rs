//! The manifest against itself, the open index, and the directory.

use std::collections::BTreeSet;

use super::CheckReport;
use crate::config::Config;
use crate::error::Error;
use crate::index::core::Core;
use crate::index::keeper::Keeper;
use crate::index::open::{highest_edit_named, list, named_runs};
use crate::manifest::{
    MANIFEST_NAME, ManifestState, ReadManifest, Tail, confirm_torn_tail, contradictions, read_manifest,
};
use crate::wal::log_file_name;

/// More unnamed files than this are not told.
const MOST_UNNAMED: usize = 100;

impl Core {
    /// Verifies the manifest, and that the files in the directory are those that it names. Returns the
    /// manifest's length in bytes.
    pub(super) fn check_files(&self, report: &mut CheckReport) -> u64 {
        // Nobody appends meanwhile, and no file that is named goes.
        let keeper = self.manifest.lock();
        let read = match read_manifest(&*self.directory) {
            Ok(read) => read,
            Err(problem) => {
                report.add(problem);
                return 0;
            }
        };
        let damaged = |offset, detail: String| Error::corruption(MANIFEST_NAME, offset, detail);
        for (offset, detail) in damage(&read, &keeper) {
            report.add(damaged(offset, detail));
        }
        let mut details = contradictions(&read.state);
        details.extend(deletions_in_use(&read.state));
        details.extend(Config::decode(&read.state.config).err().map(|error| error.to_string()));
        for detail in details {
            report.add(damaged(read.end_offset, detail));
        }
        match list(&*self.directory) {
            Ok(names) => self.check_names(&read, &names, report),
            Err(problem) => report.add(problem),
        }
        read.end_offset
    }

    fn check_names(&self, read: &ReadManifest, names: &[String], report: &mut CheckReport) {
        let named = named_files(&read.state);
        let unnamed = names.iter().filter(|name| !named.contains(*name) && !name.starts_with('.'));
        report.unnamed_files.extend(unnamed.take(MOST_UNNAMED).cloned());
        // Missing files are told where they are to be read; a lost edit is told here.
        let named_by_logs = highest_edit_named(&self.directory, &read.state, names);
        if let Err(problem) = confirm_torn_tail(read, named_by_logs, &[]) {
            report.add(problem);
        }
    }
}

/// What is wrong with the file, though it could be read.
fn damage(read: &ReadManifest, keeper: &Keeper) -> Vec<(u64, String)> {
    let mut found = Vec::new();
    if let Some(copy) = &read.damaged_copy {
        found.push((copy.offset, copy.detail.clone()));
    }
    if read.state != keeper.state {
        found.push((read.end_offset, "the file holds another state than the open index".to_owned()));
    }
    // What a crash tore off is cut by the first write; behind an edit of this open nothing is torn.
    if let (Some(_), Tail::Torn { offset, bytes }) = (&keeper.file, read.tail) {
        found.push((offset, format!("{bytes} bytes of no edit behind the last one")));
    }
    found
}

/// What is to be deleted must be nobody's (PROTOCOL D7).
fn deletions_in_use(state: &ManifestState) -> Vec<String> {
    let named = named_files(state);
    let in_use = state.pending_deletions.iter().filter(|name| named.contains(*name));
    in_use.map(|name| format!("{name} is in use and listed for deletion")).collect()
}

fn named_files(state: &ManifestState) -> BTreeSet<String> {
    let mut names = named_runs(state);
    names.extend(state.logs.iter().map(|log| log_file_name(log.number)));
    names.insert(MANIFEST_NAME.to_owned());
    names
}
