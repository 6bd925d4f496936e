//! Round trips and forged bytes.

use proptest::prelude::*;

use crate::wal::test_support::*;
use crate::wal::*;
use RecoveryPolicy::{CutAtDamage, Fail};

#[derive(Debug, Clone)]
enum Op {
    Put(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
}

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..most)
}

fn batch() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        (bytes(40), bytes(200)).prop_map(|(key, value)| Op::Put(key, value)),
        bytes(40).prop_map(Op::Delete),
    ];
    prop::collection::vec(op, 0..200)
}

fn log_of(batches: &[Vec<Op>]) -> TestLog {
    let mut log = TestLog::first(1);
    let mut builder = RecordBuilder::new();
    for batch in batches {
        builder.clear();
        for op in batch {
            match op {
                Op::Put(key, value) => builder.push_put(key, value).unwrap(),
                Op::Delete(key) => builder.push_delete(key).unwrap(),
            }
        }
        assert_eq!(builder.record_bytes() % RECORD_ALIGNMENT_BYTES, 0);
        log.append(&mut builder);
    }
    log
}

fn replay_ops(dir: &Memory, listed: ListedLog) -> (Vec<(u64, Op)>, ReplayEnd) {
    let mut seen = Vec::new();
    let expectations = Expectations { proven_synced_seq: 0, policy: Fail };
    let end = replay(dir, &[listed], expectations, &mut |seq, operation| {
        seen.push((
            seq,
            match operation {
                OperationRef::Put { key, value } => Op::Put(key.to_vec(), value.to_vec()),
                OperationRef::Delete { key } => Op::Delete(key.to_vec()),
            },
        ));
        Ok(())
    })
    .unwrap();
    (seen, end)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn batches_round_trip(batches in prop::collection::vec(batch(), 0..8)) {
        let dir = Memory::default();
        let log = log_of(&batches);
        let (seen, end) = replay_ops(&dir, log.store(&dir));
        let expected: Vec<_> = (1u64..).zip(batches.into_iter().flatten()).collect();
        prop_assert_eq!(format!("{seen:?}"), format!("{expected:?}"));
        prop_assert_eq!((end.offset, end.next_seq), (log.offset(), log.next_seq));
    }

    #[test]
    fn l3_any_damage_leaves_a_prefix_of_whole_batches(
        batches in prop::collection::vec(batch(), 1..8),
        at in any::<prop::sample::Index>(),
        garbage in prop::collection::vec(any::<u8>(), 1..50),
    ) {
        let dir = Memory::default();
        let mut log = log_of(&batches);
        let start = 64 + BEGIN_RECORD_BYTES as usize;
        let at = start + at.index(log.bytes.len() - start);
        for (byte, garbage) in log.bytes[at..].iter_mut().zip(garbage) {
            *byte = garbage;
        }
        let (seen, end) = replay_ops(&dir, log.store(&dir));
        let mut whole = 0;
        let ends: Vec<usize> = batches.iter().map(|batch| { whole += batch.len(); whole }).collect();
        prop_assert!(seen.is_empty() || ends.contains(&seen.len()));
        let expected: Vec<_> = (1u64..).zip(batches.into_iter().flatten()).take(seen.len()).collect();
        prop_assert_eq!(format!("{seen:?}"), format!("{expected:?}"));
        prop_assert_eq!(end.next_seq, 1 + seen.len() as u64);
    }

    #[test]
    fn arbitrary_bodies_never_panic(body in bytes(300)) {
        if let Ok(operations) = Operations::new(&body) {
            prop_assert!(operations.remaining() <= body.len() as u64);
            prop_assert!(operations.count() <= body.len());
        }
        let _ = (SyncMark::decode(&body), Begin::decode(&body));
    }

    #[test]
    fn arbitrary_files_never_panic(
        tail in bytes(3000),
        records in prop::collection::vec((0u8..12, 0u8..2, bytes(100), 0usize..40), 0..12),
        with_header in any::<bool>(),
        end in prop::option::of((0u64..2000, 0u64..20)),
    ) {
        let mut log = TestLog::prepared(1, 1);
        if with_header {
            log.begin(0, 0, 0);
        } else {
            log.bytes.clear();
        }
        for (kind, keyspace, body, garbage) in records {
            log.raw(kind, keyspace, &body);
            log.bytes.extend(std::iter::repeat_n(0x5a, garbage / 8 * 8));
        }
        log.bytes.extend_from_slice(&tail);
        log.end = end;
        let dir = Memory::default();
        dir.put(&log_file_name(1), log.bytes.clone());
        for policy in [Fail, CutAtDamage] {
            let expectations = Expectations { proven_synced_seq: 3, policy };
            let _ = replay(&dir, &[log.listed()], expectations, &mut |_, _| Ok(()));
        }
        let _ = read_log(&dir, &log_file_name(1), end.map(|(offset, _)| offset), &mut |_| {
            Ok(std::ops::ControlFlow::Continue(()))
        });
        let _ = read_begin(&dir, 1);
    }
}
