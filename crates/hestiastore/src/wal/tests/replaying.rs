//! Errors of others, no logs, and the dump.

use super::{assert_damage, three_records};
use crate::Error;
use crate::wal::test_support::*;
use crate::wal::*;
use RecoveryPolicy::{CutAtDamage, Fail};

#[test]
fn no_logs_is_an_empty_history() {
    let end = run(&Memory::default(), &[], 5, Fail).unwrap().end;
    assert_eq!((end.log_number, end.next_seq, end.synced_seq), (0, 1, 0));
}

#[test]
fn errors_of_the_visitor_pass_through_whatever_the_policy() {
    let (log, _) = three_records();
    let dir = Memory::default();
    let listed = log.store(&dir);
    for policy in [Fail, CutAtDamage] {
        let expectations = Expectations { proven_synced_seq: 0, policy };
        let mut visited = 0;
        let result = replay(&dir, &[listed], expectations, &mut |_, _| {
            visited += 1;
            if visited == 5 { Err(Error::corruption("a run", 1, "of the visitor")) } else { Ok(()) }
        });
        assert_damage(result, "a run", 1, "of the visitor");
    }
}

#[test]
fn read_begin_tells_the_edit() {
    let dir = Memory::default();
    let mut log = TestLog::first(1);
    log.puts(1).store(&dir);
    assert_eq!(read_begin(&dir, 1).unwrap().unwrap().edit_number, 9);
    TestLog::prepared(2, 1).store(&dir);
    assert_eq!(read_begin(&dir, 2).unwrap(), None);
    assert!(read_begin(&dir, 3).is_err());
}

#[test]
fn dump_shows_records_and_where_it_stops() {
    let dir = Memory::default();
    let mut log = TestLog::first(1);
    let mut builder = RecordBuilder::new();
    builder.push_put(b"a\0", &[b'x'; 100]).unwrap();
    builder.push_delete(b"\xff").unwrap();
    let hole = log.append(&mut builder).sync_mark(2).offset();
    log.puts(1).sync_mark(3).flip(hole).store(&dir);
    let mut out = Vec::new();
    let damage = dump_log(&dir, &log_file_name(1), &mut out);
    assert_damage(damage, &log_file_name(1), hole, "valid ones behind it");
    let text = String::from_utf8(out).unwrap();
    for expected in [
        "BEGIN log abcd000000000001",
        "1  put \"a\\x00\" = \"xxxx",
        "x\"... (100 bytes)",
        "2  delete \"\\xff\"",
        "SYNC through 2 at 77 us",
        &format!("{hole}  stops here: no record header"),
        "behind: seq 4  Sync through 3",
    ] {
        assert!(text.contains(expected), "{expected} in:\n{text}");
    }
}
