//! The plan where the manifest is known: its runs are compared with the files.

use std::collections::{BTreeMap, BTreeSet};

use super::logs::LogPlan;
use super::placing::MAIN_RANK;
use super::plan::Plan;
use super::report::{Action, KeyRange, Loss};
use super::salvage::{Remains, Salvage};
use super::survey::{FoundRun, RunCondition, Survey};
use crate::error::Result;
use crate::manifest::{MANIFEST_NAME, ManifestState, RunReference, SegmentState};
use crate::run::{RunIdentity, run_file_name};

/// A run's references: the segment and its place among the segment's runs.
type References = Vec<(u64, RunReference)>;

/// Makes the plan for a manifest whose every edit could be read.
pub(super) fn make(survey: &Survey, state: &ManifestState) -> Result<Plan> {
    let mut plan = Plan::of(state.clone());
    let greatest_in_runs = plan.greatest_seq();
    let (spent, needed) = state.spent_and_needed_logs();
    let logs = LogPlan::make(survey, needed, state.proven_synced_seq())?;
    for (uid, references) in by_run(state) {
        match survey.runs.get(&uid) {
            Some(run) if run.is_sound() => check_record(&mut plan, run, &references),
            Some(run) => damaged(&mut plan, survey, run, &references)?,
            None => missing(&mut plan, survey, uid, &references),
        }
    }
    check_close(&mut plan, &logs);
    take_again_from_logs(&mut plan, survey, &logs);
    let segments = plan.state.segments.values();
    logs.tell(segments, greatest_in_runs, &mut plan.report);
    plan.adopt(logs);
    plan.state.logs.splice(0..0, spent.iter().cloned());
    unnamed(&mut plan, survey);
    Ok(plan)
}

/// Where the logs go on behind a clean close, the edit that says so is lost. All that it could tell is found without it.
fn check_close(plan: &mut Plan, logs: &LogPlan) {
    let Some(closed) = plan.state.closed.filter(|_| logs.cut.is_none() && logs.end.0 != 0) else { return };
    if (closed.log_number, closed.end_offset) != logs.end {
        let (number, offset) = logs.end;
        let damage = format!(
            "its last edit is a clean close that left log {} at offset {}, but the logs end in log {number} at \
             offset {offset}",
            closed.log_number, closed.end_offset
        );
        plan.report.add(MANIFEST_NAME, damage, Action::ManifestRewritten);
    }
}

fn by_run(state: &ManifestState) -> BTreeMap<u64, References> {
    let mut runs: BTreeMap<u64, References> = BTreeMap::new();
    for (id, segment) in &state.segments {
        for run in &segment.runs {
            runs.entry(run.uid).or_default().push((*id, run.clone()));
        }
    }
    runs
}

/// A sound run may still not be what the manifest says of it.
fn check_record(plan: &mut Plan, run: &FoundRun, references: &References) {
    let RunCondition::Sound { properties, file_bytes } = &run.condition else { return };
    let fits = |reference: &RunReference| {
        (reference.file_bytes, &reference.smallest_key, &reference.largest_key)
            == (*file_bytes, &properties.first_key, &properties.last_key)
    };
    if references.iter().all(|(_, reference)| fits(reference)) {
        return;
    }
    plan.each_reference(run.uid, |reference| {
        reference.file_bytes = *file_bytes;
        reference.smallest_key.clone_from(&properties.first_key);
        reference.largest_key.clone_from(&properties.last_key);
        true
    });
    let damage = "the manifest records another length or other keys of it";
    plan.report.add(&*run.file, damage, Action::ManifestRewritten);
}

fn damaged(plan: &mut Plan, survey: &Survey, run: &FoundRun, references: &References) -> Result<()> {
    let mut remains = Remains::examine(survey, run)?;
    let whole = whole_count(references);
    if remains.properties.is_none() && whole == Some(remains.entries) {
        remains.lost.clear();
    }
    let action = remains.action();
    let recorded = references.iter().map(|(_, run)| run.max_seq).max();
    let stated = remains.properties.as_ref().and_then(|properties| properties.seqs);
    let seqs = match stated {
        Some((least, greatest)) => (least, greatest.max(recorded.unwrap_or(0))),
        None => remains.covered_seqs(recorded),
    };
    let lost_seqs = stated.map(|_| seqs);
    let losses = losses(&plan.state, survey, &remains, references, lost_seqs);
    plan.report.add(&*run.file, run.damage(), action).losses = losses;
    plan.moved.push(run.file.clone());
    if action == Action::RunDropped {
        plan.each_reference(run.uid, |_| false);
        return Ok(());
    }
    plan.salvages.push(Salvage::new(survey, run, identity(&remains, references), seqs));
    Ok(())
}

