//! What edits may and may not do to a state.

use super::*;

fn refused(state: &ManifestState, changes: Vec<Change>) -> String {
    let mut after = state.clone();
    let reason = after.apply(&changes.into()).unwrap_err();
    assert_eq!(&after, state);
    reason
}

fn two_segments() -> ManifestState {
    let split = vec![put_segment(1, "", Some("m")), put_segment(2, "m", None)];
    applied(&new_index(), &[split])
}

#[test]
fn segments_tile_the_key_space() {
    let state = two_segments();
    for changes in [
        vec![put_segment(1, "", Some("l"))],
        vec![put_segment(1, "", Some("n"))],
        vec![put_segment(1, "a", Some("m"))],
        vec![put_segment(2, "m", Some("z"))],
        vec![put_segment(2, "m", Some("m"))],
        vec![put_segment(3, "x", None)],
        vec![Change::DropSegment { id: 2 }],
        vec![Change::DropSegment { id: 1 }, Change::DropSegment { id: 2 }],
        vec![put_segment(1, "", None)],
        vec![put_segment(1, "", Some(""))],
    ] {
        refused(&state, changes);
    }
    let swap = vec![put_segment(1, "m", None), put_segment(2, "", Some("m"))];
    assert_valid(&applied(&state, &[swap]));
    assert!(ManifestState::default().apply(&vec![put_segment(1, "", Some("m"))].into()).is_err());
}

#[test]
fn d2_references_lie_within_their_segment() {
    let state = two_segments();
    for run in [
        run(9, 0),
        clipped(9, 0, "", Some("n")),
        clipped(9, 0, "c", Some("c")),
        clipped(9, 0, "d", Some("c")),
    ] {
        refused(&state, vec![add_run(1, run)]);
    }
    for run in [run(9, 0), clipped(9, 0, "l", None)] {
        refused(&state, vec![add_run(2, run)]);
    }
    let state = applied(&state, &[vec![add_run(1, clipped(9, 0, "b", Some("m")))]]);
    refused(&state, vec![put_segment(1, "", Some("k")), put_segment(2, "k", None)]);
}

#[test]
fn d2_rank_is_stored_and_orders_the_runs_whatever_their_seqs() {
    let newest_first = vec![
        add_run(1, run(1, 7)),
        add_run(1, run(900, 3)),
        add_run(1, clipped(5, 4, "m", None)),
        add_run(1, clipped(6, 4, "", Some("m"))),
    ];
    let state = applied(&new_index(), &[newest_first]);
    let uids: Vec<u64> = state.segments[&1].runs.iter().map(|run| run.uid).collect();
    assert_eq!(uids, [900, 6, 5, 1]);
    assert_eq!(state.segments[&1].next_rank, 8);
}

#[test]
fn d2_only_disjoint_runs_share_a_rank() {
    let state = applied(&new_index(), &[vec![add_run(1, clipped(1, 4, "", Some("m")))]]);
    refused(&state, vec![add_run(1, clipped(2, 4, "l", None))]);
    refused(&state, vec![add_run(1, clipped(1, 5, "", Some("b")))]);
    applied(&state, &[vec![add_run(1, clipped(2, 4, "m", None))]]);
}

#[test]
fn d2_a_rank_is_not_given_out_twice() {
    let state = applied(&new_index(), &[vec![add_run(1, run(1, 20))]]);
    refused(&state, vec![put_segment(1, "", None)]);
    refused(&state, vec![add_run(1, run(2, u64::MAX))]);
}

#[test]
fn nothing_dangles() {
    let state = two_segments();
    refused(&state, vec![Change::DropSegment { id: 3 }]);
    refused(&state, vec![add_run(3, run(1, 1))]);
    refused(&state, vec![remove_run(1, 1, "")]);
    refused(&state, vec![Change::LogFloor { number: 0 }, close(4)]);
    refused(&state, vec![put_segment(u64::MAX, "", None)]);
}

#[test]
fn l5_a_floor_removes_the_logs_before_it() {
    let add = |number| Change::AddLog { number, uid: number * 10 };
    let state = applied(&new_index(), &[vec![add(2), add(4), add(5)]]);
    refused(&state, vec![add(5)]);
    refused(&state, vec![add(3)]);
    refused(&state, vec![Change::AddLog { number: 6, uid: 20 }]);
    refused(&state, vec![Change::LogFloor { number: 3 }]);
    let state = applied(&state, &[vec![Change::LogFloor { number: 4 }]]);
    assert_eq!(state.log_floor(), Some(4));
    let state = applied(&state, &[vec![Change::LogFloor { number: 6 }]]);
    assert_eq!(state.log_floor(), None);
}

