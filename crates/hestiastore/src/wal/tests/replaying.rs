//! Errors of others, no logs, and the dump.

use std::ops::ControlFlow;

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
fn reading_shows_records_and_where_it_stops() {
    let dir = Memory::default();
    let mut log = TestLog::first(1);
    let mut builder = RecordBuilder::new();
    builder.push_put(b"a\0", b"x").unwrap();
    builder.push_delete(b"\xff").unwrap();
    let hole = log.append(&mut builder).sync_mark(2).offset();
    log.puts(1).sync_mark(3).flip(hole).store(&dir);
    let mut shown = Vec::new();
    let mut visit = |item: LogItem<'_>| {
        shown.push(match item {
            LogItem::Header(header) => format!("header {}", header.first_seq),
            LogItem::Record(LogRecord { content: LogContent::Operations(operations), .. }) => {
                format!("{:?}", operations.collect::<Vec<_>>())
            }
            LogItem::Record(record) => format!("{:?} before seq {}", record.content, record.first_seq),
            LogItem::Later(later) => format!("later {:?}", later.synced_seq),
        });
        Ok(ControlFlow::Continue(()))
    };
    let damage = read_log(&dir, &log_file_name(1), None, &mut visit);
    assert_damage(damage, &log_file_name(1), hole, "no record header");
    assert_eq!(shown[0], "header 1");
    assert!(shown[1].starts_with("Begin { predecessor_uid: 0,"), "{shown:?}");
    assert_eq!(shown[2], "[(1, Put { key: [97, 0], value: [120] }), (2, Delete { key: [255] })]");
    assert_eq!(shown[3], "Sync { synced_seq: 2, wall_micros: 77 } before seq 3");
    assert_eq!(shown[4..], ["later Some(3)"]);

    let end = read_log(&dir, &log_file_name(1), Some(hole), &mut |_| Ok(ControlFlow::Continue(()))).unwrap();
    assert_eq!((end.as_ref().unwrap().offset, end.unwrap().next_seq), (hole, Some(3)));
    let broken_off = read_log(&dir, &log_file_name(1), None, &mut |_| Ok(ControlFlow::Break(()))).unwrap();
    assert_eq!(broken_off, None);
}

#[test]
fn l3_a_later_record_without_a_witness_is_no_damage_to_a_reader() {
    let dir = Memory::default();
    let mut log = TestLog::first(1);
    let hole = log.puts(1).offset();
    log.puts(1).puts(1).flip(hole).store(&dir);
    let mut later = 0;
    let mut visit = |item: LogItem<'_>| {
        later += u64::from(matches!(item, LogItem::Later(_)));
        Ok(ControlFlow::Continue(()))
    };
    let end = read_log(&dir, &log_file_name(1), None, &mut visit).unwrap().unwrap();
    assert_eq!((end.offset, later), (hole, 1));
}