/// How many entries the whole file had, by what the manifest says of a reference that is not clipped.
fn whole_count(references: &References) -> Option<u64> {
    let is_whole = |run: &RunReference| {
        run.lower <= run.smallest_key && run.upper.as_ref().is_none_or(|upper| *upper > run.largest_key)
    };
    references.iter().find(|(_, run)| is_whole(run)).map(|(_, run)| run.entries)
}

/// The new run is to look like the old one, so that a manifest could be rebuilt from it too.
fn identity(remains: &Remains, references: &References) -> RunIdentity {
    if let Some(properties) = &remains.properties {
        return properties.identity.clone();
    }
    let Some(((segment, first), rest)) = references.split_first() else { return RunIdentity::default() };
    let answered =
        rest.iter().fold(KeyRange::new(&first.lower, first.upper.as_deref()), |range, (_, run)| {
            range.joined(&KeyRange::new(&run.lower, run.upper.as_deref()))
        });
    RunIdentity {
        segment: *segment,
        rank: first.rank,
        answered_lower: answered.lower,
        answered_upper: answered.upper,
        ..RunIdentity::default()
    }
}

/// `stated`: the seqs that the run itself tells.
fn losses(
    state: &ManifestState,
    survey: &Survey,
    remains: &Remains,
    references: &References,
    stated: Option<(u64, u64)>,
) -> Vec<Loss> {
    let entries_at_most = remains.missing(whole_count(references));
    let mut losses = Vec::new();
    for (id, run) in references {
        let part = referred(run);
        let segment = state.segments.get(id);
        let seqs = stated.unwrap_or_else(|| (first_seq(survey, segment, run), run.max_seq));
        let lost = remains.lost_and_older();
        for (keys, older_is_left) in lost.filter_map(|(lost, older)| Some((part.meet(&lost)?, older))) {
            let older_may_return =
                older_is_left || segment.is_some_and(|segment| has_older(segment, run, &keys));
            losses.push(Loss { keys, seqs, entries_at_most, older_may_return });
        }
    }
    losses
}

/// The keys that a reference can hold.
fn referred(run: &RunReference) -> KeyRange {
    let bounds = KeyRange::new(&run.lower, run.upper.as_deref());
    let behind_last = [&*run.largest_key, &[0]].concat();
    bounds.meet(&KeyRange::new(&run.smallest_key, Some(&behind_last))).unwrap_or(bounds)
}

fn has_older(segment: &SegmentState, run: &RunReference, keys: &KeyRange) -> bool {
    segment.runs.iter().any(|other| other.rank < run.rank && referred(other).meet(keys).is_some())
}

/// Not less than this is the seq of anything in a run that does not tell: the layers of a segment follow each other. A
/// run that joined the main runs without a merge proves nothing, since deltas of before may lie above it.
fn first_seq(survey: &Survey, segment: Option<&SegmentState>, run: &RunReference) -> u64 {
    let is_layer = |other: &&RunReference| {
        let found = survey.runs.get(&other.uid).and_then(FoundRun::properties);
        found.is_some_and(|properties| {
            let identity = &properties.identity;
            identity.rank > MAIN_RANK || !identity.inputs.is_empty()
        })
    };
    let below = segment.into_iter().flat_map(|segment| &segment.runs).filter(|other| other.rank < run.rank);
    let greatest = below.filter(is_layer).map(|other| other.max_seq).max().unwrap_or(0);
    if greatest < run.max_seq { greatest + 1 } else { 1.min(run.max_seq) }
}

