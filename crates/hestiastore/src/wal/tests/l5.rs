//! L5: listed logs.

use super::{assert_damage, two_logs};
use crate::Error;
use crate::wal::test_support::*;
use crate::wal::*;
use RecoveryPolicy::{CutAtDamage, Fail};

#[test]
fn l5_missing_listed_log_is_damage() {
    let (one, two) = two_logs();
    let dir = Memory::default();
    let logs = [one.store(&dir), two.listed()];
    assert_damage(run(&dir, &logs, 0, Fail), &log_file_name(2), 0, "missing");
    let cut = run(&dir, &logs, 0, CutAtDamage).unwrap();
    assert_eq!(cut.seqs, (1..=20).collect::<Vec<_>>());
    assert!(cut.end.cut.unwrap().detail.contains("missing"));
    let dir = Memory::default();
    let logs = [one.listed(), two.store(&dir)];
    assert_damage(run(&dir, &logs, 0, Fail), &log_file_name(1), 0, "missing");
    let cut = run(&dir, &logs, 0, CutAtDamage).unwrap();
    assert!(cut.seqs.is_empty() && cut.end.cut.is_some());
}

#[test]
fn l5_listed_log_that_was_never_used_is_fine() {
    let (one, two) = two_logs();
    let dir = Memory::default();
    let used = [one.store(&dir), two.store(&dir)];
    let mut old = TestLog::first(3);
    old.puts(50).sync_mark(50);
    let prepared = TestLog::prepared(3, 38);
    let mut recycled = prepared.clone();
    recycled.bytes.extend_from_slice(&TestLog::first(8).puts(50).sync_mark(50).bytes[64..]);
    for unused in [&prepared, &recycled] {
        dir.put(&log_file_name(3), unused.bytes.clone());
        let logs = [used[0], used[1], unused.listed()];
        let end = run(&dir, &logs, 40, Fail).unwrap().end;
        assert_eq!((end.log_number, end.next_seq), (2, 41));
        // Nothing was in it, so whatever was synced beyond was in the log before it, or in it.
        assert!(run(&dir, &logs, 41, Fail).is_err());
    }
}

#[test]
fn l5_log_whose_beginning_is_lost_is_no_unused_log_once_a_witness_stands_in_it() {
    for (synced, damage) in [(20, false), (21, true)] {
        let (one, mut two) = two_logs();
        two.sync_mark(synced).flip(70);
        let dir = Memory::default();
        let result = run(&dir, &[one.store(&dir), two.store(&dir)], 0, Fail);
        assert_eq!(matches!(result, Err(Error::Corruption { .. })), damage, "{result:?}");
    }
}

#[test]
fn l5_header_that_was_durable_before_the_listing_must_be_there() {
    let (one, two) = two_logs();
    let dir = Memory::default();
    let mut flipped = two.clone();
    flipped.flip(50);
    let logs = [one.store(&dir), flipped.store(&dir)];
    assert_damage(run(&dir, &logs, 0, Fail), &log_file_name(2), 60, "CRC");
    assert!(run(&dir, &logs, 0, CutAtDamage).unwrap().end.cut.is_some());
    let mut other = two.listed();
    other.uid += 1;
    let logs = [one.store(&dir), two.store(&dir)];
    assert_damage(run(&dir, &[logs[0], other], 0, Fail), &log_file_name(2), 0, "uid");
}

/// Whether the log was used or not: nothing else may tell of the writes in it.
#[test]
fn l5_log_without_a_header_is_damage_though_nothing_proves_that_it_was_used() {
    let (one, two) = two_logs();
    let prepared = TestLog::prepared(2, 21);
    for whole in [&two, &prepared] {
        let mut blank_header = whole.clone();
        blank_header.bytes[..64].fill(0);
        let mut blank = whole.clone();
        blank.bytes.fill(0);
        for log in [blank_header, blank] {
            let dir = Memory::default();
            let logs = [one.store(&dir), log.store(&dir)];
            assert_damage(run(&dir, &logs, 0, Fail), &log_file_name(2), 0, "header is gone");
            let cut = run(&dir, &logs, 0, CutAtDamage).unwrap();
            assert_eq!(cut.seqs, (1..=20).collect::<Vec<_>>());
            assert!(cut.end.cut.unwrap().detail.contains("header is gone"));
            // The floor is no other log.
            let floor = [log.store(&dir)];
            assert_damage(run(&dir, &floor, 0, Fail), &log_file_name(2), 0, "header is gone");
        }
    }
}

#[test]
fn l5_unused_floor_log() {
    let dir = Memory::default();
    let floor = TestLog::prepared(4, 501).store(&dir);
    let end = run(&dir, &[floor], 500, Fail).unwrap().end;
    assert_eq!((end.log_number, end.offset, end.next_seq, end.synced_seq), (4, 64, 501, 500));
    assert_damage(run(&dir, &[floor], 501, Fail), &log_file_name(4), 64, "no BEGIN");
    // An edit ended it before its first use, and the next log knows that.
    let ended = ListedLog { end: Some((64, 500)), ..floor };
    assert_eq!(run(&dir, &[ended], 500, Fail).unwrap().end.next_seq, 501);
    let mut next = TestLog::prepared(5, 501);
    next.begin(floor.uid, 64, 500).puts(2);
    let replayed = run(&dir, &[ended, next.store(&dir)], 502, Fail).unwrap();
    assert_eq!(replayed.seqs, [501, 502]);
}

#[test]
fn l5_after_an_accepted_cut_only_what_came_later_can_be_lost() {
    // The history was cut at 10, a run holds seqs up to 500, the next log was made for 501.
    let mut one = TestLog::first(1);
    one.puts(10).end_here();
    let dir = Memory::default();
    let logs = [one.store(&dir), TestLog::prepared(2, 501).store(&dir)];
    assert_eq!(run(&dir, &logs, 500, Fail).unwrap().end.next_seq, 11);
    // What the cut gave up proves nothing any more.
    let mut cut = one.clone();
    cut.puts(10).sync_mark(20);
    let other = Memory::default();
    let after = [cut.store(&other), TestLog::prepared(2, 11).store(&other)];
    let end = run(&other, &after, 10, Fail).unwrap().end;
    assert_eq!((end.next_seq, end.synced_seq), (11, 10));
    // A run with later seqs proves that the second log was used.
    assert!(run(&dir, &logs, 501, Fail).is_err());
}

#[test]
fn l4_begin_counts_from_the_base_of_a_log_made_ready_early() {
    let mut one = TestLog::first(1);
    one.puts(10);
    let mut two = TestLog::prepared(2, 3);
    two.next_seq = 11;
    two.begin(one.uid, one.offset(), 10).puts(2);
    let dir = Memory::default();
    let replayed = run(&dir, &[one.store(&dir), two.store(&dir)], 12, Fail).unwrap();
    assert_eq!(replayed.seqs, (1..=12).collect::<Vec<_>>());
}
