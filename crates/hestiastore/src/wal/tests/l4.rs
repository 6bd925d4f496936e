//! L4: from log to log.

use super::{assert_damage, two_logs};
use crate::Error;
use crate::wal::test_support::*;
use crate::wal::*;
use RecoveryPolicy::Fail;

#[test]
fn l4_logs_follow_their_predecessor_and_not_their_number() {
    let mut one = TestLog::first(5);
    one.puts(3);
    let mut two = TestLog::prepared(9, one.next_seq);
    two.begin(one.uid, one.offset(), 3).puts(3);
    let mut three = TestLog::prepared(7, two.next_seq);
    three.begin(two.uid, two.offset(), 6).puts(3);
    let dir = Memory::default();
    let logs = [one.store(&dir), three.store(&dir), two.store(&dir)];
    let replayed = run(&dir, &logs, 9, Fail).unwrap();
    assert_eq!(replayed.seqs, (1..=9).collect::<Vec<_>>());
    assert_eq!((replayed.end.log_number, replayed.end.offset), (7, three.offset()));
}

#[test]
fn l4_second_log_is_not_entered_behind_a_torn_first() {
    let (mut one, two) = two_logs();
    let at = one.offset() - 8;
    one.flip(at);
    let dir = Memory::default();
    let replayed = run(&dir, &[one.store(&dir), two.store(&dir)], 0, Fail).unwrap();
    assert_eq!(replayed.seqs, (1..=10).collect::<Vec<_>>());
    assert_eq!(replayed.end.log_number, 1);
    // All of the last record gone, and a valid end where the predecessor's end is not.
    one.flip(at);
    one.bytes.truncate(replayed.end.offset as usize);
    let replayed = run(&dir, &[one.store(&dir), two.store(&dir)], 0, Fail).unwrap();
    assert_eq!((replayed.end.log_number, replayed.end.next_seq), (1, 11));
}

#[test]
fn l4_end_named_by_an_edit_hides_what_stands_behind_it() {
    let mut one = TestLog::first(1);
    one.puts(10).end_here();
    let end = one.end;
    let mut two = TestLog::after(&one);
    two.puts(5);
    // What the first crash left behind the end, valid and with a witness.
    one.puts(10).sync_mark(20);
    one.end = end;
    let dir = Memory::default();
    let replayed = run(&dir, &[one.store(&dir), two.store(&dir)], 12, Fail).unwrap();
    assert_eq!(replayed.seqs, (1..=15).collect::<Vec<_>>());
    // Alone, too: the edit gave the rest up.
    let replayed = run(&dir, &[one.store(&dir)], 10, Fail).unwrap();
    assert_eq!((replayed.end.next_seq, Some((replayed.end.offset, 10))), (11, end));
    // Without the edit the two logs contradict each other.
    one.end = None;
    let result = run(&dir, &[one.store(&dir), two.store(&dir)], 0, Fail);
    assert_damage(result, &log_file_name(1), end.unwrap().0, "goes on behind");
}

#[test]
fn l4_end_named_by_an_edit_that_is_not_reached_is_a_tail_without_a_witness() {
    let (mut one, two) = two_logs();
    one.end_here();
    let at = one.offset() - 8;
    one.flip(at);
    let dir = Memory::default();
    let logs = [one.store(&dir), two.store(&dir)];
    assert_eq!(run(&dir, &logs, 0, Fail).unwrap().end.next_seq, 11);
    assert!(run(&dir, &logs, 20, Fail).is_err());
    assert!(run(&dir, &logs, 35, Fail).is_err());
}

#[test]
fn l4_contradicting_ends_are_damage() {
    let (mut one, two) = two_logs();
    let end = one.offset();
    let dir = Memory::default();
    for named in [(end, 19), (end - 8, 20), (end - 8, 19), (64, 0)] {
        one.end = Some(named);
        let result = run(&dir, &[one.store(&dir), two.store(&dir)], 0, Fail);
        assert!(matches!(result, Err(Error::Corruption { .. })), "{named:?} {result:?}");
    }
    one.end = None;
    for (offset, last_seq) in [(end, 19), (end - 8, 20), (end - 8, 19)] {
        let mut two = TestLog::prepared(2, 21);
        two.begin(one.uid, offset, last_seq).puts(1);
        let result = run(&dir, &[one.store(&dir), two.store(&dir)], 0, Fail);
        assert!(matches!(result, Err(Error::Corruption { .. })), "{offset} {result:?}");
    }
    let mut rival = TestLog::prepared(3, 21);
    rival.begin(one.uid, end, 20).puts(1);
    let logs = [one.store(&dir), two.store(&dir), rival.store(&dir)];
    assert_damage(run(&dir, &logs, 0, Fail), &log_file_name(1), 64, "both");
}

#[test]
fn l4_a_seq_gap_is_allowed_between_logs_and_only_forward() {
    let dir = Memory::default();
    let mut one = TestLog::first(1);
    one.puts(5);
    let mut two = TestLog::prepared(2, 100);
    two.begin(one.uid, one.offset(), 5).puts(2);
    let replayed = run(&dir, &[one.store(&dir), two.store(&dir)], 101, Fail).unwrap();
    assert_eq!(replayed.seqs, [1, 2, 3, 4, 5, 100, 101]);
    let mut two = TestLog::prepared(2, 4);
    two.begin(one.uid, one.offset(), 5).puts(2);
    let result = run(&dir, &[one.store(&dir), two.store(&dir)], 0, Fail);
    assert!(matches!(result, Err(Error::Corruption { .. })), "{result:?}");
}

#[test]
fn l4_chain_with_a_circle_or_a_log_that_follows_itself_ends() {
    let dir = Memory::default();
    let mut one = TestLog::prepared(1, 1);
    one.begin(0xabcd_0000_0000_0002, 144, 0).puts(1);
    let mut two = TestLog::prepared(2, 2);
    two.begin(one.uid, one.offset(), 1);
    let end = run(&dir, &[one.store(&dir), two.store(&dir)], 0, Fail).unwrap().end;
    assert_eq!((end.log_number, end.next_seq), (2, 2));
    let mut own = TestLog::prepared(1, 1);
    own.begin(own.uid, 144, 0).puts(1);
    assert_eq!(run(&dir, &[own.store(&dir)], 0, Fail).unwrap().seqs, [1]);
}

#[test]
fn l4_begin_of_another_log_or_a_second_begin_is_damage() {
    let dir = Memory::default();
    let mut log = TestLog::prepared(1, 1);
    let uid = log.uid;
    log.uid = 77;
    let begin = log.clone().begin(0, 0, 0).bytes[80..].to_vec();
    log.uid = uid;
    let listed = log.raw(3, 0, &begin).store(&dir);
    assert_damage(run(&dir, &[listed], 0, Fail), &log_file_name(1), 64, "BEGIN of log");
    let mut log = TestLog::first(1);
    let at = log.puts(1).offset();
    let listed = log.begin(0, 0, 0).store(&dir);
    assert_damage(run(&dir, &[listed], 0, Fail), &log_file_name(1), at, "second BEGIN");
    let mut log = TestLog::prepared(1, 1);
    let listed = log.puts(1).store(&dir);
    assert_damage(run(&dir, &[listed], 0, Fail), &log_file_name(1), 64, "expected BEGIN");
}
