//! What is to be done: the state that the new manifest begins with, and what happens to files.

use super::logs::LogPlan;
use super::options::RepairOptions;
use super::report::{Action, RepairReport};
use super::salvage::Salvage;
use super::survey::{FoundManifest, FoundRun, Survey};
use super::{known, rebuild};
use crate::directory::Directory;
use crate::error::{Error, Result};
use crate::manifest::{MANIFEST_NAME, ManifestState, ProvenManifest, RunReference};
use crate::wal::{listed_logs, logs_given_up, parse_log_file_name};
use std::sync::Arc;

/// See the module. The state names the runs to be salvaged by their old uids.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) report: RepairReport,
    pub(super) state: ManifestState,
    pub(super) salvages: Vec<Salvage>,
    /// Copied to quarantine before the new manifest, and left where they are.
    pub(super) copied: Vec<String>,
    /// Copied to quarantine before the new manifest, and removed after it: the next open would delete them.
    pub(super) given_up: Vec<String>,
    /// Moved to quarantine after the new manifest.
    pub(super) moved: Vec<String>,
    /// Seqs that the logs give, as [`LogPlan::replayed`].
    pub(super) replayed: Option<(u64, u64)>,
}

/// Surveys the directory and makes the plan.
pub(super) fn make(directory: &Arc<dyn Directory>, options: &RepairOptions) -> Result<Plan> {
    let survey = Survey::make(directory, options)?;
    let mut plan = match &survey.manifest {
        FoundManifest::Readable(proven) => match lost_edits(&survey, proven)? {
            Some(why) => rebuild::make(&survey, Some(&proven.state), why, options)?,
            None => {
                let mut plan = known::make(&survey, &proven.state)?;
                if let Some((offset, detail)) = &proven.damage {
                    let damage = format!("it is damaged at offset {offset}: {detail}");
                    plan.report.add(MANIFEST_NAME, damage, Action::ManifestRewritten);
                }
                plan
            }
        },
        FoundManifest::Unreadable(damage) => rebuild::make(&survey, None, damage.clone(), options)?,
        FoundManifest::Missing => rebuild::make(&survey, None, "it is missing".into(), options)?,
    };
    if !plan.report.is_sound() {
        plan.settle(&survey)?;
    }
    Ok(plan)
}

/// Why the manifest is known to miss edits that had been made, if it is.
fn lost_edits(survey: &Survey, proven: &ProvenManifest) -> Result<Option<String>> {
    if !proven.all_edits_read {
        let (offset, detail) = proven.damage.clone().unwrap_or_default();
        return Ok(Some(format!("it is damaged at offset {offset}: {detail}")));
    }
    let state = &proven.state;
    let last = state.edit_number;
    let begins = survey.logs.iter().filter_map(|log| log.beginning.and_then(|beginning| beginning.first));
    let by_logs = begins.map(|first| first.begin.edit_number).max().filter(|named| *named > last);
    if let Some(named) = by_logs {
        return Ok(Some(format!("it ends with edit {last}, but a log names edit {named}")));
    }
    let logs_gone = !logs_given_up(&*survey.directory, &listed_logs(state))?.is_empty();
    if logs_gone && proven.ends_torn {
        return Ok(Some(format!("damaged bytes follow edit {last}, and logs that it lists are gone")));
    }
    let unnamed =
        |run: &&FoundRun| state.references(run.uid) == 0 && !state.pending_deletions.contains(&run.file);
    for run in survey.runs.values().filter(unnamed) {
        let Some(properties) = run.stated_properties() else { continue };
        // A log stays until every run that it went into is named.
        let beyond = properties.seqs.is_some_and(|(_, greatest)| greatest > state.last_seq);
        if logs_gone && beyond && properties.identity.inputs.is_empty() {
            return Ok(Some(format!(
                "it ends with edit {last} and lists logs that are gone, but {} is newer",
                run.file
            )));
        }
        let begun = properties.identity.edit_number;
        if begun > last {
            return Ok(Some(format!("it ends with edit {last}, but {} names edit {begun}", run.file)));
        }
        let gone = |input: &&u64| state.references(**input) > 0 && !survey.runs.contains_key(input);
        let identity = &properties.identity;
        if let Some(input) = identity.inputs.iter().chain(&identity.salvaged_from).find(gone) {
            let file = &run.file;
            return Ok(Some(format!("it names run {input:016x}, which is gone and went into {file}")));
        }
    }
    Ok(None)
}

impl Plan {
    pub(super) fn of(state: ManifestState) -> Self {
        Self {
            report: RepairReport::default(),
            state,
            salvages: Vec::new(),
            copied: Vec::new(),
            given_up: Vec::new(),
            moved: Vec::new(),
            replayed: None,
        }
    }

    /// Changes the references to a run; `false` removes one.
    pub(super) fn each_reference(&mut self, uid: u64, change: impl Fn(&mut RunReference) -> bool) {
        for segment in self.state.segments.values_mut() {
            segment.runs.retain_mut(|run| run.uid != uid || change(run));
        }
    }

    /// Whether the run's entries go into a new one.
    pub(super) fn replaces(&self, uid: u64) -> bool {
        self.salvages.iter().any(|salvage| salvage.old_uid == uid)
    }

    /// To quarantine with a file that nothing names. The next open would delete a log, so that is copied first.
    pub(super) fn put_away(&mut self, file: &str) {
        let list = if parse_log_file_name(file).is_some() { &mut self.given_up } else { &mut self.moved };
        list.push(file.to_owned());
    }

    /// The greatest seq that a run covers.
    pub(super) fn greatest_seq(&self) -> u64 {
        let runs = self.state.segments.values().flat_map(|segment| &segment.runs);
        runs.map(|run| run.max_seq).max().unwrap_or(0)
    }

    pub(super) fn adopt(&mut self, logs: LogPlan) {
        self.state.logs = logs.listed;
        self.state.last_seq = self.state.last_seq.max(logs.next_seq.saturating_sub(1));
        self.copied.extend(logs.copied);
        self.given_up.extend(logs.given_up);
        self.replayed = logs.replayed;
    }

    /// What holds for every manifest that a repair writes: it is not closed, and counts on from all that files
    /// name.
    fn settle(&mut self, survey: &Survey) -> Result<()> {
        let state = &mut self.state;
        state.closed = None;
        let by_logs =
            survey.logs.iter().filter_map(|log| log.beginning.and_then(|beginning| beginning.first));
        let by_logs = by_logs.map(|first| first.begin.edit_number);
        let by_runs = survey
            .runs
            .values()
            .filter_map(|run| run.stated_properties())
            .map(|run| run.identity.edit_number);
        let by_new_runs = self.salvages.iter().map(|salvage| salvage.identity.edit_number);
        let greatest = by_logs.chain(by_runs).chain(by_new_runs).max().unwrap_or(0).max(state.edit_number);
        let next = greatest.checked_add(1);
        state.edit_number = next.ok_or_else(|| Error::Failed { cause: "edit numbers are used up".into() })?;
        // Runs that did not tell it themselves.
        for salvage in self.salvages.iter_mut().filter(|salvage| salvage.identity.key_type.is_empty()) {
            salvage.identity.key_type.clone_from(&state.key_type);
            salvage.identity.value_type.clone_from(&state.value_type);
            salvage.identity.edit_number = greatest;
        }
        let given_up = &self.given_up;
        self.moved.retain(|file| !given_up.contains(file));
        self.moved.sort();
        self.moved.dedup();
        Ok(())
    }
}