fn missing(plan: &mut Plan, survey: &Survey, uid: u64, references: &References) {
    let losses = references
        .iter()
        .map(|(id, run)| {
            let keys = referred(run);
            let segment = plan.state.segments.get(id);
            Loss {
                seqs: (first_seq(survey, segment, run), run.max_seq),
                entries_at_most: Some(run.entries),
                older_may_return: segment.is_some_and(|segment| has_older(segment, run, &keys)),
                keys,
            }
        })
        .collect();
    plan.each_reference(uid, |_| false);
    plan.report.add(run_file_name(uid), "it is missing", Action::RunDropped).losses = losses;
}

/// What a run lost and the logs still hold is replayed once more: all of the log's operations from a seq on, so that
/// none is older than one that it would hide. Runs that reach beyond that seq go, since what is flushed covers the
/// runs (D1); a segment with such a run of which the logs hold only a part is left as it is.
fn take_again_from_logs(plan: &mut Plan, survey: &Survey, logs: &LogPlan) {
    let Some(replayed) = logs.replayed.filter(|_| logs.cut.is_none()) else { return };
    let first = replayed.0;
    let lost: Vec<Loss> = plan.report.losses().cloned().collect();
    let (mut again, mut given_again) = (Vec::new(), BTreeSet::new());
    for segment in plan.state.segments.values_mut() {
        let keys = KeyRange::new(&segment.lower, segment.upper.as_deref());
        let hit = lost.iter().any(|loss| loss.keys.meet(&keys).is_some() && loss.seqs.1 >= first);
        let mut newer = segment.runs.iter().filter(|run| run.max_seq >= first);
        let in_logs = newer.all(|run| survey.runs.get(&run.uid).is_some_and(|run| run.is_within(replayed)));
        if hit && in_logs && segment.flushed_seq >= first {
            segment.flushed_seq = first - 1;
            given_again.extend(segment.runs.extract_if(.., |run| run.max_seq >= first).map(|run| run.uid));
            again.push(keys);
        }
    }
    give_up(plan, survey, &given_again);
    for finding in &mut plan.report.findings {
        let before = finding.losses.len();
        finding.losses.retain_mut(|loss| {
            // A loss lies within one segment: it came from a reference.
            if again.iter().any(|keys| keys.holds(&loss.keys)) {
                loss.seqs.1 = loss.seqs.1.min(first - 1);
                return loss.seqs.0.max(1) <= loss.seqs.1;
            }
            true
        });
        if finding.losses.len() < before {
            finding.damage += "; the log still holds what is lost";
        }
    }
}

/// Puts away the runs that nothing refers to any more.
fn give_up(plan: &mut Plan, survey: &Survey, runs: &BTreeSet<u64>) {
    for uid in runs.iter().filter(|uid| plan.state.references(**uid) == 0) {
        plan.salvages.retain(|salvage| salvage.old_uid != *uid);
        let Some(run) = survey.runs.get(uid).filter(|run| !plan.moved.contains(&run.file)) else { continue };
        plan.report.add(&*run.file, "the log holds all that it does", Action::Quarantined);
        plan.moved.push(run.file.clone());
    }
}

/// Runs and logs that the manifest does not name. What the next open will tidy away is none of a repair's
/// business; what it would put to quarantine, or delete though it is not ours, is.
fn unnamed(plan: &mut Plan, survey: &Survey) {
    let stays = |uid: u64| plan.state.references(uid) > 0 && !plan.replaces(uid);
    let mut findings = Vec::new();
    for run in survey.runs.values() {
        let is_pending = plan.state.pending_deletions.contains(&run.file);
        if plan.state.references(run.uid) > 0 || plan.moved.contains(&run.file) || is_pending {
            continue;
        }
        let elsewhere = run.properties().filter(|_| run.is_sound()).is_some_and(|properties| {
            if properties.identity.salvaged_from.is_some_and(stays) {
                return true;
            }
            let inputs = &properties.identity.inputs;
            let in_log = || plan.replayed.is_some_and(|replayed| run.is_within(replayed));
            if inputs.is_empty() { in_log() } else { inputs.iter().all(|input| stays(*input)) }
        });
        if !elsewhere {
            findings.push((run.file.clone(), "the manifest does not name it".to_owned()));
        }
    }
    for (file, why) in findings.into_iter().chain(survey.strays.iter().cloned()) {
        plan.report.add(&*file, why, Action::Quarantined);
        plan.put_away(&file);
    }
}
