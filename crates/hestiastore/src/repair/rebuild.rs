//! The plan where the manifest is lost, or misses edits: what runs and logs prove.
//!
//! Every run tells which keys it answers for, which seqs it covers, and what it was merged from (F6). From
//! that follows which runs were replaced, and where:
//! 1. A merge whose inputs are all there, whole, adds nothing to them: the inputs are taken. It may be that it
//!    was never installed, and its other outputs never written.
//! 2. Inputs are unlinked only after the merge is installed. So a merge of which an input is gone was installed, and
//!    takes the place of its inputs in the range that it answers for; and of everything whose seqs lie within its
//!    own there, since merges take neighbours in age: that was an input of its inputs.
//! 3. Outside of that range an input counts on: another segment may share it.
//! 4. What a repair wrote of a damaged run's remains stands for that run and for nothing else. While the damaged run is
//!    there and gives as much, it is taken again, so that what it lost is told again.
//!
//! A manifest that ends too early still proves bounds, settings, and what it had given up before its end.

use std::collections::{BTreeMap, BTreeSet};

use super::logs::LogPlan;
use super::options::RepairOptions;
use super::placing::{MAIN_RANK, Placing, Segments};
use super::plan::Plan;
use super::report::{Action, KeyRange, Loss};
use super::salvage::{Remains, Salvage, known_properties};
use super::survey::{FoundLog, FoundRun, LogBeginning, RunCondition, Survey};
use crate::error::{Error, Result};
use crate::manifest::{LogState, MANIFEST_NAME, ManifestState, RunReference};
use crate::run::{RunIdentity, RunProperties, run_file_name};
use crate::wal::FirstRecord;

/// A run that may count.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) uid: u64,
    pub(super) file: String,
    pub(super) file_bytes: u64,
    pub(super) entries: u64,
    pub(super) tombstones: u64,
    /// Whole, under its own name.
    pub(super) sound: bool,
    pub(super) identity: RunIdentity,
    /// Whether the run itself, or the manifest, told rank and seqs.
    pub(super) age_is_proven: bool,
    pub(super) seqs: (u64, u64),
    /// From the first key to behind the last.
    pub(super) keys: KeyRange,
    pub(super) answered: KeyRange,
    /// Where nothing has replaced it.
    pub(super) live: Vec<KeyRange>,
    /// What is wrong with it, if anything is.
    damage: Option<Damage>,
    /// The manifest names it.
    pub(super) is_named: bool,
}

/// A run is not whole.
#[derive(Debug)]
struct Damage {
    what: String,
    action: Action,
    losses: Vec<Loss>,
}

/// Makes the plan. `known` is the state up to the last edit that could be read; `why` says what is wrong with
/// the manifest.
pub(super) fn make(
    survey: &Survey,
    known: Option<&ManifestState>,
    why: String,
    options: &RepairOptions,
) -> Result<Plan> {
    let mut plan = Plan::of(ManifestState::default());
    let mut candidates = candidates(&mut plan, survey, known)?;
    drop_redundant_outputs(&mut candidates);
    let before: Vec<Vec<KeyRange>> = candidates.iter().map(|candidate| candidate.live.clone()).collect();
    supersede(&mut candidates, Candidate::took_in);
    candidates.iter_mut().for_each(Candidate::lose_only_what_is_live);
    supersede(&mut candidates, Candidate::is_salvaged_from);
    if let Some(known) = known {
        tell_missing(&mut plan, survey, known, &candidates);
    }
    for (candidate, before) in candidates.iter().zip(&before) {
        tell_candidate(&mut plan, candidate, before);
    }
    let kept: Vec<Candidate> = candidates.into_iter().filter(Candidate::counts).collect();
    plan.salvages.retain(|salvage| kept.iter().any(|candidate| candidate.uid == salvage.old_uid));
    plan.state = head(survey, known, &kept, options)?;
    let Segments { segments, unproven } = Placing { survey, known, kept: &kept }.segments()?;
    plan.state.next_segment_id = segments.keys().max().map_or(1, |greatest| greatest + 1);
    plan.state.segments = segments;
    for (older, newer, keys) in unproven {
        let damage = format!("nothing proves that it is older than {newer}; it is taken for older");
        plan.report.add(older, damage, Action::Told).losses = vec![doubt(keys, plan.state.last_seq)];
    }
    take_logs(&mut plan, survey, known)?;
    for (file, why) in &survey.strays {
        plan.report.add(file, why, Action::Quarantined);
        plan.put_away(file);
    }
    tell_manifest(&mut plan, survey, known, why);
    Ok(plan)
}

