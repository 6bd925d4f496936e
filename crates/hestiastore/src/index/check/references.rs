//! What a reference says of its run, against the run.

use crate::index::core::Core;
use crate::problems::Shown;
use crate::run::Run;
use crate::segment::{RunRef, Segment};

/// What a run's properties say, as far as references and other runs are compared with it.
#[derive(Debug)]
pub(super) struct RunFacts {
    file_bytes: u64,
    entries: u64,
    tombstones: u64,
    pub(super) first_key: Box<[u8]>,
    pub(super) last_key: Box<[u8]>,
    answered_lower: Box<[u8]>,
    answered_upper: Option<Box<[u8]>>,
    pub(super) seqs: Option<(u64, u64)>,
    inputs: Box<[u64]>,
    edit_number: u64,
    types: (String, String),
}

impl RunFacts {
    pub(super) fn of(run: &Run) -> Self {
        let properties = run.properties();
        let identity = &properties.identity;
        Self {
            file_bytes: run.file_bytes(),
            entries: properties.entries,
            tombstones: properties.tombstones,
            first_key: properties.first_key.clone().into(),
            last_key: properties.last_key.clone().into(),
            answered_lower: identity.answered_lower.clone().into(),
            answered_upper: identity.answered_upper.clone().map(Into::into),
            seqs: properties.seqs,
            inputs: identity.inputs.clone().into(),
            edit_number: identity.edit_number,
            types: (identity.key_type.clone(), identity.value_type.clone()),
        }
    }
}

/// Everything that segment, reference and run do not agree in, each as a sentence.
pub(super) fn contradictions(core: &Core, segment: &Segment, run: &RunRef, facts: &RunFacts) -> Vec<String> {
    let mut found = identity_contradictions(core, facts);
    found.extend(number_contradictions(run, facts));
    found.extend(bound_contradictions(segment, run, facts));
    found.extend(replaced_inputs(segment, run, facts));
    found
}

fn identity_contradictions(core: &Core, facts: &RunFacts) -> Vec<String> {
    let mut found = Vec::new();
    let (keys, values) = (&facts.types.0, &facts.types.1);
    if (keys, values) != (&core.key_type, &core.value_type) {
        found.push(format!("the run holds types {keys:?} and {values:?}, which are not the index's"));
    }
    let now = core.manifest.lock().state.edit_number;
    if facts.edit_number > now {
        let later = facts.edit_number;
        found.push(format!("the run was begun at edit {later}, the manifest is at edit {now}"));
    }
    found
}

/// The manifest's numbers are exact for a whole file and bounded by it for a part.
fn number_contradictions(run: &RunRef, facts: &RunFacts) -> Vec<String> {
    let handle = &run.handle;
    let recorded = [
        ("bytes", handle.file_bytes, facts.file_bytes, false),
        ("as greatest seq", handle.max_seq, facts.seqs.map_or(0, |(_, greatest)| greatest), false),
        ("bytes between the bounds", run.stored_bytes, facts.file_bytes, run.is_clipped()),
        ("entries", run.entries, facts.entries, run.is_clipped()),
        ("tombstones", run.tombstones, facts.tombstones, run.is_clipped()),
    ];
    let mut found: Vec<String> = recorded
        .into_iter()
        .filter(|(_, recorded, found, partly)| if *partly { recorded > found } else { recorded != found })
        .map(|(what, recorded, found, _)| {
            format!("the manifest records {recorded} {what}, the file has {found}")
        })
        .collect();
    for (what, recorded, holds) in
        [("first", &handle.smallest_key, &facts.first_key), ("last", &handle.largest_key, &facts.last_key)]
    {
        if recorded != holds {
            let (recorded, holds) = (Shown(recorded), Shown(holds));
            found.push(format!("the manifest records the {what} key {recorded}, the file holds {holds}"));
        }
    }
    found
}

/// A reference lies within its segment, and within what its run answers for.
fn bound_contradictions(segment: &Segment, run: &RunRef, facts: &RunFacts) -> Vec<String> {
    let ranges = [
        (format!("segment {}", segment.id), &segment.lower, &segment.upper),
        ("the range that the run answers for".to_owned(), &facts.answered_lower, &facts.answered_upper),
    ];
    let mut found = Vec::new();
    for (whose, lower, upper) in ranges {
        let within = run.lower >= *lower && ends_within(run.upper.as_deref(), upper.as_deref());
        if !within {
            found.push(format!("the reference from {} is not within {whose}", Shown(&run.lower)));
        }
    }
    found
}

fn ends_within(inner: Option<&[u8]>, outer: Option<&[u8]>) -> bool {
    match (inner, outer) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(inner), Some(outer)) => inner <= outer,
    }
}

/// Where a run is read, what it was merged from is not (PROTOCOL F6).
fn replaced_inputs(segment: &Segment, run: &RunRef, facts: &RunFacts) -> Vec<String> {
    let version = segment.version();
    let replaced = version.runs().filter(|other| {
        facts.inputs.contains(&other.handle.uid) && other.overlaps(run.first_key(), &run.handle.largest_key)
    });
    replaced
        .filter(|other| run.upper.as_deref().is_none_or(|upper| other.first_key() < upper))
        .map(|other| {
            format!("the run replaces run {:016x}, which is referred to beside it", other.handle.uid)
        })
        .collect()
}
