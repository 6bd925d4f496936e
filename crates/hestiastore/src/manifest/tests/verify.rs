//! States that contradict themselves, as no edit makes them.

use super::*;
use crate::manifest::contradictions;

fn sound() -> ManifestState {
    let split = vec![
        put_segment(1, "", Some("m")),
        put_segment(2, "m", None),
        add_run(1, clipped(3, 0, "", Some("m"))),
        add_run(2, clipped(3, 0, "m", None)),
        add_run(2, clipped(4, 2, "m", Some("q"))),
        add_run(2, clipped(5, 2, "q", None)),
        Change::AddLog { number: 1, uid: 11 },
        Change::AddLog { number: 2, uid: 12 },
        Change::LastSeq(9),
    ];
    let state = applied(&new_index(), &[split]);
    assert_eq!(contradictions(&state), Vec::<String>::new());
    state
}

#[track_caller]
fn assert_told(expected: &str, change: impl FnOnce(&mut ManifestState)) {
    let mut state = sound();
    change(&mut state);
    let told = contradictions(&state);
    assert!(told.iter().any(|problem| problem.contains(expected)), "{expected:?} is not among {told:#?}");
}

fn segment(state: &mut ManifestState, id: u64) -> &mut SegmentState {
    state.segments.get_mut(&id).unwrap()
}

#[test]
fn d3_segments_cover_the_key_space_without_gap_or_overlap() {
    assert_told("do not tile", |state| segment(state, 1).upper = Some(b"l".to_vec()));
    assert_told("do not tile", |state| segment(state, 1).upper = Some(b"n".to_vec()));
    assert_told("do not tile", |state| segment(state, 2).upper = Some(b"z".to_vec()));
    assert_told("do not tile", |state| drop(state.segments.remove(&1)));
    assert_told("segment 2 is there and 2 would be the next", |state| state.next_segment_id = 2);
    assert_told("segment 1: its bounds hold no key", |state| segment(state, 1).upper = Some(Vec::new()));
}

#[test]
fn d2_runs_of_one_rank_are_disjoint_and_within_their_segment() {
    assert_told("overlap at rank 2", |state| segment(state, 2).runs[1].upper = None);
    assert_told("is in use and 2 would be the next", |state| segment(state, 2).next_rank = 2);
    assert_told("does not lie within it", |state| segment(state, 1).runs[0].upper = None);
    assert_told("ends before it begins", |state| segment(state, 1).runs[0].largest_key = b"a".to_vec());
    assert_told("holds none of its keys", |state| segment(state, 2).runs[2].lower = b"z".to_vec());
    assert_told("differ in what they say", |state| segment(state, 1).runs[0].file_bytes += 1);
}

#[test]
fn d1_no_segment_and_no_run_goes_beyond_the_last_seq() {
    assert_told("run 0000000000000005 covers seq 10, the last seq is 9", |state| {
        segment(state, 2).runs[2].max_seq = 10;
    });
    assert_told("it is flushed through seq 10, the last seq is 9", |state| {
        segment(state, 2).flushed_seq = 10
    });
}

/// A merge takes the least of its segments, and a repair what the logs are to give again.
#[test]
fn d3_a_segment_may_be_flushed_through_less_than_its_runs_cover() {
    let mut state = sound();
    segment(&mut state, 2).flushed_seq = 4;
    assert_eq!(contradictions(&state), Vec::<String>::new());
}

#[test]
fn l4_logs_ascend_and_are_told_apart() {
    assert_told("log 1 is listed behind log 2", |state| state.logs.swap(0, 1));
    assert_told("two logs have the uid", |state| state.logs[1].uid = 11);
    assert_told("the close names log 7", |state| {
        state.closed = Some(Closed { log_number: 7, end_offset: 64, last_seq: 9 });
    });
}
