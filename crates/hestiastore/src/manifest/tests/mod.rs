//! Tests of the manifest, by subject. Those that guard a rule of the protocol bear its number.

mod crash;
mod damage;
mod format;
mod history;
mod memory;
mod rules;
mod state;
mod verify;
mod writing;

use super::*;
use crate::environment::Environment;
use memory::Memory;

/// A new index with one segment, at edit 0.
fn new_index() -> ManifestState {
    ManifestState {
        index_uuid: 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff,
        lineage: 7,
        key_type: "u64".into(),
        value_type: "string".into(),
        hash_seed: 9,
        config: b"configuration".to_vec(),
        next_segment_id: 2,
        segments: [(1, SegmentState::default())].into(),
        ..ManifestState::default()
    }
}

fn environment() -> Environment {
    Environment::repeatable(42)
}

fn run(uid: u64, rank: u64) -> RunReference {
    RunReference {
        uid,
        rank,
        stored_bytes: 1000 + uid,
        entries: 10,
        tombstones: 1,
        file_bytes: 2000 + uid,
        max_seq: uid,
        smallest_key: b"b".to_vec(),
        largest_key: b"y".to_vec(),
        ..RunReference::default()
    }
}

fn clipped(uid: u64, rank: u64, lower: &str, upper: Option<&str>) -> RunReference {
    RunReference { lower: lower.into(), upper: upper.map(Into::into), ..run(uid, rank) }
}

fn add_run(segment: u64, run: RunReference) -> Change {
    Change::AddRun { segment, run }
}

fn remove_run(segment: u64, uid: u64, lower: &str) -> Change {
    let lower = lower.into();
    Change::RemoveRun { segment, uid, lower }
}

fn put_segment(id: u64, lower: &str, upper: Option<&str>) -> Change {
    Change::PutSegment { id, lower: lower.into(), upper: upper.map(Into::into), flushed_seq: 5, next_rank: 8 }
}

fn close(log_number: u64) -> Change {
    Change::Close(Closed { log_number, end_offset: 100, last_seq: 50 })
}

/// The state after applying each of `edits`, which must apply.
fn applied(state: &ManifestState, edits: &[Vec<Change>]) -> ManifestState {
    let mut state = state.clone();
    for changes in edits {
        state.apply(&changes.clone().into()).unwrap();
    }
    state
}

/// A manifest with `edits` committed on top of `state`, and the state after each.
fn written(state: &ManifestState, edits: &[Vec<Change>]) -> (Memory, ManifestFile, Vec<ManifestState>) {
    let memory = Memory::default();
    let mut file = ManifestFile::create(&memory, &environment(), state).unwrap();
    let mut states = vec![state.clone()];
    for changes in edits {
        let mut next = states.last().unwrap().clone();
        let number = file.commit(&mut next, &changes.clone().into()).unwrap();
        assert_eq!(number, next.edit_number);
        states.push(next);
    }
    (memory, file, states)
}

/// Checks by other means than the code under test what every valid state promises.
fn assert_valid(state: &ManifestState) {
    let mut segments: Vec<_> = state.segments.values().collect();
    segments.sort_by(|a, b| a.lower.cmp(&b.lower));
    assert_eq!(segments.first().unwrap().lower, b"");
    assert_eq!(segments.last().unwrap().upper, None);
    for pair in segments.windows(2) {
        assert_eq!(pair[0].upper.as_ref(), Some(&pair[1].lower));
        assert!(pair[0].lower < pair[1].lower);
    }
    assert!(state.segments.keys().all(|id| *id < state.next_segment_id));
    segments.iter().for_each(|segment| assert_valid_runs(segment));
    assert!(state.logs.windows(2).all(|pair| pair[0].number < pair[1].number));
}

fn assert_valid_runs(segment: &SegmentState) {
    let infinite = vec![0xff; 100];
    let end = |upper: &Option<Vec<u8>>| upper.clone().unwrap_or_else(|| infinite.clone());
    for (place, run) in segment.runs.iter().enumerate() {
        assert!(run.rank < segment.next_rank);
        assert!(run.lower >= segment.lower && end(&run.upper) <= end(&segment.upper));
        assert!(run.lower < end(&run.upper));
        for other in &segment.runs[place + 1..] {
            let disjoint = end(&run.upper) <= other.lower || end(&other.upper) <= run.lower;
            assert!(run.rank < other.rank || (run.rank == other.rank && disjoint));
        }
    }
}