fn tell_manifest(plan: &mut Plan, survey: &Survey, known: Option<&ManifestState>, why: String) {
    let settings = match known {
        Some(_) => "",
        None => "; its settings are lost with it, and the defaults take their place",
    };
    let detail = "what was overwritten or deleted shows again if a run that held it was still to be deleted";
    // A log that is gone may have held anything.
    let logs_gone = known.is_some_and(|known| survey.lacks_a_log(known));
    let losses = vec![doubt(KeyRange::all(), if logs_gone { u64::MAX } else { plan.state.last_seq })];
    plan.report.add(MANIFEST_NAME, format!("{why}{settings}; {detail}"), Action::ManifestRebuilt).losses =
        losses;
}

/// Newer operations may be missing where an older run was taken for one that counts.
fn doubt(keys: KeyRange, last_seq: u64) -> Loss {
    Loss { keys, seqs: (1, last_seq), entries_at_most: None, older_may_return: true }
}

/// All runs but those that the manifest gave up itself.
fn candidates(plan: &mut Plan, survey: &Survey, known: Option<&ManifestState>) -> Result<Vec<Candidate>> {
    let mut candidates = Vec::new();
    for run in survey.runs.values() {
        if known.is_some_and(|known| known.pending_deletions.contains(&run.file)) {
            continue;
        }
        candidates.push(candidate(plan, survey, known, run)?);
    }
    Ok(candidates)
}

fn candidate(
    plan: &mut Plan,
    survey: &Survey,
    known: Option<&ManifestState>,
    run: &FoundRun,
) -> Result<Candidate> {
    let named = references(known, run.uid);
    if let (true, RunCondition::Sound { properties, file_bytes }) = (run.is_sound(), &run.condition) {
        let candidate = Candidate::of(run, properties, *file_bytes, named.first());
        return Ok(candidate.within_segments(known, run.uid));
    }
    let remains = Remains::examine(survey, run)?;
    let properties = known_properties(run, Some(&remains));
    let (first, last) = remains.keys.clone().unwrap_or_default();
    let recorded = named.iter().map(|(_, run)| run.max_seq).max();
    let mut candidate = match properties {
        Some(properties) => Candidate::of(run, properties, 0, named.first()),
        None => Candidate::guessed(run, &remains, &named, KeyRange::new(&first, Some(&behind(&last)))),
    };
    candidate.entries = remains.entries;
    let action = remains.action();
    let seqs = match (properties, recorded) {
        (Some(_), _) => candidate.seqs,
        (None, Some(recorded)) => (1.min(recorded), recorded),
        // Nothing tells.
        (None, None) => (1, u64::MAX),
    };
    let losses = remains
        .lost_ranges()
        .filter_map(|lost| match (properties, remains.keys.is_some() || !named.is_empty()) {
            (None, false) => Some(lost),
            _ => lost.meet(&candidate.answered),
        })
        .map(|keys| Loss { keys, seqs, entries_at_most: remains.missing(None), older_may_return: true })
        .collect();
    candidate.damage = Some(Damage { what: run.damage(), action, losses });
    if action != Action::RunDropped {
        plan.salvages.push(Salvage::new(survey, run, candidate.identity.clone(), candidate.seqs));
    }
    Ok(candidate.within_segments(known, run.uid))
}

fn references(known: Option<&ManifestState>, uid: u64) -> Vec<(u64, &RunReference)> {
    let segments = known.into_iter().flat_map(|known| &known.segments);
    segments
        .flat_map(|(id, segment)| segment.runs.iter().map(move |run| (*id, run)))
        .filter(|(_, run)| run.uid == uid)
        .collect()
}

