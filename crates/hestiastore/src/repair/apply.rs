//! Carrying a plan out. Nothing that was there before is touched until the new manifest has its name.

use std::sync::Arc;

use super::options::RepairOptions;
use super::placing::measure;
use super::plan::Plan;
use super::quarantine::{Copied, keep_copy, keep_report, move_away, remove_if_there};
use super::report::RepairReport;
use super::salvage::Salvage;
use super::survey;
use crate::config::Config;
use crate::directory::Directory;
use crate::error::{Error, Result};
use crate::manifest::{MANIFEST_NAME, ManifestFile, ManifestState, RunReference};
use crate::run::{ChunkCache, Run, RunSettings, RunSummary, run_file_name};

pub(super) fn apply(
    directory: &Arc<dyn Directory>,
    options: &RepairOptions,
    mut plan: Plan,
) -> Result<RepairReport> {
    let mut written = Written { directory, names: Vec::new(), keep: false };
    write_runs(directory, options, &mut plan, &mut written)?;
    let had_manifest = survey::list(&**directory)?.iter().any(|name| name == MANIFEST_NAME);
    let manifest = had_manifest.then(|| MANIFEST_NAME.to_owned());
    for file in plan.copied.iter().chain(&manifest) {
        keep_copy(&**directory, file)?;
    }
    let mut given_up = Vec::with_capacity(plan.given_up.len());
    for file in &plan.given_up {
        given_up.push((file, keep_copy(&**directory, file)?));
    }
    // Written as of a repair that is done: who reads it later has only the manifest to compare.
    plan.report.applied = true;
    let place = keep_report(&**directory, &plan.report, plan.state.edit_number)?;
    written.names.push(place.clone());
    plan.report.kept_in = Some(place);
    sync(&**directory)?;
    sync_logs(&**directory, &plan.state)?;
    // From here on it is not known which manifest a crash would leave.
    written.keep = true;
    ManifestFile::create(&**directory, &options.environment, &plan.state)?;
    for file in &plan.moved {
        move_away(&**directory, file)?;
    }
    for (file, copied) in given_up {
        match copied {
            Copied::Whole => remove_if_there(&**directory, file)?,
            Copied::InPart => move_away(&**directory, file)?,
        }
    }
    sync(&**directory)?;
    Ok(plan.report)
}

/// New runs and the report, which go again if the repair fails before they count.
struct Written<'a> {
    directory: &'a Arc<dyn Directory>,
    names: Vec<String>,
    keep: bool,
}

impl Drop for Written<'_> {
    fn drop(&mut self) {
        if !self.keep {
            for name in &self.names {
                // What stays is found by the next repair, which knows it for a copy.
                let _ = self.directory.remove(name);
            }
        }
    }
}

fn write_runs(
    directory: &Arc<dyn Directory>,
    options: &RepairOptions,
    plan: &mut Plan,
    written: &mut Written<'_>,
) -> Result<()> {
    let config = Config::decode(&plan.state.config)?;
    let settings = RunSettings::of(&config, plan.state.hash_seed)?;
    let names = survey::list(&**directory)?;
    for salvage in std::mem::take(&mut plan.salvages) {
        let uid = free_uid(&names, options);
        let summary = salvage.write(directory, &settings, uid)?;
        written.names.push(run_file_name(uid));
        refer_to(directory, plan, &salvage, &summary)?;
    }
    Ok(())
}

/// Not that of a run which a repair that was stopped left behind, should randomness repeat itself.
fn free_uid(names: &[String], options: &RepairOptions) -> u64 {
    loop {
        let uid = options.environment.random.next_u64();
        let name = run_file_name(uid);
        if !names.iter().any(|taken| taken.starts_with(&name)) {
            return uid;
        }
    }
}

/// The new run takes the old one's place.
fn refer_to(
    directory: &Arc<dyn Directory>,
    plan: &mut Plan,
    salvage: &Salvage,
    summary: &RunSummary,
) -> Result<()> {
    let properties = &summary.properties;
    let uid = properties.identity.uid;
    let run = Run::open(directory, uid, properties.identity.index_uuid, ChunkCache::new(0))?;
    plan.each_reference(salvage.old_uid, |reference| {
        let max_seq = properties.seqs.map_or(0, |(_, greatest)| greatest);
        let misses = reference.lower > properties.last_key
            || reference.upper.as_ref().is_some_and(|upper| *upper <= properties.first_key);
        *reference = RunReference {
            uid,
            lower: std::mem::take(&mut reference.lower),
            upper: reference.upper.take(),
            rank: reference.rank,
            stored_bytes: summary.file_bytes,
            entries: properties.entries,
            tombstones: properties.tombstones,
            file_bytes: summary.file_bytes,
            max_seq,
            smallest_key: properties.first_key.clone(),
            largest_key: properties.last_key.clone(),
        };
        let is_whole = reference.lower <= properties.first_key
            && reference.upper.as_ref().is_none_or(|upper| *upper > properties.last_key);
        if !is_whole {
            measure(reference, &run);
        }
        !misses
    });
    Ok(())
}

/// The logs that stay may be in the page cache only, and the new manifest may say how far they reach (D6).
fn sync_logs(directory: &dyn Directory, state: &ManifestState) -> Result<()> {
    for log in &state.logs {
        let name = crate::wal::log_file_name(log.number);
        match directory.open(&name, crate::directory::OpenMode::ReadWrite) {
            Ok(file) => file.sync().map_err(|source| Error::io("sync", &*name, source))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(Error::io("open", &*name, source)),
        }
    }
    Ok(())
}

fn sync(directory: &dyn Directory) -> Result<()> {
    directory.sync().map_err(|source| Error::io("sync", directory.location(), source))
}
