//! What must hold of a whole state, asked anew of all of it: edits keep it true step by step, this finds where
//! they did not.

use std::collections::BTreeMap;

use super::check::{check_segment, covered};
use super::state::{ManifestState, RunReference, SegmentState};
use crate::problems::Shown;

/// Everything that contradicts itself in `state`, each as a sentence.
pub(crate) fn contradictions(state: &ManifestState) -> Vec<String> {
    let mut found = Vec::new();
    if covered(state.segments.values()) != [(&[][..], None)] {
        found.push("the segments do not tile the key space".to_owned());
    }
    for (id, segment) in &state.segments {
        let of_segment = contradictions_of_segment(state, segment);
        found.extend(of_segment.into_iter().map(|reason| format!("segment {id}: {reason}")));
        if *id >= state.next_segment_id {
            found.push(format!("segment {id} is there and {} would be the next", state.next_segment_id));
        }
    }
    found.extend(contradictions_of_files(state));
    found.extend(contradictions_of_logs(state));
    found
}

fn contradictions_of_segment(state: &ManifestState, segment: &SegmentState) -> Vec<String> {
    let mut found: Vec<String> = check_segment(&mut segment.clone()).err().into_iter().collect();
    let flushed_seq = segment.flushed_seq;
    if flushed_seq > state.last_seq {
        found.push(format!("it is flushed through seq {flushed_seq}, the last seq is {}", state.last_seq));
    }
    for run in &segment.runs {
        // Beyond `flushed_seq` it may be (D3): then the logs give again what the run holds already.
        if run.max_seq > state.last_seq {
            let (uid, seq, last_seq) = (run.uid, run.max_seq, state.last_seq);
            found.push(format!("run {uid:016x} covers seq {seq}, the last seq is {last_seq}"));
        }
        let beyond =
            run.lower > run.largest_key || run.upper.as_ref().is_some_and(|upper| *upper <= run.smallest_key);
        if beyond {
            let (lower, uid) = (Shown(&run.lower), run.uid);
            found.push(format!("the reference from {lower} to run {uid:016x} holds none of its keys"));
        }
    }
    found
}

/// All references to one file say the same of it.
fn contradictions_of_files(state: &ManifestState) -> Vec<String> {
    let facts =
        |run: &RunReference| (run.file_bytes, run.max_seq, run.smallest_key.clone(), run.largest_key.clone());
    let mut known = BTreeMap::new();
    let mut found = Vec::new();
    for run in state.segments.values().flat_map(|segment| &segment.runs) {
        if *known.entry(run.uid).or_insert_with(|| facts(run)) != facts(run) {
            found.push(format!("two references to run {:016x} differ in what they say of it", run.uid));
        }
    }
    found
}

fn contradictions_of_logs(state: &ManifestState) -> Vec<String> {
    let mut found = Vec::new();
    for pair in state.logs.windows(2) {
        if let [before, after] = pair
            && before.number >= after.number
        {
            found.push(format!("log {} is listed behind log {}", after.number, before.number));
        }
    }
    for (place, log) in state.logs.iter().enumerate() {
        if state.logs.iter().skip(place + 1).any(|other| other.uid == log.uid) {
            found.push(format!("two logs have the uid {:016x}", log.uid));
        }
    }
    if let Some(closed) = state.closed
        && closed.log_number != 0
        && !state.logs.iter().any(|log| log.number == closed.log_number)
    {
        found.push(format!("the close names log {}, which is not listed", closed.log_number));
    }
    found
}
