//! L3: the tail, and what makes it damage.

use super::{assert_damage, three_records, two_logs};
use crate::Error;
use crate::wal::test_support::*;
use crate::wal::*;
use RecoveryPolicy::{CutAtDamage, Fail};

#[test]
fn l3_torn_record_without_a_witness_is_the_tail() {
    let (log, [second, third, end]) = three_records();
    for (from, to, seqs, at) in [(third, end, 20, third), (second, third, 10, second)] {
        for zeroed in from..to {
            let mut torn = log.clone();
            torn.bytes[zeroed as usize..to as usize].fill(0);
            if torn.bytes == log.bytes {
                continue;
            }
            let dir = Memory::default();
            let replayed = run(&dir, &[torn.store(&dir)], 0, Fail).unwrap();
            assert_eq!(replayed.seqs, (1..=seqs).collect::<Vec<_>>());
            assert_eq!((replayed.end.offset, replayed.end.next_seq), (at, seqs + 1));
            assert_eq!(replayed.end.cut, None);
        }
    }
}

#[test]
fn l3_valid_operations_behind_the_place_prove_nothing() {
    let (mut log, [second, ..]) = three_records();
    let dir = Memory::default();
    let replayed = run(&dir, &[log.flip(second + 30).store(&dir)], 0, Fail).unwrap();
    assert_eq!(replayed.end.next_seq, 11);
}

#[test]
fn l3_sync_mark_behind_the_place_makes_it_damage() {
    for (synced, damage) in [(10, false), (11, true), (30, true)] {
        let (mut log, [second, ..]) = three_records();
        let listed = log.sync_mark(synced).flip(second + 30);
        let dir = Memory::default();
        let listed = listed.store(&dir);
        let result = run(&dir, &[listed], 0, Fail);
        if damage {
            assert_damage(result, &log_file_name(1), second, "SYNC mark");
            let cut = run(&dir, &[listed], 0, CutAtDamage).unwrap();
            assert_eq!(cut.seqs, (1..=10).collect::<Vec<_>>());
            let report = cut.end.cut.unwrap();
            assert_eq!((report.offset, report.lost_seq), (second, 11));
            assert_eq!((report.proven_synced_seq, report.later_records), (synced, 2));
            assert_eq!(cut.end.synced_seq, 10);
        } else {
            let end = result.unwrap().end;
            assert_eq!((end.next_seq, end.synced_seq), (11, 10));
        }
    }
}

#[test]
fn l3_sync_mark_in_a_later_log_makes_it_damage() {
    for (synced, damage) in [(10, false), (11, true), (25, true)] {
        let (mut one, mut two) = two_logs();
        let place = one.offset() - 1 - 200;
        one.flip(place);
        two.sync_mark(synced);
        let dir = Memory::default();
        let result = run(&dir, &[one.store(&dir), two.store(&dir)], 0, Fail);
        assert_eq!(matches!(result, Err(Error::Corruption { .. })), damage, "{result:?}");
    }
}

#[test]
fn l3_d1_manifest_proves_what_must_be_reached() {
    let (log, [_, third, end]) = three_records();
    let dir = Memory::default();
    let listed = log.store(&dir);
    assert_eq!(run(&dir, &[listed], 30, Fail).unwrap().end.synced_seq, 30);
    assert_damage(run(&dir, &[listed], 31, Fail), &log_file_name(1), end, "the manifest");
    let mut torn = log.clone();
    torn.flip(third);
    let listed = torn.store(&dir);
    assert_eq!(run(&dir, &[listed], 20, Fail).unwrap().end.next_seq, 21);
    assert_damage(run(&dir, &[listed], 21, Fail), &log_file_name(1), third, "the manifest");
}

#[test]
fn l3_sync_marks_passed_say_what_is_proven() {
    let mut log = TestLog::first(1);
    log.puts(10).sync_mark(8).puts(5).sync_mark(12).puts(1);
    let dir = Memory::default();
    let end = run(&dir, &[log.store(&dir)], 3, Fail).unwrap().end;
    assert_eq!((end.next_seq, end.synced_seq), (17, 12));
    assert_eq!((end.records, end.operations), (6, 16));
}

#[test]
fn l3_recycled_file_with_old_records_of_another_uid() {
    let mut old = TestLog::first(1);
    old.puts(10).sync_mark(10).puts(10).sync_mark(20).puts(10);
    let mut new = TestLog::first(2);
    new.puts(10);
    // The old records go on at the very offset where the new ones end, with the next seq.
    let mut bytes = new.bytes.clone();
    bytes.extend_from_slice(&old.bytes[new.bytes.len()..]);
    let dir = Memory::default();
    dir.put(&log_file_name(2), bytes);
    let replayed = run(&dir, &[new.listed()], 0, Fail).unwrap();
    assert_eq!(replayed.seqs, (1..=10).collect::<Vec<_>>());
    assert_eq!((replayed.end.offset, replayed.end.synced_seq), (new.offset(), 0));
}

#[test]
fn l3_a_record_at_another_offset_is_none() {
    let (log, [second, third, end]) = three_records();
    let mut moved = log.clone();
    let tail = log.bytes[third as usize..end as usize].to_vec();
    moved.bytes.truncate(second as usize);
    moved.bytes.extend_from_slice(&tail);
    let dir = Memory::default();
    assert_eq!(run(&dir, &[moved.store(&dir)], 0, Fail).unwrap().end.next_seq, 11);
}