#[test]
fn l4_an_end_removes_every_later_log_in_the_same_edit() {
    let add = |number, uid| Change::AddLog { number, uid };
    let end = |number, offset| Change::EndLog { number, offset, last_seq: 30 };
    let state = applied(&new_index(), &[vec![add(1, 10), add(2, 20), add(3, 30)]]);
    let state = applied(&state, &[vec![end(1, 500), add(2, 40)]]);
    assert_eq!(state.logs.len(), 2);
    assert_eq!(state.logs[1].uid, 40);
    let known = LogEnd { offset: 500, last_seq: 30 };
    assert_eq!(state.logs[0].end, Some(known));
    refused(&state, vec![end(1, 400)]);
    refused(&state, vec![end(3, 400)]);
    applied(&state, &[vec![end(1, 500)]]);
}

#[test]
fn l8_a_close_names_a_listed_log_and_its_end() {
    let state = applied(&new_index(), &[vec![Change::AddLog { number: 3, uid: 1 }]]);
    refused(&state, vec![close(2)]);
    refused(&state, vec![close(0)]);
    let closed = applied(&state, &[vec![close(3)]]);
    assert_eq!(closed.closed.unwrap().end_offset, 100);
    assert_eq!(closed.last_seq, 50);
    applied(&new_index(), &[vec![close(0)]]);
}

#[test]
fn d6_an_open_is_the_first_change_after_a_close() {
    let closed = applied(&new_index(), &[vec![Change::Open { epoch: 4 }], vec![close(0)]]);
    refused(&closed, vec![Change::LastSeq(60)]);
    refused(&closed, vec![Change::LastSeq(60), Change::Open { epoch: 5 }]);
    refused(&closed, vec![Change::Open { epoch: 4 }]);
    refused(&new_index(), vec![close(0), Change::LastSeq(60)]);
    let open = applied(&closed, &[vec![Change::Open { epoch: 5 }, Change::LastSeq(60)]]);
    assert_eq!((open.closed, open.epoch, open.last_seq), (None, 5, 60));
}

#[test]
fn marks_never_go_back() {
    let up = vec![Change::LastSeq(10), Change::ClockMark(20), Change::NextSegmentId(30)];
    let down = vec![Change::LastSeq(1), Change::ClockMark(2), Change::NextSegmentId(3)];
    let state = applied(&new_index(), &[up, down]);
    assert_eq!((state.last_seq, state.clock_mark_micros, state.next_segment_id), (10, 20, 30));
}

#[test]
fn identities_and_names_stay() {
    let keyspace = |id, name: &str| Change::Keyspace { id, name: name.into() };
    let state = applied(&new_index(), &[vec![keyspace(0, "default")]]);
    refused(&state, vec![keyspace(0, "other")]);
    refused(&state, vec![keyspace(1, "default")]);
    applied(&state, &[vec![keyspace(0, "default"), keyspace(1, "other")]]);
    let (uuid, lineage, hash_seed) = (1, 2, 3);
    refused(&state, vec![Change::Identity { uuid, lineage, hash_seed }]);
}

#[test]
fn d7_a_forged_deletion_does_not_lead_out_of_the_directory() {
    let long = "x".repeat(256);
    for name in ["", ".", "..", ".lock", "../other", "a/b", "a\\b", "a\0b", MANIFEST_NAME, &long] {
        refused(&new_index(), vec![Change::AddPendingDeletion { name: name.into() }]);
    }
}

#[test]
fn d7_a_shared_file_is_obsolete_only_without_any_reference() {
    let split = vec![
        put_segment(1, "", Some("m")),
        put_segment(2, "m", None),
        add_run(1, clipped(7, 0, "", Some("m"))),
        add_run(2, clipped(7, 0, "m", None)),
    ];
    let state = applied(&new_index(), &[split]);
    assert_eq!(state.references(7), 2);
    let first: Edit = vec![remove_run(1, 7, "")].into();
    assert!(state.obsolete_after(&first).unwrap().is_empty());
    let state = applied(&state, &[first.changes]);
    assert_eq!(state.references(7), 1);
    let drop = vec![Change::DropSegment { id: 2 }, put_segment(1, "", None)];
    assert!(state.obsolete_after(&drop.into()).unwrap().contains(&7));
}