fn behind(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

impl Candidate {
    fn of(
        run: &FoundRun,
        properties: &RunProperties,
        file_bytes: u64,
        named: Option<&(u64, &RunReference)>,
    ) -> Self {
        let identity = properties.identity.clone();
        let answered = KeyRange::new(&identity.answered_lower, identity.answered_upper.as_deref());
        Self {
            uid: run.uid,
            file: run.file.clone(),
            file_bytes,
            entries: properties.entries,
            tombstones: properties.tombstones,
            sound: run.is_sound(),
            age_is_proven: true,
            seqs: properties.seqs.unwrap_or_default(),
            keys: KeyRange::new(&properties.first_key, Some(&behind(&properties.last_key))),
            live: vec![answered.clone()],
            answered,
            identity,
            is_named: named.is_some(),
            damage: None,
        }
    }

    /// A run that says nothing of itself: as the manifest says, or as its entries let one think.
    fn guessed(run: &FoundRun, remains: &Remains, named: &[(u64, &RunReference)], keys: KeyRange) -> Self {
        let recorded = named.iter().map(|(_, run)| run.max_seq).max();
        let answered = match named {
            [] => keys.clone(),
            [(_, first), rest @ ..] => {
                rest.iter().fold(KeyRange::new(&first.lower, first.upper.as_deref()), |range, (_, run)| {
                    range.joined(&KeyRange::new(&run.lower, run.upper.as_deref()))
                })
            }
        };
        let (segment, rank) = named.first().map_or((1, 1), |(segment, run)| (*segment, run.rank));
        Self {
            uid: run.uid,
            file: run.file.clone(),
            file_bytes: 0,
            entries: remains.entries,
            tombstones: 0,
            sound: false,
            identity: RunIdentity {
                segment,
                rank,
                answered_lower: answered.lower.clone(),
                answered_upper: answered.upper.clone(),
                ..RunIdentity::default()
            },
            age_is_proven: recorded.is_some(),
            seqs: remains.covered_seqs(recorded),
            keys,
            live: vec![answered.clone()],
            answered,
            is_named: !named.is_empty(),
            damage: None,
        }
    }

    /// Of a run that the manifest names, only what lies in the segments that name it can count.
    fn within_segments(mut self, known: Option<&ManifestState>, uid: u64) -> Self {
        let Some(known) = known.filter(|_| self.is_named) else { return self };
        let holders = known.segments.values().filter(|segment| segment.references(uid) > 0);
        let ranges = holders.map(|segment| KeyRange::new(&segment.lower, segment.upper.as_deref()));
        self.live = ranges.filter_map(|range| range.meet(&self.answered)).collect();
        self
    }

    /// Whether anything of it is there to be read, and stands where it counts.
    fn counts(&self) -> bool {
        self.is_readable() && self.live.iter().any(|live| live.meet(&self.keys).is_some())
    }

    fn is_readable(&self) -> bool {
        self.damage.as_ref().is_none_or(|damage| damage.action != Action::RunDropped)
    }

    /// What another run took in is there.
    fn lose_only_what_is_live(&mut self) {
        let Some(damage) = &mut self.damage else { return };
        let live = &self.live;
        let losses = std::mem::take(&mut damage.losses).into_iter();
        damage.losses = losses
            .flat_map(|loss| {
                live.iter().filter_map(move |live| Some(Loss { keys: loss.keys.meet(live)?, ..loss }))
            })
            .collect();
    }

    /// Whether this run is what a repair wrote of `other`'s remains.
    fn is_salvaged_from(&self, other: &Self) -> bool {
        self.identity.salvaged_from == Some(other.uid)
    }

    /// Whether this run is a merge that took `other` in, be it through another merge.
    fn took_in(&self, other: &Self) -> bool {
        if self.identity.inputs.is_empty() {
            return false;
        }
        if self.identity.inputs.contains(&other.uid) {
            return true;
        }
        // A merge of deltas takes in no main run, though one that joined meanwhile may have seqs between its own.
        if self.identity.rank > MAIN_RANK && other.identity.rank == MAIN_RANK {
            return false;
        }
        let within = self.seqs.0 <= other.seqs.0 && other.seqs.1 <= self.seqs.1 && other.age_is_proven;
        let age = |run: &Self| (run.identity.edit_number, run.uid);
        let is_newer = self.seqs != other.seqs || age(self) > age(other);
        within && is_newer && !other.identity.inputs.contains(&self.uid)
    }
}

/// Rules 1 and 4 of the module.
fn drop_redundant_outputs(candidates: &mut [Candidate]) {
    let sound: BTreeSet<u64> = candidates.iter().filter(|run| run.sound).map(|run| run.uid).collect();
    let readable: BTreeMap<u64, u64> = candidates.iter().map(|run| (run.uid, run.entries)).collect();
    for candidate in candidates {
        let RunIdentity { inputs, salvaged_from, .. } = &candidate.identity;
        let all_there = !inputs.is_empty() && inputs.iter().all(|input| sound.contains(input));
        let original = salvaged_from.and_then(|original| readable.get(&original));
        let gives_as_much = original.is_some_and(|entries| *entries >= candidate.entries);
        if (all_there || gives_as_much) && !candidate.is_named {
            candidate.live.clear();
        }
    }
}

/// Rules 2 to 4. `replaces`: whether the first takes the place of the second.
fn supersede(candidates: &mut [Candidate], replaces: impl Fn(&Candidate, &Candidate) -> bool) {
    let merges = |run: &&Candidate| run.is_readable() && !run.live.is_empty();
    let replaced: Vec<Vec<KeyRange>> = candidates
        .iter()
        .map(|run| {
            let by =
                candidates.iter().filter(merges).filter(|merge| merge.uid != run.uid && replaces(merge, run));
            by.map(|merge| merge.answered.clone()).collect()
        })
        .collect();
    for (candidate, replaced) in candidates.iter_mut().zip(replaced) {
        for range in replaced {
            candidate.live = candidate.live.iter().flat_map(|live| live.without(&range)).collect();
        }
    }
}

/// What is wrong with a run, and what becomes of it. `before`: where it counted, but for what replaced it.
fn tell_candidate(plan: &mut Plan, run: &Candidate, before: &[KeyRange]) {
    if let Some(Damage { what, action, losses }) = &run.damage {
        let told_lost = run.counts() || !losses.is_empty();
        let (what, action) = match told_lost || !run.is_readable() {
            true => (what.clone(), *action),
            false => (format!("{what}; another run holds all that it did"), Action::Quarantined),
        };
        plan.report.add(&*run.file, what, action).losses.clone_from(losses);
        plan.moved.push(run.file.clone());
    } else if !run.counts() {
        plan.report.add(&*run.file, "another run holds all that it does", Action::Quarantined);
        plan.moved.push(run.file.clone());
    } else {
        let counted = before.iter().filter_map(|range| range.meet(&run.keys));
        if counted.into_iter().any(|range| !run.live.iter().any(|live| live.holds(&range))) {
            let what = "a merge that took it in holds a part of its keys; it counts for the others";
            plan.report.add(&*run.file, what, Action::Kept);
            plan.copied.push(run.file.clone());
        }
    }
}

/// Runs that the manifest names and that are neither there nor replaced by one that is.
fn tell_missing(plan: &mut Plan, survey: &Survey, known: &ManifestState, candidates: &[Candidate]) {
    for segment in known.segments.values() {
        for run in segment.runs.iter().filter(|run| !survey.runs.contains_key(&run.uid)) {
            let bounds = KeyRange::new(&run.lower, run.upper.as_deref());
            let merges = candidates.iter().filter(|merge| {
                let inputs = &merge.identity.inputs;
                let took_it = inputs.contains(&run.uid) || merge.seqs.1 >= run.max_seq && !inputs.is_empty();
                took_it && merge.identity.edit_number >= known.edit_number
            });
            let mut left = vec![bounds];
            for merge in merges {
                left = left.iter().flat_map(|range| range.without(&merge.answered)).collect();
            }
            if left.is_empty() {
                continue;
            }
            let seqs = (1.min(run.max_seq), run.max_seq);
            let entries_at_most = Some(run.entries);
            let loss = |keys| Loss { keys, seqs, entries_at_most, older_may_return: true };
            let damage = "it is missing, and no run took its place";
            plan.report.add(run_file_name(run.uid), damage, Action::RunDropped).losses =
                left.into_iter().map(loss).collect();
        }
    }
}

/// Everything of the new state but segments and logs.
fn head(
    survey: &Survey,
    known: Option<&ManifestState>,
    kept: &[Candidate],
    options: &RepairOptions,
) -> Result<ManifestState> {
    let greatest_seq = kept.iter().map(|run| run.seqs.1).max().unwrap_or(0);
    if let Some(known) = known {
        return Ok(ManifestState { last_seq: known.last_seq.max(greatest_seq), ..known.clone() });
    }
    let sound = survey.runs.values().filter_map(|run| run.properties());
    let newest = sound.max_by_key(|properties| properties.identity.edit_number);
    let stored = kept.iter().map(|run| &run.identity).find(|identity| !identity.key_type.is_empty());
    let types = stored
        .map(|identity| (identity.key_type.clone(), identity.value_type.clone()))
        .or_else(|| options.types.clone());
    let Some((key_type, value_type)) = types else {
        let problem = "the types of keys and values are lost with the manifest, and there is no run that names \
                       them; they must be given";
        return Err(Error::InvalidConfig { problems: vec![problem.into()] });
    };
    let begins = survey.logs.iter().filter_map(|log| log.beginning?.first);
    let lineage = begins.max_by_key(|first| first.begin.edit_number).map(|first| first.begin.lineage);
    let random = &options.environment.random;
    Ok(ManifestState {
        index_uuid: survey.index_uuid,
        lineage: lineage.unwrap_or_else(|| random.next_u64()),
        hash_seed: newest.map_or_else(|| random.next_u64(), |properties| properties.hash_seed),
        key_type,
        value_type,
        epoch: 1,
        last_seq: greatest_seq,
        config: survey.config.encode(),
        keyspaces: [(0, "default".to_owned())].into(),
        ..ManifestState::default()
    })
}

fn take_logs(plan: &mut Plan, survey: &Survey, known: Option<&ManifestState>) -> Result<()> {
    let listed = chain(survey, known);
    let greatest_in_runs = plan.greatest_seq();
    let logs = LogPlan::make(survey, &listed, greatest_in_runs)?;
    logs.tell(plan.state.segments.values(), greatest_in_runs, &mut plan.report);
    logs.tell_gap(greatest_in_runs, &mut plan.report);
    plan.adopt(logs);
    for log in &survey.logs {
        let is_known = listed.iter().any(|listed| listed.number == log.number);
        let is_pending = known.is_some_and(|known| known.pending_deletions.contains(&log.file));
        if is_known || is_pending || !log.may_hold_records {
            continue;
        }
        let finding = match log.beginning {
            Some(_) => plan.report.add(
                &*log.file,
                "it is older than the logs that are needed, or follows none of them",
                Action::Quarantined,
            ),
            None => {
                let losses = vec![doubt(KeyRange::all(), u64::MAX)];
                let finding = plan.report.add(&*log.file, "its beginning is lost", Action::Quarantined);
                finding.losses = losses;
                finding
            }
        };
        finding.damage += "; nothing of it is used";
        plan.given_up.push(log.file.clone());
    }
    Ok(())
}

/// The newest chain of logs, from as far back as its files go. One that an older manifest names and that is gone, or
/// that no newer log follows, was given up by an edit that is lost: files of ours do not vanish otherwise.
fn chain(survey: &Survey, known: Option<&ManifestState>) -> Vec<LogState> {
    let pending = |log: &&FoundLog| !known.is_some_and(|known| known.pending_deletions.contains(&log.file));
    let used: Vec<UsedLog> = survey
        .logs
        .iter()
        .filter(pending)
        .filter_map(|log| UsedLog::of(log.number, log.beginning?))
        .collect();
    let newest = used.iter().max_by_key(|log| (log.first_seq, log.edit_number));
    let before = |log: &&UsedLog| used.iter().find(|before| before.uid == log.predecessor_uid);
    let mut listed: Vec<LogState> = Vec::new();
    for log in std::iter::successors(newest, before).take(used.len()) {
        let named = known.and_then(|known| known.logs.iter().find(|named| named.uid == log.uid));
        listed.push(LogState { number: log.number, uid: log.uid, end: named.and_then(|named| named.end) });
    }
    listed.sort_by_key(|log| log.number);
    listed
}

/// A log with a BEGIN.
struct UsedLog {
    number: u64,
    uid: u64,
    predecessor_uid: u64,
    first_seq: u64,
    edit_number: u64,
}

impl UsedLog {
    fn of(number: u64, beginning: LogBeginning) -> Option<Self> {
        let FirstRecord { begin, first_seq } = beginning.first?;
        let (predecessor_uid, edit_number) = (begin.predecessor_uid, begin.edit_number);
        Some(Self { number, uid: beginning.uid, predecessor_uid, first_seq, edit_number })
    }
}
