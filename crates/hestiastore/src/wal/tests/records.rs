//! Records: golden bytes, the builder, and what is refused.

use super::assert_damage;
use crate::Error;
use crate::wal::operations::BodyError;
use crate::wal::test_support::*;
use crate::wal::*;
use RecoveryPolicy::{CutAtDamage, Fail};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn golden_records() {
    let (uid, offset, delta) = (0x0123_4567_89ab_cdef, 64, 3);
    let mut builder = RecordBuilder::new();
    builder.push_put(b"key", b"value").unwrap();
    builder.push_delete(b"k").unwrap();
    assert_eq!(
        hex(builder.seal(uid, offset, delta)),
        "0000000fd8fb052100000003581b0100020003056b657976616c756501016b00"
    );
    let mark = SyncMark { synced_seq: 1000, wall_micros: 0x0102_0304_0506_0708 };
    assert_eq!(
        hex(&mark.record(uid, offset, delta)),
        "000000108da4a98c00000003428d020000000000000003e80102030405060708"
    );
    let begin = Begin {
        index_uuid: INDEX_UUID,
        log_uid: uid,
        predecessor_uid: 0xfedc_ba98_7654_3210,
        predecessor_end: 4096,
        predecessor_last_seq: 999,
        lineage: 5,
        edit_number: 17,
    };
    assert_eq!(
        hex(&begin.record(uid, offset, 0)),
        concat!(
            "0000004051b6dfdc000000006d20030000112233445566778899aabbccddeeff",
            "0123456789abcdeffedcba9876543210000000000000100000000000000003e7",
            "00000000000000050000000000000011"
        )
    );
}

#[test]
fn f7_single_put_costs_sixteen_to_twenty_seven_bytes() {
    // 16 of header, count, kind and two lengths, and up to seven of padding.
    for (key, value, beside) in [(8, 100, 20), (8, 99, 21), (16, 8, 24), (10, 1, 21), (9, 1, 22)] {
        let mut builder = RecordBuilder::new();
        builder.push_put(&vec![1; key], &vec![2; value]).unwrap();
        assert_eq!(builder.record_bytes() as usize - key - value, beside);
    }
}

#[test]
fn builder_can_be_used_again_and_sealed_again() {
    let mut used = RecordBuilder::new();
    for _ in 0..200 {
        used.push_put(&[7; 100], &[8; 20_000]).unwrap();
    }
    used.seal(1, 2, 3);
    used.clear();
    assert_eq!(used.operation_count(), 0);
    let mut fresh = RecordBuilder::new();
    for builder in [&mut used, &mut fresh] {
        builder.push_put(b"a", b"b").unwrap();
        builder.finish_body();
        builder.push_delete(b"c").unwrap();
        builder.seal(1, 8, 9);
    }
    assert_eq!(used.seal(5, 64, 7), fresh.seal(5, 64, 7));
    assert_eq!(used.record_bytes(), used.seal(5, 64, 7).len() as u64);
}

#[test]
fn f7_batch_of_2_gib_is_refused_and_leaves_the_builder_whole() {
    let mut builder = RecordBuilder::new();
    builder.push_put(b"a", b"b").unwrap();
    let before = builder.seal(1, 64, 0).to_vec();
    // Never written to, so the system never gives it any memory.
    let value = vec![0u8; 1 << 31];
    let result = builder.push_put(b"key", &value);
    assert!(matches!(result, Err(Error::BatchTooLarge { .. })), "{result:?}");
    assert_eq!(builder.seal(1, 64, 0), before);
}

#[test]
fn f1_valid_record_with_an_unknown_part_is_refused_and_never_a_tail() {
    let cases: [(u8, u8, &[u8]); 4] =
        [(1, 0, &[1, 2, 1, b'k']), (1, 7, &[1, 1, 1, b'k']), (9, 0, b"later"), (2, 0, &[0; 24])];
    for (kind, keyspace, body) in cases {
        let dir = Memory::default();
        let mut log = TestLog::first(1);
        let hole = log.offset();
        log.puts(1).raw(kind, keyspace, body);
        for policy in [Fail, CutAtDamage] {
            let result = run(&dir, &[log.store(&dir)], 0, policy);
            assert!(matches!(result, Err(Error::Unsupported { .. })), "{kind} {result:?}");
        }
        log.flip(hole + 20);
        let result = run(&dir, &[log.store(&dir)], 0, Fail);
        // Behind the end of replay operations are given up without being looked into.
        let refused = matches!(result, Err(Error::Unsupported { .. }));
        assert_eq!(refused, (kind, keyspace) != (1, 0), "{kind} {result:?}");
    }
    let dir = Memory::default();
    let listed = TestLog::prepared(1, 1).raw(3, 0, &[0; 72]).store(&dir);
    let result = run(&dir, &[listed], 0, CutAtDamage);
    assert!(matches!(result, Err(Error::Unsupported { .. })), "{result:?}");
}

#[test]
fn a_valid_record_that_contradicts_itself_is_damage_and_visits_nothing() {
    let bodies: [&[u8]; 6] = [
        &[],
        &[2, 1, 1, b'k', 1, 9, b'k'],
        &[1, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, b'k'],
        &[1, 1, 1, b'k', 0],
        &[0xff, 0xff, 0xff, 0xff, 0x0f, 1, 0],
        &[2, 1, 1, b'k', 1],
    ];
    for body in bodies {
        let dir = Memory::default();
        let mut log = TestLog::first(1);
        let at = log.puts(5).offset();
        let listed = log.raw(1, 0, body).store(&dir);
        assert_damage(run(&dir, &[listed], 0, Fail), &log_file_name(1), at, "");
        let cut = run(&dir, &[listed], 0, CutAtDamage).unwrap();
        assert_eq!(cut.seqs, [1, 2, 3, 4, 5]);
        assert_eq!((cut.end.offset, cut.end.next_seq), (at, 6));
        assert!(cut.end.cut.is_some());
    }
}

#[test]
fn operations_end_after_the_first_error() {
    let mut operations = Operations::new(&[2, 9, 0, 1, 0]).unwrap();
    assert!(matches!(operations.next(), Some(Err(BodyError::Unknown(_)))));
    assert_eq!(operations.next(), None);
    let mut operations = Operations::new(&[1, 1, 0, 0]).unwrap();
    assert_eq!(operations.next(), Some(Ok(OperationRef::Delete { key: b"" })));
    assert!(matches!(operations.next(), Some(Err(BodyError::Malformed(_)))));
    assert_eq!(operations.next(), None);
}
